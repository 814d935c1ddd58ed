"""The query ``posts``: micro-batches against a calculation record by record, replays, and crashes in between."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.spark.schemas import TARGETS
from include.spark.stream import posts
from tests.independent.stream import Delivery, process, unwrapped
from tests.spark.lake import CATALOG, Lake
from tests.spark.posts import MAKERS, geo, pin, user, without
from tests.spark.stream.streams import NOON, TABLES, Streams, deliver, expected_arrivals

BATCHES = deliver(seed=5, count=90)
EXPECTED = process(BATCHES)


@pytest.fixture(scope="module")
def written(spark: Any) -> Streams:
    """The three micro-batches, written by one process."""
    streams = Streams(spark)
    process_ = streams.writer()
    for number, batch in enumerate(BATCHES):
        process_.write(streams.frame(batch), number)
    return streams


class TestAgainstTheIndependentCalculation:
    @pytest.mark.parametrize("table", TABLES)
    def test_one_row_a_post_and_the_newest_wins(self, written: Streams, table: str) -> None:
        assert written.clean(table) == EXPECTED.rows(table)

    def test_the_data_has_what_it_is_meant_to_have(self) -> None:
        """Copies, copies that differ, newest ones that were delivered earlier, late records, most reasons."""
        for table in TABLES:
            ours = [one for one in EXPECTED.accepted if one.delivery.table == table]
            newest = {one.row["ind"]: one for one in sorted(ours, key=lambda one: one.delivery.sequence)}
            last = {one.row["ind"]: one for one in ours}
            assert len(ours) > len(newest) + 10
            assert sum(last[ind].row != newest[ind].row for ind in newest) >= 2
        assert sum(one.late for one in EXPECTED.accepted) > 5
        assert len({reason for _, reason in EXPECTED.quarantined}) >= 7

    def test_every_accepted_record_arrives_once_with_its_lateness(self, written: Streams) -> None:
        assert written.arrivals() == expected_arrivals(EXPECTED)

    def test_arrivals_carry_what_the_live_metrics_count(self, written: Streams) -> None:
        found = {
            (row["table_name"], row["sequence_number"]): row for row in written.rows("SELECT * FROM stream.arrivals")
        }
        for one in EXPECTED.accepted:
            row = found[one.delivery.table, str(one.delivery.sequence)]
            mine = one.row if one.delivery.table == "pin" else {}
            names = ("poster_name", "follower_count", "category")
            assert {name: row[name] for name in names} == {name: mine.get(name) for name in names}
            assert row["country"] == one.row.get("country")
            assert row["slot"].timestamp() == one.delivery.arrived.timestamp() // 600 * 600

    def test_broken_records_are_kept_whole_with_their_reason(self, written: Streams) -> None:
        found = written.rows("SELECT * FROM quarantine.stream_records")
        assert sorted(
            (row["table_name"], row["sequence_number"], row["reason"], row["raw"]) for row in found
        ) == sorted((one.table, str(one.sequence), reason, one.raw) for one, reason in EXPECTED.quarantined)
        assert {row["stream"] for row in found} == {f"streaming-{table}" for table in TABLES}
        assert all(row["detail"] and row["query_id"] == "query-1" for row in found)

    def test_a_batch_over_the_same_lines_gives_the_same_rows(self, written: Streams, lake_dir: Any) -> None:
        """Silver and the stream tables, column by column; JSON within JSON is a habit of streams only."""
        lake = Lake(written.spark, lake_dir)
        for table in TABLES:
            ours = sorted(
                (one for batch in BATCHES for one in batch if one.table == table), key=lambda one: one.sequence
            )
            lake.land(f"pinflow.{table}", NOON.replace(hour=5), f"pinflow.{table}+0+0000000000.json.gz",
                      [_landed(one, number) for number, one in enumerate(ours)])  # fmt: skip
            lake.run(table, "2026-11-21", "2026-11-22")
            names = ", ".join(column.name for column in TARGETS[table])
            silver = {row["ind"]: row for row in lake.rows(f"SELECT {names} FROM {CATALOG}.silver.{table}")}
            assert silver == written.clean(table)
        written.spark.sql(f"DROP SCHEMA {CATALOG}.silver CASCADE").collect()
        written.spark.sql(f"DROP SCHEMA {CATALOG}.bronze CASCADE").collect()

    def test_again_changes_nothing(self, written: Streams) -> None:
        """The same micro-batch in a new process; and everything again under a new checkpoint, in one micro-batch."""
        before, versions = written.contents(), written.versions()
        written.writer().write(written.frame(BATCHES[2]), 2)
        everything = [one for batch in BATCHES for one in batch]
        written.writer("query-2").write(written.frame(everything), 0)
        assert written.contents() == before
        assert written.versions() == versions


def _landed(one: Delivery, number: int) -> str:
    """The line that the sink would land; of wrapped JSON the inside, since only streams carry it."""
    text = unwrapped(one.raw)
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if not isinstance(value, dict):
        return text
    position = {"kafka_partition": 0, "kafka_offset": number}
    return json.dumps({**value, **position, "kafka_timestamp": 1795237200000 + number})


@pytest.fixture(scope="module")
def lake_dir(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("landing")


class TestPoison:
    """What was really seen in streams (domain.md, section 5)."""

    def test_each_goes_to_quarantine_and_harms_nobody(self, spark: Any) -> None:
        streams = Streams(spark)
        console = {"index": 1, "name": "tester", "age": 25, "role": "engineer"}
        overwritten = pin(7, is_image_or_video=7, image_src=7)
        records = [
            ("pin", json.dumps(console), "missing_fields"),
            *(("user", json.dumps(pin(number)), "wrong_topic") for number in range(4)),
            ("geo", json.dumps(without(geo(1), "country")), "missing_fields"),
            ("geo", "", "not_json"),
            ("geo", "[1]", "not_an_object"),
            ("geo", json.dumps("just text"), "not_an_object"),
            ("geo", json.dumps(geo(2, timestamp="2020:13:01 00:00:00")), "bad_timestamp"),
            ("geo", json.dumps(geo(3, longitude=-180.5)), "bad_coordinates"),
            ("user", json.dumps(user(4, age=131)), "bad_age"),
            ("user", json.dumps(user(None)), "missing_key"),
            ("user", json.dumps(user("x")), "bad_key"),
            ("pin", json.dumps(overwritten), None),
            ("user", json.dumps(user(8, age="20")), None),
            ("geo", json.dumps(geo(9, timestamp="2020:08:28 03:52:47")), None),
            ("user", json.dumps(json.dumps(user(10))), None),
        ]
        deliveries = [Delivery(table, raw, "s", number, NOON) for number, (table, raw, _) in enumerate(records)]
        streams.writer().write(streams.frame(deliveries), 0)
        found = streams.rows("SELECT sequence_number, reason FROM quarantine.stream_records")
        assert {int(row["sequence_number"]): row["reason"] for row in found} == {
            number: reason for number, (_, _, reason) in enumerate(records) if reason
        }
        assert streams.clean("pin")[7]["image_src"] == "7"
        assert set(streams.clean("user")) == {8, 10}
        assert streams.clean("user")[8]["age"] == 20
        assert streams.clean("geo")[9]["timestamp"] == datetime(2020, 8, 28, 3, 52, 47, tzinfo=UTC)
        assert all(row["user_name"] for row in streams.clean("user").values())


class TestCrash:
    """A micro-batch whose writing ended in the middle is written again by a new process."""

    @pytest.mark.parametrize("failing", [("stream.pin", "stream.geo", "stream.user"), ("stream.arrivals",)])
    def test_nothing_is_lost_or_doubled(
        self, spark: Any, monkeypatch: pytest.MonkeyPatch, failing: tuple[str, ...]
    ) -> None:
        streams = Streams(spark)
        first = streams.writer()
        first.write(streams.frame(BATCHES[0]), 0)
        with monkeypatch.context() as patched:
            _fail(patched, *failing)
            with pytest.raises(ConnectionAbortedError):
                first.write(streams.frame(BATCHES[1]), 1)
        after = streams.versions()
        survivor = streams.writer()
        for number in (1, 2):
            survivor.write(streams.frame(BATCHES[number]), number)
        assert after["stream.arrivals"] == (2 if "stream.arrivals" in failing else 3)
        assert {table: streams.clean(table) for table in TABLES} == {table: EXPECTED.rows(table) for table in TABLES}
        assert streams.arrivals() == expected_arrivals(EXPECTED)
        assert len(streams.rows("SELECT * FROM quarantine.stream_records")) == len(EXPECTED.quarantined)


def _fail(patched: pytest.MonkeyPatch, *tables: str) -> None:
    """Let writes to these tables fail, those that append and those that merge."""
    for name in ("append", "_merge"):
        original = getattr(posts, name)

        def write(rows: Any, table: str, original: Any = original) -> None:
            if table.removeprefix(f"{CATALOG}.") in tables:
                raise ConnectionAbortedError(table)
            original(rows, table)

        patched.setattr(posts, name, write)


class TestConflicts:
    def test_an_equal_copy_keeps_the_place_of_its_content(self, spark: Any) -> None:
        """Content A at 10 and again at 30; B, sent at 20, is delivered last and by a new process: A stays."""
        streams = Streams(spark)
        a, b = json.dumps(geo(1, country="Albania")), json.dumps(geo(1, country="Belgium"))
        streams.writer().write(
            streams.frame([Delivery("geo", a, "s0", 10, NOON), Delivery("geo", a, "s1", 30, NOON)]), 0
        )
        streams.writer().write(streams.frame([Delivery("geo", b, "s2", 20, NOON + timedelta(seconds=1))]), 1)
        assert streams.clean("geo")[1]["country"] == "Albania"
        streams.writer().write(streams.frame([Delivery("geo", b, "s2", 100, NOON + timedelta(seconds=2))]), 2)
        assert streams.clean("geo")[1]["country"] == "Belgium"
        assert [row["sequence_number"] for row in streams.rows("SELECT * FROM stream.geo")] == ["100"]

    def test_what_is_empty_commits_nothing(self, spark: Any) -> None:
        streams = Streams(spark)
        before = streams.versions()
        streams.writer().write(streams.frame([Delivery("pin", json.dumps(MAKERS["pin"](1)), "s", 1, NOON)]).limit(0), 0)
        assert streams.versions() == before
