"""Plays Spark: calls a reader in the order that was traced in Spark 4.1.3, with an offset log and a commit log."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pyspark.cloudpickle import dumps
from pyspark.sql.types import BinaryType, StringType, StructType, TimestampType
from pyspark.sql.worker.plan_data_source_read import records_to_arrow_batches

from sandbox.databricks.kinesis.source import KinesisDataSource, KinesisStreamReader

Row = dict[str, Any]


INTERVAL = 0.21
SCHEMA = (
    StructType()
    .add("partitionKey", StringType())
    .add("data", BinaryType())
    .add("stream", StringType())
    .add("shardId", StringType())
    .add("sequenceNumber", StringType())
    .add("approximateArrivalTimestamp", TimestampType())
)


class Killed(Exception):
    """The query's process dies here."""


@dataclass
class Query:
    """A streaming query with its checkpoint.

    :param options: of the source.
    :param offsets: the offset log, as Spark writes it: JSON texts.
    :param commits: how many batches are committed.
    :param output: the sink: what each batch wrote last; a batch that is repeated replaces itself.
    """

    options: dict[str, str]
    offsets: list[str] = field(default_factory=list)
    commits: int = 0
    output: dict[int, list[Row]] = field(default_factory=dict)
    reader: KinesisStreamReader = field(init=False, repr=False)
    _due: float = 0.0

    def __post_init__(self) -> None:
        self.source = KinesisDataSource(dict(self.options))
        assert self.source.schema() == ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in SCHEMA)
        self.start()

    def start(self) -> None:
        """Start with what the checkpoint holds; a batch that was not committed is repeated."""
        self.reader = self.source.streamReader(SCHEMA)
        if self.offsets:
            self.reader.partitions(json.loads(self.offsets[-1]), json.loads(self.offsets[-1]))
            if self.commits < len(self.offsets):
                self._run(None)

    def kill(self) -> None:
        """The process is gone, and nothing of it was stopped; then the query starts again."""
        self.start()

    def stop(self) -> None:
        """Stop in good order."""
        self.reader.stop()

    def trigger(self, dies: str | None = None) -> list[Row] | None:
        """One trigger; the rows of its batch, or none when there was nothing to do.

        :param dies: where the process dies: ``before log``, ``after log``, ``after write`` (and before the commit).
        """
        time.sleep(max(0.0, self._due - time.monotonic()))  # the trigger's interval, a little above minFetchPeriod
        end = json.dumps(self.reader.latestOffset())
        self._due = time.monotonic() + INTERVAL
        if self.offsets and end == self.offsets[-1]:
            return None
        if dies == "before log":
            raise Killed
        if self.offsets:
            self.reader.commit(json.loads(self.offsets[-1]))
        self.offsets.append(end)
        return self._run(dies)

    def until_idle(self) -> list[list[Row]]:
        """Trigger until there is nothing to do; the batches."""
        found: list[list[Row]] = []
        while (batch := self.trigger()) is not None:
            found.append(batch)
        return found

    def available_now(self, dies: str | None = None) -> list[Row]:
        """A run with the trigger ``availableNow``, from its start to its end; the rows of its last batch.

        The options get what the registration adds; the order is that of Spark's wrapper.
        """
        source = KinesisDataSource({**self.options, "availableNow": "true"})
        self.reader = source.streamReader(SCHEMA)
        end = json.dumps(self.reader.latestOffset())
        if self.offsets:
            last = json.loads(self.offsets[-1])
            self.reader.partitions(last, last)
            if self.commits < len(self.offsets):
                self._run(None)
        else:
            self.reader.initialOffset()
        self.reader.latestOffset()
        rows: list[Row] = []
        if not self.offsets or end != self.offsets[-1]:
            if self.offsets:
                self.reader.commit(json.loads(self.offsets[-1]))
            self.offsets.append(end)
            rows = self._run(dies)
        self.reader.stop()
        return rows

    def _run(self, dies: str | None) -> list[Row]:
        """The last batch of the offset log."""
        number = len(self.offsets) - 1
        start = json.loads(self.offsets[-2]) if number else json.loads(json.dumps(self.reader.initialOffset()))
        tasks = self.reader.partitions(start, json.loads(self.offsets[-1]))
        if dies == "after log":
            raise Killed
        self.tasks = tasks
        rows = [row for task in tasks for row in self.execute(task)]
        self.output[number] = rows
        if dies == "after write":
            raise Killed
        self.commits = number + 1
        return rows

    def execute(self, task: Any) -> Iterator[Row]:
        """A task, in a copy of the reader that never saw this one's state."""
        copy: KinesisStreamReader = pickle.loads(dumps(self.source.streamReader(SCHEMA)))
        sent = pickle.loads(dumps(task))
        for batch in records_to_arrow_batches(copy.read(sent), 10_000, SCHEMA, self.source):
            yield from batch.to_pylist()

    @property
    def rows(self) -> list[Row]:
        """All that was written, batch after batch."""
        return [row for number in sorted(self.output) for row in self.output[number]]

    @property
    def last(self) -> dict[str, Any]:
        """The last offset."""
        found: dict[str, Any] = json.loads(self.offsets[-1])
        return found

    def age(self, hours: float) -> None:
        """Let the checkpoint be as old as this."""
        document = self.last
        for stream in document["streams"].values():
            for shard in stream["shards"].values():
                shard["readUpToMs"] -= int(hours * 3_600_000)
        self.offsets[-1] = json.dumps(document)


def data(rows: list[Row]) -> list[str]:
    """What the records hold."""
    return [row["data"].decode() for row in rows]
