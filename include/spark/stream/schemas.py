"""The written schemas of the stream's tables, and how they are kept."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql.types import BooleanType, DoubleType, StructType

from include.spark.delta import run
from include.spark.schemas import BIGINT, INT, MOMENT, TARGETS, TEXT, column
from include.spark.stream.windows import METRICS, Metric
from include.spark.tables import create_schemas, definition

POSITION = (
    column("shard_id", TEXT, "Shard of the record; of Kafka the partition"),
    column("sequence_number", TEXT, "Place of the record in its shard, a whole number; of Kafka the offset"),
    column("arrived_at", MOMENT, "When the stream took the record"),
)
BATCH = (
    column("query_id", TEXT, "Checkpoint of the query that wrote this"),
    column("batch_id", BIGINT, "Micro-batch of that query"),
)

STREAM = {
    table: StructType([*columns, *POSITION, column("processed_at", MOMENT, "When the row was written")])
    for table, columns in TARGETS.items()
}
"""The clean tables, one row a post."""

ARRIVALS = StructType(
    [
        column("table_name", TEXT, "pin, geo or user"),
        column("ind", INT, "The post", required=True),
        column("poster_name", TEXT, "Who posted; of a pin"),
        column("follower_count", INT, "Followers of the poster; of a pin"),
        column("category", TEXT, "Category; of a pin"),
        column("country", TEXT, "Country; of a place"),
        *POSITION,
        *BATCH,
        column("late", BooleanType(), "More than two minutes behind what its shard had brought before"),
        column("slot", MOMENT, "The ten minutes in which it arrived"),
    ]
)
"""Every accepted record."""

QUARANTINE = StructType(
    [
        column("stream", TEXT, "Stream or topic of the record"),
        column("table_name", TEXT, "Table that it was meant for"),
        column("reason", TEXT, "Which rule of the contract it breaks"),
        column("detail", TEXT, "What exactly is wrong"),
        column("raw", TEXT, "The record, whole; base64 where it is not UTF-8 text"),
        *POSITION,
        *BATCH,
        column("quarantined_at", MOMENT, "When it was quarantined"),
    ]
)

HEARTBEAT = StructType(
    [
        column("job_id", TEXT, "The streaming job"),
        column("run_key", TEXT, "The run of the job"),
        column("query", TEXT, "posts"),
        column("state", TEXT, "started, running, idle, stopped, or recovered: told by a later run"),
        *BATCH,
        column("rows", BIGINT, "Records of the micro-batch"),
        column("quarantined", BIGINT, "Of these, records that break the contract"),
        column("late", BIGINT, "Of these, records that came too late to be counted in windows"),
        column("committed_at", MOMENT, "When the tables held the micro-batch"),
        column("delay_p50_ms", BIGINT, "Middle delay from arrival to table"),
        column("delay_p95_ms", BIGINT, "Delay that 95 % of the records kept"),
        column("delay_max_ms", BIGINT, "Longest delay"),
        column("lag_records", BIGINT, "Records not read yet; for Kinesis the lag's time by the rate of arrival"),
        column("lag_ms", BIGINT, "How far the reader is behind the stream's end"),
        column("processed_rows_per_second", DoubleType(), "Records a second within the micro-batch"),
        column("written_at", MOMENT, "When this row was made"),
    ]
)


WINDOWS = StructType(
    [
        column("metric", TEXT, "Which of the live metrics"),
        column("window_start", MOMENT, "First moment of the ten minutes"),
        column("window_end", MOMENT, "First moment after them"),
        column("name", TEXT, "What is counted: a poster, a category or a country"),
        column("posts", BIGINT, "Distinct posts that arrived in the window"),
        column("follower_count", INT, "Followers as the last arrival in the window has them"),
        column("rank", INT, "Place in the window; equals share one"),
        column("last_seen", MOMENT, "When the last of them arrived"),
        column("version", BIGINT, "Of the rows of a window, only those of the highest version count"),
        column("slot", MOMENT, "The ten minutes in which the window begins"),
    ]
)
"""All live metrics: one commit brings them up to date. Read them by the views."""

RARE_CHECKPOINTS = {"delta.checkpointInterval": "100"}
"""Of the table's log, not of a query: it is summed up every so many commits. (``delta.autoOptimize.autoCompact`` would
look through the log after each commit, which took seconds of them; :mod:`compaction` does it beside the queries.)"""


REWRITTEN = {"retention": "1 hours"}
"""Files of the windows are replaced every few seconds."""


def create(spark: SparkSession, catalog: str, tables: tuple[str, ...]) -> None:
    """Make the schemas and tables of the stream pipeline where they are missing."""
    create_schemas(spark, catalog)
    for table in tables:
        _table(spark, f"{catalog}.stream.{table}", STREAM[table], stats="ind")
    _table(spark, f"{catalog}.stream.arrivals", ARRIVALS, "slot", stats="batch_id,arrived_at")
    _table(spark, f"{catalog}.quarantine.stream_records", QUARANTINE, stats="batch_id,arrived_at")
    _table(spark, f"{catalog}.ops.stream_heartbeat", HEARTBEAT, stats="written_at")
    _table(spark, f"{catalog}.live.windows", WINDOWS, "slot", stats="window_start", **REWRITTEN)
    for name, metric in METRICS.items():
        run(spark, _view(catalog, name, metric))


def _view(catalog: str, name: str, metric: Metric) -> str:
    """The statement that makes the view of a live metric, under its own names of the columns."""
    own = {"name": metric.column, "rank": metric.rank}
    columns = [
        (column.name, own.get(column.name, column.name), column.metadata["comment"])
        for column in WINDOWS
        if column.name not in ("metric", "version") and (metric.by_followers or column.name != "follower_count")
    ]
    described = ", ".join(f"{shown} COMMENT '{comment}'" for _, shown, comment in columns)
    selected = ", ".join(stored for stored, _, _ in columns)
    newest = "*, max(version) OVER (PARTITION BY slot, window_start) AS newest"
    return (
        f"CREATE VIEW IF NOT EXISTS {catalog}.live.{name} ({described}) AS SELECT {selected} "  # noqa: S608  our names
        f"FROM (SELECT {newest} FROM {catalog}.live.windows WHERE metric = '{name}') WHERE version = newest"
    )


def _table(
    spark: SparkSession,
    name: str,
    schema: StructType,
    partition: str | None = None,
    *,
    stats: str,
    retention: str = "7 days",
) -> None:
    properties = {
        **RARE_CHECKPOINTS,
        "delta.dataSkippingStatsColumns": stats,
        "delta.deletedFileRetentionDuration": f"interval {retention}",
    }
    run(spark, definition(name, schema, partition, properties))
