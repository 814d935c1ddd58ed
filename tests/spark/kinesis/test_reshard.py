"""Shards are split and merged: parents are read before their children, and expired ones are forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.databricks.kinesis.errors import TrimmedDataError
from tests.spark.kinesis.driver import Query, data
from tests.spark.kinesis.server import Server

Make = Callable[..., Query]
FIRST, SECOND, THIRD = (f"shardId-00000000000{number}" for number in range(3))


def batches_of(job: Query) -> dict[str, list[int]]:
    """In which batches each shard gave records."""
    found: dict[str, list[int]] = {}
    for number, rows in job.output.items():
        for shard in {row["shardId"] for row in rows}:
            found.setdefault(shard, []).append(number)
    return found


class TestSplit:
    def test_children_come_after_their_parent(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=1)
        put = kinesis.put(stream, range(400), size=100)
        kinesis.split(stream, FIRST)
        put += kinesis.put(stream, range(400, 800), size=100)
        job = query(stream, fetchBufferSize="10kb")
        job.until_idle()
        assert sorted(value.strip() for value in data(job.rows)) == sorted(put)
        order = batches_of(job)
        assert order.keys() == {FIRST, SECOND, THIRD}
        assert max(order[FIRST]) < min(order[SECOND] + order[THIRD])
        assert job.last["streams"][stream]["shards"][FIRST]["finished"] is True

    def test_every_key_keeps_its_order_over_many_reshards(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=1)
        job = query(stream, fetchBufferSize="4kb")
        keys = [f"k{number}" for number in range(20)]
        sent = 0
        for target in (2, 4, 2, 1, 2):
            for _ in range(6):
                kinesis.client.put_records(
                    StreamName=stream, Records=[{"Data": b"%05d" % sent, "PartitionKey": key} for key in keys]
                )
                sent += 1
            job.trigger()
            kinesis.client.update_shard_count(StreamName=stream, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
        job.until_idle()
        for key in keys:
            assert [int(row["data"]) for row in job.rows if row["partitionKey"] == key] == list(range(sent))

    def test_while_nothing_is_sent(self, kinesis: Server, query: Make) -> None:
        """A reshard alone makes an end of the parent and a beginning of the children, then all is quiet."""
        stream = kinesis.stream(shards=1)
        job = query(stream)
        job.until_idle()
        kinesis.split(stream, FIRST)
        assert all(rows == [] for rows in job.until_idle())
        shards = job.last["streams"][stream]["shards"]
        assert {shard: "finished" in position for shard, position in shards.items()} == {
            FIRST: True, SECOND: False, THIRD: False,
        }  # fmt: skip
        put = kinesis.put(stream, range(50))
        assert sorted(data(job.trigger() or [])) == sorted(put)


class TestMerge:
    def test_a_child_waits_for_both_parents(self, kinesis: Server, query: Make) -> None:
        """One parent has a backlog of many batches, the other none."""
        stream = kinesis.stream(shards=2)
        first = kinesis.shards(stream)[0]["HashKeyRange"]["StartingHashKey"]
        records = [{"Data": b"%0100d" % number, "PartitionKey": "k", "ExplicitHashKey": first} for number in range(400)]
        kinesis.client.put_records(StreamName=stream, Records=records)
        kinesis.client.merge_shards(StreamName=stream, ShardToMerge=FIRST, AdjacentShardToMerge=SECOND)
        kinesis.put(stream, ["after"])
        job = query(stream, fetchBufferSize="8kb")
        job.until_idle()
        order = batches_of(job)
        assert len(order[FIRST]) > 3
        assert order.keys() == {FIRST, THIRD}
        assert max(order[FIRST]) < min(order[THIRD])
        assert len(job.rows) == 401


class TestExpired:
    def test_a_parent_that_was_read_is_forgotten(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=1)
        kinesis.put(stream, range(20))
        kinesis.split(stream, FIRST)
        job = query(stream)
        job.until_idle()
        self.expire(kinesis, stream)
        put = kinesis.put(stream, range(20, 40))
        job.until_idle()
        assert set(job.last["streams"][stream]["shards"]) == {SECOND, THIRD}
        job.kill()
        more = kinesis.put(stream, range(40, 60))
        job.until_idle()
        assert sorted(data(job.rows)) == sorted([*map(str, range(20)), *put, *more])

    def test_a_parent_that_was_not_read_to_its_end_is_an_error(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=1)
        kinesis.put(stream, range(500), size=100)
        job = query(stream, fetchBufferSize="5kb")
        job.trigger()
        kinesis.split(stream, FIRST)
        self.expire(kinesis, stream)
        with pytest.raises(TrimmedDataError, match=f"{stream}, shard {FIRST}, after sequence number 49.*has expired"):
            job.trigger()
        with pytest.raises(TrimmedDataError, match="pinflow streaming reset"):
            job.kill()

    def expire(self, kinesis: Server, stream: str) -> None:
        """A day and more goes by; closed shards disappear."""
        kinesis.age(stream, hours=25)
        day = 25 * 3_600_000
        kinesis.change("UPDATE shard SET closed_ms = closed_ms - ? WHERE stream = ?", day, stream)
        kinesis.restart()


def test_latest_leaves_out_what_children_had_before(kinesis: Server, query: Make) -> None:
    stream = kinesis.stream(shards=1)
    kinesis.put(stream, ["parent"])
    kinesis.split(stream, FIRST)
    kinesis.put(stream, (f"child {number}" for number in range(20)))
    kinesis.age(stream, hours=1)
    job = query(stream, initialPosition="latest")
    put = kinesis.put(stream, (f"new {number}" for number in range(20)))
    job.until_idle()
    assert sorted(data(job.rows)) == sorted(put)
