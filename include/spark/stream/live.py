"""The query ``live``: windows over the arrivals, written again where new arrivals touch them.

Not a streaming ``window()`` aggregation: the numbers are distinct posts and ranks over a whole window, which Spark does
not keep as state; a state store would have to be saved with every micro-batch, for three stateful queries on few
cores; and what was counted could not be checked against a table. Here a window is a function of the arrivals that the
table holds, so writing it again changes nothing. The process keeps the newest windows in memory
(:mod:`include.spark.stream.windows`) and reads the table when it starts, or when arrivals touch older ones.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from include.spark.delta import append, replace
from include.spark.stream.posts import MOMENT, SLOT_SECONDS, frame_of, tuples_of
from include.spark.stream.schemas import WINDOWS
from include.spark.stream.windows import LENGTH, METRICS, MINUTE_US, Arrival, Ranked, Windows

SLOT_MINUTES = SLOT_SECONDS // 60
REMEMBERED = 20
"""Micro-batches whose windows stay in memory: shards that are not level touch older windows again and again."""

TIDY_SECONDS = 60.0


def writer(folder: str, catalog: str) -> Callable[[DataFrame, int], None]:
    """The function for ``foreachBatch``; see :func:`include.spark.stream.posts.writer`."""
    process: dict[str, Any] = {}

    def write(frame: DataFrame, _batch_id: int) -> None:
        import sys

        if folder not in sys.path:
            sys.path.append(folder)
        from include.spark.stream.live import Live

        if "live" not in process:
            process["live"] = Live(catalog)
        process["live"].refresh(frame)

    return write


class Live:
    """Keeps the live metrics; one object a process."""

    def __init__(self, catalog: str) -> None:
        self._catalog = catalog
        self._windows: Windows | None = None
        self._touched: deque[int] = deque(maxlen=REMEMBERED)
        self._untidy: tuple[int, int] | None = None
        self._tidied = 0.0

    def refresh(self, arrived: DataFrame) -> None:
        """Bring the windows up to date that new arrivals touch.

        Replacing rows makes Delta look through the whole state of the table, which took longer than all the rest. So
        the windows are appended as a new version, and once a minute the ten-minute partitions that were appended to
        are replaced, which leaves one version of each window.

        :param arrived: rows of ``stream.arrivals`` that were not looked at before.
        """
        new = list(_read(arrived))
        if not new:
            return
        minutes = [arrival.arrived_us // MINUTE_US for arrival in new]
        first, last = min(minutes) - LENGTH + 1, max(minutes)
        try:
            windows, fresh = self._include(arrived.sparkSession, new, _slot(first))
            if fresh or time.monotonic() - self._tidied > TIDY_SECONDS:
                self._replace(arrived.sparkSession, windows, first, last)
            else:
                self._append(arrived.sparkSession, windows, first, last)
        except BaseException:
            self._windows = None
            raise

    def _include(self, spark: SparkSession, new: Iterable[Arrival], first: int) -> tuple[Windows, bool]:
        """The windows from a minute on, with new arrivals counted; and whether all arrivals were read anew."""
        windows = self._windows
        fresh = windows is None or first < windows.first
        if windows is None or fresh:
            windows = self._windows = Windows(first)
            table, since = spark.table(f"{self._catalog}.stream.arrivals"), F.timestamp_micros(F.lit(first * MINUTE_US))
            new = _read(table.where((F.col("slot") >= since) & (F.col("arrived_at") >= since)))
        windows.add(new)
        self._touched.append(first)
        windows.forget(_slot(min([*self._touched, *(self._untidy or ())])))
        return windows, fresh

    def _append(self, spark: SparkSession, windows: Windows, first: int, last: int) -> None:
        self._untidy = self._with_untidy(first, last)
        append(frame_of(spark, rows_of(windows, first, last)), self._name)

    def _replace(self, spark: SparkSession, windows: Windows, first: int, last: int) -> None:
        first, last = self._with_untidy(first, last)
        first, last = max(_slot(first), windows.first), _slot(last) + SLOT_MINUTES - 1
        rows = frame_of(spark, rows_of(windows, first, last))
        replace(rows, self._name, f"slot >= {_literal(first)} AND slot <= {_literal(last)}")
        self._untidy, self._tidied = None, time.monotonic()

    def _with_untidy(self, first: int, last: int) -> tuple[int, int]:
        """Windows from one minute to another, and those of which the table may hold several versions."""
        untidy = self._untidy or (first, last)
        return min(first, untidy[0]), max(last, untidy[1])

    @property
    def _name(self) -> str:
        return f"{self._catalog}.live.windows"


def rows_of(windows: Windows, first: int, last: int) -> pa.Table:
    """The rows of ``live.windows`` for the windows from one minute to another, as their newest version."""
    version = time.time_ns()
    return pa.concat_tables(
        _rows(metric, window, ranked, version)
        for metric in METRICS
        for window, ranked in windows.ranked(metric, first, last)
    )


def _rows(metric: str, window: int, ranked: Ranked, version: int) -> pa.Table:
    count = len(ranked.names)
    columns = {
        "metric": pa.repeat(pa.scalar(metric), count),
        "window_start": pa.repeat(pa.scalar(window * MINUTE_US, MOMENT), count),
        "window_end": pa.repeat(pa.scalar((window + LENGTH) * MINUTE_US, MOMENT), count),
        "name": pa.array(ranked.names, pa.string()),
        "posts": pa.array(ranked.posts, pa.int64()),
        "follower_count": pa.array(ranked.follower_counts, pa.int32()),
        "rank": pa.array(ranked.ranks, pa.int32()),
        "last_seen": pa.array(ranked.last_us, MOMENT),
        "version": pa.repeat(pa.scalar(version, pa.int64()), count),
        "slot": pa.repeat(pa.scalar(_slot(window) * MINUTE_US, MOMENT), count),
    }
    return pa.table({name: columns[name] for name in WINDOWS.names})


def _read(arrivals: DataFrame) -> Iterator[Arrival]:
    columns = arrivals.where(~F.col("late")).select(
        "table_name",
        "ind",
        "poster_name",
        "follower_count",
        "category",
        "country",
        F.col("sequence_number").alias("sequence"),
        F.unix_micros("arrived_at").alias("arrived_us"),
    )
    for table_name, ind, poster, followers, category, country, sequence, arrived_us in tuples_of(columns):
        yield Arrival(table_name, ind, poster, followers, category, country, int(sequence), arrived_us)


def _slot(minute: int) -> int:
    return minute // SLOT_MINUTES * SLOT_MINUTES


def _literal(minute: int) -> str:
    return f"TIMESTAMP'{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%d %H:%M:%S}Z'"
