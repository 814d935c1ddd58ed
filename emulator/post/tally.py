"""The counts of a run while it goes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from emulator.ledger import Earlier, Outcome, Path, Result, State
from emulator.post.options import TABLES, EmulatorSummary
from emulator.post.requests import iso


class Tally:
    """What became of the posts so far.

    :param paths: the paths that their records take; none when they are printed.
    """

    def __init__(self, run_id: str, wanted: int, paths: Sequence[Path] = (Path.BATCH,)) -> None:
        self.run_id = run_id
        self.wanted = wanted
        self.posts = 0
        self.first_ms: int | None = None
        self.last_ms: int | None = None
        self.error: str | None = None
        self._started = time.monotonic()
        self._results: dict[Path, Counter[Result]] = {path: Counter() for path in paths}
        self._retried: Counter[Path] = Counter()

    def take_over(self, earlier: Earlier) -> None:
        """Add what an earlier part of the run did."""
        for path, results in self._results.items():
            results.update(earlier.results[path])
        if earlier.span:
            self.span(earlier.span)

    def count(self, outcomes: Iterable[Outcome], path: Path = Path.BATCH) -> None:
        """Add final outcomes of records."""
        self._results[path].update(outcome.result for outcome in outcomes)

    def resend(self, records: int, path: Path) -> None:
        """Add records that are sent again."""
        self._retried[path] += records

    def span(self, timestamps: Sequence[int]) -> None:
        """Widen the span of record timestamps, in milliseconds."""
        least, greatest = min(timestamps), max(timestamps)
        self.first_ms = least if self.first_ms is None else min(self.first_ms, least)
        self.last_ms = greatest if self.last_ms is None else max(self.last_ms, greatest)

    def summary(self, state: State) -> EmulatorSummary:
        """The counts as they are now."""
        results = sum(self._results.values(), Counter[Result]())
        return EmulatorSummary(
            run_id=self.run_id,
            wanted=self.wanted,
            posts=self.posts,
            records=self.posts * len(TABLES) * max(1, len(self._results)),
            accepted=results[Result.ACCEPTED],
            rejected=results[Result.REJECTED],
            unknown=results[Result.UNKNOWN],
            retried=self._retried.total(),
            seconds=round(time.monotonic() - self._started, 3),
            first_timestamp=None if self.first_ms is None else iso(self.first_ms),
            last_timestamp=None if self.last_ms is None else iso(self.last_ms),
            state=state.value,
            error=self.error,
            paths={path.value: self._of(path) for path in self._results},
        )

    def _of(self, path: Path) -> dict[str, int]:
        counts = {result.value: self._results[path][result] for result in Result}
        return {"records": self.posts * len(TABLES), **counts, "retried": self._retried[path]}
