"""A lake for tests: a landing folder to fill, runs over it, and rows to look at."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.spark import batch

CATALOG = "spark_catalog"
SCHEMAS = ("bronze", "silver", "quarantine", "gold", "ops")


class Lake:
    """The tables of one Spark session and a landing folder.

    :param landing: the folder that holds one folder a topic.
    """

    def __init__(self, spark: Any, landing: Path) -> None:
        self.spark = spark
        self.landing = landing

    def drop(self) -> None:
        """Drop all five schemas with their tables."""
        for name in SCHEMAS:
            self.spark.sql(f"DROP SCHEMA IF EXISTS {CATALOG}.{name} CASCADE").collect()

    def land(self, topic: str, hour: datetime, name: str, lines: Iterable[str | bytes]) -> Path:
        """Write one object, as the sink does, into the folder of its hour; gzip where the name says so."""
        path = self.landing / topic / f"{hour:year=%Y/month=%m/day=%d/hour=%H}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        body = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
        path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
        return path

    def run(self, table: str, start: str, end: str, batch_id: str = "batch-1", **changes: str) -> dict[str, Any]:
        """One batch run over the landing folder."""
        return batch.run(self.spark, self.parameters(table, start, end, batch_id, **changes))

    def parameters(self, table: str, start: str, end: str, batch_id: str, **changes: str) -> batch.Parameters:
        """The parameters of a run, as the notebook makes them."""
        texts = {
            "table": table,
            "interval_start": start,
            "interval_end": end,
            "landing_url": str(self.landing),
            "topic": f"pinflow.{table}",
            "catalog": CATALOG,
            "batch_id": batch_id,
        }
        return batch.Parameters.from_texts({**texts, **changes})

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        return rows(self.spark.sql(query))


def rows(frame: Any) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries, times aware and in UTC."""
    return [{name: _plain(value) for name, value in row.asDict().items()} for row in frame.collect()]


def positioned(row: Mapping[str, Any], topic: str, partition: int, offset: int, moment: datetime) -> str:
    """The line that the sink lands for a row: its fields and its position."""
    position = {"kafka_topic": topic, "kafka_partition": partition, "kafka_offset": offset}
    return json.dumps({**row, **position, "kafka_timestamp": int(moment.timestamp() * 1000)}, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
