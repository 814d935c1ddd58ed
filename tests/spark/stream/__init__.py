"""Tests of the stream pipeline on Spark."""

from __future__ import annotations
