"""The notebooks on a real stream: to its end, killed, refused, reset. The tests build on one another, in this order."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from include.spark.stream import reset
from include.spark.stream.identity import ActiveQueryError
from sandbox.databricks.jobs.processes import Outcome
from tests.spark.kinesis.server import KEYS, Server
from tests.spark.lake import CATALOG
from tests.spark.notebooks import Running, Workspace
from tests.spark.posts import MAKERS
from tests.spark.stream.conftest import SECRET
from tests.spark.stream.streams import TABLES, Streams

pytestmark = pytest.mark.timeout(900)
WAIT_SECONDS = 180


@dataclass
class World:
    """Streams, tables and checkpoints of one job."""

    kinesis: Server
    tables: Streams
    workspace: Workspace
    checkpoint_root: str
    sent: dict[str, list[str]] = field(default_factory=lambda: {table: [] for table in TABLES})

    def put(self, table: str, inds: Iterable[int], *more: str) -> None:
        """Put rows of a table on its stream, and further texts."""
        records = [json.dumps(MAKERS[table](ind)) for ind in inds]
        self.sent[table] += records
        entries = [{"Data": text.encode(), "PartitionKey": text[-30:]} for text in (*records, *more)]
        answer = self.kinesis.client.put_records(StreamName=self.stream(table), Records=entries)
        assert answer["FailedRecordCount"] == 0

    def stream(self, table: str) -> str:
        return f"streaming-tested-{table}"

    def start(self, **changes: str) -> Running:
        """Start the job."""
        keys = {"awsAccessKey": KEYS["aws_access_key_id"], "awsSecretKey": SECRET}
        options = {"endpoint": self.kinesis.url, "minFetchPeriod": "200ms", **keys}
        parameters = {
            "job_id": "tested",
            "run_key": "run-1",
            "source": "kinesis",
            "catalog": CATALOG,
            "prefix": "tested",
            "region": "us-east-1",
            "checkpoint_root": self.checkpoint_root,
            "trigger": "availableNow",
            "live_trigger": "1 second",
            "source_options": json.dumps(options),
        }
        return self.workspace.start("stream", **{**parameters, **changes})

    def drain(self, **changes: str) -> dict[str, Any]:
        """Run the job to the end of what is there; its summary."""
        running = self.start(**changes)
        outcome = running.wait()
        assert outcome.succeeded, outcome.error_trace
        return dict(json.loads(outcome.result or ""))

    def reset(self) -> Outcome:
        return self.workspace.run("stream_reset", checkpoint_root=self.checkpoint_root, catalog=CATALOG)[0]

    def heartbeats(self, run_key: str) -> list[dict[str, Any]]:
        query = f"SELECT * FROM ops.stream_heartbeat WHERE run_key = '{run_key}' ORDER BY written_at"
        return self.tables.rows(query)

    def complete(self) -> bool:
        """Whether every record that was sent arrived."""
        return len(self.tables.rows("SELECT ind FROM stream.arrivals")) >= sum(map(len, self.sent.values()))

    def check(self) -> None:
        """Each record arrived once; each post is there once."""
        for table in TABLES:
            inds = [json.loads(text)["index" if table == "pin" else "ind"] for text in self.sent[table]]
            found = self.tables.rows(f"SELECT ind FROM stream.arrivals WHERE table_name = '{table}'")
            assert Counter(row["ind"] for row in found) == Counter(inds)
            assert set(self.tables.clean(table)) == set(inds)


@pytest.fixture(scope="module")
def world(spark: Any, kinesis: Server, workspace: Workspace, checkpoint_root: str) -> World:
    made = World(kinesis, Streams(spark), workspace, checkpoint_root)
    for table in TABLES:
        kinesis.client.create_stream(StreamName=made.stream(table), ShardCount=2)
    return made


def until(true: Callable[[], bool], running: Running) -> None:
    give_up = time.monotonic() + WAIT_SECONDS
    while not true():
        assert running.process.poll() is None, running.log()
        assert time.monotonic() < give_up, running.log()
        time.sleep(0.5)


class TestJob:
    def test_reads_to_the_end_and_says_what_it_did(self, world: World) -> None:
        for table in TABLES:
            world.put(table, [*range(30), 1, 2, 3], "no JSON", '{"index": 1, "name": "x", "age": 1, "role": "y"}')
        summary = world.drain()
        assert {name: summary[name] for name in ("job_id", "run_key", "rows", "quarantined", "late")} == {
            "job_id": "tested",
            "run_key": "run-1",
            "rows": 105,
            "quarantined": 6,
            "late": 0,
        }
        world.check()
        posts = world.tables.rows("SELECT sum(posts) AS posts FROM live.category_trend GROUP BY window_start")
        assert max(row["posts"] for row in posts) == 30
        reasons = world.tables.rows("SELECT reason, count(*) AS n FROM quarantine.stream_records GROUP BY reason")
        assert {row["reason"]: row["n"] for row in reasons} == {"not_json": 3, "missing_fields": 3}

    def test_its_heartbeats(self, world: World) -> None:
        started, *running, stopped = world.heartbeats("run-1")
        assert (started["state"], {row["state"] for row in running}, stopped["state"]) == (
            "started",
            {"running"},
            "stopped",
        )
        assert sum(row["rows"] for row in running) == 105
        last = running[-1]
        assert (last["lag_ms"], last["lag_records"]) == (0, 0)
        bounds = "min(arrived_at) AS first, max(arrived_at) AS last"
        [arrived] = world.tables.rows(f"SELECT {bounds} FROM stream.arrivals WHERE batch_id = {last['batch_id']}")
        longest = (last["committed_at"] - arrived["first"]).total_seconds() * 1000
        assert last["delay_max_ms"] == pytest.approx(longest, abs=2)
        assert 0 < last["delay_p50_ms"] <= last["delay_p95_ms"] <= last["delay_max_ms"]
        assert last["written_at"] >= last["committed_at"] >= arrived["last"]

    def test_killed_while_its_queries_go_on_it_loses_and_doubles_nothing(self, world: World) -> None:
        """Nobody tells Spark that the notebook is gone; the next run takes the checkpoint over all the same."""
        running = world.start(trigger="200 milliseconds", run_key="run-2")
        for start in (100, 200):
            for table in TABLES:
                world.put(table, range(start, start + 40))
            until(world.complete, running)
        until(lambda: world.heartbeats("run-2")[-1]["state"] == "idle", running)
        with pytest.raises(ActiveQueryError, match="gave a sign of life"):
            reset.run(world.tables.spark, None, {"checkpoint_root": world.checkpoint_root})  # type: ignore[arg-type]
        for table in TABLES:
            world.put(table, range(300, 340))
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        for table in TABLES:
            world.put(table, range(400, 440))
        world.drain(run_key="run-3")
        world.check()
        told = world.tables.rows("SELECT batch_id, max(rows) AS rows FROM ops.stream_heartbeat GROUP BY batch_id")
        assert sum(row["rows"] for row in told if row["batch_id"] is not None) == 105 + 3 * 160

    def test_a_stream_that_was_made_again_is_refused_with_the_mend(self, world: World) -> None:
        world.kinesis.client.delete_stream(StreamName=world.stream("pin"))
        world.kinesis.client.get_waiter("stream_not_exists").wait(StreamName=world.stream("pin"))
        world.kinesis.client.create_stream(StreamName=world.stream("pin"), ShardCount=1)
        world.put("pin", [*range(5), *range(500, 505)])
        outcome = world.start(run_key="run-4").wait()
        assert not outcome.succeeded
        assert "CheckpointRefusedError" in str(outcome.error)
        assert "streaming-tested-pin was deleted and made again" in str(outcome.error)
        assert "./pinflow streaming reset" in str(outcome.error)
        assert world.heartbeats("run-4") == []

    def test_after_a_reset_all_is_read_again_and_nothing_doubled(self, world: World) -> None:
        outcome = world.reset()
        assert outcome.succeeded, outcome.error_trace
        moved = json.loads(outcome.result or "")
        assert {query: path.partition(".kept-")[0] for query, path in moved.items()} == {
            query: f"{world.checkpoint_root}/{query}" for query in ("posts", "live")
        }
        assert world.drain(run_key="run-5")["rows"] == 2 * 35 + 2 * 160 + 10
        world.check()

    def test_a_stream_that_is_not_there_is_named(self, world: World) -> None:
        outcome = world.start(prefix="absent", checkpoint_root=f"{world.checkpoint_root}/absent").wait()
        assert "There is no stream streaming-absent-pin" in str(outcome.error)
