"""A sign of life for every micro-batch: what it held, how late it was, how far the reader is behind.

Spark's listener in the notebook's process takes the events; a thread of its own looks at what was written and appends
the rows, several micro-batches at once when they come fast, so that no micro-batch waits for it. A query that finds
nothing to do says so about every ten seconds; one that hangs in a micro-batch says nothing.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.streaming.listener import StreamingQueryListener

from include.spark.delta import append
from include.spark.stream import schemas
from include.spark.stream.posts import quarantine

GATHER_SECONDS = 5.0
_END = object()


@dataclass
class Totals:
    """What a run did so far."""

    batches: int = 0
    rows: int = 0
    quarantined: int = 0
    late: int = 0


@dataclass(frozen=True)
class Batch:
    """A micro-batch as Spark reports it.

    :param committed_ms: when its tables were written, milliseconds since 1970.
    """

    batch_id: int
    rows: int
    committed_ms: int
    rows_per_second: float | None
    lag_records: int | None
    lag_ms: int | None


class Heartbeat(StreamingQueryListener):  # type: ignore[misc]  # pyspark is untyped here
    """Writes ``ops.stream_heartbeat`` for one query of one run.

    :param query: the name of the query whose micro-batches count.
    :param query_id: of its checkpoint.
    """

    def __init__(
        self, spark: SparkSession, catalog: str, query_id: str, *, job_id: str, run_key: str, query: str = "posts"
    ) -> None:
        self._spark, self._catalog, self._query_id = spark, catalog, query_id
        self._own = {"job_id": job_id, "run_key": run_key, "query": query, "query_id": query_id}
        self._query, self._run_id = query, ""
        self._events: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)
        self.totals = Totals()

    def start(self) -> None:
        """Say that the run is alive and begin to listen."""
        self._append([*self._recovered(), self._row("started", rows=0, quarantined=0, late=0)])
        self._spark.streams.addListener(self)
        self._thread.start()

    def stop(self) -> None:
        """Write what is still to be written, and that the run has ended."""
        self._spark.streams.removeListener(self)
        self._events.put(_END)
        self._thread.join()
        self._append([self._row("stopped", rows=0, quarantined=0, late=0)])

    def onQueryStarted(self, event: Any) -> None:  # noqa: N802
        """Remember the run of the query, which the other events name."""
        if event.name == self._query:
            self._run_id = str(event.runId)

    def onQueryProgress(self, event: Any) -> None:  # noqa: N802
        """A micro-batch was written."""
        if event.progress.name == self._query:
            self._events.put(event.progress)

    def onQueryIdle(self, event: Any) -> None:  # noqa: N802
        """There was nothing to do for a while."""
        if str(event.runId) == self._run_id:
            self._events.put(None)

    def onQueryTerminated(self, event: Any) -> None:  # noqa: N802
        """The job itself sees that, and why."""

    def _work(self) -> None:
        going = True
        while going:
            events = [self._events.get()]
            if events[0] is not _END:
                events += self._gather()
            going = events[-1] is not _END
            try:
                self._write([event for event in events if event is not None and event is not _END], None in events)
            except Exception:  # noqa: BLE001  the next ones may be written; without any, the supervisor starts anew
                traceback.print_exc()

    def _gather(self) -> list[Any]:
        """What comes within a few seconds is written together."""
        events, until = list[Any](), time.monotonic() + GATHER_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                events.append(self._events.get(timeout=left))
            except queue.Empty:
                break
            if events[-1] is _END:
                break
        return events

    def _write(self, progresses: Sequence[Any], idle: bool) -> None:
        batches = [batch for batch in map(read_progress, progresses) if batch.rows]
        rows = self._batch_rows(batches) if batches else []
        for row in rows:
            self.totals.batches += 1
            self.totals.rows += row["rows"]
            self.totals.quarantined += row["quarantined"]
            self.totals.late += row["late"]
        if idle and not rows:
            rows = [self._row("idle", rows=0, quarantined=0, late=0, lag_records=0, lag_ms=0)]
        if rows:
            self._append(rows)

    def _batch_rows(self, batches: Sequence[Batch], state: str = "running") -> list[dict[str, Any]]:
        written = self._written(min(b.batch_id for b in batches), max(b.batch_id for b in batches))
        return [self._row(state, **_measures(batch, written.get(batch.batch_id, {}))) for batch in batches]

    def _written(self, first: int, last: int) -> dict[int, dict[str, Any]]:
        """Lateness, delays and quarantine of micro-batches, from the tables."""
        which = f"query_id = '{self._query_id}' AND batch_id BETWEEN {first} AND {last}"
        statement = f"""
            SELECT batch_id, count_if(late) AS late, 0L AS quarantined,
                   percentile(unix_millis(arrived_at), array(0.5, 0.05, 0.0)) AS arrived
            FROM {self._catalog}.stream.arrivals WHERE {which} GROUP BY batch_id
            UNION ALL
            SELECT batch_id, 0L, count(*), NULL FROM {quarantine(self._catalog)} WHERE {which} GROUP BY batch_id
        """  # noqa: S608  names and numbers of our own
        found: dict[int, dict[str, Any]] = {}
        for row in self._spark.sql(statement).collect():
            counts = found.setdefault(row.batch_id, {"late": 0, "quarantined": 0, "arrived": None})
            counts["late"] += row.late
            counts["quarantined"] += row.quarantined
            counts["arrived"] = row.arrived or counts["arrived"]
        return found

    def _recovered(self) -> list[dict[str, Any]]:
        """Rows for micro-batches that an earlier run wrote and did not live to tell of."""
        heartbeats = f"{self._catalog}.ops.stream_heartbeat"
        (last,) = self._spark.sql(
            f"SELECT coalesce(max(batch_id), -1) AS told FROM {heartbeats} WHERE query_id = '{self._query_id}'"  # noqa: S608
        ).collect()
        which = f"query_id = '{self._query_id}' AND batch_id > {last.told}"
        columns = "batch_id, _metadata.file_modification_time AS written"
        statement = f"""
            SELECT batch_id, count(*) AS records, unix_millis(max(written)) AS committed_ms
            FROM (SELECT {columns} FROM {self._catalog}.stream.arrivals WHERE {which}
                  UNION ALL SELECT {columns} FROM {quarantine(self._catalog)} WHERE {which})
            GROUP BY batch_id
        """  # noqa: S608  names and numbers of our own
        found = self._spark.sql(statement).collect()
        batches = [Batch(row.batch_id, row.records, row.committed_ms, None, None, None) for row in found]
        return self._batch_rows(batches, "recovered") if batches else []

    def _row(self, state: str, **values: Any) -> dict[str, Any]:
        return {**self._own, "state": state, "written_at": datetime.now(UTC), **values}

    def _append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        names = schemas.HEARTBEAT.names
        frame = self._spark.createDataFrame([tuple(row.get(name) for name in names) for row in rows], schemas.HEARTBEAT)
        append(frame.coalesce(1), f"{self._catalog}.ops.stream_heartbeat")


def read_progress(progress: Any) -> Batch:
    """The micro-batch of a progress event.

    Its JSON is read: over Spark Connect the attributes of sources are texts of Python's making.
    """
    told = json.loads(progress.json)
    durations, sources = told["durationMs"], told["sources"]
    started = datetime.fromisoformat(told["timestamp"].replace("Z", "+00:00"))
    committed = started + timedelta(milliseconds=durations["triggerExecution"] - durations.get("commitOffsets", 0))
    rows = sum(source["numInputRows"] for source in sources)
    arriving, working = _rate(told, "inputRowsPerSecond"), _rate(told, "processedRowsPerSecond")
    lags = [_lag(source) for source in sources]
    records, ms = (_worst([lag[which] for lag in lags]) for which in (0, 1))
    if records is None and ms is not None and arriving is not None:
        records = round(ms / 1000 * arriving)  # an estimate: Kinesis tells the time only
    if ms is None and records is not None and working:
        ms = round(records / working * 1000)  # an estimate: Kafka tells the records only
    return Batch(told["batchId"], rows, round(committed.timestamp() * 1000), working, records, ms)


def _rate(told: Mapping[str, Any], name: str) -> float | None:
    """A rate over all sources; one that is not known is left out of the JSON, or no number."""
    known = [float(source[name]) for source in told["sources"] if name in source and source[name] is not None]
    return sum(known) if known and all(map(isfinite, known)) else None


def _lag(source: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Records and milliseconds that a source is behind.

    Databricks' Kinesis source says it in ``metrics``, the sandbox's in its offset; Kafka's offsets are compared.
    """
    metrics, end = source.get("metrics") or {}, _offset(source.get("endOffset"))
    ms = metrics.get("maxMsBehindLatest", end.get("maxMsBehindLatest"))
    if ms is not None:
        return None, int(float(ms))
    counts = [
        int(latest) - int(end[topic][partition])
        for topic, partitions in _offset(source.get("latestOffset")).items()
        if isinstance(partitions, dict)
        for partition, latest in partitions.items()
        if partition in end.get(topic, {})
    ]
    return (sum(counts), None) if counts else (None, None)


def _offset(value: Any) -> dict[str, Any]:
    """An offset as an object; Spark puts in those that are JSON objects, and others as text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _worst(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def _measures(batch: Batch, written: Mapping[str, Any]) -> dict[str, Any]:
    arrived = written.get("arrived")
    delays = [round(batch.committed_ms - moment) for moment in arrived] if arrived else [None] * 3
    return {
        "batch_id": batch.batch_id,
        "rows": batch.rows,
        "quarantined": written.get("quarantined", 0),
        "late": written.get("late", 0),
        "committed_at": datetime.fromtimestamp(batch.committed_ms / 1000, UTC),
        **dict(zip(("delay_p50_ms", "delay_p95_ms", "delay_max_ms"), delays, strict=True)),
        "lag_records": batch.lag_records,
        "lag_ms": batch.lag_ms,
        "processed_rows_per_second": batch.rows_per_second,
    }
