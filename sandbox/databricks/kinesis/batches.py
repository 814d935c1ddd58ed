"""Gathers the next batch: a bounded piece of all shards, each record fetched once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from sandbox.databricks.kinesis.catalog import Catalog, lost
from sandbox.databricks.kinesis.client import KinesisClient, NotThereError, ThrottledError, backoff
from sandbox.databricks.kinesis.cursor import Cursor, now_ms
from sandbox.databricks.kinesis.lineage import beginning, readable
from sandbox.databricks.kinesis.offsets import Offset, Position, StreamPosition
from sandbox.databricks.kinesis.options import Options
from sandbox.databricks.kinesis.records import arrow

Key = tuple[str, str]
SMALLEST_PAGE = 20
FIRST_SIZE = 1024
REFRESH_SHARE = 4


@dataclass(frozen=True)
class Batch:
    """What was fetched between two offsets.

    :param slices: by stream and shard, in the order of their sequence numbers.
    """

    start: Offset
    end: Offset
    slices: Mapping[Key, list[pa.RecordBatch]] = field(default_factory=dict)


@dataclass
class Reading:
    """A shard that is being read.

    :param due: when it may be asked again, in seconds of the monotonic clock.
    :param throttled: how often in a row it has given nothing.
    """

    cursor: Cursor
    due: float = 0.0
    throttled: int = 0

    @property
    def at_end(self) -> bool:
        """Whether there is nothing more to ask for now."""
        return not self.throttled and (self.cursor.position.finished or self.cursor.position.behind == 0)

    @property
    def turn(self) -> tuple[bool, float]:
        """For sorting: the one that is furthest behind first; throttled ones last, in the order in which they may."""
        return self.throttled > 0, self.due if self.throttled else -self.cursor.position.behind


class Batches:
    """Fetches batch after batch.

    :param options: what to read, and how much at a time.
    :param clock: seconds, monotonic.
    """

    def __init__(
        self,
        client: KinesisClient,
        catalog: Catalog,
        options: Options,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._catalog, self._options = client, catalog, options
        self._clock, self._sleep = clock, sleep
        self._readings: dict[Key, Reading] = {}
        self._size = float(FIRST_SIZE)

    def fetch(self, start: Offset) -> Batch:
        """The batch that follows an offset; its end is its start when there is nothing new.

        Shards that are not known to be behind are asked once. Then the one that is furthest behind is read on, until
        the batch is full, all are at their end, or the time is up; so shards that catch up stay about level.

        :raises KinesisSourceError: see the errors of the source.
        """
        self._catalog.look(start)
        positions = self._positions(start)
        slices: dict[Key, list[pa.RecordBatch]] = {}
        for key, records in self._pages(self._wanted(start, positions)):
            if records is not None:
                slices.setdefault(key, []).append(records)
            positions[key] = self._readings[key].cursor.position
        end = self._offset(start, positions)
        return Batch(start, end if slices or self._differs(start, end) else start, slices)

    def _pages(self, waiting: list[Key]) -> Iterator[tuple[Key, pa.RecordBatch | None]]:
        """Pages in the order in which shards take their turns; some hold nothing."""
        until, left, empty = self._clock() + self._options.fetch_seconds, self._options.buffer_bytes, True
        unasked = {key for key in waiting if not self._readings[key].cursor.position.behind}
        while waiting and (unasked or left > 0) and self._clock() < until:
            key = min(unasked or waiting, key=lambda one: self._readings[one].turn)
            unasked.discard(key)
            reading = self._readings[key]
            if reading.throttled and not self._may_wait(reading, until, empty=empty):
                return
            records = self._ask(key, self._limit(left, len(waiting)))
            if records is not None:
                left -= records.nbytes
                empty = False
            if reading.at_end:
                waiting.remove(key)
            yield key, records

    def _wanted(self, start: Offset, positions: Mapping[Key, Position]) -> list[Key]:
        """The shards that may be read now."""
        wanted, now = list[Key](), self._clock()
        for stream, shards in self._catalog.shards.items():
            before = start.streams[stream].shards if stream in start.streams else {}
            for shard in readable(shards.values(), before):
                key = (stream, shard)
                if key not in self._readings:
                    place = self._catalog.place(stream, shard, start.origin)
                    self._readings[key] = Reading(Cursor(self._client, place, positions[key]))
                if self._readings[key].due <= now or self._readings[key].throttled:
                    wanted.append(key)
        return wanted

    def _positions(self, start: Offset) -> dict[Key, Position]:
        """Where all listed shards are; a shard that was read to its end and has expired is forgotten."""
        found: dict[Key, Position] = {}
        for stream, shards in self._catalog.shards.items():
            before = start.streams[stream].shards if stream in start.streams else {}
            for shard in shards.values():
                key = (stream, shard.id)
                known = before.get(shard.id) or beginning(shard, before, now_ms())
                found[key] = self._readings[key].cursor.position if key in self._readings else known
        return found

    def _limit(self, left: int, shards: int) -> int:
        """A fair share of what is left, so that no shard runs ahead."""
        fair = int(left / self._size / shards)
        return min(self._options.records_per_fetch, max(SMALLEST_PAGE, fair))

    def _may_wait(self, reading: Reading, until: float, *, empty: bool) -> bool:
        """Wait for a throttled shard when there is nothing else to give; a batch with records is not kept waiting."""
        pause = reading.due - self._clock()
        if pause <= 0:
            return True
        if not empty or self._clock() + pause >= until:
            return False
        self._sleep(pause)
        return True

    def _ask(self, key: Key, limit: int) -> pa.RecordBatch | None:
        reading = self._readings[key]
        cursor = reading.cursor
        try:
            found = cursor.next(limit)
        except ThrottledError:
            reading.due = self._clock() + backoff(reading.throttled)
            reading.throttled += 1
            return None
        except NotThereError as error:
            raise lost(self._client, cursor.place, cursor.position.sequence, f"Kinesis refuses it: {error}.") from error
        reading.throttled = 0
        reading.due = self._clock() + (self._options.fetch_period if cursor.position.behind == 0 else 0.0)
        if not found:
            return None
        records = arrow(*key, found)
        self._size = (self._size + records.nbytes / records.num_rows) / 2
        return records

    def _offset(self, start: Offset, positions: Mapping[Key, Position]) -> Offset:
        streams: dict[str, dict[str, Position]] = {stream: {} for stream in self._catalog.shards}
        for (stream, shard), position in positions.items():
            streams[stream][shard] = position
        made = {stream: StreamPosition(self._catalog.created(stream), shards) for stream, shards in streams.items()}
        return Offset(start.origin, made)

    def _differs(self, start: Offset, end: Offset) -> bool:
        """Whether an end without records says more than its start: of shards, or that an old position still holds."""
        if start.initial or _shape(start) != _shape(end):
            return True
        return any(
            end.streams[name].shards[shard].time - position.time > self._catalog.retention(name) // REFRESH_SHARE
            for name, stream in start.streams.items()
            for shard, position in stream.shards.items()
            if not position.finished
        )


def _shape(offset: Offset) -> dict[Key, bool]:
    return {
        (name, shard): position.finished
        for name, stream in offset.streams.items()
        for shard, position in stream.shards.items()
    }
