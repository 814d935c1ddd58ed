"""The data source ``kinesis``: what Spark 4.1 calls, in the order in which it does.

- The trigger ``processingTime``: ``latestOffset``, ``initialOffset`` (first batch only), ``partitions``; then
  ``latestOffset`` of the next batch, ``commit`` of the one before, ``partitions``.
- After a restart ``partitions(last, last)`` comes first. A batch that was not committed is repeated by
  ``partitions(start, last)``: the same records, fetched again by their sequence numbers.
- The trigger ``availableNow`` (with ``spark.sql.streaming.triggerAvailableNowWrapper.enabled``): one ``latestOffset``
  before anything else, whose answer is the end; later ones are only for the progress.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition

from sandbox.databricks.kinesis.batches import Batch, Batches
from sandbox.databricks.kinesis.catalog import Catalog
from sandbox.databricks.kinesis.client import KinesisClient
from sandbox.databricks.kinesis.cursor import now_ms
from sandbox.databricks.kinesis.drain import Tips
from sandbox.databricks.kinesis.errors import TriggerError
from sandbox.databricks.kinesis.offsets import Offset, read_offset
from sandbox.databricks.kinesis.options import NAME, read_options
from sandbox.databricks.kinesis.ranges import ranges
from sandbox.databricks.kinesis.records import COLUMNS
from sandbox.databricks.kinesis.tasks import Spool, Task, fetched, fetching

Document = dict[str, Any]


class KinesisDataSource(DataSource):  # type: ignore[misc]
    """``format("kinesis")`` with Databricks' options and columns; :mod:`.options` says which mean something here."""

    @classmethod
    def name(cls) -> str:
        """The name of the format."""
        return NAME

    def schema(self) -> str:
        """The columns; ``load()`` asks for them, so wrong options are refused there.

        :raises OptionError: an option is unknown, missing or wrong.
        """
        read_options(self.options, now_ms())
        return COLUMNS

    def streamReader(self, schema: Any) -> KinesisStreamReader:  # noqa: N802
        """The reader of one query."""
        return KinesisStreamReader(self.options)


class KinesisStreamReader(DataSourceStreamReader):  # type: ignore[misc]
    """Reads the streams of one query. Spark keeps one in a process of its own for the offsets, and copies for tasks.

    :param options: as given to ``readStream``.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = read_options(options, now_ms())
        self._client = KinesisClient(self._options.connection, self._options.retries)
        self._catalog = Catalog(self._client, self._options)
        self._batches = Batches(self._client, self._catalog, self._options)
        self._initial = Offset(self._options.origin, initial=True)
        self._at: Offset | None = None
        self._pending: Batch | None = None
        self._tips: Offset | None = None
        self._spool = Spool()
        self._planned: dict[str, list[Task]] = {}

    def initialOffset(self) -> Document:  # noqa: N802
        """Before the first batch."""
        return self._initial.document()

    def latestOffset(self) -> Document:  # noqa: N802
        """The end of the next batch, which is fetched; or, for ``availableNow``, of all that is there.

        :raises KinesisSourceError: see the errors of the source.
        """
        if self._options.drain:
            self._tips = self._tips or Tips(self._client, self._catalog, self._options).offset()
            return self._tips.document()
        if self._pending is not None:
            raise TriggerError
        batch = self._batches.fetch(self._at or self._initial)
        if batch.end is not batch.start:
            self._pending = batch
        return batch.end.document()

    def partitions(self, start: Document, end: Document) -> list[Task]:
        """The tasks of a batch: of the one that was just fetched, or of one that must be fetched (again).

        :raises KinesisSourceError: see the errors of the source.
        """
        first, last = read_offset(start), read_offset(end)
        if first == last:
            self._resume(last)
            return []
        key = _key(end)
        if key not in self._planned:
            self._planned[key] = self._plan(first, last)
        return self._planned[key]

    def _resume(self, last: Offset) -> None:
        if self._pending is not None:
            raise TriggerError
        self._catalog.look(last)
        self._at = last

    def _plan(self, first: Offset, last: Offset) -> list[Task]:
        self._catalog.look(last)
        wanted = ranges(first, last, self._catalog.place)
        batch = self._pending
        if batch is not None and batch.end == last:
            self._at, self._pending = last, None
            return fetched(wanted, batch.slices, self._options.shards_per_task, self._spool)
        return fetching(wanted, self._options.shards_per_task)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The records of a task.

        :raises KinesisSourceError: see the errors of the source.
        """
        assert isinstance(partition, Task)  # noqa: S101
        yield from partition.read(self._client, self._options.records_per_fetch)

    def commit(self, end: Document) -> None:
        """The batch is done: what was kept for it, and for those before it, goes."""
        key = _key(end)
        if key in self._planned:
            for done in list(self._planned):
                self._spool.remove(self._planned.pop(done))
                if done == key:
                    break

    def stop(self) -> None:
        """The query has ended: nothing is kept."""
        self._spool.close()


def _key(offset: Document) -> str:
    return json.dumps(offset)
