"""Tests of the lake: cleaning."""

from __future__ import annotations
