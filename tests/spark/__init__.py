"""Tests that run in the Spark environment."""

from __future__ import annotations
