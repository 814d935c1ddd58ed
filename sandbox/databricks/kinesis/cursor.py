"""Reads one shard, page by page, from a position on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sandbox.databricks.kinesis.client import ExpiredIterator, KinesisClient, Page
from sandbox.databricks.kinesis.errors import TrimmedDataError
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
        :raises Throttled: not now.
        """
        overlap = self._aged()
        page = self._page(limit + 1 if overlap else limit, overlap=overlap)
        records = page.records
        if overlap:
            self._check(records)
            records = records[1:]
        self._move(page, records)
        return records

    def _aged(self) -> bool:
        """Whether what follows the position may have been removed since it was read."""
        return 0 < self.position.time <= self._clock() - self.place.retention

    def _page(self, limit: int, *, overlap: bool) -> Page:
        for _ in range(2):
            if self._iterator is None or overlap:
                self._iterator = self._open(overlap=overlap)
            self._asked = self._clock()
            try:
                return self._client.records(self._iterator, limit)
            except ExpiredIterator:
                self._iterator = None
        raise ExpiredIterator(f"Two fresh iterators of {self.place.shard} had expired. Check the machine's clock.")

    def _open(self, *, overlap: bool) -> str:
        place, sequence = self.place, self.position.sequence
        if overlap:
            return self._client.iterator(place.stream, place.shard, at=sequence, origin=place.origin)
        return self._client.iterator(place.stream, place.shard, after=sequence, origin=place.origin)

    def _check(self, records: list[dict[str, Any]]) -> None:
        """While the last record read is still there, none behind it has been removed."""
        sequence = self.position.sequence
        if sequence is None or not records or records[0]["SequenceNumber"] != sequence:
            hours = self.place.retention // 3_600_000
            raise TrimmedDataError(
                self.place.stream,
                self.place.shard,
                f"sequence number {sequence}" if sequence else "its beginning",
                f"it was last read longer ago than the stream's retention of {hours} h, and that record is gone.",
            )

    def _move(self, page: Page, records: list[dict[str, Any]]) -> None:
        self._iterator = page.iterator
        seen = self._asked if page.behind == 0 else arrival_ms(records[-1]) if records else self.position.time
        self.position = replace(
            self.position,
            sequence=records[-1]["SequenceNumber"] if records else self.position.sequence,
            time=max(self.position.time, seen),
            behind=page.behind,
            finished=page.iterator is None,
        )
