"""The query ``live``: windows over the arrivals, counted again where new arrivals touch them.

Not a streaming ``window()`` aggregation: the numbers are distinct posts and ranks over a whole window, which Spark does
not keep as state; a state store would have to be saved with every micro-batch, for three stateful queries on few
cores; and what was counted could not be checked against a table. Here a window is a function of the arrivals that the
table holds, so writing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.window import Window

from include.spark.delta import replace
from include.spark.stream.posts import SLOT_SECONDS, slot_of
from include.spark.stream.schemas import LIVE

MINUTE = timedelta(minutes=1)
MINUTES = 10
LENGTH = MINUTES * MINUTE
BRIEF = timedelta(hours=1)
"""Windows over so little are counted in one task: there is less to count than to hand over."""

METRICS = {
    "profile_popularity": ("pin", "poster_name", "popularity_rank"),
    "category_trend": ("pin", "category", "trend_rank"),
    "posts_by_country": ("geo", "country", "country_rank"),
}
"""The table of its records, the name that is counted and the column of the rank, for each live table."""


def writer(folder: str, catalog: str) -> Callable[[DataFrame, int], None]:
    """The function for ``foreachBatch``; see :func:`include.spark.stream.posts.writer`."""

    def write(frame: DataFrame, _batch_id: int) -> None:
        import sys

        if folder not in sys.path:
            sys.path.append(folder)
        from include.spark.stream.live import refresh

        refresh(frame, catalog)

    return write


def refresh(arrived: DataFrame, catalog: str) -> None:
    """Bring the windows up to date that new arrivals touch.

    The tables are kept in partitions of ten minutes of window starts, so that replacing windows never has to look for
    them; whole partitions are counted again.

    :param arrived: rows of ``stream.arrivals`` that were not looked at before.
    """
    seconds = (F.unix_seconds(function("arrived_at")) for function in (F.min, F.max))
    touched = arrived.where(~F.col("late")).agg(*(moment.alias("moment") for moment in seconds)).first()
    if touched is None or touched[0] is None:
        return
    first, last = (slot(moment) for moment in (touched[0] - (LENGTH - MINUTE).total_seconds(), touched[1]))
    arrivals = arrived.sparkSession.table(f"{catalog}.stream.arrivals")
    # Not persist(): each append to a table computes anew what is cached from it, and makes the writer wait for that.
    counted = counts(arrivals, first, last + LENGTH - MINUTE).localCheckpoint()
    with ThreadPoolExecutor(len(METRICS)) as pool:
        list(pool.map(lambda name: _write(counted, f"{catalog}.live.{name}", name, first, last), METRICS))


def slot(moment: float) -> datetime:
    """The ten minutes of a time in seconds since 1970, by their start."""
    return datetime.fromtimestamp(moment // SLOT_SECONDS * SLOT_SECONDS, UTC)


def counts(arrivals: DataFrame, first: datetime, last: datetime) -> DataFrame:
    """Distinct posts by window and name.

    :param arrivals: as ``stream.arrivals``.
    :param first: the start of the first window, a whole minute.
    :param last: the start of the last window.
    :returns: ``window_start``, ``metric``, ``name``, ``posts``, ``follower_count`` and ``last_seen``.
    """
    arrived = arrivals.where(~F.col("late") & _within(first, last + LENGTH))
    if last - first < BRIEF:
        arrived = arrived.coalesce(1)
    metrics = F.explode(F.array(*(_named(metric) for metric in METRICS))).alias("named")
    named = arrived.select(metrics, "ind", "arrived_at", _latest()).where("named.name IS NOT NULL")
    minute = F.date_trunc("minute", "arrived_at").alias("minute")
    by_minute = named.groupBy("named.metric", "named.name", minute).agg(
        F.collect_set("ind").alias("posts"), F.max("latest").alias("latest")
    )
    starts = F.sequence(F.col("minute") - LENGTH + MINUTE, F.col("minute"), F.expr("INTERVAL 1 MINUTE"))
    windows = by_minute.withColumn("window_start", F.explode(starts)).where(
        F.col("window_start").between(F.lit(first), F.lit(last))
    )
    posts = F.array_distinct(F.flatten(F.collect_list("posts")))
    totals = windows.groupBy("window_start", "metric", "name").agg(
        F.size(posts).cast("bigint").alias("posts"), F.max("latest").alias("latest")
    )
    return totals.select(
        "window_start",
        "metric",
        "name",
        "posts",
        F.col("latest.follower_count").alias("follower_count"),
        F.col("latest.arrived_at").alias("last_seen"),
    )


def ranked(counted: DataFrame, metric: str) -> DataFrame:
    """The rows of a live table.

    :param counted: as :func:`counts` gives them.
    :param metric: the table's name.
    """
    _, name, rank = METRICS[metric]
    order = [F.col("posts").desc(), *([F.col("follower_count").desc_nulls_last()] if name == "poster_name" else [])]
    place = F.rank().over(Window.partitionBy("window_start").orderBy(*order))
    rows = counted.where(F.col("metric") == metric).withColumns(
        {
            name: F.col("name"),
            rank: place,
            "window_end": F.col("window_start") + LENGTH,
            "slot": slot_of("window_start"),
        }
    )
    return rows.select(*LIVE[metric].names)


def _write(counted: DataFrame, table: str, metric: str, first: datetime, last: datetime) -> None:
    between = f"slot >= {_literal(first)} AND slot <= {_literal(last)}"
    replace(ranked(counted, metric).coalesce(1), table, between)


def _named(metric: str) -> Column:
    table, name, _ = METRICS[metric]
    value = F.when(F.col("table_name") == table, F.col(name))
    return F.struct(F.lit(metric).alias("metric"), value.alias("name"))


def _latest() -> Column:
    """Compared by arrival, then by sequence number as a number."""
    return F.struct("arrived_at", F.length("sequence_number"), "sequence_number", "follower_count").alias("latest")


def _within(start: datetime, end: datetime) -> Column:
    """Rows between two times; the slot names the partitions."""
    arrived, first = F.col("arrived_at"), F.lit(slot(start.timestamp()))
    return (F.col("slot") >= first) & (F.col("slot") < F.lit(end)) & (arrived >= F.lit(start)) & (arrived < F.lit(end))


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP'{moment:%Y-%m-%d %H:%M:%S}Z'"
