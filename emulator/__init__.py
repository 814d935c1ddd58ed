"""The emulator: people who post, and the source database of their posts.

It is a client of the pipeline: it knows the gateway's address and nothing of what is behind it.
"""

from __future__ import annotations

from emulator.ledger import Ledger
from emulator.post import EmulatorOptions, EmulatorSummary, run
from emulator.source import engine

__all__ = ["EmulatorOptions", "EmulatorSummary", "Ledger", "engine", "run"]
