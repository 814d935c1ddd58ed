"""The emulator through the real gateway into the real Kinesis part; boto3 reads back what the streams hold."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from sqlalchemy import select

from emulator.ledger import Path as Way
from emulator.ledger.tables import entries
from emulator.post import EmulatorSummary, run
from emulator.source import seed
from emulator.source.tables import TABLES, key
from tests.conftest import Platform
from tests.integration.emulator.conftest import Lane

pytestmark = pytest.mark.integration

POSTS = 2_000


class StreamLane(Lane):
    """Three streams of their own beside the three topics.

    :param shards: how many each stream has.
    """

    def __init__(self, platform: Platform, source: str, shards: int = 2) -> None:
        super().__init__(platform, source)
        self.kinesis = boto3.client(
            "kinesis",
            region_name="us-east-1",
            endpoint_url=platform.url("kinesis"),
            aws_access_key_id="pinflow",
            aws_secret_access_key=platform.context.client_environment()["AWS_SECRET_ACCESS_KEY"],
        )
        for table in TABLES:
            self.kinesis.create_stream(StreamName=self.stream(table), ShardCount=shards)
            waiter = self.kinesis.get_waiter("stream_exists")
            waiter.wait(StreamName=self.stream(table), WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    def stream(self, table: str) -> str:
        return f"streaming-{self.prefix}-{table}"

    def records(self, table: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number of the shard, record) of all that a stream holds."""
        name = self.stream(table)
        for shard in self.kinesis.list_shards(StreamName=name)["Shards"]:
            start = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = self.kinesis.get_shard_iterator(StreamName=name, **start)["ShardIterator"]
            while True:
                answer = self.kinesis.get_records(ShardIterator=iterator)
                yield from ((int(shard["ShardId"][-12:]), record) for record in answer["Records"])
                if not answer["MillisBehindLatest"]:
                    break
                iterator = answer["NextShardIterator"]

    def in_streams(self) -> Counter[tuple[str, int, int, str]]:
        """(table, ind, shard, sequence number) of all that the streams hold."""
        return Counter(
            (table, int(record["PartitionKey"]), shard, record["SequenceNumber"])
            for table in TABLES
            for shard, record in self.records(table)
        )

    def in_stream_ledger(self) -> Counter[tuple[str, int, int, str]]:
        columns = (entries.c.table_name, entries.c.ind, entries.c.partition, entries.c.sequence)
        query = select(*columns).where(entries.c.path == "stream", entries.c.outcome == "accepted")
        with self.ledger._engine.connect() as connection:
            return Counter(row._t for row in connection.execute(query))


@pytest.fixture
def lane(running: Platform, tmp_path: Path) -> StreamLane:
    """A lane with streams and a source of 2,000 posts."""
    source = f"sqlite:///{tmp_path}/source.db"
    seed(source, POSTS)
    return StreamLane(running, source)


@pytest.fixture
def limits(running: Platform) -> Iterator[None]:
    """Shards that throttle, as those of AWS always do."""
    url = f"{running.url('kinesis')}/_limits"
    assert httpx.put(url, json={"enabled": True}).json() == {"enabled": True}
    yield
    httpx.put(url, json={"enabled": False})


