"""What is read, how often it is fetched, how much at a time, and in which order."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.databricks.kinesis.client import KinesisClient
from sandbox.databricks.kinesis.errors import KinesisSourceError
from tests.spark.kinesis.driver import Query, Row, data
from tests.spark.kinesis.server import Server

Make = Callable[..., Query]


class Wire:
    """Counts what goes over the wire, in all readers of this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self.records = 0
        original = KinesisClient._call

        def call(client: KinesisClient, operation: str, **request: Any) -> dict[str, Any]:
            answer = original(client, operation, **request)
            self.calls[operation] += 1
            self.records += len(answer.get("Records", ()))
            return answer

        monkeypatch.setattr(KinesisClient, "_call", call)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def by_shard(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        found[row["stream"], row["shardId"]].append(row)
    return found


class TestColumns:
    def test_are_those_of_the_records(self, kinesis: Server, query: Make) -> None:
        pin, geo = kinesis.stream(shards=2), kinesis.stream(shards=1)
        before = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)
        put = {
            (stream, key): kinesis.client.put_record(StreamName=stream, Data=key.encode(), PartitionKey=key)
            for stream in (pin, geo)
            for key in ("a", "ö", "7528", "x" * 256)
        }
        after = dt.datetime.now(dt.UTC)
        [rows] = query(pin, geo).until_idle()
        found = {(row["stream"], row["partitionKey"]): row for row in rows}
        assert found.keys() == put.keys()
        for key, answer in put.items():
            row = found[key]
            assert (row["shardId"], row["sequenceNumber"]) == (answer["ShardId"], answer["SequenceNumber"])
            assert row["data"] == key[1].encode()
            assert before <= row["approximateArrivalTimestamp"] <= after

    def test_empty_data(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=1)
        kinesis.client.put_record(StreamName=stream, Data=b"", PartitionKey="k")
        [rows] = query(stream).until_idle()
        assert [row["data"] for row in rows] == [b""]


