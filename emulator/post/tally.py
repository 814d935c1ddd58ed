"""The counts of a run while it goes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from emulator.ledger import Earlier, Outcome, Result, State
from emulator.post.options import TABLES, EmulatorSummary
from emulator.post.requests import iso


class Tally:
    """What became of the posts so far."""

    def __init__(self, run_id: str, wanted: int) -> None:
        self.run_id = run_id
        self.wanted = wanted
        self.posts = 0
        self.retried = 0
        self.first_ms: int | None = None
        self.last_ms: int | None = None
        self.error: str | None = None
        self._started = time.monotonic()
        self._results: Counter[Result] = Counter()

    def take_over(self, earlier: Earlier) -> None:
        """Add what an earlier part of the run did."""
        self._results.update(earlier.results)
        if earlier.span:
            self.span(earlier.span)

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Add final outcomes of records."""
        self._results.update(outcome.result for outcome in outcomes)

    def span(self, timestamps: Sequence[int]) -> None:
        """Widen the span of record timestamps, in milliseconds."""
        least, greatest = min(timestamps), max(timestamps)
        self.first_ms = least if self.first_ms is None else min(self.first_ms, least)
        self.last_ms = greatest if self.last_ms is None else max(self.last_ms, greatest)

    def summary(self, state: State) -> EmulatorSummary:
        """The counts as they are now."""
        return EmulatorSummary(
            run_id=self.run_id,
            wanted=self.wanted,
            posts=self.posts,
            records=self.posts * len(TABLES),
            accepted=self._results[Result.ACCEPTED],
            rejected=self._results[Result.REJECTED],
            unknown=self._results[Result.UNKNOWN],
            retried=self.retried,
            seconds=round(time.monotonic() - self._started, 3),
            first_timestamp=None if self.first_ms is None else iso(self.first_ms),
            last_timestamp=None if self.last_ms is None else iso(self.last_ms),
            state=state.value,
            error=self.error,
        )
