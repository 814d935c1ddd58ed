"""The data source ``kinesis``: what Spark calls, in the order in which Spark 4.1 calls it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition

from sandbox.databricks.kinesis.batches import Batch, Batches
from sandbox.databricks.kinesis.client import KinesisClient
from sandbox.databricks.kinesis.cursor import Place, now_ms
from sandbox.databricks.kinesis.offsets import Offset, Position, read_offset
from sandbox.databricks.kinesis.options import Options, read_options
from sandbox.databricks.kinesis.ranges import Range, read_range
from sandbox.databricks.kinesis.records import COLUMNS


@dataclass
class Task(InputPartition):
    """What one Spark task reads.

    :param ranges: its shards and from where to where.
    :param spool: the file with the records that were fetched already; without it they are fetched.
    """

    ranges: tuple[Range, ...]
    spool: str | None = None


class KinesisDataSource(DataSource):
    """``format("kinesis")`` with Databricks' options and columns."""

    @classmethod
    def name(cls) -> str:
        """The name of the format."""
        return "kinesis"

    def schema(self) -> str:
        """The columns; called by ``load()``, so that wrong options are refused there."""
        read_options(self.options, now_ms())
        return COLUMNS

    def streamReader(self, schema: Any) -> KinesisStreamReader:  # noqa: N802
        """The reader of one query."""
        return KinesisStreamReader(self.options)


class KinesisStreamReader(DataSourceStreamReader):
    """Reads the streams of one query.

    :param options: as given to ``readStream``.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options: Options = read_options(options, now_ms())
        self._client = KinesisClient(self._options.connection, self._options.retries)
        self._initial = Offset(self._options.origin, initial=True)
        self._at: Offset | None = None
        self._batches = Batches(self._client, self._options)
        self._pending: Batch | None = None
        self._folder: str | None = None
        self._spooled: dict[str, list[str]] = {}

    def initialOffset(self) -> dict[str, Any]:  # noqa: N802
        """Before the first batch."""
        return self._initial.document()

    def latestOffset(self) -> dict[str, Any]:  # noqa: N802
        """Fetch the next batch; its end."""
        if self._pending is None:
            batch = self._batches.fetch(self._at or self._initial)
            if batch.end == batch.start:
                return batch.end.document()
            self._pending = batch
        return self._pending.end.document()

    def partitions(self, start: dict[str, Any], end: dict[str, Any]) -> list[Task]:
        """The tasks of a batch: of the one that was just fetched, or of one that is repeated after a restart."""
        first, last = read_offset(start), read_offset(end)
        if first == last:
            self._at = last
            return []
        self._at = self._at or last
        ranges = self._ranges(first, last)
        batch = self._pending
        if batch and batch.end == last:
            self._at, self._pending = last, None
            path = Path(self._spool_folder()) / f"{len(self._spooled)}.arrow"
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, _schema()) as writer:
                for found in batch.slices.values():
                    for piece in found:
                        writer.write_batch(piece)
            return [Task(tuple(ranges), str(path))]
        return [Task((one,)) for one in ranges]

    def _ranges(self, first: Offset, last: Offset) -> list[Range]:
        found = []
        for name, stream in last.streams.items():
            for shard, position in stream.shards.items():
                before = first.position(name, shard) or Position()
                if before.sequence != position.sequence:
                    place = Place(name, shard, last.origin if first.initial else first.origin, stream.created, 1 << 62)
                    found.append(Range(place, before, str(position.sequence)))
        return found

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The records of a task."""
        assert isinstance(partition, Task)
        if partition.spool is not None:
            with pa.memory_map(partition.spool) as source, pa.ipc.open_stream(source) as reader:
                yield from reader
            return
        for one in partition.ranges:
            yield from read_range(self._client, one, self._options.records_per_fetch)

    def commit(self, end: dict[str, Any]) -> None:
        """Nothing is kept for a batch that is done."""

    def stop(self) -> None:
        """Remove what was kept."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _spool_folder(self) -> str:
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="pinflow-kinesis-")
        return self._folder


def _schema() -> pa.Schema:
    from sandbox.databricks.kinesis.records import SCHEMA

    return SCHEMA
