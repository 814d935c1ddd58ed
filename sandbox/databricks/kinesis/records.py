"""The columns of the source, and pages of records as Arrow batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

COLUMNS = (
    "partitionKey string, data binary, stream string, shardId string, sequenceNumber string, "
    "approximateArrivalTimestamp timestamp"
)
SCHEMA = pa.schema([
    ("partitionKey", pa.string()),
    ("data", pa.binary()),
    ("stream", pa.string()),
    ("shardId", pa.string()),
    ("sequenceNumber", pa.string()),
    ("approximateArrivalTimestamp", pa.timestamp("us", tz="UTC")),
])  # fmt: skip


def arrow(stream: str, shard: str, records: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Records of one shard as a batch with the columns of the source."""
    count = len(records)
    columns = [
        pa.array([record["PartitionKey"] for record in records], pa.string()),
        pa.array([record["Data"] for record in records], pa.binary()),
        pa.repeat(stream, count),
        pa.repeat(shard, count),
        pa.array([record["SequenceNumber"] for record in records], pa.string()),
        pa.array([record["ApproximateArrivalTimestamp"] for record in records], SCHEMA.field(5).type),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def arrival_ms(record: dict[str, Any]) -> int:
    """When a record arrived, in milliseconds since 1970."""
    return int(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
