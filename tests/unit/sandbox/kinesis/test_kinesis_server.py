"""The server through boto3, unmodified, over a real socket."""

from __future__ import annotations

import hashlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.kinesis.app import build

RANGE = 2**128


class Server:
    """The app in a thread; ``restart`` starts it anew on the same file."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.start()

    def start(self) -> None:
        config = uvicorn.Config(
            build(self.data, limits=False), host="127.0.0.1", port=self.port, log_level="error", access_log=False
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        started = threading.Event()
        original = self.server.startup

        async def startup(*arguments: Any, **named: Any) -> None:
            await original(*arguments, **named)
            started.set()

        self.server.startup = startup  # type: ignore[method-assign]
        self.thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)

    def restart(self) -> None:
        self.stop()
        self.start()

    def limits(self, enabled: bool) -> None:
        httpx.put(f"http://127.0.0.1:{self.port}/_limits", json={"enabled": enabled}).raise_for_status()

    def client(self) -> Any:
        return boto3.client(
            "kinesis", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
            aws_access_key_id="a", aws_secret_access_key="b", config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def kinesis(server: Server) -> Any:
    return server.client()


def put(kinesis: Any, keys: list[str], stream: str = "s") -> dict[str, Any]:
    return kinesis.put_records(StreamName=stream, Records=[{"Data": key.encode(), "PartitionKey": key} for key in keys])


def read(kinesis: Any, shard: str, stream: str = "s", **start: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All records of a shard, and the last answer."""
    start = start or {"ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **start)["ShardIterator"]
    records: list[dict[str, Any]] = []
    while True:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=7)
        records += answer["Records"]
        iterator = answer.get("NextShardIterator")
        if iterator is None or (not answer["Records"] and answer["MillisBehindLatest"] == 0):
            return records, answer


def everything(kinesis: Any, stream: str = "s") -> list[str]:
    shards = kinesis.list_shards(StreamName=stream)["Shards"]
    return [record["Data"].decode() for shard in shards for record in read(kinesis, shard["ShardId"], stream)[0]]


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_create_describe_list_delete(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=3, Tags={"project": "pinflow"})
    kinesis.get_waiter("stream_exists").wait(StreamName="s")
    summary = kinesis.describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]
    assert (summary["OpenShardCount"], summary["StreamStatus"], summary["RetentionPeriodHours"]) == (3, "ACTIVE", 24)
    assert kinesis.list_tags_for_stream(StreamName="s")["Tags"] == [{"Key": "project", "Value": "pinflow"}]
    assert code(lambda: kinesis.create_stream(StreamName="s", ShardCount=1)) == "ResourceInUseException"
    kinesis.delete_stream(StreamName="s")
    assert kinesis.list_streams()["StreamNames"] == []
    assert code(lambda: kinesis.describe_stream(StreamName="s")) == "ResourceNotFoundException"


def test_list_streams_pages(kinesis: Any) -> None:
    for name in ("c", "a", "b"):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    first = kinesis.list_streams(Limit=2)
    assert (first["StreamNames"], first["HasMoreStreams"]) == (["a", "b"], True)
    assert kinesis.list_streams(ExclusiveStartStreamName="b")["StreamNames"] == ["c"]


def test_shards_cover_all_hashes_once(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=5)
    ranges = [shard["HashKeyRange"] for shard in kinesis.list_shards(StreamName="s")["Shards"]]
    assert int(ranges[0]["StartingHashKey"]) == 0
    assert int(ranges[-1]["EndingHashKey"]) == RANGE - 1
    for before, after in itertools.pairwise(ranges):
        assert int(before["EndingHashKey"]) + 1 == int(after["StartingHashKey"])


def test_a_key_goes_to_the_shard_of_its_md5(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=4)
    keys = [str(number) for number in range(60)]
    answer = put(kinesis, keys)
    expected = [f"shardId-{int(hashlib.md5(key.encode()).hexdigest(), 16) * 4 // RANGE:012d}" for key in keys]
    assert [entry["ShardId"] for entry in answer["Records"]] == expected


