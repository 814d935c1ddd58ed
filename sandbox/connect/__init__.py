"""Kafka Connect in one distributed worker, with the S3 sink built from ``s3sink/``."""

from __future__ import annotations
