"""Putting checkpoints aside, unless their query runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from include.spark.stream.identity import ActiveQueryError, Files, reset
from include.spark.stream.parameters import ParameterError

DEFAULTS = {"queries": "posts,live", "catalog": "spark_catalog"}
NAMES = ("checkpoint_root", *DEFAULTS)
"""The parameters, all text."""

ALIVE_SECONDS = 30


def run(spark: SparkSession, files: Files, texts: Mapping[str, str]) -> dict[str, str | None]:
    """Put the checkpoints of some queries aside.

    :param files: ``dbutils.fs``.
    :param texts: the parameters named in ``NAMES``; ``queries`` is a list with commas.
    :returns: where each query's checkpoint is now; none where there was none.
    :raises ActiveQueryError: a query runs; nothing was moved.
    """
    given = {**DEFAULTS, **{name: text.strip() for name, text in texts.items() if text.strip()}}
    if "checkpoint_root" not in given:
        raise ParameterError("The parameter checkpoint_root is missing. It is where the checkpoints are. Set it.")
    if not (queries := [name.strip() for name in given["queries"].split(",") if name.strip()]):
        raise ParameterError("The parameter queries names none. Nothing would be moved. Give posts,live.")
    if (age := seconds_since_heartbeat(spark, given["catalog"])) is not None and age < ALIVE_SECONDS:
        raise ActiveQueryError(
            f"The streaming job gave a sign of life {age:.0f} s ago. A checkpoint in use cannot be moved. "
            "Stop the job (./pinflow streaming stop), or wait half a minute when it was killed."
        )
    return {query: reset(files, given["checkpoint_root"], query) for query in queries}


def seconds_since_heartbeat(spark: SparkSession, catalog: str) -> float | None:
    """The age of the newest heartbeat; none when there never was one or the last run ended by itself."""
    name = f"{catalog}.ops.stream_heartbeat"
    if not spark.catalog.tableExists(name):
        return None
    newest = spark.table(name).orderBy("written_at", ascending=False).select("state", "written_at").first()
    if newest is None or newest.state == "stopped":
        return None
    written: datetime = newest.written_at
    return (datetime.now(UTC) - written.astimezone(UTC)).total_seconds()
