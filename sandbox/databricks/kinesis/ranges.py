"""Reads exactly what lies between two positions of a shard: a batch that is repeated, or one that drains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from sandbox.databricks.kinesis.catalog import lost
from sandbox.databricks.kinesis.client import KinesisClient, NotThereError, ThrottledError, backoff
from sandbox.databricks.kinesis.cursor import Cursor, Place
from sandbox.databricks.kinesis.offsets import Offset, Position
from sandbox.databricks.kinesis.records import arrow


@dataclass(frozen=True)
class Range:
    """A piece of a shard.

    :param start: behind which it begins.
    :param end: with whose sequence number it ends.
    """

    place: Place
    start: Position
    end: Position


def ranges(first: Offset, last: Offset, place: Callable[[str, str, str], Place]) -> list[Range]:
    """What lies between two offsets.

    :param first: when it is the initial one, what counts is the origin that is written in ``last``.
    :param place: makes a place of stream, shard and origin.
    """
    origin = last.origin if first.initial else first.origin
    found: list[Range] = []
    for name, stream in last.streams.items():
        for shard, end in stream.shards.items():
            start = first.position(name, shard) or Position(time=end.time)
            if end.number > start.number and not start.finished:
                found.append(Range(place(name, shard, origin), start, end))
    return found


def read_range(client: KinesisClient, wanted: Range, limit: int,
               sleep: Callable[[float], None] = time.sleep) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """The records of a range, page by page.

    :param limit: of records in one request.
    :raises KinesisSourceError: they are not all there any more.
    """
    place, last, reached = wanted.place, wanted.end.number, wanted.start.number
    cursor, throttled = Cursor(client, place, wanted.start), 0
    while cursor.position.number < last and not cursor.position.finished:
        try:
            records = cursor.next(limit)
        except ThrottledError:
            sleep(backoff(throttled))
            throttled += 1
            continue
        except NotThereError as error:
            raise lost(client, place, cursor.position.sequence, f"Kinesis refuses it: {error}.") from error
        throttled = 0
        if inside := [record for record in records if int(record["SequenceNumber"]) <= last]:
            reached = int(inside[-1]["SequenceNumber"])
            yield arrow(place.stream, place.shard, inside)
        if not records and cursor.position.behind == 0:
            break
    if reached < last and not (wanted.end.finished and cursor.position.finished):
        why = f"the batch ends with sequence number {wanted.end.sequence}, which is not there."
        raise lost(client, place, wanted.start.sequence, why)
