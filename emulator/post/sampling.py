"""Which rows are posted, in which order, and with which historic times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from emulator.source.streams import stream

DRAWN_UP_TO = 11_000
"""Classic clients draw a row offset from 0 to this, both included, whatever the table's size."""
STANDARD_SIZES = range(11_000, 11_201)


def offsets(rows: int, posts: int, seed: int) -> Iterator[int]:
    """Row offsets as the classic clients draw them, with repeats; seed 100 starts 7528, 2863, 5730, 8304.

    Before each offset those clients draw the seconds to sleep, 0 or 1, from the same generator; so do we, and throw it
    away. On a table of the standard size (11,000 to 11,200 rows) the offset is drawn from 0 to 11,000; the one that is
    just beyond a table of 11,000 rows is drawn again. On other tables it is drawn from all their rows.
    """
    random = Random(seed)
    last = DRAWN_UP_TO if rows in STANDARD_SIZES else rows - 1
    made = 0
    while made < posts:
        random.randint(0, 1)
        offset = random.randint(0, last)
        if offset < rows:
            made += 1
            yield offset


def timestamps(days: tuple[date, date], posts: int, seed: int, now: datetime | None = None) -> Iterator[int]:
    """Record timestamps for ``posts`` posts: in order, spread evenly with chance over the days, in milliseconds.

    Each has its own slice of the time, so that memory doesn't grow. Of today only the part that has passed is used.

    :param days: first and last day, both included, in UTC.
    :param now: the end of today's part; by default the present moment.
    """
    first = datetime.combine(days[0], time(), UTC)
    end = min(datetime.combine(days[1] + timedelta(days=1), time(), UTC), now or datetime.now(UTC))
    start_ms, span_ms = int(first.timestamp() * 1000), int((end - first).total_seconds() * 1000)
    random = stream(seed, "post/timestamps")
    for number in range(posts):
        yield start_ms + int((number + random.random()) * span_ms / posts)
