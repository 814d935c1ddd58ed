"""The silver tables: clean rows, one a post, the latest arrival wins."""

from __future__ import annotations

from uuid import uuid4

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.window import Window

from include.spark import schemas
from include.spark.delta import run

_ORDER = ("kafka_offset", "kafka_timestamp", "kafka_partition")


def latest(clean: DataFrame, table: str) -> DataFrame:
    """One row a post: the one that arrived last, by offset, then time, then partition.

    A row without offset counts as older than any with one. Rows that tie in all of this are ordered by their content,
    so that the same input always gives the same row.
    """
    content = F.to_json(F.struct(*schemas.SILVER[table].names))
    order = [*(F.col(name).desc_nulls_last() for name in _ORDER), content.desc()]
    ranked = clean.withColumn("arrival", F.row_number().over(Window.partitionBy("ind").orderBy(*order)))
    return ranked.where("arrival = 1").select(*schemas.SILVER[table].names)


def merge(clean: DataFrame, name: str, table: str) -> None:
    """Merge accepted records into a silver table. What the table holds already, or newer, changes nothing.

    :param clean: accepted records, copies included.
    :param name: the table's full name.
    :param table: ``pin``, ``geo`` or ``user``.
    """
    spark, view = clean.sparkSession, f"pinflow_arrivals_{uuid4().hex}"
    latest(clean, table).createTempView(view)
    try:
        run(
            spark,
            f"MERGE INTO {name} AS kept USING {view} AS arrived ON kept.ind = arrived.ind "
            f"WHEN MATCHED AND {_newer()} THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
        )
    finally:
        spark.catalog.dropTempView(view)


def conflicting(table: str) -> Column:
    """Over the copies of one post: whether their clean columns differ."""
    return F.count_distinct(F.struct(*(column.name for column in schemas.TARGETS[table]))) > 1


def _newer() -> str:
    lowest = {"kafka_offset": "-1L", "kafka_timestamp": "TIMESTAMP'0001-01-01 00:00:00Z'", "kafka_partition": "-1"}
    arrived, kept = (
        ", ".join(f"coalesce({alias}.{name}, {lowest[name]}) AS {name}" for name in _ORDER)
        for alias in ("arrived", "kept")
    )
    return f"struct({arrived}) > struct({kept})"