def test_explicit_hash_key_at_both_ends(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=2)
    low = kinesis.put_record(StreamName="s", Data=b"x", PartitionKey="k", ExplicitHashKey="0")
    high = kinesis.put_record(StreamName="s", Data=b"x", PartitionKey="k", ExplicitHashKey=str(RANGE - 1))
    assert (low["ShardId"], high["ShardId"]) == ("shardId-000000000000", "shardId-000000000001")


def test_sequence_numbers_grow_and_have_56_digits(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=1)
    numbers = [int(entry["SequenceNumber"]) for entry in put(kinesis, [str(n) for n in range(50)])["Records"]]
    assert numbers == sorted(set(numbers))
    assert {len(str(number)) for number in numbers} == {56}
    assert [int(record["SequenceNumber"]) for record in read(kinesis, "shardId-000000000000")[0]] == numbers


def test_the_five_kinds_of_iterator(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=1)
    shard = "shardId-000000000000"
    entries = put(kinesis, list("abcdef"))["Records"]
    third = entries[2]["SequenceNumber"]
    arrival = read(kinesis, shard)[0][0]["ApproximateArrivalTimestamp"]

    def keys(**start: Any) -> str:
        return "".join(record["Data"].decode() for record in read(kinesis, shard, **start)[0])

    assert keys(ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=third) == "cdef"
    assert keys(ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=third) == "def"
    assert keys(ShardIteratorType="AT_TIMESTAMP", Timestamp=arrival) == "abcdef"
    assert keys(ShardIteratorType="AT_TIMESTAMP", Timestamp=arrival.timestamp() + 60) == ""
    assert keys(ShardIteratorType="LATEST") == ""


def test_behind_is_told_until_the_end(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=1)
    put(kinesis, list("abc"))
    iterator = kinesis.get_shard_iterator(
        StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    first = kinesis.get_records(ShardIterator=iterator, Limit=2)
    assert first["MillisBehindLatest"] > 0
    assert kinesis.get_records(ShardIterator=first["NextShardIterator"])["MillisBehindLatest"] == 0


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([{"Data": b"x", "PartitionKey": "k"}] * 501, "InvalidArgumentException"),
        ([{"Data": b"x" * (2**20), "PartitionKey": "k"}], "InvalidArgumentException"),
        ([{"Data": b"x" * (2**20 - 10), "PartitionKey": "k"}] * 11, "InvalidArgumentException"),
    ],
    ids=["501 records", "a record of 1 MiB and its key", "11 MiB in one call"],
)
def test_too_much_is_refused_whole(kinesis: Any, records: list[dict[str, Any]], expected: str) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=1)
    assert code(lambda: kinesis.put_records(StreamName="s", Records=records)) == expected
    assert everything(kinesis) == []


