"""What micro-batches bring to the tables, against plain Python; what a second try and a crash leave."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.spark.stream import live, posts, schemas
from include.spark.stream.schemas import TARGETS
from tests.independent.stream import Sent, kept, split, windows
from tests.spark.lake import CATALOG, rows
from tests.spark.posts import Dirt, geo, pin, user

TABLES = ("pin", "geo", "user")
NOON = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
BASE = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_802
CHECKPOINT = "checkpoint-1"
COLUMNS = "stream string, table_name string, raw string, shard_id string, sequence_number string, arrived_at timestamp"
METRICS = {
    "profile_popularity": ("pin", "poster_name", "popularity_rank"),
    "category_trend": ("pin", "category", "trend_rank"),
    "posts_by_country": ("geo", "country", "country_rank"),
}


class Stream:
    """The stream's tables, and a writer of micro-batches that may crash."""

    def __init__(self, spark: Any) -> None:
        self.spark = spark
        for name in ("stream", "live"):
            spark.sql(f"DROP SCHEMA IF EXISTS {CATALOG}.{name} CASCADE").collect()
        spark.sql(f"DROP TABLE IF EXISTS {CATALOG}.quarantine.stream_records").collect()
        schemas.create(spark, CATALOG, TABLES)
        self.restart()

    def restart(self) -> None:
        """A new process: its memory is empty."""
        self.posts = posts.Posts(CATALOG, TABLES, CHECKPOINT)

    def write(self, records: Iterable[Sent], batch_id: int) -> None:
        """One micro-batch."""
        values = [
            (f"streaming-pinflow-{one.table}", one.table, one.raw, one.shard, str(one.sequence), one.arrived)
            for one in records
        ]
        frame = self.spark.createDataFrame(values, COLUMNS)
        self.posts.write(posts.prepare(frame, TABLES), batch_id)

    def refresh(self, batch_id: int | None = None) -> None:
        """The live metrics after some micro-batch, or after all of them."""
        arrived = self.spark.table(f"{CATALOG}.stream.arrivals")
        live.refresh(arrived if batch_id is None else arrived.where(f"batch_id = {batch_id}"), CATALOG)

    def clean(self, table: str) -> list[dict[str, Any]]:
        """The clean columns."""
        names = ", ".join(column.name for column in TARGETS[table])
        return rows(self.spark.sql(f"SELECT {names} FROM {CATALOG}.stream.{table}"))

    def all(self, name: str, *without: str) -> Counter[str]:
        """All rows of a table as text, without some columns."""
        found = rows(self.spark.sql(f"SELECT * FROM {CATALOG}.{name}"))
        return Counter(repr({key: row[key] for key in row if key not in without}) for row in found)

    def everything(self) -> dict[str, Counter[str]]:
        """All that micro-batches write, without when."""
        names = (*(f"stream.{table}" for table in TABLES), "stream.arrivals", "quarantine.stream_records")
        return {name: self.all(name, "processed_at", "quarantined_at") for name in names}


@pytest.fixture
def stream(spark: Any) -> Stream:
    return Stream(spark)


def sent(table: str, raw: str, number: int, *, shard: int = 0, after: timedelta | None = None) -> Sent:
    arrived = NOON + (after if after is not None else timedelta(milliseconds=number))
    return Sent(table, raw, f"shardId-{shard:012}", BASE + number, arrived)


def dirty(seed: int, count: int) -> list[Sent]:
    """Records of all sorts over two shards a table."""
    dirt, made = Dirt(seed), []
    for table in TABLES:
        for number, raw in enumerate(dirt.lines(table, count)):
            made.append(sent(table, raw, number * 7, shard=number % 2))
    return made


def chunks(records: Sequence[Sent], size: int) -> list[list[Sent]]:
    """Micro-batches in the order of each shard."""
    ordered = sorted(records, key=lambda record: record.sequence)
    return [ordered[first : first + size] for first in range(0, len(ordered), size)]


def test_dirty_records_against_the_independent_calculation(stream: Stream) -> None:
    records = dirty(5, 80)
    for batch_id, batch in enumerate(chunks(records, 100)):
        stream.write(batch, batch_id)
    accepted, broken = split(records)
    for table in TABLES:
        expected = kept(records, table)
        assert len(expected) > 20
        found = stream.clean(table)
        assert len(found) == len(expected)
        assert {row["ind"]: row for row in found} == expected
    arrivals = rows(
        stream.spark.sql(f"SELECT table_name, ind, shard_id, sequence_number FROM {CATALOG}.stream.arrivals")
    )
    assert Counter(tuple(row.values()) for row in arrivals) == Counter(
        (record.table, row["ind"], record.shard, str(record.sequence)) for record, row in accepted
    )
    quarantined = rows(stream.spark.sql(f"SELECT * FROM {CATALOG}.quarantine.stream_records"))
    assert Counter((row["table_name"], row["reason"], row["raw"], row["sequence_number"]) for row in quarantined) == (
        Counter((record.table, reason, record.raw, str(record.sequence)) for record, reason in broken)
    )
    assert len({row["reason"] for row in quarantined}) >= 6


