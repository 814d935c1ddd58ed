"""Tests of the stream on Spark."""

from __future__ import annotations
