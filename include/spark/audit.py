"""What a run did: the counts, and their table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from include.spark import schemas
from include.spark.delta import replace
from include.spark.silver import conflicting


@dataclass(frozen=True)
class Counts:
    """The counts of one run over one table. ``landed`` is ``clean`` + ``duplicates`` + ``quarantined``."""

    landed: int = 0
    clean: int = 0
    duplicates: int = 0
    conflicts: int = 0
    quarantined: int = 0
    follower_warnings: int = 0
    extra_fields: int = 0
    objects: int = 0


def count(examined: DataFrame, table: str) -> Counts:
    """Count the records of a run.

    :param examined: as :func:`include.spark.contract.examine` gives them, with ``source_file``.
    """
    objects = examined.agg(F.count_distinct("source_file").alias("objects"))
    row = _totals(_posts(examined, table)).crossJoin(objects).first()
    return Counts(**row.asDict()) if row else Counts()


def record(spark: SparkSession, name: str, counts: Counts, **run: Any) -> dict[str, Any]:
    """Write the audit row of a run, in place of a former one of the same ``batch_id`` and ``table_name``.

    :param name: the audit table's full name.
    :param run: ``batch_id``, ``table_name``, ``interval_start`` and ``interval_end``.
    :returns: the row, ready for JSON, times in ISO 8601.
    """
    row = {**run, **asdict(counts), "finished_at": datetime.now(UTC)}
    frame = spark.createDataFrame([tuple(row[column] for column in schemas.AUDIT.names)], schemas.AUDIT)
    replace(frame, name, f"table_name = {_literal(run['table_name'])} AND batch_id = {_literal(run['batch_id'])}")
    return {column: _plain(row[column]) for column in schemas.AUDIT.names}


def _posts(examined: DataFrame, table: str) -> DataFrame:
    post = F.when(F.col("reason").isNull(), F.col("ind"))
    return examined.groupBy(post.alias("post")).agg(
        F.count("*").alias("copies"),
        conflicting(table).alias("conflict"),
        F.sum(F.col("follower_warning").cast("bigint")).alias("warnings"),
        F.sum("extra_fields").alias("extras"),
    )


def _totals(posts: DataFrame) -> DataFrame:
    kept = F.col("post").isNotNull()
    return posts.agg(
        _sum(F.col("copies")).alias("landed"),
        F.count("post").alias("clean"),
        _sum(F.when(kept, F.col("copies") - 1)).alias("duplicates"),
        _sum(F.when(kept & F.col("conflict"), 1)).alias("conflicts"),
        _sum(F.when(~kept, F.col("copies"))).alias("quarantined"),
        _sum(F.when(kept, F.col("warnings"))).alias("follower_warnings"),
        _sum(F.when(kept, F.col("extras"))).alias("extra_fields"),
    )


def _sum(value: Column) -> Column:
    return F.coalesce(F.sum(value), F.lit(0))


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
