"""Tests of the lake: gold."""

from __future__ import annotations