class TestStream:
    def test_every_post_once_a_stream_with_its_place_in_the_ledger(self, lane: StreamLane) -> None:
        summary = run(lane.options(posts="all", target="stream"))
        assert (summary.accepted, summary.rejected, summary.unknown, summary.state) == (3 * POSTS, 0, 0, "finished")
        held = lane.in_streams()
        assert Counter((table, ind) for table, ind, _, _ in held.elements()) == Counter(
            (table, ind) for table in TABLES for ind in range(POSTS)
        )
        assert lane.in_stream_ledger() == held
        assert {shard for _, _, shard, _ in held} == {0, 1}
        for table in TABLES:
            wanted = {(ind, number) for name, ind, _, number in held if name == table}
            assert set(lane.ledger.streamed(table, summary.run_id)) == wanted
        assert lane.in_ledger() == Counter()

    def test_rows_arrive_as_they_are_in_the_source_on_both_paths(self, lane: StreamLane) -> None:
        summary = run(lane.options(posts=150, target="both"))
        assert {name: counts["accepted"] for name, counts in summary.paths.items()} == {"batch": 450, "stream": 450}
        held = lane.held()
        in_kafka = Counter((one.table, json.dumps(one.value, ensure_ascii=False)) for one in held)
        found = [(table, record) for table in TABLES for _, record in lane.records(table)]
        in_kinesis = Counter(
            (table, json.dumps(json.loads(record["Data"]), ensure_ascii=False)) for table, record in found
        )
        assert in_kinesis == in_kafka
        with lane.ledger._engine.connect() as connection:
            rows = {
                name: {row[0]: dict(row._mapping) for row in connection.execute(select(table).order_by(key(table)))}
                for name, table in TABLES.items()
            }
        for table, record in found:
            wanted = rows[table][int(record["PartitionKey"])]
            assert json.loads(record["Data"]) == {
                name: str(value) if isinstance(value, datetime) else value for name, value in wanted.items()
            }
        assert lane.in_ledger() == Counter((one.table, one.ind, one.partition, one.offset) for one in held)
        assert lane.in_stream_ledger() == lane.in_streams()

    def test_a_row_that_kinesis_refuses_takes_none_with_it(self, lane: StreamLane) -> None:
        with lane.ledger._engine.begin() as connection:
            pin = TABLES["pin"]
            connection.execute(pin.update().where(pin.c["index"] == 7).values(description="x" * 1_100_000))
        summary = run(lane.options(posts="all", target="stream"))
        assert (summary.accepted, summary.rejected, summary.unknown) == (3 * POSTS - 1, 1, 0)
        held = lane.in_streams()
        assert lane.in_stream_ledger() == held
        assert ("pin", 7) not in {(table, ind) for table, ind, _, _ in held}

    def test_a_stream_that_is_not_there(self, lane: StreamLane) -> None:
        lane.prefix = "none-such"
        summary = run(lane.options(posts=5_000, target="stream"))
        assert (summary.state, summary.accepted) == ("failed", 0)
        assert "none-such" in str(summary.error)


class TestThrottling:
    def test_only_throttled_records_are_sent_again_and_none_is_doubled(
        self, running: Platform, tmp_path: Path, limits: None
    ) -> None:
        source = f"sqlite:///{tmp_path}/source.db"
        seed(source, POSTS)
        lane = StreamLane(running, source, shards=1)
        options = lane.options(posts="all", target="stream", attempts=20)
        summary = run(options)
        assert (summary.accepted, summary.rejected, summary.unknown) == (3 * POSTS, 0, 0)
        assert summary.retried > 0
        held = lane.in_streams()
        assert Counter((table, ind) for table, ind, _, _ in held.elements()) == Counter(
            (table, ind) for table in TABLES for ind in range(POSTS)
        )
        assert lane.in_stream_ledger() == held
        assert not any(lane.ledger.ambiguous(table, Way.STREAM) for table in TABLES)


class TestKill:
    def post_while(self, lane: StreamLane, trouble: Callable[[], None]) -> EmulatorSummary:
        done: list[EmulatorSummary] = []
        under_way = threading.Event()

        def told(summary: EmulatorSummary) -> None:
            if summary.accepted >= 300:
                under_way.set()

        options = lane.options(posts="all", batch_size=50, rate=500.0, attempts=20, target="both")
        thread = threading.Thread(target=lambda: done.append(run(options, on_progress=told)))
        thread.start()
        assert under_way.wait(60)
        trouble()
        thread.join(120)
        assert done
        return done[0]

    def test_kinesis_is_killed_and_started_again(self, lane: StreamLane) -> None:
        def trouble() -> None:
            os.kill(lane.platform.leader("kinesis"), signal.SIGKILL)
            lane.platform.up("gateway")

        summary = self.post_while(lane, trouble)
        assert summary.paths["stream"]["retried"] > 0
        assert (summary.state, summary.rejected, summary.unknown) == ("finished", 0, 0)
        held, ledger = lane.in_streams(), lane.in_stream_ledger()
        assert ledger <= held
        assert Counter((table, ind) for table, ind, _, _ in ledger.elements()) == Counter(
            (table, ind) for table in TABLES for ind in range(POSTS)
        )
        doubtful = {(table, ind) for table in TABLES for ind in lane.ledger.ambiguous(table, Way.STREAM)}
        assert {(table, ind) for table, ind, _, _ in held - ledger} <= doubtful
        assert len(lane.in_ledger()) == 3 * POSTS
        assert not any(lane.ledger.ambiguous(table) for table in TABLES)
