"""Reads one shard, page by page, from a position on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sandbox.databricks.kinesis.client import ExpiredIteratorError, KinesisClient, Page
from sandbox.databricks.kinesis.errors import KinesisUnavailableError, TrimmedDataError
from sandbox.databricks.kinesis.offsets import Position
from sandbox.databricks.kinesis.records import arrival_ms


def now_ms() -> int:
    """The time in milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Place:
    """Which shard is read, and what is known about its stream.

    :param origin: where it begins when nothing of it was read.
    :param created: the stream's incarnation, in milliseconds.
    :param retention: of the stream, in milliseconds.
    """

    stream: str
    shard: str
    origin: str
    created: int
    retention: int


class Cursor:
    """A shard and how far it has been read.

    :param position: where to go on.
    :param clock: milliseconds since 1970.
    """

    def __init__(self, client: KinesisClient, place: Place, position: Position,
                 clock: Callable[[], int] = now_ms) -> None:  # fmt: skip
        self._client, self._clock = client, clock
        self.place, self.position = place, position
        self._iterator: str | None = None

    def next(self, limit: int) -> list[dict[str, Any]]:
        """The next records, which may be none; the position moves behind them.

        :param limit: the most to take.
        :raises TrimmedDataError: retention has passed the position.
        :raises ThrottledError: not now.
        :raises NotThereError: Kinesis does not know the position.
        """
        asked = self._clock()
        aged = self.position.time <= asked - self.place.retention
        if aged:
            return self._next_checked(limit, asked)
        page = self._page(limit)
        self._move(page, page.records, asked)
        return page.records

    def _next_checked(self, limit: int, asked: int) -> list[dict[str, Any]]:
        """While the last record that was read is still there, none behind it has been removed."""
        sequence, place = self.position.sequence, self.place
        if sequence is not None:
            self._iterator = self._client.iterator(place.stream, place.shard, at=sequence)
            page = self._page(min(limit + 1, 10_000))
            if page.records and page.records[0]["SequenceNumber"] == sequence:
                self._move(page, page.records[1:], asked)
                return page.records[1:]
        raise TrimmedDataError(
            place.stream, place.shard, sequence,
            f"it was last looked at longer ago than the {place.retention // 3_600_000} h for which the stream keeps "
            f"records, and {'that record is gone.' if sequence else 'nothing had been read by then.'}",
        )  # fmt: skip

    def _page(self, limit: int) -> Page:
        for _ in range(2):
            if self._iterator is None:
                place = self.place
                self._iterator = self._client.iterator(
                    place.stream, place.shard, after=self.position.sequence, origin=place.origin
                )
            try:
                return self._client.records(self._iterator, limit)
            except ExpiredIteratorError:
                self._iterator = None
        raise KinesisUnavailableError(
            f"A new iterator of {self.place.shard} in {self.place.stream} had expired at once. The clock of Kinesis "
            "jumps. Set the clock, then start the query again."
        )

    def _move(self, page: Page, records: list[dict[str, Any]], asked: int) -> None:
        self._iterator = page.iterator
        reached = asked if page.behind == 0 else arrival_ms(records[-1]) if records else self.position.time
        self.position = replace(
            self.position,
            sequence=records[-1]["SequenceNumber"] if records else self.position.sequence,
            time=reached,
            behind=page.behind,
            finished=page.iterator is None,
        )
