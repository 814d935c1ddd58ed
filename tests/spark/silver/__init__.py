"""Tests of the lake: silver."""

from __future__ import annotations
