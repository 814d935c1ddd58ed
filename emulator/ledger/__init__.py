"""What was posted, and what came of each record."""

from __future__ import annotations

from emulator.ledger.ledger import Ledger
from emulator.ledger.records import NOT_SENT, REFUSED_ALL, THROTTLED, Attempt, Earlier, Outcome, Path, Result, State

__all__ = [
    "NOT_SENT",
    "REFUSED_ALL",
    "THROTTLED",
    "Attempt",
    "Earlier",
    "Ledger",
    "Outcome",
    "Path",
    "Result",
    "State",
]
