"""Reads exactly what lies between two positions of a shard: a batch that is repeated, or one that drains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from sandbox.databricks.kinesis.client import KinesisClient, Throttled, backoff
from sandbox.databricks.kinesis.cursor import Cursor, Place
from sandbox.databricks.kinesis.errors import TrimmedDataError
from sandbox.databricks.kinesis.offsets import Position
from sandbox.databricks.kinesis.records import arrow


@dataclass(frozen=True)
class Range:
    """A piece of a shard.

    :param start: behind which it begins.
    :param end: the sequence number with which it ends.
    """

    place: Place
    start: Position
    end: str


def read_range(client: KinesisClient, wanted: Range, limit: int) -> Iterator[pa.RecordBatch]:
    """The records of a range, page by page.

    :param limit: of records in one request.
    :raises TrimmedDataError: they are not all there any more.
    """
    cursor, attempt, end = Cursor(client, wanted.place, wanted.start), 0, int(wanted.end)
    while cursor.position.number < end and not cursor.position.finished:
        try:
            records = cursor.next(limit)
        except Throttled:
            time.sleep(backoff(attempt))
            attempt += 1
            continue
        attempt = 0
        inside = [record for record in records if int(record["SequenceNumber"]) <= end]
        if inside:
            yield arrow(wanted.place.stream, wanted.place.shard, inside)
        if records and len(inside) < len(records):
            break
    if cursor.position.number < end:
        raise TrimmedDataError(
            wanted.place.stream, wanted.place.shard, f"sequence number {wanted.start.sequence}",
            f"the batch that is repeated ends with {wanted.end}, which is not there any more.",
        )  # fmt: skip