class TestFetchedOnce:
    def test_each_record_goes_over_the_wire_once(self, kinesis: Server, query: Make, wire: Wire) -> None:
        stream = kinesis.stream(shards=3)
        job = query(stream, fetchBufferSize="20kb")
        put: list[str] = []
        for round_ in range(4):
            put += kinesis.put(stream, (f"{round_}-{number}" for number in range(300)), size=200)
            job.until_idle()
        assert sorted(value.strip() for value in data(job.rows)) == sorted(put)
        assert wire.records == len(put)
        assert len(job.output) >= 8, "several batches a round, so that offsets within a page would show"

    def test_tasks_take_the_records_from_files_that_go_when_the_batch_is_done(
        self, kinesis: Server, query: Make, wire: Wire
    ) -> None:
        stream = kinesis.stream()
        job = query(stream)
        kinesis.put(stream, range(100))
        job.trigger()
        files = [task.spool for task in job.tasks]
        calls = wire.calls.copy()
        assert sorted(data([row for task in job.tasks for row in job.execute(task)])) == sorted(map(str, range(100)))
        assert wire.calls == calls, "a task that is repeated fetches nothing"
        kinesis.put(stream, range(100, 200))
        job.trigger()
        assert not any(Path(file).exists() for file in files)
        kept = [task.spool for task in job.tasks]
        job.stop()
        assert not any(Path(file).parent.exists() for file in kept)

    def test_what_a_killed_process_left_is_removed_by_the_next(
        self, kinesis: Server, query: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        gone = subprocess.Popen(["true"])
        gone.wait()
        left, kept = tmp_path / f"pinflow-kinesis-{gone.pid}-x", tmp_path / f"pinflow-kinesis-{os.getppid()}-y"
        for folder in (left, kept):
            folder.mkdir()
            (folder / "1.arrow").touch()
        stream = kinesis.stream()
        kinesis.put(stream, range(10))
        query(stream).trigger()
        assert not left.exists()
        assert (kept / "1.arrow").exists()


class TestIdle:
    def test_makes_no_batch_and_asks_each_shard_once(self, kinesis: Server, query: Make, wire: Wire) -> None:
        streams = [kinesis.stream(shards=2) for _ in range(3)]
        for stream in streams:
            kinesis.put(stream, range(50))
        job = query(*streams)
        job.until_idle()
        offsets, wire.calls = list(job.offsets), Counter()
        assert [job.trigger() for _ in range(9)] == [None] * 9
        assert job.offsets == offsets
        assert wire.calls == {"get_records": 9 * 6, "list_shards": 9 * 3}

    def test_a_shard_at_its_end_is_left_alone_for_the_fetch_period(
        self, kinesis: Server, query: Make, wire: Wire
    ) -> None:
        stream = kinesis.stream(shards=2)
        job = query(stream, minFetchPeriod="1h", shardFetchInterval="1h")
        job.trigger()
        calls = wire.calls.copy()
        kinesis.put(stream, range(10))
        assert [job.trigger() for _ in range(3)] == [None] * 3
        assert wire.calls == calls


class TestBounded:
    def test_batches_hold_about_what_is_asked_for(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=4)
        kinesis.put(stream, range(6000), size=1000)
        batches = query(stream, fetchBufferSize="1mb").until_idle()
        sizes = [sum(len(row["data"]) for row in rows) for rows in batches]
        assert sum(sizes) == 6_000_000
        assert all(0.5 * 2**20 < size < 1.5 * 2**20 for size in sizes[:-1]), sizes

    def test_one_request_takes_no_more_than_asked(self, kinesis: Server, query: Make, wire: Wire) -> None:
        stream = kinesis.stream(shards=1)
        kinesis.put(stream, range(1000))
        [rows] = query(stream, maxRecordsPerFetch="50").until_idle()
        assert len(rows) == 1000
        assert wire.calls["get_records"] >= 20

    def test_shards_that_catch_up_stay_level(self, kinesis: Server, query: Make) -> None:
        """One shard's backlog begins 1000 s before the others': they wait for it, and then all go on side by side."""
        stream = kinesis.stream(shards=3)
        hashes = [shard["HashKeyRange"]["StartingHashKey"] for shard in kinesis.shards(stream)]
        for first in range(0, 2000, 100):
            records = [
                {"Data": b"%06d" % second, "PartitionKey": "k", "ExplicitHashKey": hash_}
                for second in range(first, first + 100)
                for hash_ in (hashes if second >= 1000 else hashes[:1])
            ]
            kinesis.client.put_records(StreamName=stream, Records=records)
        kinesis.change(
            "UPDATE record SET arrived_ms = ? + 1000 * CAST(CAST(data AS TEXT) AS INTEGER) "
            "WHERE shard IN (SELECT id FROM shard WHERE stream = ?)",
            int(time.time() * 1000) - 3_600_000, stream,
        )  # fmt: skip
        batches = query(stream, fetchBufferSize="30kb").until_idle()
        assert sum(map(len, batches)) == 4000
        assert len(batches) > 8
        reached: dict[str, int] = {}
        for rows in batches[:-1]:
            for (_, shard), found in by_shard(rows).items():
                reached[shard] = int(found[-1]["data"])
            ahead, *others = (reached[f"shardId-00000000000{number}"] for number in range(3))
            if ahead < 990:
                assert max(others) < 1000 + 150, reached
            else:
                assert max(reached.values()) - min(reached.values()) <= 150, reached

    def test_records_of_a_shard_come_in_order(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=3)
        kinesis.put(stream, range(2000))
        job = query(stream, fetchBufferSize="16kb")
        job.until_idle()
        for rows in by_shard(job.rows).values():
            numbers = [int(row["sequenceNumber"]) for row in rows]
            assert numbers == sorted(set(numbers))


class TestTasks:
    def test_hold_at_most_so_many_shards(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=7)
        kinesis.put(stream, range(700))
        job = query(stream, shardsPerTask="3")
        job.trigger()
        assert sorted(len(task.ranges) for task in job.tasks) == [2, 2, 3]
        assert sorted(data(job.rows)) == sorted(map(str, range(700)))

    def test_few_records_are_one_task(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=5)
        kinesis.put(stream, range(100))
        job = query(stream)
        job.trigger()
        assert len(job.tasks) == 1


class TestInitialPosition:
    def test_latest_is_the_default_and_leaves_out_what_was_there(
        self, kinesis: Server, query: Make, connection: dict[str, str]
    ) -> None:
        stream = kinesis.stream()
        kinesis.put(stream, ["old"])
        time.sleep(0.005)  # "latest" is a time in milliseconds
        job = query(stream, initialPosition="latest")
        default = Query(connection | {"streamName": stream})
        time.sleep(0.005)
        kinesis.put(stream, ["new"])
        assert data(job.trigger() or []) == ["new"]
        assert data(default.trigger() or []) == ["new"]
        default.stop()

    def test_a_time(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream()
        kinesis.put(stream, ["early"])
        kinesis.age(stream, hours=2)
        kinesis.put(stream, ["late"])
        moment = dt.datetime.now(dt.timezone(dt.timedelta(hours=-7))) - dt.timedelta(hours=1)
        position = {"at_timestamp": moment.strftime("%m/%d/%Y %H:%M:%S PDT"), "format": "MM/dd/yyyy HH:mm:ss ZZZ"}
        job = query(stream, initialPosition=json.dumps(position))
        assert data(job.trigger() or []) == ["late"]
        earlier = query(
            stream, initialPosition=json.dumps({"at_timestamp": (moment - dt.timedelta(hours=2)).isoformat()})
        )
        assert sorted(data(earlier.trigger() or [])) == ["early", "late"]


class TestOffset:
    def test_holds_the_sequence_numbers_and_the_lag(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=1)
        kinesis.put(stream, range(2000), size=100)
        kinesis.age(stream, hours=1)
        job = query(stream, fetchBufferSize="20kb")
        rows = job.trigger() or []
        found = job.last
        [(shard, position)] = found["streams"][stream]["shards"].items()
        assert (shard, position["sequenceNumber"]) == ("shardId-000000000000", rows[-1]["sequenceNumber"])
        assert 3_600_000 <= position["millisBehindLatest"] == found["maxMsBehindLatest"] < 3_700_000
        job.until_idle()
        assert job.last["maxMsBehindLatest"] == 0
        created = kinesis.client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
        assert found["streams"][stream]["created"] == int(created["StreamCreationTimestamp"].timestamp() * 1000)

    def test_a_stream_that_is_added_begins_at_the_origin(self, kinesis: Server, query: Make) -> None:
        first, second = kinesis.stream(), kinesis.stream()
        kinesis.put(first, ["a"])
        kinesis.put(second, ["b"])
        job = query(first)
        job.until_idle()
        more = query(first, second)
        more.offsets, more.commits = job.offsets, job.commits
        more.kill()
        assert data(more.trigger() or []) == ["b"]

    def test_a_stream_that_is_left_out_is_refused(self, kinesis: Server, query: Make) -> None:
        first, second = kinesis.stream(), kinesis.stream()
        job = query(first, second)
        job.until_idle()
        less = query(first)
        less.offsets, less.commits = job.offsets, job.commits
        with pytest.raises(KinesisSourceError, match=f"positions of stream {second}"):
            less.kill()
