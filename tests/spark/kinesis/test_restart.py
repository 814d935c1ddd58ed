"""After a crash: nothing is lost or doubled, and a batch that is repeated is the same batch."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

import pytest

from sandbox.databricks.kinesis.errors import KinesisUnavailableError
from tests.spark.kinesis.driver import Killed, Query, data
from tests.spark.kinesis.server import Server

Make = Callable[..., Query]
PLACES = ("before log", "after log", "after write")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("position", ["earliest", "latest"])
def test_the_first_batch_is_repeated(kinesis: Server, query: Make, place: str, position: str) -> None:
    """Spark asks for the initial offset again then; what counts is where the batch began that is in the log."""
    stream = kinesis.stream(shards=3)
    job = query(stream, initialPosition=position)
    time.sleep(0.005)
    put = kinesis.put(stream, range(200))
    with pytest.raises(Killed):
        job.trigger(dies=place)
    written = list(job.output.get(0, []))
    if place == "before log" and position == "latest":
        return  # nothing is in the checkpoint: the query was never there, and begins at its new "latest"
    more = kinesis.put(stream, range(200, 250))
    job.kill()
    if place != "before log":
        assert sorted(data(job.output[0])) == sorted(put)
    if written:
        assert key(job.output[0]) == key(written)
    job.until_idle()
    assert sorted(data(job.rows)) == sorted(put + more)


@pytest.mark.parametrize("seed", range(3))
def test_any_number_of_crashes(kinesis: Server, query: Make, seed: int) -> None:
    """Posts, crashes at random places, small batches, and now and then a reshard."""
    choose = random.Random(seed)
    stream = kinesis.stream(shards=2)
    job = query(stream, fetchBufferSize=choose.choice(["3kb", "30kb"]))
    put: list[str] = []
    for round_ in range(14):
        put += kinesis.put(stream, (f"{round_}-{number}" for number in range(choose.randrange(0, 120))), size=60)
        if round_ in (4, 9):
            open_now = [shard for shard in kinesis.shards(stream) if "EndingSequenceNumber" not in
                        shard["SequenceNumberRange"]]  # fmt: skip
            kinesis.split(stream, choose.choice(open_now)["ShardId"])
        before = {number: key(rows) for number, rows in job.output.items()}
        try:
            job.trigger(dies=choose.choice([None, *PLACES]))
        except Killed:
            job.kill()
        assert all(key(job.output[number]) == rows for number, rows in before.items())
    job.until_idle()
    assert sorted(value.strip() for value in data(job.rows)) == sorted(put)
    numbers = [row["sequenceNumber"] for row in job.rows]
    assert len(set(numbers)) == len(numbers)


def test_a_batch_is_repeated_after_a_reshard(kinesis: Server, query: Make) -> None:
    """The shard that the batch read has closed since, and has children."""
    stream = kinesis.stream(shards=1)
    job = query(stream)
    job.trigger()
    put = kinesis.put(stream, range(300))
    with pytest.raises(Killed):
        job.trigger(dies="after log")
    kinesis.split(stream, "shardId-000000000000")
    more = kinesis.put(stream, range(300, 400))
    job.kill()
    assert sorted(data(job.output[1])) == sorted(put)
    job.until_idle()
    assert sorted(data(job.rows)) == sorted(put + more)


def test_a_stop_and_a_start_read_on(kinesis: Server, query: Make) -> None:
    stream = kinesis.stream()
    job = query(stream)
    put = kinesis.put(stream, range(100))
    job.until_idle()
    job.stop()
    put += kinesis.put(stream, range(100, 150))
    offsets = list(job.offsets)
    job.start()
    assert job.offsets == offsets
    job.until_idle()
    assert sorted(data(job.rows)) == sorted(put)


def test_a_start_without_anything_new_makes_no_batch(kinesis: Server, query: Make) -> None:
    stream = kinesis.stream()
    kinesis.put(stream, range(10))
    job = query(stream)
    job.until_idle()
    job.kill()
    assert job.trigger() is None


def test_the_server_dies_and_comes_back(kinesis: Server, query: Make) -> None:
    stream = kinesis.stream()
    job = query(stream)
    put = kinesis.put(stream, range(100))
    job.trigger()
    kinesis.restart()
    put += kinesis.put(stream, range(100, 200))
    job.until_idle()
    assert sorted(data(job.rows)) == sorted(put)


def test_the_server_stays_away(kinesis: Server, query: Make) -> None:
    """The error says what to do, and the query goes on where it was."""
    stream = kinesis.stream()
    job = query(stream, clientRetries="1")
    put = kinesis.put(stream, range(100))
    job.trigger()
    kinesis.kill()
    try:
        with pytest.raises(KinesisUnavailableError, match=r"asked 2 times\. See \./pinflow status"):
            job.trigger()
    finally:
        kinesis.start()
    put += kinesis.put(stream, range(100, 200))
    job.kill()
    job.until_idle()
    assert sorted(data(job.rows)) == sorted(put)


def test_offsets_are_plain_json_of_one_line(kinesis: Server, query: Make) -> None:
    """Spark keeps them as lines of text, and compares the texts."""
    stream = kinesis.stream()
    job = query(stream)
    job.trigger()
    [offset] = job.offsets
    assert "\n" not in offset
    assert json.dumps(json.loads(offset)) == offset


def key(rows: list[dict[str, object]]) -> list[tuple[object, ...]]:
    """What identifies the rows of a batch and all that is in them, in a fixed order."""
    return sorted(tuple(row.values()) for row in rows)  # type: ignore[type-var]
