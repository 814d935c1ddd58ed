"""Expired iterators, throttling, trimmed records, and streams that are not what they were."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator

import pytest

from sandbox.databricks.kinesis.errors import (
    KinesisUnavailableError,
    OptionError,
    StreamMissingError,
    StreamRecreatedError,
    TrimmedDataError,
)
from tests.spark.kinesis.driver import Killed, Query, data
from tests.spark.kinesis.server import Server

Make = Callable[..., Query]
FIRST = "shardId-000000000000"


class TestIterators:
    def test_expired_ones_are_replaced(self, kinesis: Server, query: Make) -> None:
        """Six minutes go by, in which the query did nothing; before the first record, and after some."""
        stream = kinesis.stream(shards=2)
        job = query(stream)
        job.trigger()
        put: list[str] = []
        for round_ in range(2):
            self.expire(job)
            put += kinesis.put(stream, (f"{round_}-{number}" for number in range(50)))
            assert len(job.trigger() or []) == 50
        assert sorted(data(job.rows)) == sorted(put)

    def expire(self, job: Query) -> None:
        for reading in job.reader._batches._readings.values():
            fields = json.loads(base64.b64decode(reading.cursor._iterator or ""))
            fields[-1] -= 360_000
            reading.cursor._iterator = base64.b64encode(json.dumps(fields).encode()).decode()


class TestThrottling:
    @pytest.fixture
    def limits(self, kinesis: Server) -> Iterator[Callable[[], None]]:
        """Turns the limits on: 5 requests and 2 MiB a second and shard."""
        yield lambda: kinesis.limits(enabled=True)
        kinesis.limits(enabled=False)

    def test_costs_time_and_nothing_else(self, kinesis: Server, query: Make, limits: Callable[[], None]) -> None:
        """4 MB in pages of 100 records: about 40 requests to two shards that take 5 a second."""
        stream = kinesis.stream(shards=2)
        put = kinesis.put(stream, range(4000), size=1000)
        job = query(stream, maxRecordsPerFetch="100", fetchBufferSize="700kb")
        limits()
        begun = time.monotonic()
        job.until_idle()
        assert time.monotonic() - begun > 2.5
        assert sorted(value.strip() for value in data(job.rows)) == sorted(put)
        numbers = [row["sequenceNumber"] for row in job.rows]
        assert len(set(numbers)) == len(numbers)

    def test_a_batch_with_records_does_not_wait(self, kinesis: Server, query: Make, limits: Callable[[], None]) -> None:
        """The first pages of 300 records are given away at once, though thousands are still there."""
        stream = kinesis.stream(shards=1)
        kinesis.put(stream, range(4000), size=1000)
        job = query(stream, maxRecordsPerFetch="300")
        limits()
        begun = time.monotonic()
        rows = job.trigger() or []
        assert time.monotonic() - begun < 1.5
        assert 300 <= len(rows) < 4000
        assert job.last["maxMsBehindLatest"] > 0

    def test_a_batch_that_is_repeated_waits(self, kinesis: Server, query: Make, limits: Callable[[], None]) -> None:
        stream = kinesis.stream(shards=1)
        put = kinesis.put(stream, range(1500), size=1000)
        job = query(stream, maxRecordsPerFetch="150")
        with pytest.raises(Killed):
            job.trigger(dies="after log")
        limits()
        job.kill()
        assert sorted(value.strip() for value in data(job.output[0])) == sorted(put)


class TestTrimmed:
    def test_records_that_are_gone_are_reported(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=1)
        job = query(stream)
        kinesis.put(stream, ["read"])
        job.trigger()
        kinesis.put(stream, ["lost"])
        self.days_go_by(kinesis, job, stream, hours=30)
        kinesis.put(stream, ["new"])
        read = job.rows[-1]["sequenceNumber"]
        job.kill()
        with pytest.raises(TrimmedDataError) as caught:
            job.trigger()
        for word in (stream, FIRST, read, "24 h", "may be lost", "./pinflow streaming reset"):
            assert word in str(caught.value)

    def test_an_old_position_whose_record_is_still_there_is_none(self, kinesis: Server, query: Make) -> None:
        """A stream that keeps records for a week; the query stood still for two days."""
        stream = kinesis.stream(shards=1)
        kinesis.client.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=168)
        job = query(stream)
        kinesis.put(stream, ["read"])
        job.trigger()
        self.days_go_by(kinesis, job, stream, hours=48)
        put = kinesis.put(stream, ["new"])
        job.kill()
        assert data(job.trigger() or []) == put

    def test_a_position_on_the_edge_is_proved_by_the_record_itself(self, kinesis: Server, query: Make) -> None:
        """Older than retention, but the server has not trimmed yet: what follows is whole, and only it is given."""
        stream = kinesis.stream(shards=1)
        job = query(stream)
        put = kinesis.put(stream, range(30))
        job.trigger()
        put += kinesis.put(stream, range(30, 60))
        kinesis.age(stream, hours=25)
        job.age(hours=25)
        job.kill()
        job.until_idle()
        assert sorted(data(job.rows)) == sorted(put)

    def test_an_idle_shard_whose_last_record_has_aged_out_is_none(self, kinesis: Server, query: Make) -> None:
        """The query looked at it an hour ago, and it was at its end."""
        stream = kinesis.stream(shards=1)
        job = query(stream)
        kinesis.put(stream, ["read"])
        job.trigger()
        kinesis.age(stream, hours=30)
        job.age(hours=1)
        kinesis.restart()
        put = kinesis.put(stream, ["new"])
        job.kill()
        assert data(job.trigger() or []) == put

    def test_a_quiet_query_refreshes_its_position_now_and_then(self, kinesis: Server, query: Make) -> None:
        """An unchanged offset would grow older than retention while the query runs."""
        stream = kinesis.stream(shards=2)
        job = query(stream)
        kinesis.put(stream, range(20))
        job.until_idle()
        job.age(hours=5)
        job.kill()
        assert job.trigger() is None
        job.age(hours=2)
        job.kill()
        assert job.trigger() == []
        assert job.trigger() is None
        assert all(shard["readUpToMs"] > time.time() * 1000 - 60_000 for shard in
                   job.last["streams"][stream]["shards"].values())  # fmt: skip

    def test_a_query_that_falls_behind_retention_while_it_runs(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=1)
        kinesis.put(stream, range(500), size=100)
        job = query(stream, fetchBufferSize="5kb")
        job.trigger()
        kinesis.age(stream, hours=30)
        position = job.reader._batches._readings[stream, FIRST].cursor.position
        object.__setattr__(position, "time", position.time - 30 * 3_600_000)
        kinesis.restart()
        with pytest.raises(TrimmedDataError, match="that record is gone"):
            job.trigger()

    def test_a_batch_that_cannot_be_repeated(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream(shards=1)
        job = query(stream)
        job.trigger()
        kinesis.put(stream, range(10))
        with pytest.raises(Killed):
            job.trigger(dies="after log")
        self.days_go_by(kinesis, job, stream, hours=30)
        with pytest.raises(TrimmedDataError, match=FIRST):
            job.kill()

    def test_an_end_that_is_missing_is_no_batch(self, kinesis: Server, query: Make) -> None:
        """The last record of a batch to repeat is gone, however it went: the batch is not made without it."""
        stream = kinesis.stream(shards=1)
        job = query(stream)
        job.trigger()
        kinesis.put(stream, range(10))
        with pytest.raises(Killed):
            job.trigger(dies="after log")
        kinesis.put(stream, ["after"])
        kinesis.change("DELETE FROM record WHERE shard IN (SELECT id FROM shard WHERE stream = ?) AND data = ?",
                       stream, b"9")  # fmt: skip
        with pytest.raises(TrimmedDataError, match="the batch ends with sequence number 49"):
            job.kill()

    def days_go_by(self, kinesis: Server, job: Query, stream: str, hours: float) -> None:
        kinesis.age(stream, hours)
        job.age(hours)
        kinesis.restart()


class TestOtherStream:
    def test_made_anew_while_the_query_stood_still(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream()
        job = query(stream)
        kinesis.put(stream, range(10))
        job.until_idle()
        self.again(kinesis, stream, shards=2)
        with pytest.raises(StreamRecreatedError) as caught:
            job.kill()
        for word in (stream, "deleted and created again", "./pinflow streaming reset"):
            assert word in str(caught.value)

    @pytest.mark.parametrize("shards", [1, 2])
    @pytest.mark.parametrize("records", [0, 10])
    def test_made_anew_while_the_query_runs(self, kinesis: Server, query: Make, shards: int, records: int) -> None:
        stream = kinesis.stream(shards=1)
        job = query(stream)
        kinesis.put(stream, range(records))
        job.until_idle()
        self.again(kinesis, stream, shards)
        kinesis.put(stream, ["of the new one"])
        with pytest.raises(StreamRecreatedError):
            job.trigger()

    def test_made_anew_while_no_shard_is_asked(self, kinesis: Server, query: Make) -> None:
        """The list of shards alone gives it away: they begin at other sequence numbers."""
        stream = kinesis.stream(shards=1)
        job = query(stream, minFetchPeriod="1h")
        job.until_idle()
        self.again(kinesis, stream, shards=1)
        with pytest.raises(StreamRecreatedError, match="begins at another sequence number"):
            job.trigger()

    def test_made_anew_before_a_batch_is_repeated(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream()
        job = query(stream)
        kinesis.put(stream, range(10))
        with pytest.raises(Killed):
            job.trigger(dies="after log")
        self.again(kinesis, stream, shards=2)
        with pytest.raises(StreamRecreatedError):
            job.kill()

    def test_made_anew_between_planning_and_reading(self, kinesis: Server, query: Make) -> None:
        """A task that fetches knows which incarnation its piece belongs to."""
        stream = kinesis.stream(shards=1)
        job = query(stream)
        job.trigger()
        kinesis.put(stream, range(10))
        with pytest.raises(Killed):
            job.trigger(dies="after log")
        job.kill()
        self.again(kinesis, stream, shards=1)
        [task] = job.tasks
        with pytest.raises(StreamRecreatedError):
            list(job.execute(task))

    def test_missing(self, kinesis: Server, query: Make) -> None:
        stream = kinesis.stream()
        job = query(stream, "never-made")
        with pytest.raises(StreamMissingError, match="no stream never-made"):
            job.trigger()
        gone = query(stream)
        gone.trigger()
        kinesis.client.delete_stream(StreamName=stream)
        with pytest.raises(StreamMissingError, match=stream):
            gone.trigger()

    def again(self, kinesis: Server, stream: str, shards: int) -> None:
        kinesis.client.delete_stream(StreamName=stream)
        kinesis.client.create_stream(StreamName=stream, ShardCount=shards)


class TestRefused:
    def test_nobody_listens(self, query: Make) -> None:
        job = query("any", endpoint="http://127.0.0.1:9", clientRetries="0")
        with pytest.raises(KinesisUnavailableError, match=r"describe_stream_summary.*asked 1 times"):
            job.trigger()

    @pytest.mark.parametrize("options", [{"streamName": " , "}, {"startingPosition": "latest"}])
    def test_options_are_refused_by_load(self, query: Make, options: dict[str, str]) -> None:
        with pytest.raises(OptionError):
            query("any", **options)