def test_poison_that_was_really_seen(stream: Stream) -> None:
    fine = [sent("pin", json.dumps(json.dumps(pin(1))), 1), sent("geo", json.dumps(geo(1)), 1)]
    poison = [
        (sent("pin", '{"index": 1, "name": "gateway", "age": 3, "role": "test"}', 2), "missing_fields"),
        (sent("user", json.dumps(pin(3)), 3), "wrong_topic"),
        (sent("pin", "{index=1}", 4), "not_json"),
        (sent("user", "[]", 5), "not_an_object"),
    ]
    stream.write([*fine, *(record for record, _ in poison)], 0)
    found = rows(stream.spark.sql(f"SELECT sequence_number, reason FROM {CATALOG}.quarantine.stream_records"))
    assert {(int(row["sequence_number"]), row["reason"]) for row in found} == {
        (record.sequence, reason) for record, reason in poison
    }
    assert [row["ind"] for row in stream.clean("pin")] == [1]
    assert stream.clean("user") == []


def test_writing_again_changes_nothing(stream: Stream) -> None:
    batches = chunks(dirty(9, 30), 50)
    for batch_id, batch in enumerate(batches):
        stream.write(batch, batch_id)
    before = stream.everything()
    stream.restart()
    stream.write(batches[-1], len(batches) - 1)
    stream.posts = posts.Posts(CATALOG, TABLES, "checkpoint-2")  # after a reset all is read from the start
    stream.write([record for batch in batches for record in batch], 0)
    assert stream.everything() == before


class Crash(RuntimeError):
    """A process that ends in the middle."""


@pytest.mark.parametrize("done", [1, 3])
def test_a_crash_between_two_writes_and_a_second_try(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    first = [sent("pin", json.dumps(pin(ind)), ind) for ind in (1, 2)]
    second = [
        sent("pin", json.dumps(pin(1, title="newer")), 11), sent("pin", json.dumps(pin(3)), 12),
        sent("pin", "poison", 13), sent("geo", json.dumps(geo(1)), 11), sent("user", json.dumps(user(1)), 11),
    ]  # fmt: skip
    stream.write(first, 0)
    whole: Callable[..., Any] = posts.Posts._jobs

    def some(self: posts.Posts, *given: Any) -> Iterator[Callable[[], None]]:
        jobs = list(whole(self, *given))
        assert len(jobs) > done
        yield from jobs[:done]

        def crash() -> None:
            raise Crash

        yield crash

    with monkeypatch.context() as patched:
        patched.setattr(posts.Posts, "_jobs", some)
        with pytest.raises(Crash):
            stream.write(second, 1)
    stream.restart()
    stream.write(second, 1)
    records = [*first, *second]
    for table in TABLES:
        assert {row["ind"]: row for row in stream.clean(table)} == kept(records, table)
    assert sum(stream.all("stream.arrivals").values()) == 6
    assert sum(stream.all("quarantine.stream_records").values()) == 1


class TestLive:
    def expected(self, records: Sequence[Sent], metric: str) -> list[str]:
        return sorted(json.dumps(row, sort_keys=True, default=str) for row in windows(records, *METRICS[metric]))

    def found(self, stream: Stream, metric: str) -> list[str]:
        found = rows(stream.spark.sql(f"SELECT * FROM {CATALOG}.live.{metric}"))
        for row in found:
            row.pop("slot")
        return sorted(json.dumps(row, sort_keys=True, default=str) for row in found)

    def test_windows_against_the_independent_calculation(self, stream: Stream) -> None:
        draw, records = random.Random(3), list[Sent]()
        for number in range(160):
            ind = draw.randrange(60)
            poster = draw.choice(["Ann", "Bob", "Cleo", "User Info Error"])
            after = timedelta(seconds=number * 9)
            row = pin(ind, poster_name=poster, follower_count=draw.choice(["5k", "7k", "User Info Error"]),
                      category=draw.choice(["art", "travel", "quotes"]))  # fmt: skip
            records.append(sent("pin", json.dumps(row), number, shard=number % 2, after=after))
            country = draw.choice(["Albania", "Chad"])
            records.append(sent("geo", json.dumps(geo(ind, country=country)), number, after=after))
        for batch_id, batch in enumerate(chunks(records, 110)):
            stream.write(batch, batch_id)
            stream.refresh(batch_id)
        for metric in METRICS:
            expected = self.expected(records, metric)
            assert len(expected) > 30
            assert self.found(stream, metric) == expected
        before = {metric: self.found(stream, metric) for metric in METRICS}
        stream.refresh()
        assert {metric: self.found(stream, metric) for metric in METRICS} == before

    def test_a_late_record_is_kept_and_not_counted(self, stream: Stream) -> None:
        minutes = [timedelta(minutes=number) for number in (0, 5, 2)]
        records = [
            sent("pin", json.dumps(pin(number)), number, after=after) for number, after in enumerate(minutes)
        ]  # fmt: skip
        for batch_id, record in enumerate(records):
            stream.write([record], batch_id)
            stream.refresh(batch_id)
        assert {row["ind"] for row in stream.clean("pin")} == {0, 1, 2}
        late = rows(stream.spark.sql(f"SELECT ind FROM {CATALOG}.stream.arrivals WHERE late"))
        assert late == [{"ind": 2}]
        assert self.found(stream, "category_trend") == self.expected(records[:2], "category_trend")
