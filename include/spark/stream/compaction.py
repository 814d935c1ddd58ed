"""Putting small files together and removing old ones, beside the queries and rarely.

Every micro-batch leaves one small file a table. Delta can compact after a commit by itself, but then the micro-batch
waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from include.spark.delta import is_conflict
from include.spark.stream.posts import SLOT_SECONDS

ARRIVALS_SECONDS = 60.0
TABLES_SECONDS = 600.0
FILES_SECONDS = 3600.0


@dataclass
class Chore:
    """Statements that are run from time to time.

    :param due: when they are next run, seconds of the monotonic clock.
    """

    every: float
    statements: Callable[[], list[str]]
    due: float = 0.0


class Compaction:
    """A thread that keeps the stream's tables in few files.

    :param tables: any of ``pin``, ``geo`` and ``user``.
    """

    def __init__(self, spark: SparkSession, catalog: str, tables: tuple[str, ...]) -> None:
        self._spark, self._ended = spark, threading.Event()
        self._thread = threading.Thread(target=self._work, name="compaction", daemon=True)
        others = [
            *(f"stream.{table}" for table in (*tables, "arrivals")),
            "quarantine.stream_records",
            "ops.stream_heartbeat",
        ]
        self._chores = [
            Chore(ARRIVALS_SECONDS, lambda: [recent_arrivals(catalog, datetime.now(UTC))]),
            Chore(TABLES_SECONDS, lambda: [f"OPTIMIZE {catalog}.{name}" for name in others]),
            Chore(FILES_SECONDS, lambda: [f"VACUUM {catalog}.live.windows"]),
        ]

    def start(self) -> None:
        """Begin; the first chores come after their time."""
        for chore in self._chores:
            chore.due = time.monotonic() + chore.every
        self._thread.start()

    def stop(self) -> None:
        """End after the statement that runs now."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.wait(max(0.0, min(chore.due for chore in self._chores) - time.monotonic())):
            for chore in self._chores:
                if chore.due <= time.monotonic():
                    self._do(chore)
                    chore.due = time.monotonic() + chore.every

    def _do(self, chore: Chore) -> None:
        for statement in chore.statements():
            if self._ended.is_set():
                return
            try:
                self._spark.sql(statement).collect()
            except PySparkException as error:
                if not is_conflict(error):
                    print(f"{statement} failed and is tried again later: {error}")


def recent_arrivals(catalog: str, now: datetime) -> str:
    """The statement that compacts the arrivals of the last minutes, which the heartbeat reads again and again."""
    first = (now - timedelta(minutes=15)).timestamp() // SLOT_SECONDS * SLOT_SECONDS
    since = datetime.fromtimestamp(first, UTC)
    return f"OPTIMIZE {catalog}.stream.arrivals WHERE slot >= '{since:%Y-%m-%d %H:%M:%S}'"
