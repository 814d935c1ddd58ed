"""The quarantine: lines that break the contract of their topic, with the reason."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from include.spark import schemas
from include.spark.delta import delete, replace
from include.spark.interval import Interval

NAME = "quarantine.records"


def write(rejected: DataFrame, name: str, table: str, interval: Interval, batch_id: str) -> None:
    """Make the interval's quarantined lines of one table those of the frame.

    :param rejected: as :func:`include.spark.contract.rejected` gives them, with position and ``source_file``.
    :param name: the quarantine's full name.
    :param table: ``pin``, ``geo`` or ``user``; the lines of the others stay, as do other intervals.
    """
    rows = rejected.withColumns(
        {
            "topic": F.col("kafka_topic"),
            "table_name": F.lit(table),
            "batch_id": F.lit(batch_id),
            "quarantined_at": F.current_timestamp(),
        }
    )
    replace(rows.select(*schemas.QUARANTINE.names), name, condition(table, interval))


def clear(spark: SparkSession, name: str, table: str, interval: Interval) -> None:
    """Remove the interval's quarantined lines of one table."""
    delete(spark, name, condition(table, interval))


def condition(table: str, interval: Interval) -> str:
    """The SQL condition for one table's lines of an interval; it names the partition, so other tables do not meet."""
    return f"table_name = '{table}' AND {interval.predicate('kafka_timestamp')}"
