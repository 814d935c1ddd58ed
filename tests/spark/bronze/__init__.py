"""Tests of the lake: bronze."""

from __future__ import annotations
