"""The operators of streams against the real Kinesis part; boto3 looks at what they did."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections import Counter
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from pinflow.exceptions import NotFound, RecordsNotAccepted, Rejected
from pinflow.hooks.kinesis import KinesisStreamsHook, Record
from pinflow.operators.kinesis import (
    KinesisCreateStreamOperator,
    KinesisDeleteStreamOperator,
    KinesisPutRecordsOperator,
    KinesisUpdateStreamOperator,
)
from pinflow.sensors.kinesis import KinesisStreamSensor
from pinflow.triggers.kinesis import KinesisStreamTrigger
from tests.conftest import Platform

pytestmark = pytest.mark.integration
FAST: dict[str, Any] = {"waiter_delay": 1, "waiter_max_attempts": 20}


def create(name: str, **arguments: Any) -> KinesisCreateStreamOperator:
    return KinesisCreateStreamOperator(task_id="t", stream_name=name, **{"shard_count": 2, **FAST, **arguments})


def update(name: str, **arguments: Any) -> KinesisUpdateStreamOperator:
    return KinesisUpdateStreamOperator(task_id="t", stream_name=name, **FAST, **arguments)


def read(kinesis: Any, name: str) -> list[dict[str, Any]]:
    """All records, closed shards among them."""
    found: list[dict[str, Any]] = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        start = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        iterator = start["ShardIterator"]
        while iterator:
            answer = kinesis.get_records(ShardIterator=iterator)
            found += answer["Records"]
            iterator = answer.get("NextShardIterator") if answer["MillisBehindLatest"] else None
    return found


class TestCreateAndUpdate:
    def test_makes_what_is_asked_and_a_second_run_changes_nothing(self, kinesis: Any, name: str, context: Any) -> None:
        arguments: dict[str, Any] = {"shard_count": 3, "retention_hours": 48, "tags": {"team": "data"}}
        made = create(name, **arguments).execute(context)
        assert made["changed"] == ["create", "retention 48 h"]
        found = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        assert (found["OpenShardCount"], found["RetentionPeriodHours"], found["StreamStatus"]) == (3, 48, "ACTIVE")
        assert made["stream_arn"] == found["StreamARN"]
        assert made["created_at"] == found["StreamCreationTimestamp"].isoformat()
        assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == [{"Key": "team", "Value": "data"}]
        again = create(name, **arguments).execute(context)
        assert again == {**made, "changed": []}

    def test_adopts_and_brings_to_what_is_asked(self, kinesis: Any, name: str, context: Any) -> None:
        kinesis.create_stream(StreamName=name, ShardCount=1, Tags={"kept": "yes"})
        keys = [str(number) for number in range(50)]
        kinesis.put_records(StreamName=name, Records=[{"Data": key.encode(), "PartitionKey": key} for key in keys])
        made = create(name, shard_count=5, retention_hours=168, tags={"a": "b"}).execute(context)
        assert made["changed"] == ["retention 168 h", "2 shards", "4 shards", "5 shards", "tags a"]
        open_now = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["OpenShardCount"]
        assert open_now == 5
        tags = {entry["Key"]: entry["Value"] for entry in kinesis.list_tags_for_stream(StreamName=name)["Tags"]}
        assert tags == {"kept": "yes", "a": "b"}
        assert sorted(record["Data"].decode() for record in read(kinesis, name)) == sorted(keys)

    def test_fewer_shards_and_shorter_retention(self, kinesis: Any, name: str, context: Any) -> None:
        kinesis.create_stream(StreamName=name, ShardCount=5)
        kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=100)
        changed = update(name, shard_count=1, retention_hours=24).execute(context)["changed"]
        assert changed == ["retention 24 h", "3 shards", "2 shards", "1 shards"]
        shards = kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"]
        assert len(shards) == 1

    def test_modes(self, kinesis: Any, name: str, context: Any) -> None:
        create(name).execute(context)
        assert update(name, stream_mode="ON_DEMAND").execute(context)["mode"] == "ON_DEMAND"
        with pytest.raises(Rejected, match="Kinesis itself counts them"):
            update(name, shard_count=3).execute(context)
        back = update(name, stream_mode="PROVISIONED", shard_count=3).execute(context)
        assert (back["mode"], back["open_shards"]) == ("PROVISIONED", 3)

    def test_on_demand_from_the_start(self, kinesis: Any, name: str, context: Any) -> None:
        made = create(name, stream_mode="ON_DEMAND", shard_count=None).execute(context)
        assert (made["mode"], made["state"]) == ("ON_DEMAND", "ACTIVE")

    def test_a_deleted_and_recreated_stream_has_another_birth(self, kinesis: Any, name: str, context: Any) -> None:
        first = create(name).execute(context)["created_at"]
        assert KinesisDeleteStreamOperator(task_id="t", stream_name=name, **FAST).execute(context) is True
        assert create(name).execute(context)["created_at"] > first

    def test_a_refusal_is_told(self, kinesis: Any, name: str, context: Any) -> None:
        with pytest.raises(Rejected, match="create_stream"):
            create(name, shard_count=100_000).execute(context)
        with pytest.raises(NotFound, match=f"There is no stream {name}"):
            update(name, shard_count=1).execute(context)

    def test_two_that_make_the_same_stream_at_once(self, kinesis: Any, name: str, context: Any) -> None:
        results: list[dict[str, Any]] = []
        both = threading.Barrier(4)

        def one() -> None:
            operator = create(name)
            _ = operator.hook.conn
            both.wait(30)
            results.append(operator.execute(context))

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(results) == 4
        assert Counter(len(result["changed"]) for result in results) == {1: 1, 0: 3}


class TestDelete:
    def test_deletes_and_then_nothing_is_left_to_delete(self, kinesis: Any, name: str, context: Any) -> None:
        kinesis.create_stream(StreamName=name, ShardCount=1)
        operator = KinesisDeleteStreamOperator(task_id="t", stream_name=name, **FAST)
        assert operator.execute(context) is True
        assert name not in kinesis.list_streams()["StreamNames"]
        assert operator.execute(context) is False


class TestWaiting:
    def test_the_sensor_defers_for_a_stream_that_is_made_later(self, kinesis: Any, name: str, context: Any) -> None:
        sensor = KinesisStreamSensor(task_id="t", stream_name=name, deferrable=True, poke_interval=1, timeout=30)
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        path, arguments = deferred.value.trigger.serialize()
        trigger = KinesisStreamTrigger(**arguments)
        assert path.endswith("KinesisStreamTrigger")

        async def fire() -> Any:
            looking = asyncio.ensure_future(anext(trigger.run()))
            await asyncio.sleep(1.5)  # it must have looked and found nothing
            assert not looking.done()
            await asyncio.to_thread(kinesis.create_stream, StreamName=name, ShardCount=1)
            return await asyncio.wait_for(looking, 30)

        event = asyncio.run(fire()).payload
        assert event == {"status": "success", "stream_name": name}
        sensor.execute_complete(context, event)

    def test_the_trigger_tells_of_a_stream_that_is_gone(self, kinesis: Any, name: str) -> None:
        async def fire(waiter: str) -> Any:
            return await asyncio.wait_for(anext(KinesisStreamTrigger(name, waiter, 1, 2).run()), 30)

        assert asyncio.run(fire("stream_deleted")).payload["status"] == "success"
        assert asyncio.run(fire("stream_active")).payload["status"] == "error"


class TestStreams:
    def test_lists_and_describes_over_all_pages(self, kinesis: Any, name: str) -> None:
        names = [f"{name}-{number:03d}" for number in range(103)]
        for one in names:
            kinesis.create_stream(StreamName=one, ShardCount=1)
        kinesis.create_stream(StreamName=name, ShardCount=130)
        hook = KinesisStreamsHook()
        assert hook.streams(f"{name}-") == names
        described = hook.describe(name) or {}
        assert [shard["ShardId"] for shard in described["Shards"]] == [f"shardId-{n:012d}" for n in range(130)]
        assert hook.describe(f"{name}-none") is None


class TestPutRecords:
    def test_all_records_are_in_the_stream_once(self, kinesis: Any, name: str, context: Any) -> None:
        kinesis.create_stream(StreamName=name, ShardCount=3)
        rows = [{"ind": number, "title": f"Ü {number}"} for number in range(1234)]
        records = [{"data": row, "partition_key": row["ind"]} for row in rows]
        result = KinesisPutRecordsOperator(task_id="t", stream_name=name, records=records).execute(context)
        assert (result["accepted"], result["resent"], sum(result["shards"].values())) == (1234, 0, 1234)
        found = read(kinesis, name)
        assert sorted((json.loads(record["Data"]) for record in found), key=lambda row: row["ind"]) == rows
        assert all(record["PartitionKey"] == str(json.loads(record["Data"])["ind"]) for record in found)

    def test_throttled_records_are_sent_again_and_none_twice(self, kinesis: Any, name: str, limits: None) -> None:
        """1,700 records on one shard, which takes 1,000 at once and 1,000 a second."""
        kinesis.create_stream(StreamName=name, ShardCount=1)
        records = [Record("same", str(number).encode()) for number in range(1700)]
        outcomes = KinesisStreamsHook().put_records(name, records)
        assert {str(one.state) for one in outcomes} == {"accepted"}
        assert any(one.attempts > 1 for one in outcomes)
        time.sleep(1)  # the reads of the check are limited too
        found = {record["SequenceNumber"]: record["Data"] for record in read(kinesis, name)}
        assert found == {one.sequence_number: record.data for one, record in zip(outcomes, records, strict=True)}

    def test_a_bad_record_takes_no_other_with_it(self, kinesis: Any, name: str, context: Any) -> None:
        kinesis.create_stream(StreamName=name, ShardCount=1)
        records = [{"data": str(number), "partition_key": "k"} for number in range(20)]
        records[7] = {"data": "x" * 2**20, "partition_key": "k"}
        records[8] = {"data": "8", "partition_key": "k" * 257}
        with pytest.raises(RecordsNotAccepted, match=r"2 of 20 records \(2 rejected\)") as caught:
            KinesisPutRecordsOperator(task_id="t", stream_name=name, records=records).execute(context)
        outcomes = caught.value.data["outcomes"]
        assert {number: one["code"] for number, one in outcomes.items()} == {
            7: "InvalidArgumentException",
            8: "ValidationException",
        }
        expected = sorted(str(number) for number in range(20) if number not in (7, 8))
        assert sorted(record["Data"].decode() for record in read(kinesis, name)) == expected

    def test_no_such_stream(self, kinesis: Any, name: str, context: Any) -> None:
        operator = KinesisPutRecordsOperator(task_id="t", stream_name=name, records=[{"data": 1, "partition_key": "k"}])
        with pytest.raises(RecordsNotAccepted, match="ResourceNotFoundException"):
            operator.execute(context)

    def test_a_server_that_is_killed_in_between(self, kinesis: Any, name: str, platform: Platform) -> None:
        kinesis.create_stream(StreamName=name, ShardCount=1)
        outcomes: list[Any] = []
        records = [Record("k", f"{number}".encode()) for number in range(3000)]
        os.kill(platform.leader("kinesis"), signal.SIGKILL)
        putting = threading.Thread(target=lambda: outcomes.extend(KinesisStreamsHook().put_records(name, records)))
        putting.start()
        platform.up("kinesis")
        putting.join(120)
        assert {str(one.state) for one in outcomes} == {"accepted"}
        stored = Counter(record["Data"].decode() for record in read(kinesis, name))
        assert set(stored) == {str(number) for number in range(3000)}
        assert set(stored.values()) == {1}, "no connection was made, so nothing was stored twice"
