"""``availableNow``: everything that was there at the start, in one batch, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.databricks.kinesis.client import KinesisClient
from sandbox.databricks.kinesis.errors import StreamRecreatedError, TriggerError
from tests.spark.kinesis.driver import Killed, Query, data
from tests.spark.kinesis.server import Server

Make = Callable[..., Query]


def test_all_that_is_there_however_small_a_batch_is(kinesis: Server, query: Make) -> None:
    stream, other = kinesis.stream(shards=3), kinesis.stream(shards=1)
    put = kinesis.put(stream, range(5000), size=100) + kinesis.put(other, ["other"])
    job = query(stream, other, fetchBufferSize="1kb", maxRecordsPerFetch="200")
    rows = job.available_now()
    assert sorted(value.strip() for value in data(rows)) == sorted(put)
    assert job.last["maxMsBehindLatest"] == 0


def test_runs_follow_each_other_without_a_gap(kinesis: Server, query: Make) -> None:
    stream = kinesis.stream(shards=3)
    job = query(stream)
    put: list[str] = []
    for round_, count in enumerate((0, 400, 0, 1, 900)):
        new = kinesis.put(stream, (f"{round_}-{number}" for number in range(count)))
        assert sorted(data(job.available_now())) == sorted(new)
        put += new
    assert sorted(data(job.rows)) == sorted(put)


def test_the_two_triggers_take_turns_on_one_checkpoint(kinesis: Server, query: Make) -> None:
    stream = kinesis.stream(shards=2)
    job = query(stream, fetchBufferSize="4kb")
    put: list[str] = []
    for round_ in range(6):
        put += kinesis.put(stream, (f"{round_}-{number}" for number in range(150)))
        if round_ % 2:
            job.available_now()
        else:
            job.start()
            job.trigger()
    job.available_now()
    assert sorted(data(job.rows)) == sorted(put)


def test_what_comes_after_the_start_is_left_for_the_next_run(
    kinesis: Server, query: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = kinesis.stream(shards=2)
    put = kinesis.put(stream, range(500))
    job = query(stream)
    original = Query._run

    def run(self: Query, dies: str | None) -> Any:
        kinesis.put(stream, (f"late {number}" for number in range(100)))
        return original(self, dies)

    monkeypatch.setattr(Query, "_run", run)
    assert sorted(data(job.available_now())) == sorted(put)
    monkeypatch.undo()
    assert sorted(data(job.available_now())) == sorted(f"late {number}" for number in range(100))


def test_after_a_crash_the_batch_is_repeated_and_the_rest_drained(kinesis: Server, query: Make) -> None:
    stream = kinesis.stream(shards=2)
    put = kinesis.put(stream, range(300))
    job = query(stream)
    with pytest.raises(Killed):
        job.available_now(dies="after write")
    written = sorted(row["sequenceNumber"] for row in job.output[0])
    more = kinesis.put(stream, range(300, 700))
    assert sorted(data(job.available_now())) == sorted(more)
    assert sorted(row["sequenceNumber"] for row in job.output[0]) == written
    assert sorted(data(job.rows)) == sorted(put + more)


def test_resharded_streams(kinesis: Server, query: Make) -> None:
    """Parents, children, and a shard that never held anything."""
    stream = kinesis.stream(shards=1)
    job = query(stream)
    put = kinesis.put(stream, range(300))
    job.available_now()
    kinesis.split(stream, "shardId-000000000000")
    put += kinesis.put(stream, range(300, 600))
    job.available_now()
    kinesis.split(stream, "shardId-000000000001")
    put += kinesis.put(stream, range(600, 900))
    job.start()
    job.until_idle()
    job.available_now()
    assert sorted(data(job.rows)) == sorted(put)
    numbers = [row["sequenceNumber"] for row in job.rows]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("hours", [0.0, 0.05, 5.0, 23.0])
def test_the_end_is_found_at_any_age_with_few_records_read_twice(
    kinesis: Server, query: Make, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    """20,000 records over 200 s; only their last moments are looked at to find the end."""
    stream = kinesis.stream(shards=1)
    kinesis.put(stream, range(20_000))
    numbers = "(SELECT id FROM shard WHERE stream = ?)"
    kinesis.change(
        "UPDATE record SET arrived_ms = arrived_ms - 200000 + 10 * CAST(CAST(data AS TEXT) AS INTEGER) "
        f"WHERE shard IN {numbers}", stream,
    )  # fmt: skip
    kinesis.change("UPDATE stream SET created_ms = created_ms - 86400000 WHERE name = ?", stream)
    kinesis.age(stream, hours)
    fetched: list[int] = []
    original = KinesisClient.records

    def records(client: KinesisClient, iterator: str, limit: int) -> Any:
        page = original(client, iterator, limit)
        fetched.append(len(page.records))
        return page

    monkeypatch.setattr(KinesisClient, "records", records)
    job = query(stream)
    rows = job.available_now()
    assert len(rows) == 20_000
    assert sum(fetched) - 20_000 < 4_000, "records that were fetched twice"


def test_tasks_hold_one_page_at_a_time(kinesis: Server, query: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is drained, a task passes it on page by page: that is what bounds its memory."""
    stream = kinesis.stream(shards=1)
    kinesis.put(stream, range(3000))
    job = query(stream, maxRecordsPerFetch="100")
    job.available_now()
    sizes = [batch.num_rows for task in job.tasks for batch in job.source.streamReader(None).read(task)]
    assert sum(sizes) == 3000
    assert max(sizes) <= 100


def test_under_limits(kinesis: Server, query: Make) -> None:
    stream = kinesis.stream(shards=1)
    put = kinesis.put(stream, range(2000), size=1000)
    kinesis.limits(enabled=True)
    try:
        assert len(query(stream, maxRecordsPerFetch="500").available_now()) == len(put)
    finally:
        kinesis.limits(enabled=False)


def test_another_stream_is_refused(kinesis: Server, query: Make) -> None:
    stream = kinesis.stream()
    job = query(stream)
    job.available_now()
    kinesis.client.delete_stream(StreamName=stream)
    kinesis.client.create_stream(StreamName=stream, ShardCount=1)
    with pytest.raises(StreamRecreatedError):
        job.available_now()


class TestNotTold:
    """Spark's wrapper gives itself away by its order of calls; a part of the records would be lost silently."""

    def test_first_run(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream()
        kinesis.put(stream, range(10))
        job = query(stream)
        job.reader.latestOffset()
        job.reader.initialOffset()
        with pytest.raises(TriggerError, match=r"spark\.readStream\.format"):
            job.reader.latestOffset()

    def test_later_run(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream()
        kinesis.put(stream, range(10))
        job = query(stream)
        job.until_idle()
        again = job.source.streamReader(None)
        again.latestOffset()
        with pytest.raises(TriggerError):
            again.partitions(job.last, job.last)
