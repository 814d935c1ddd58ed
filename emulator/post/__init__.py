"""Posting: the rows of the source as records, paced, with the outcome of each."""

from __future__ import annotations

from emulator.post.options import Dialect, EmulatorOptions, EmulatorSummary, Target
from emulator.post.run import run

__all__ = ["Dialect", "EmulatorOptions", "EmulatorSummary", "Target", "run"]
