"""The query ``posts``: what a micro-batch of all streams brings to the clean tables, the quarantine and the arrivals.

A micro-batch is cleaned once and kept; its keys are looked at in Python (:mod:`include.spark.stream.known`), then each
table that changes gets one commit, all at the same time. Writing a micro-batch again changes nothing, wherever the
first try ended: each commit is whole, and what a table holds already is not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from include.spark.contract import examine_mixed
from include.spark.delta import commit, run
from include.spark.schemas import TARGETS
from include.spark.stream import schemas
from include.spark.stream.known import Arrival, Known, Plan, Post

SLOT_SECONDS = 600

Job = Callable[[], None]


def prepare(records: DataFrame, tables: Iterable[str]) -> DataFrame:
    """Clean the records of a stream.

    :param records: with the columns of :mod:`include.spark.stream.source`.
    :returns: as :func:`include.spark.contract.examine_mixed`, with ``position`` and ``content`` for :class:`Known`.
    """
    names = tuple(tables)
    position = F.concat_ws("/", "table_name", "shard_id", "sequence_number")
    content = F.coalesce(*(F.when(F.col("table_name") == table, fingerprint(table)) for table in names))
    return examine_mixed(records, names).withColumns({"position": position, "content": content})


def fingerprint(table: str) -> Column:
    """A number for the content of a clean row; nulls count."""
    return F.xxhash64(F.to_json(F.struct(*(column.name for column in TARGETS[table]))))


def writer(folder: str, catalog: str, tables: tuple[str, ...], query_id: str) -> Callable[[DataFrame, int], None]:
    """The function for ``foreachBatch``.

    Spark Connect sends it to a Python process beside the server, which does not know the notebook's ``sys.path``. A
    nested function travels by value; it finds this package by itself and keeps its memory from batch to batch.

    :param folder: the folder that holds the package ``include``, as the server sees it.
    """
    process: dict[str, Any] = {}

    def write(frame: DataFrame, batch_id: int) -> None:
        import sys

        if folder not in sys.path:
            sys.path.append(folder)
        from include.spark.stream.posts import Posts

        if "posts" not in process:
            process["posts"] = Posts(catalog, tables, query_id)
        process["posts"].write(frame, batch_id)

    return write


class Posts:
    """Writes micro-batches; one object a process.

    :param query_id: of the checkpoint; with the number of a micro-batch it names what was written.
    """

    def __init__(self, catalog: str, tables: tuple[str, ...], query_id: str) -> None:
        self._catalog, self._tables, self._query_id = catalog, tables, query_id
        self._known: Known | None = None
        self._pool = ThreadPoolExecutor(len(tables) + 2)

    def write(self, frame: DataFrame, batch_id: int) -> None:
        """Write a micro-batch.

        :param frame: as :func:`prepare` gives it.
        """
        batch = frame.persist()
        try:
            arrivals = list(_arrivals(batch))
            if self._known is None:
                self._known = restore(batch.sparkSession, self._catalog, self._tables, self._query_id, batch_id)
            plan = self._known.plan(arrivals)
            list(self._pool.map(_call, self._jobs(batch.coalesce(1), plan, arrivals, batch_id)))
        except BaseException:
            self._known = None
            raise
        finally:
            batch.unpersist()

    def _jobs(self, batch: DataFrame, plan: Plan, arrivals: list[Arrival], batch_id: int) -> Iterable[Job]:
        accepted, broken = _positions(arrivals, accepted=True), _positions(arrivals, accepted=False)
        for table in self._tables:
            rows = batch.where((F.col("table_name") == table) & F.col("reason").isNull())
            if append := plan.append.get(table):
                yield partial(_append, _clean(_only(rows, append, accepted[table]), table), self._stream(table))
            if update := plan.update.get(table):
                yield partial(_merge, _clean(_only(rows, update, accepted[table]), table), self._stream(table))
        if arrived := _all(plan.arrived):
            rows = _only(batch.where(F.col("reason").isNull()), arrived, _all(accepted))
            written = self._stamped(rows, batch_id).withColumns(_arrival_columns(_all(plan.late)))
            yield partial(_append, written.select(*schemas.ARRIVALS.names), self._stream("arrivals"))
        if quarantined := _all(plan.quarantined):
            rows = _only(batch.where(F.col("reason").isNotNull()), quarantined, _all(broken))
            written = self._stamped(rows, batch_id).withColumn("quarantined_at", F.current_timestamp())
            yield partial(_append, written.select(*schemas.QUARANTINE.names), quarantine(self._catalog))

    def _stream(self, table: str) -> str:
        return f"{self._catalog}.stream.{table}"

    def _stamped(self, rows: DataFrame, batch_id: int) -> DataFrame:
        return rows.withColumns({"query_id": F.lit(self._query_id), "batch_id": F.lit(batch_id).cast("bigint")})


def restore(spark: SparkSession, catalog: str, tables: Iterable[str], query_id: str, batch_id: int) -> Known:
    """What the tables hold before a micro-batch, in memory.

    A former try of the same micro-batch may have written some of them: what a table itself holds counts, but neither
    the order of copies nor lateness may be judged by arrivals of that try.
    """
    arrivals, known = spark.table(f"{catalog}.stream.arrivals"), Known()
    earlier = ~((F.col("query_id") == query_id) & (F.col("batch_id") == batch_id))
    for row in _highest(arrivals).collect():
        known.written[row.table_name, row.shard_id] = int(row.newest.text)
    for row in _highest(spark.table(quarantine(catalog))).collect():
        known.rejected[row.table_name, row.shard_id] = int(row.newest.text)
    for row in arrivals.where(earlier).groupBy("table_name", "shard_id").agg(_latest()).collect():
        known.watermarks[row.table_name, row.shard_id] = row.latest
    for table in tables:
        known.posts[table] = _posts(spark.table(f"{catalog}.stream.{table}"), arrivals.where(earlier), table)
    return known


def slot_of(moment: str) -> Column:
    """The ten minutes of a time, by their start: how the arrivals are partitioned."""
    return F.timestamp_seconds(F.floor(F.unix_seconds(moment) / SLOT_SECONDS) * SLOT_SECONDS)


def quarantine(catalog: str) -> str:
    """The full name of the stream's quarantine."""
    return f"{catalog}.quarantine.stream_records"


