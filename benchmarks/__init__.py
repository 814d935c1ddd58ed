"""Speeds as ratios against a baseline of the same run: ``./pinflow bench NAME``."""
