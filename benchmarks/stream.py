"""The stream path under load: how long a record takes to its table, which rate is held, how fast a backlog goes.

Everything else of the sandbox runs meanwhile. Posts come in an open loop (each has its time, whatever became of those
before it) through the gateway. A record's delay is the time its micro-batch was committed, less its arrival in Kinesis,
and is exact: every record of the measured span counts. The baseline of the same run is a plain boto3 consumer, which
fetches the same shards and keeps nothing: what Kinesis and this machine give at best.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from emulator.post import EmulatorOptions
from emulator.post import run as post
from include.config.settings import TABLES, load
from sandbox.cli.console import progress
from sandbox.cli.dags import client, run_dag
from sandbox.cli.results import workspace
from sandbox.cli.streaming import stop
from sandbox.databricks.client import WorkspaceError
from sandbox.supervisor.home import Home

RECORDS_A_POST = len(TABLES)
WARM_UP_SECONDS = 20
HELD_WITHIN_MS = 5_000
START_WITHIN = 180.0
DRAIN_WITHIN = 600.0
POLL_SECONDS = 0.2
LADDER = (300, 600, 1_200, 2_400, 4_800)
BACKLOG_POSTS = 40_000

DELAYS = """
WITH committed AS (
  SELECT batch_id, run_key, min(committed_at) AS committed_at FROM ops.stream_heartbeat
  WHERE query = 'posts' AND rows > 0 GROUP BY batch_id, run_key
)
SELECT count(*) AS records,
       percentile(delay, 0.5) AS p50, percentile(delay, 0.95) AS p95, percentile(delay, 0.99) AS p99
FROM (SELECT unix_millis(max(committed_at)) - unix_millis(any_value(arrived_at)) AS delay
      FROM stream.arrivals JOIN committed USING (batch_id)
      WHERE arrived_at >= '{first}' AND arrived_at < '{last}' AND committed_at >= arrived_at
      GROUP BY table_name, shard_id, sequence_number)
"""
DRAINED = """
SELECT sum(rows) AS records, unix_millis(max(committed_at)) - unix_millis(min(committed_at)) AS milliseconds,
       min_by(rows, committed_at) AS first_batch
