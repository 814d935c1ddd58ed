"""Gathers the next batch: a bounded piece of all shards, each record fetched once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from sandbox.databricks.kinesis.client import KinesisClient, NotThere, Shard, Summary, Throttled, backoff
from sandbox.databricks.kinesis.cursor import Cursor, Place, now_ms
from sandbox.databricks.kinesis.offsets import Offset, Position, StreamPosition
from sandbox.databricks.kinesis.options import Options
from sandbox.databricks.kinesis.records import arrow

Key = tuple[str, str]
SMALLEST_PAGE = 250


@dataclass(frozen=True)
class Batch:
    """What was fetched between two offsets.

    :param slices: by stream and shard.
    """

    start: Offset
    end: Offset
    slices: Mapping[Key, list[pa.RecordBatch]] = field(default_factory=dict)


class Batches:
    """Fetches batch after batch.

    :param options: what to read, and how much at a time.
    """

    def __init__(self, client: KinesisClient, options: Options) -> None:
        self._client, self._options = client, options
        self._cursors: dict[Key, Cursor] = {}
        self._shards: dict[str, list[Shard]] = {}
        self._summaries: dict[str, Summary] = {}
        self._listed = 0.0

    def fetch(self, start: Offset) -> Batch:
        """The batch that follows an offset; its end equals the start when there is nothing new.

        :raises KinesisSourceError: see the errors of the source.
        """
        self._look(start)
        slices: dict[Key, list[pa.RecordBatch]] = {}
        waiting = [key for key, cursor in self._cursors.items() if not cursor.position.finished]
        left = self._options.buffer_bytes
        while waiting and left > 0:
            key = min(waiting, key=lambda one: self._cursors[one].position.time)
            cursor = self._cursors[key]
            records = cursor.next(self._options.records_per_fetch)
            if records:
                found = arrow(*key, records)
                slices.setdefault(key, []).append(found)
                left -= found.nbytes
            if cursor.position.finished or cursor.position.behind == 0:
                waiting.remove(key)
        end = self._end(start)
        changed = slices or set(self._keys(end)) != set(self._keys(start)) or start.initial
        return Batch(start, end if changed else start, slices)

    def _look(self, start: Offset) -> None:
        if self._listed and time.monotonic() - self._listed < self._options.shard_interval:
            return
        for stream in self._options.streams:
            self._summaries.setdefault(stream, self._client.summary(stream))
            self._shards[stream] = self._client.shards(stream, self._options.page)
            for shard in self._shards[stream]:
                self._cursors.setdefault((stream, shard.id), self._cursor(start, stream, shard.id))
        self._listed = time.monotonic()

    def _cursor(self, start: Offset, stream: str, shard: str) -> Cursor:
        summary = self._summaries[stream]
        place = Place(stream, shard, start.origin, summary.created, summary.retention)
        return Cursor(self._client, place, start.position(stream, shard) or Position())

    def _end(self, start: Offset) -> Offset:
        streams: dict[str, dict[str, Position]] = {stream: {} for stream in self._options.streams}
        for (stream, shard), cursor in self._cursors.items():
            streams[stream][shard] = cursor.position
        return Offset(
            start.origin,
            {stream: StreamPosition(self._summaries[stream].created, shards) for stream, shards in streams.items()},
        )

    def _keys(self, offset: Offset) -> list[Key]:
        return [(name, shard) for name, stream in offset.streams.items() for shard in stream.shards]
