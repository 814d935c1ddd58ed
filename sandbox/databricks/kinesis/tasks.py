"""What Spark's tasks read: pieces of shards, and the files in which fetched records wait for them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark.sql.datasource import InputPartition

from sandbox.databricks.kinesis.batches import Key
from sandbox.databricks.kinesis.client import KinesisClient
from sandbox.databricks.kinesis.ranges import Range, read_range
from sandbox.databricks.kinesis.records import SCHEMA

FEW_RECORDS = 5_000
PREFIX = "pinflow-kinesis-"


@dataclass
class Task(InputPartition):  # type: ignore[misc]
    """What one Spark task reads.

    :param ranges: pieces of shards.
    :param spool: the file with their records, which were fetched already; without it they are fetched.
    """

    ranges: tuple[Range, ...]
    spool: str | None = None

    def read(self, client: KinesisClient, limit: int) -> Iterator[pa.RecordBatch]:
        """The records.

        :param limit: of one request, if they must be fetched.
        """
        if self.spool is None:
            for wanted in self.ranges:
                yield from read_range(client, wanted, limit)
            return
        with pa.memory_map(self.spool) as source, pa.ipc.open_stream(source) as reader:
            yield from reader


class Spool:
    """The files of batches that are not done yet, in a folder named after the process.

    Spark 4.1 kills that process when a query stops, so the next one removes what is left.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._count = 0

    def write(self, pieces: Sequence[pa.RecordBatch]) -> str:
        """Write a file; its path."""
        if self._folder is None:
            _sweep(Path(tempfile.gettempdir()))
            self._folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._count += 1
        path = self._folder / f"{self._count}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
            for piece in pieces:
                writer.write_batch(piece)
        return str(path)

    def remove(self, tasks: Sequence[Task]) -> None:
        """Remove the files of tasks that are done."""
        for task in tasks:
            if task.spool is not None:
                Path(task.spool).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what processes have left that are no more."""
    for left in folder.glob(f"{PREFIX}*-*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if not (Path("/proc") / pid).exists():
            shutil.rmtree(left, ignore_errors=True)


def fetching(wanted: Sequence[Range], shards_per_task: int) -> list[Task]:
    """Tasks that fetch: one a processor, or more when there are more shards than tasks may have."""
    count = max(-(-len(wanted) // shards_per_task), min(len(wanted), os.cpu_count() or 1))
    return [Task(tuple(wanted[number::count])) for number in range(count)]


def fetched(wanted: Sequence[Range], slices: Mapping[Key, Sequence[pa.RecordBatch]], shards_per_task: int,
            spool: Spool) -> list[Task]:  # fmt: skip
    """Tasks whose records wait in files; few records are not worth many tasks."""
    sizes = {key: sum(piece.num_rows for piece in pieces) for key, pieces in slices.items()}
    count = -(-len(wanted) // shards_per_task)
    if sum(sizes.values()) > FEW_RECORDS:
        count = max(count, min(len(wanted), os.cpu_count() or 1))
    groups: list[list[Range]] = [[] for _ in range(count)]
    for one in sorted(wanted, key=lambda found: -sizes[_key(found)]):
        open_groups = [group for group in groups if len(group) < shards_per_task]
        min(open_groups, key=lambda group: sum(sizes[_key(found)] for found in group)).append(one)
    return [
        Task(tuple(group), spool.write([piece for one in group for piece in slices[_key(one)]]))
        for group in groups
        if group
    ]


def _key(wanted: Range) -> Key:
    return wanted.place.stream, wanted.place.shard
