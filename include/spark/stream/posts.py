"""The query ``posts``: what a micro-batch of all streams brings to the clean tables, the quarantine and the arrivals.

A micro-batch is read and cleaned by Spark in one go, and comes to this process as Arrow; which of its rows change a
table is decided by their keys (:mod:`include.spark.stream.known`), then each table that changes gets one commit, all
at the same time. Micro-batches are small (the source bounds them), and to plan and run five more Spark jobs over the
cleaning took longer than to send the rows back. Writing a micro-batch again changes nothing, wherever the first try
ended: each commit is whole, and what a table holds already is not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from include.spark.contract import examine_mixed
from include.spark.delta import append, run
from include.spark.schemas import TARGETS
from include.spark.stream import schemas
from include.spark.stream.known import Arrival, Known, Plan, Post

SLOT_SECONDS = 600
MOMENT = pa.timestamp("us", tz="UTC")

Job = Callable[[], None]


def prepare(records: DataFrame, tables: Iterable[str]) -> DataFrame:
    """Clean the records of a stream.

    :param records: with the columns of :mod:`include.spark.stream.source`.
    :returns: as :func:`include.spark.contract.examine_mixed`, with ``position`` and ``content`` for :class:`Known`, and
        the ``slot`` of the arrival.
    """
    names = tuple(tables)
    position = F.concat_ws("/", "table_name", "shard_id", "sequence_number")
    content = F.coalesce(*(F.when(F.col("table_name") == table, fingerprint(table)) for table in names))
    added = {"position": position, "content": content, "slot": slot_of("arrived_at")}
    return examine_mixed(records, names).withColumns(added)


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
        spark, batch = frame.sparkSession, frame.toArrow()
        try:
            arrivals = list(_arrivals(batch))
            if self._known is None:
                self._known = restore(spark, self._catalog, self._tables, self._query_id, batch_id)
            plan = self._known.plan(arrivals)
            list(self._pool.map(_call, self._jobs(spark, batch, plan, batch_id)))
        except BaseException:
            self._known = None
            raise

    def _jobs(self, spark: SparkSession, batch: pa.Table, plan: Plan, batch_id: int) -> Iterable[Job]:
        now = pa.scalar(datetime.now(UTC), MOMENT)
        for table in self._tables:
            columns = schemas.STREAM[table].names
            if new := plan.append.get(table):
                rows = _with(_only(batch, new), processed_at=now)
                yield partial(append, frame_of(spark, rows.select(columns)), self._stream(table))
            if update := plan.update.get(table):
                rows = _with(_only(batch, update), processed_at=now)
                yield partial(_merge, frame_of(spark, rows.select(columns)), self._stream(table))
        of_batch = {"query_id": pa.scalar(self._query_id), "batch_id": pa.scalar(batch_id, pa.int64())}
        if arrived := _all(plan.arrived):
            rows = _with(_arrived(_only(batch, arrived), _all(plan.late)), **of_batch)
            yield partial(append, frame_of(spark, rows.select(schemas.ARRIVALS.names)), self._stream("arrivals"))
        if quarantined := _all(plan.quarantined):
            rows = _with(_only(batch, quarantined), **of_batch, quarantined_at=now)
            yield partial(append, frame_of(spark, rows.select(schemas.QUARANTINE.names)), quarantine(self._catalog))

    def _stream(self, table: str) -> str:
        return f"{self._catalog}.stream.{table}"


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
        ind: Post(int(sequence), content) for ind, sequence, content in tuples_of(rows.select("ind", newest, "content"))
    }


def _arrivals(batch: pa.Table) -> Iterable[Arrival]:
    names = ("table_name", "shard_id", "sequence_number", "arrived_at", "ind", "content", "reason")
    columns = (batch.column(name) for name in names)
    values = (column.cast(pa.int64()) if column.type == MOMENT else column for column in columns)
    for table, shard_id, sequence, arrived_us, ind, content, reason in _zipped(values):
        yield Arrival(table, shard_id, int(sequence), arrived_us, ind if reason is None else None, content)


def tuples_of(frame: DataFrame) -> Iterable[tuple[Any, ...]]:
    """The rows of a frame, brought here by Arrow."""
    table = frame.toArrow()
    return _zipped(table.column(name) for name in frame.columns)


def _zipped(columns: Iterable[Any]) -> Iterable[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in columns), strict=True)


def _place() -> Column:
    """Sequence numbers are compared as numbers, of which they have too many digits for any type."""
    return F.struct(F.length("sequence_number").alias("digits"), F.col("sequence_number").alias("text"))


def _highest(frame: DataFrame) -> DataFrame:
    return frame.groupBy("table_name", "shard_id").agg(F.max(_place()).alias("newest"))


def _latest() -> Column:
    return F.unix_micros(F.max("arrived_at")).alias("latest")


def _all(positions: Mapping[str, set[str]]) -> set[str]:
    return set().union(*positions.values())


def _only(rows: pa.Table, wanted: set[str]) -> pa.Table:
    """The rows at some positions."""
    return rows.filter(_is_in(rows, wanted))


def _is_in(rows: pa.Table, positions: set[str]) -> Any:
    return pc.is_in(rows.column("position"), value_set=pa.array(positions, pa.string()))


def _arrived(rows: pa.Table, late: set[str]) -> pa.Table:
    """Rows with the columns of the arrivals: names of the tables that have them, whatever else a record holds."""
    of_table = rows.column("table_name")
    for name, table in {"poster_name": "pin", "follower_count": "pin", "category": "pin", "country": "geo"}.items():
        values = rows.column(name)
        own = pc.if_else(pc.equal(of_table, table), values, pa.scalar(None, values.type))
        rows = rows.set_column(rows.column_names.index(name), name, own)
    return rows.append_column("late", _is_in(rows, late))


def _with(rows: pa.Table, **values: Any) -> pa.Table:
    """Rows with columns that hold one value."""
    for name, value in values.items():
        rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
    return rows


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


def frame_of(spark: SparkSession, rows: pa.Table) -> DataFrame:
    """Rows that go into one file."""
    return spark.createDataFrame(rows).coalesce(1)


def _call(job: Job) -> None:
    job()
