"""One run of the streaming job: both queries, from their start to their end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

import include
from include.spark.schemas import TARGETS
from include.spark.stream import identity, live, posts, schemas, source
from include.spark.stream.compaction import Compaction
from include.spark.stream.heartbeat import Heartbeat
from include.spark.stream.identity import Files, Identity
from include.spark.stream.parameters import Parameters
from include.spark.stream.source import Credentials

QUERIES = ("posts", "live")
SETTINGS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.dataFrameQueryContext.enabled": "false",
    "spark.databricks.delta.optimize.minFileSize": str(32 * 2**20),
}
"""Micro-batches are small: planning their jobs again and again, cutting them in pieces, or noting for each expression
where it was written costs more than it gives. Files of 32 MiB are big enough to be left alone."""

POLL_SECONDS = 1
STARTS = 4
SLOW_PYTHON = "Python worker failed to connect back"
"""What Spark says when a Python process was not up within ten seconds, which it does not let one change: the query has
not begun, and the machine was busy."""


def run(
    spark: SparkSession, files: Files, parameters: Parameters, credentials: Credentials | None = None
) -> dict[str, Any]:
    """Run both queries: until one fails or the run is cancelled, or with ``availableNow`` until all is read.

    :param files: ``dbutils.fs``.
    :param credentials: what gives the botocore session of a service credential, where ``source_options`` name one.
    :returns: what was done, ready for JSON.
    :raises CheckpointRefusedError: a checkpoint belongs to something else; nothing was started.
    """
    schemas.create(spark, parameters.catalog, parameters.tables)
    tune(spark)
    ids = {query: claim(spark, files, parameters, query, credentials) for query in QUERIES}
    heartbeat = Heartbeat(spark, parameters.catalog, ids["posts"], job_id=parameters.job_id, run_key=parameters.run_key)
    begun = time.monotonic()
    heartbeat.start()
    compaction = Compaction(spark, parameters.catalog, parameters.tables)
    compaction.start()
    try:
        _both(spark, parameters, ids["posts"])
    finally:
        for query in spark.streams.active:
            query.stop()
        compaction.stop()
        heartbeat.stop()
    return {
        "job_id": parameters.job_id,
        "run_key": parameters.run_key,
        "query_id": ids["posts"],
        **asdict(heartbeat.totals),
        "seconds": round(time.monotonic() - begun, 1),
    }


def tune(spark: SparkSession) -> None:
    """Set ``SETTINGS`` for this session; what the compute does not let a notebook set stays as it is."""
    for name, value in SETTINGS.items():
        try:
            spark.conf.set(name, value)
        except PySparkException as error:
            print(f"{name} stays as it is: {str(error).splitlines()[0]}")


def claim(
    spark: SparkSession, files: Files, parameters: Parameters, query: str, credentials: Credentials | None = None
) -> str:
    """Check that the checkpoint of ``posts`` or ``live`` is this job's; see :func:`identity.claim`."""
    if query == "live":
        table = parameters.name("stream.arrivals")
        incarnation = spark.sql(f"DESCRIBE DETAIL {table}").collect()[0]["id"]
        mine = Identity(query, {table: incarnation}, identity.schema_hash([schemas.WINDOWS]))
    else:
        targets = [schemas.STREAM[table] for table in TARGETS if table in parameters.tables]
        columns = identity.schema_hash([*targets, schemas.ARRIVALS, schemas.QUARANTINE])
        mine = Identity(query, source.incarnations(parameters, credentials), columns)
    return identity.claim(files, parameters.checkpoint(query), mine)


def _both(spark: SparkSession, parameters: Parameters, query_id: str) -> None:
    reading = start_posts(spark, parameters, query_id)
    if parameters.available_now:
        reading.awaitTermination()
        start_live(spark, parameters).awaitTermination()
        return
    while not _is_under_way(reading) and not reading.awaitTermination(POLL_SECONDS):
        pass  # both at once would start all their processes at once, and Spark gives each ten seconds
    queries = [reading, start_live(spark, parameters)]
    while not any(query.awaitTermination(POLL_SECONDS) for query in queries):
        pass
    for query in queries:
        if error := query.exception():
            raise error


def _is_under_way(query: StreamingQuery) -> bool:
    """Whether a query has ended its first micro-batch, or found that there is nothing to read."""
    return query.lastProgress is not None or str(query.status["message"]).startswith("Waiting")


def start_posts(spark: SparkSession, parameters: Parameters, query_id: str) -> StreamingQuery:
    """Start the query that reads the streams."""
    records = posts.prepare(source.read(spark, parameters), parameters.tables)
    write = posts.writer(_folder(), parameters.catalog, parameters.tables, query_id)
    return _start(records.writeStream.foreachBatch(write), parameters, "posts", parameters.trigger)


def start_live(spark: SparkSession, parameters: Parameters) -> StreamingQuery:
    """Start the query that counts windows."""
    arrivals = spark.readStream.table(parameters.name("stream.arrivals"))
    write = live.writer(_folder(), parameters.catalog)
    trigger = parameters.trigger if parameters.available_now else parameters.live_trigger
    return _start(arrivals.writeStream.foreachBatch(write), parameters, "live", trigger)


def _start(stream: Any, parameters: Parameters, query: str, trigger: str) -> StreamingQuery:
    when: Mapping[str, Any] = (
        {"availableNow": True} if trigger == parameters.trigger and parameters.available_now
        else {"processingTime": trigger}
    )  # fmt: skip
    folder = f"{parameters.checkpoint(query)}/{identity.SPARK}"
    writer = stream.queryName(query).option("checkpointLocation", folder).trigger(**when)
    for _ in range(STARTS - 1):
        try:
            return writer.start()
        except PySparkException as error:
            if SLOW_PYTHON not in str(error):
                raise
            print(f"{query}: the Python process for its micro-batches took over ten seconds to start; once more")
    return writer.start()


def _folder() -> str:
    return str(Path(include.__file__).resolve().parents[1])
