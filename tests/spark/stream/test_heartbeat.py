"""What a progress event says, from each of the sources."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pyspark.sql.streaming.listener import StreamingQueryProgress

from include.spark.stream.heartbeat import Batch, read_progress

KINESIS_END = {"streams": {"streaming-pinflow-pin": {}}, "maxMsBehindLatest": 1500}


def event(rows: int = 300, **source: Any) -> Any:
    """A progress event as Spark Connect makes it from the server's JSON."""
    offsets = dict.fromkeys(("startOffset", "endOffset", "latestOffset"))
    rates = {"numInputRows": rows, "inputRowsPerSecond": 100.0, "processedRowsPerSecond": 200.0}
    sources = [{"description": "a source", **offsets, **rates, **source}]
    return StreamingQueryProgress.fromJson(
        {
            "id": "6f0b2fb2-2bfa-4ad9-9c27-8d3d4f0c9c0a",
            "runId": "6f0b2fb2-2bfa-4ad9-9c27-8d3d4f0c9c0b",
            "name": "posts",
            "timestamp": "2026-11-21T12:00:00.250Z",
            "batchId": 7,
            "batchDuration": 1500,
            "durationMs": {"triggerExecution": 1500, "commitOffsets": 100, "addBatch": 1000},
            "eventTime": {},
            "stateOperators": [],
            "sources": sources,
            "sink": {"description": "ForeachBatchSink", "numOutputRows": -1},
            "observedMetrics": {},
        }
    )


COMMITTED = 1795262401650  # 12:00:00.250 and 1.4 s


@pytest.mark.parametrize(
    ("source", "lag"),
    [
        ({"endOffset": KINESIS_END}, (150, 1500)),
        ({"endOffset": json.dumps(KINESIS_END)}, (150, 1500)),
        ({"endOffset": {"shards": 1}, "metrics": {"maxMsBehindLatest": "2000"}}, (200, 2000)),
        ({"endOffset": {"a": {"0": 10, "1": 5}}, "latestOffset": {"a": {"0": 110, "1": 5}}}, (100, 500)),
        ({"endOffset": {"a": {"0": 10}}, "latestOffset": {"a": {"0": 10}}}, (0, 0)),
        ({"endOffset": "no JSON"}, (None, None)),
        ({"endOffset": KINESIS_END, "inputRowsPerSecond": "NaN"}, (None, 1500)),
    ],
    ids=["sandbox", "as text", "databricks", "kafka", "kafka at its end", "unknown", "no rate yet"],
)  # fmt: skip
def test_the_lag_of_each_source(source: dict[str, Any], lag: tuple[int | None, int | None]) -> None:
    assert read_progress(event(**source)) == Batch(7, 300, COMMITTED, 200.0, *lag)


def test_the_commit_is_before_spark_notes_the_end() -> None:
    assert read_progress(event()).committed_ms == COMMITTED
