"""Operators, one file a service."""

from __future__ import annotations
