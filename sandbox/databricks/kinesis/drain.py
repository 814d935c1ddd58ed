"""The end of everything that is there now, for ``availableNow``.

Spark 4.1 asks a Python source for it once, before the source can know where the query is, and makes one batch of all
up to there. So the end is found without reading what lies before it, and the tasks fetch their pieces page by page.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sandbox.databricks.kinesis.catalog import Catalog, lost
from sandbox.databricks.kinesis.client import KinesisClient, NotThereError, Page, Shard, ThrottledError, backoff
from sandbox.databricks.kinesis.cursor import now_ms
from sandbox.databricks.kinesis.offsets import AT_TIMESTAMP, TRIM_HORIZON, Offset, Position, StreamPosition
from sandbox.databricks.kinesis.options import Options
from sandbox.databricks.kinesis.records import arrival_ms

FIRST_WINDOW, WIDER = 1_000, 8


class Tips:
    """Finds the last record of each shard.

    :param clock: milliseconds since 1970.
    """

    def __init__(self, client: KinesisClient, catalog: Catalog, options: Options, clock: Callable[[], int] = now_ms,
                 sleep: Callable[[float], None] = time.sleep) -> None:  # fmt: skip
        self._client, self._catalog, self._options = client, catalog, options
        self._clock, self._sleep = clock, sleep

    def offset(self) -> Offset:
        """An offset behind all that is there.

        :raises KinesisSourceError: a stream is missing, or Kinesis does not answer.
        """
        self._catalog.look(Offset(self._options.origin))
        streams = {
            stream: StreamPosition(
                self._catalog.created(stream),
                {name: self._position(stream, shard) for name, shard in shards.items()},
            )
            for stream, shards in self._catalog.shards.items()
        }
        return Offset(self._options.origin, streams)

    def _position(self, stream: str, shard: Shard) -> Position:
        asked = self._clock()
        if shard.ending is not None:
            return Position(shard.ending, asked, finished=True)
        try:
            return Position(self._tip(stream, shard.id, asked), asked)
        except NotThereError as error:
            place = self._catalog.place(stream, shard.id, self._options.origin)
            raise lost(self._client, place, None, f"Kinesis refuses to look for its end: {error}.") from error

    def _tip(self, stream: str, shard: str, now: int) -> str | None:
        """The last sequence number; none = the shard holds nothing."""
        found = self._window(stream, shard, now)
        if found is None:
            return None
        empty, filled = found
        while filled - empty > FIRST_WINDOW:
            middle = (empty + filled) // 2
            arrival = self._first(stream, shard, now - middle)
            empty, filled = (middle, filled) if arrival is None else (empty, min(middle, now - arrival))
        return self._walk(self._open(stream, shard, now - filled))

    def _window(self, stream: str, shard: str, now: int) -> tuple[int, int] | None:
        """Two ages in milliseconds: there is no record younger than the one, and some younger than the other."""
        empty, filled = 0, FIRST_WINDOW
        oldest = now - self._catalog.created(stream) + FIRST_WINDOW
        while True:
            arrival = self._first(stream, shard, now - filled)
            if arrival is not None:
                return empty, min(filled, now - arrival)
            if filled >= oldest:
                return None
            empty, filled = filled, min(filled * WIDER, oldest)

    def _first(self, stream: str, shard: str, since: int) -> int | None:
        """When the first record arrived of those that arrived at a time or later."""
        iterator: str | None = self._open(stream, shard, since)
        while iterator:
            page = self._records(iterator, 1)
            if page.records:
                return arrival_ms(page.records[0])
            iterator = page.iterator if page.behind else None
        return None

    def _walk(self, iterator: str | None) -> str | None:
        last: str | None = None
        while iterator:
            page = self._records(iterator, self._options.records_per_fetch)
            last = page.records[-1]["SequenceNumber"] if page.records else last
            iterator = page.iterator if page.behind else None
        return last

    def _open(self, stream: str, shard: str, since: int) -> str:
        origin = f"{AT_TIMESTAMP}{since}" if since > 0 else TRIM_HORIZON
        return self._client.iterator(stream, shard, origin=origin)

    def _records(self, iterator: str, limit: int) -> Page:
        attempt = 0
        while True:
            try:
                return self._client.records(iterator, limit)
            except ThrottledError:
                self._sleep(backoff(attempt))
                attempt += 1
