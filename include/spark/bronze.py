"""The bronze tables: each landed line of an interval, whole."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from include.spark import schemas
from include.spark.delta import delete, replace
from include.spark.interval import Interval


def condition(interval: Interval) -> str:
    """The SQL condition for the rows of an interval; it names the partition column too."""
    return f"{interval.predicate('kafka_timestamp')} AND {interval.days('day')}"


def write(lines: DataFrame, table: str, interval: Interval, batch_id: str) -> None:
    """Make the interval's rows of a bronze table those of the frame.

    :param lines: as :func:`include.spark.landing.landed` reads them.
    :param table: the table's full name.
    """
    utc = F.to_utc_timestamp("kafka_timestamp", F.current_timezone())
    rows = lines.withColumns({"day": F.to_date(utc), "batch_id": F.lit(batch_id)})
    replace(rows.select(*schemas.BRONZE.names), table, condition(interval))


def clear(spark: SparkSession, table: str, interval: Interval) -> None:
    """Remove the interval's rows of a bronze table."""
    delete(spark, table, condition(interval))


def read(spark: SparkSession, table: str, interval: Interval) -> DataFrame:
    """The interval's rows of a bronze table."""
    return spark.table(table).where(condition(interval))