def _posts(kept: DataFrame, arrivals: DataFrame, table: str) -> dict[int, Post]:
    """An equal copy is not written to the clean table, so the newest place of a content may be in the arrivals only."""
    copies = arrivals.where(F.col("table_name") == table).groupBy("ind").agg(F.max(_place()).alias("arrived"))
    rows = kept.select("ind", _place().alias("kept"), fingerprint(table).alias("content")).join(copies, "ind", "left")
    newest = F.greatest("kept", F.coalesce("arrived", "kept"))["text"].alias("newest")
    return {
        ind: Post(int(sequence), content) for ind, sequence, content in _columns(rows.select("ind", newest, "content"))
    }


def _arrivals(batch: DataFrame) -> Iterable[Arrival]:
    keys = batch.select(
        "table_name",
        "shard_id",
        "sequence_number",
        F.unix_micros("arrived_at").alias("arrived_us"),
        F.when(F.col("reason").isNull(), F.col("ind")).alias("ind"),
        "content",
    )
    for table, shard_id, sequence, arrived_us, ind, content in _columns(keys):
        yield Arrival(table, shard_id, int(sequence), arrived_us, ind, content)


def _columns(frame: DataFrame) -> Iterable[tuple[Any, ...]]:
    table = frame.toArrow()
    return zip(*(table.column(name).to_pylist() for name in frame.columns), strict=True)


def _place() -> Column:
    """Sequence numbers are compared as numbers, of which they have too many digits for any type."""
    return F.struct(F.length("sequence_number").alias("digits"), F.col("sequence_number").alias("text"))


def _highest(frame: DataFrame) -> DataFrame:
    return frame.groupBy("table_name", "shard_id").agg(F.max(_place()).alias("newest"))


def _latest() -> Column:
    return F.unix_micros(F.max("arrived_at")).alias("latest")


def _positions(arrivals: Iterable[Arrival], *, accepted: bool) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for arrival in arrivals:
        if (arrival.ind is not None) == accepted:
            found.setdefault(arrival.table, set()).add(arrival.position)
    return found


def _all(positions: Mapping[str, set[str]]) -> set[str]:
    return set().union(*positions.values())


def _only(rows: DataFrame, wanted: set[str], among: set[str]) -> DataFrame:
    """The wanted ones among all rows of a frame, named by the shorter list."""
    others = among - wanted
    if not others:
        return rows
    position = F.col("position")
    return rows.where(position.isin(*wanted) if len(wanted) <= len(others) else ~position.isin(*others))


def _clean(rows: DataFrame, table: str) -> DataFrame:
    return rows.withColumn("processed_at", F.current_timestamp()).select(*schemas.STREAM[table].names)


def _arrival_columns(late: set[str]) -> dict[str, Column]:
    own = {"poster_name": "pin", "follower_count": "pin", "category": "pin", "country": "geo"}
    return {
        **{name: F.when(F.col("table_name") == table, F.col(name)) for name, table in own.items()},
        "late": F.col("position").isin(*late) if late else F.lit(False),
        "slot": slot_of("arrived_at"),
    }


def _append(rows: DataFrame, name: str) -> None:
    commit(lambda: rows.writeTo(name).append())


def _merge(rows: DataFrame, name: str) -> None:
    spark, view = rows.sparkSession, f"pinflow_copies_{uuid4().hex}"
    rows.createTempView(view)
    newer = " > ".join(f"struct(length({x}.sequence_number), {x}.sequence_number)" for x in ("arrived", "kept"))
    try:
        run(
            spark,
            f"MERGE INTO {name} AS kept USING {view} AS arrived ON kept.ind = arrived.ind "
            f"WHEN MATCHED AND {newer} THEN UPDATE SET *",
        )
    finally:
        spark.catalog.dropTempView(view)


def _call(job: Job) -> None:
    job()