FROM ops.stream_heartbeat WHERE query = 'posts' AND rows > 0 AND committed_at >= '{first}'
"""


@dataclass
class Consumer:
    """A plain consumer: a thread that fetches every shard from now on, and notes how old each record is.

    :param delays: milliseconds from arrival to here.
    """

    from_start: bool = False
    delays: list[float] = field(default_factory=list)

    def read(self, ended: threading.Event) -> None:
        """Fetch until told to end."""
        kinesis = _kinesis()
        kind = "TRIM_HORIZON" if self.from_start else "LATEST"
        iterators = [
            kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType=kind)[
                "ShardIterator"
            ]
            for name in _streams()
            for shard in kinesis.list_shards(StreamName=name)["Shards"]
        ]
        while not ended.wait(POLL_SECONDS):
            iterators = [self._fetch(kinesis, iterator) for iterator in iterators if iterator]

    def _fetch(self, kinesis: Any, iterator: str) -> str | None:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
        now = time.time()
        for record in answer["Records"]:
            self.delays.append((now - record["ApproximateArrivalTimestamp"].timestamp()) * 1000)
        following: str | None = answer.get("NextShardIterator")
        return following


def measure(seconds: int) -> list[dict[str, Any]]:
    """Delays at a fixed rate, the highest rate held, and the speed of catching up.

    :param seconds: how long each rate is offered, after a warm-up.
    """
    run_dag("pinflow_provision", {})
    rows, held = [], 0
    with _job():
        _offer(LADDER[0], WARM_UP_SECONDS)
        for rate in LADDER:
            row = _step(rate, seconds)
            rows.append(row)
            if not row["held"]:
                break
            held = rate
    progress.print(f"Highest rate held for {seconds} s: {held} records/s")
    rows.append(_catch_up())
    return rows


def _step(rate: int, seconds: int) -> dict[str, Any]:
    progress.print(f"{rate} records/s for {seconds} s …")
    with _consumer() as consumer:
        first = datetime.now(UTC)
        _offer(rate, seconds)
        last = datetime.now(UTC)
    middle = first + (last - first) / 2
    _drained(first)
    whole, early, late = (_delays(*span) for span in ((first, last), (first, middle), (middle, last)))
    grows = late["p95"] > max(1.5 * early["p95"], HELD_WITHIN_MS)
    offered = whole["records"] / (last - first).total_seconds()
    baseline = _percentile(consumer.delays, 0.5)
    return {
        "what": f"{rate} records/s offered", "records_per_second": round(offered), "records": whole["records"],
        "p50_ms": round(whole["p50"]), "p95_ms": round(whole["p95"]), "p99_ms": round(whole["p99"]),
        "held": not grows and offered > 0.95 * rate,
        "consumer_p50_ms": round(baseline), "times_consumer": round(whole["p50"] / baseline, 1),
    }  # fmt: skip


def _catch_up() -> dict[str, Any]:
    stop()
    progress.print(f"A backlog of {BACKLOG_POSTS * RECORDS_A_POST} records …")
    before = datetime.now(UTC)
    _emulate(BACKLOG_POSTS, None)
    baseline = _plain_speed(before)
    begun = datetime.now(UTC)
    with _job():
        _drained(before)
    found = _ask(DRAINED.format(first=begun.isoformat()))
    after_first = found["records"] - found["first_batch"]
    speed = after_first / (found["milliseconds"] / 1000) if found["milliseconds"] else 0.0
    return {
        "what": "catch-up", "records_per_second": round(speed), "records": found["records"],
        "p50_ms": None, "p95_ms": None, "p99_ms": None, "held": None,
        "consumer_p50_ms": None, "times_consumer": round(speed / baseline, 2),
    }  # fmt: skip


@contextmanager
def _job() -> Iterator[None]:
    """The streaming job under supervision, from its first heartbeat to its end."""
    begun = datetime.now(UTC)
    client().trigger("pinflow_streaming", {"window_minutes": 240, "at_end": "stop"})
    _until(lambda: _is_alive(begun), START_WITHIN, "the job has no heartbeat")
    try:
        yield
    finally:
        stop()


def _is_alive(since: datetime) -> bool:
    try:
        found = _ask(f"SELECT count(*) AS n FROM ops.stream_heartbeat WHERE written_at >= '{since.isoformat()}'")
    except WorkspaceError as error:
        if "TABLE_OR_VIEW_NOT_FOUND" in str(error):
            return False
        raise
    return bool(found["n"])


@contextmanager
def _consumer() -> Iterator[Consumer]:
    made, ended = Consumer(), threading.Event()
    thread = threading.Thread(target=made.read, args=(ended,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        ended.set()
        thread.join(30)


def _offer(rate: int, seconds: int) -> None:
    _emulate(rate * seconds // RECORDS_A_POST, rate / RECORDS_A_POST)


def _emulate(posts: int, rate: float | None) -> None:
    home, settings = Home(), load("sandbox")
    gateway = f"{home.url('gateway')}/{settings.gateway.stage}"
    summary = post(EmulatorOptions(
        source_url=home.source_url, gateway_url=gateway, prefix=settings.prefix, target="stream", posts=posts,
        rate=rate, seed=time.time_ns() % 2**31,
    ))  # fmt: skip
    if summary.accepted != RECORDS_A_POST * posts:
        raise RuntimeError(f"only {summary.accepted} of {RECORDS_A_POST * posts} records were accepted")


def _drained(first: datetime) -> None:
    """Wait until all that Kinesis holds since a moment is in the tables."""
    kinesis = _kinesis()
    held = sum(1 for _ in _records(kinesis, first))
    arrived = f"SELECT count(*) AS n FROM stream.arrivals WHERE arrived_at >= '{first.isoformat()}'"
    _until(lambda: _ask(arrived)["n"] >= held, DRAIN_WITHIN, f"not all {held} records have arrived")
    newest = f"SELECT max(batch_id) AS n FROM stream.arrivals WHERE arrived_at >= '{first.isoformat()}'"
    written = "SELECT count(*) AS n FROM ops.stream_heartbeat WHERE query = 'posts' AND rows > 0 AND batch_id = {n}"
    _until(lambda: _ask(written.format(n=_ask(newest)["n"]))["n"] > 0, 60, "the last batch has no heartbeat")


def _records(kinesis: Any, first: datetime) -> Iterator[dict[str, Any]]:
    for name in _streams():
        for shard in kinesis.list_shards(StreamName=name)["Shards"]:
            asked = {"StreamName": name, "ShardId": shard["ShardId"], "Timestamp": first}
            iterator = kinesis.get_shard_iterator(ShardIteratorType="AT_TIMESTAMP", **asked)["ShardIterator"]
            while iterator:
                answer = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
                # boto3 sends whole seconds only.
                yield from (one for one in answer["Records"] if one["ApproximateArrivalTimestamp"] >= first)
                if not answer["Records"] and not answer["MillisBehindLatest"]:
                    break
                iterator = answer.get("NextShardIterator")


def _plain_speed(first: datetime) -> float:
    """Records a second that one boto3 client fetches."""
    begun = time.perf_counter()
    count = sum(1 for _ in _records(_kinesis(), first))
    return count / (time.perf_counter() - begun)


def _delays(first: datetime, last: datetime) -> dict[str, Any]:
    return _ask(DELAYS.format(first=first.isoformat(), last=last.isoformat()))


def _ask(statement: str) -> dict[str, Any]:
    return workspace().query(statement, load("sandbox").workspace.catalog)[0]


def _until(done: Any, seconds: float, otherwise: str) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        if time.monotonic() > give_up:
            raise RuntimeError(f"after {seconds:.0f} s {otherwise}; see ./pinflow streaming status")
        time.sleep(1)


def _streams() -> list[str]:
    settings = load("sandbox")
    return [settings.stream(table) for table in TABLES]


def _kinesis() -> Any:
    import boto3

    home = Home()
    known = home.client_environment()
    return boto3.client(
        "kinesis", region_name=known["AWS_REGION"], endpoint_url=known["AWS_ENDPOINT_URL_KINESIS"],
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"], aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))] if values else float("nan")