def test_split_keeps_the_parent_readable_and_names_the_children(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=1)
    put(kinesis, list("abcdefgh"))
    kinesis.split_shard(StreamName="s", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(RANGE // 2))
    put(kinesis, list("ijklmnop"))
    records, last = read(kinesis, "shardId-000000000000")
    assert "".join(record["Data"].decode() for record in records) == "abcdefgh"
    assert "NextShardIterator" not in last
    assert [child["ShardId"] for child in last["ChildShards"]] == ["shardId-000000000001", "shardId-000000000002"]
    assert [child["ParentShards"] for child in last["ChildShards"]] == [["shardId-000000000000"]] * 2
    assert sorted(everything(kinesis)) == list("abcdefghijklmnop")


@pytest.mark.parametrize("steps", [[4, 3, 5, 8, 4], [3], [1, 2]], ids=str)
def test_update_shard_count_gives_even_shards_and_loses_nothing(kinesis: Any, steps: list[int]) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=2)
    sent: list[str] = []
    for step, target in enumerate(steps):
        keys = [f"{step}-{number}" for number in range(40)]
        assert put(kinesis, keys)["FailedRecordCount"] == 0
        sent += keys
        kinesis.update_shard_count(StreamName="s", TargetShardCount=target, ScalingType="UNIFORM_SCALING")
        shards = kinesis.list_shards(StreamName="s", ShardFilter={"Type": "AT_LATEST"})["Shards"]
        starts = sorted(int(shard["HashKeyRange"]["StartingHashKey"]) for shard in shards)
        assert starts == [RANGE * number // target for number in range(target)]
    assert sorted(everything(kinesis)) == sorted(sent)


def test_merge_has_two_parents(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=2)
    kinesis.merge_shards(
        StreamName="s", ShardToMerge="shardId-000000000000", AdjacentShardToMerge="shardId-000000000001"
    )
    child = kinesis.list_shards(StreamName="s", ShardFilter={"Type": "AT_LATEST"})["Shards"][0]
    assert (child["ParentShardId"], child["AdjacentParentShardId"]) == ("shardId-000000000000", "shardId-000000000001")


def test_more_than_twice_the_shards_is_refused(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=2)
    assert code(lambda: kinesis.update_shard_count(
        StreamName="s", TargetShardCount=5, ScalingType="UNIFORM_SCALING")) == "LimitExceededException"  # fmt: skip


def test_an_iterator_of_a_deleted_stream_is_refused(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=1)
    sequence = put(kinesis, ["a"])["Records"][0]["SequenceNumber"]
    iterator = kinesis.get_shard_iterator(
        StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    kinesis.delete_stream(StreamName="s")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    assert code(lambda: kinesis.get_records(ShardIterator=iterator)) == "InvalidArgumentException"
    assert code(lambda: kinesis.get_shard_iterator(
        StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="AFTER_SEQUENCE_NUMBER",
        StartingSequenceNumber=sequence)) == "InvalidArgumentException"  # fmt: skip


def test_records_survive_a_restart(server: Server) -> None:
    kinesis = server.client()
    kinesis.create_stream(StreamName="s", ShardCount=2)
    put(kinesis, list("abcdef"))
    server.restart()
    put(kinesis, list("gh"))
    assert sorted(everything(kinesis)) == list("abcdefgh")


def test_a_throttled_batch_fails_in_part_and_says_which(server: Server) -> None:
    kinesis = server.client()
    kinesis.create_stream(StreamName="s", ShardCount=1)
    server.limits(True)
    answers = [put(kinesis, [f"{call}-{number}" for number in range(500)]) for call in range(4)]
    failed = [entry for answer in answers for entry in answer["Records"] if "ErrorCode" in entry]
    assert sum(answer["FailedRecordCount"] for answer in answers) == len(failed) > 0
    assert {entry["ErrorCode"] for entry in failed} == {"ProvisionedThroughputExceededException"}
    server.limits(False)
    assert len(everything(kinesis)) == 2000 - len(failed)


def test_a_throttled_record_is_an_error(server: Server) -> None:
    kinesis = server.client()
    kinesis.create_stream(StreamName="s", ShardCount=1)
    server.limits(True)
    kinesis.put_record(StreamName="s", Data=b"x" * (2**20 - 1), PartitionKey="k")
    assert code(
        lambda: kinesis.put_record(StreamName="s", Data=b"x" * (2**19), PartitionKey="k")
    ) == "ProvisionedThroughputExceededException"  # fmt: skip


def test_retention_only_goes_the_way_that_was_asked(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.increase_stream_retention_period(StreamName="s", RetentionPeriodHours=48)
    assert kinesis.describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]["RetentionPeriodHours"] == 48
    assert code(lambda: kinesis.increase_stream_retention_period(
        StreamName="s", RetentionPeriodHours=24)) == "InvalidArgumentException"  # fmt: skip


def test_an_unknown_action_is_told(server: Server) -> None:
    answer = httpx.post(f"http://127.0.0.1:{server.port}/", headers={"X-Amz-Target": "Kinesis_20131202.Nonsense"})
    assert (answer.status_code, answer.json()["__type"]) == (400, "UnknownOperationException")
