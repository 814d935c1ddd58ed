"""Whole runs: what reaches each table, what the audit says, and that running again changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.spark import batch, schemas
from tests.independent import Record, clean
from tests.spark.lake import CATALOG, Lake, positioned
from tests.spark.posts import MAKERS, Dirt, pin, user, without

FIVE = datetime(2022, 3, 1, 5, tzinfo=UTC)
DAY = ("2022-03-01", "2022-03-02")
TABLES = ("bronze.pin", "silver.pin", "quarantine.records")


def land(lake: Lake, table: str, raws: list[str], first_offset: int = 0, hour: datetime = FIVE) -> list[Record]:
    """Land rows with their positions in one object, as they are where they are no objects."""
    topic, lines, records = f"pinflow.{table}", [], []
    for number, raw in enumerate(raws):
        offset, moment = first_offset + number, hour + timedelta(milliseconds=first_offset + number)
        value = _object(raw)
        lines.append(raw if value is None else positioned(value, topic, 0, offset, moment))
        position = (None, int(hour.timestamp() * 1000)) if value is None else (offset, int(moment.timestamp() * 1000))
        records.append(Record(lines[-1], 0, *position))
    lake.land(topic, hour, f"{topic}+0+{first_offset:010}.json.gz", lines)
    return records


def _object(raw: str) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def contents(lake: Lake, *tables: str) -> dict[str, list[str]]:
    """All rows as text, without what a run writes about itself."""
    own = {"batch_id", "quarantined_at"}
    found = {}
    for name in tables:
        rows = lake.rows(f"SELECT * FROM {CATALOG}.{name}")
        found[name] = sorted(repr({key: value for key, value in row.items() if key not in own}) for row in rows)
    return found


class TestRun:
    def test_one_post(self, lake: Lake) -> None:
        land(lake, "pin", [json.dumps(pin())])
        audit = lake.run("pin", *DAY)
        finished = datetime.fromisoformat(audit.pop("finished_at"))
        assert abs(datetime.now(UTC) - finished) < timedelta(minutes=5)
        assert audit == {
            "batch_id": "batch-1",
            "table_name": "pin",
            "interval_start": "2022-03-01T00:00:00Z",
            "interval_end": "2022-03-02T00:00:00Z",
            "landed": 1,
            "clean": 1,
            "duplicates": 0,
            "conflicts": 0,
            "quarantined": 0,
            "follower_warnings": 0,
            "extra_fields": 0,
            "objects": 1,
        }
        [row] = lake.rows(f"SELECT * FROM {CATALOG}.silver.pin")
        assert list(row) == schemas.SILVER["pin"].names
        assert (row["ind"], row["follower_count"], row["kafka_offset"], row["kafka_timestamp"]) == (
            7528,
            12_300,
            0,
            FIVE,
        )

    @pytest.mark.parametrize("table", ["pin", "geo", "user"])
    def test_dirty_lines_against_the_independent_calculation(self, lake: Lake, table: str) -> None:
        raws = Dirt(3).lines(table, 300)
        records = [*land(lake, table, raws[:200]), *land(lake, table, raws[200:], 200, FIVE + timedelta(hours=1))]
        expected = clean(table, records)
        audit = lake.run(table, *DAY)
        assert {
            name: audit[name] for name in ("landed", "duplicates", "conflicts", "follower_warnings", "extra_fields")
        } == {
            "landed": 300,
            "duplicates": expected.duplicates,
            "conflicts": expected.conflicts,
            "follower_warnings": expected.follower_warnings,
            "extra_fields": expected.extra_fields,
        }
        assert (audit["clean"], audit["quarantined"]) == (len(expected.rows), len(expected.quarantined))
        assert audit["landed"] == audit["clean"] + audit["duplicates"] + audit["quarantined"]
        names = ", ".join(column.name for column in schemas.TARGETS[table])
        assert {row["ind"]: row for row in lake.rows(f"SELECT {names} FROM {CATALOG}.silver.{table}")} == expected.rows
        assert expected.duplicates > 20
        assert expected.conflicts > 10

    def test_quarantine_keeps_everything_of_a_line(self, lake: Lake) -> None:
        [record] = land(lake, "pin", [json.dumps(user())])
        lake.run("pin", *DAY)
        [row] = lake.rows(f"SELECT * FROM {CATALOG}.quarantine.records")
        assert row.pop("quarantined_at") <= datetime.now(UTC)
        folder = f"file:{lake.landing}/pinflow.pin/year=2022/month=03/day=01/hour=05"
        assert row == {
            "topic": "pinflow.pin",
            "table_name": "pin",
            "reason": "wrong_topic",
            "detail": "has the fields of table user",
            "raw": record.raw,
            "kafka_partition": 0,
            "kafka_offset": 0,
            "kafka_timestamp": FIVE,
            "source_file": f"{folder}/pinflow.pin+0+0000000000.json.gz",
            "batch_id": "batch-1",
        }

    def test_bronze_keeps_the_line_with_its_position(self, lake: Lake) -> None:
        [record] = land(lake, "geo", [json.dumps(MAKERS["geo"](downloaded=0))])
        lake.run("geo", *DAY)
        [row] = lake.rows(f"SELECT * FROM {CATALOG}.bronze.geo")
        assert list(row) == schemas.BRONZE.names
        assert (row["raw"], row["kafka_topic"], str(row["day"])) == (record.raw, "pinflow.geo", "2022-03-01")

    def test_nothing_is_dropped_for_its_content(self, lake: Lake) -> None:
        """Multi-video, not downloaded, without followers, title or tags, or with 0 followers: all are kept."""
        changes = [
            {"is_image_or_video": "multi-video(story page format)"},
            {"downloaded": 0, "image_src": "Image src error."},
            {"follower_count": "User Info Error", "poster_name": "User Info Error"},
            {"title": "No Title Data Available"},
            {"tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"},
            {"follower_count": "0"},
        ]
        land(lake, "pin", [json.dumps(pin(ind, **change)) for ind, change in enumerate(changes)])
        assert lake.run("pin", *DAY)["clean"] == len(changes)

    def test_namesakes_are_not_one(self, lake: Lake) -> None:
        land(lake, "user", [json.dumps(user(1)), json.dumps(user(2)), json.dumps(user(3))])
        assert lake.run("user", *DAY)["clean"] == 3

    def test_an_interval_without_objects_is_a_good_run(self, lake: Lake) -> None:
        audit = lake.run("pin", *DAY)
        assert (audit["landed"], audit["clean"], audit["quarantined"], audit["objects"]) == (0, 0, 0, 0)
        assert lake.rows(f"SELECT count(*) AS n FROM {CATALOG}.silver.pin") == [{"n": 0}]
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.ops.batch_audit")) == 1

    def test_lines_of_another_sink_are_cleaned_without_offset(self, lake: Lake) -> None:
        lake.land("pinflow.pin", FIVE, "pinflow.pin+4+0000000000.json", [json.dumps(pin())])
        assert lake.run("pin", *DAY)["clean"] == 1
        [row] = lake.rows(f"SELECT kafka_partition, kafka_offset, kafka_timestamp FROM {CATALOG}.silver.pin")
        assert row == {"kafka_partition": 4, "kafka_offset": None, "kafka_timestamp": FIVE}


class TestAgain:
    def test_changes_nothing_but_the_audit(self, lake: Lake) -> None:
        land(lake, "pin", Dirt(4).lines("pin", 120))
        first = lake.run("pin", *DAY)
        before = contents(lake, *TABLES)
        second = lake.run("pin", *DAY)
        assert contents(lake, *TABLES) == before
        assert {**first, "finished_at": ""} == {**second, "finished_at": ""}
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.ops.batch_audit")) == 1

    def test_another_batch_of_the_same_interval_has_its_own_audit_row(self, lake: Lake) -> None:
        land(lake, "pin", [json.dumps(pin())])
        lake.run("pin", *DAY, "it's one")
        lake.run("pin", *DAY, "it's two")
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.bronze.pin")) == 1
        found = lake.rows(f"SELECT batch_id, landed FROM {CATALOG}.ops.batch_audit ORDER BY batch_id")
        assert found == [{"batch_id": "it's one", "landed": 1}, {"batch_id": "it's two", "landed": 1}]

    def test_late_objects_join_in(self, lake: Lake) -> None:
        land(lake, "pin", [json.dumps(pin(1)), "broken"])
        lake.run("pin", *DAY)
        land(lake, "pin", [json.dumps(pin(2)), "broken too"], 10)
        audit = lake.run("pin", *DAY)
        assert (audit["landed"], audit["clean"], audit["quarantined"], audit["objects"]) == (4, 2, 2, 2)
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.quarantine.records")) == 2

    def test_a_mended_line_leaves_quarantine_and_bronze_follows(self, lake: Lake) -> None:
        lake.land("pinflow.pin", FIVE, "pinflow.pin+0+0000000000.json", ["broken"])
        assert lake.run("pin", *DAY)["quarantined"] == 1
        lake.land("pinflow.pin", FIVE, "pinflow.pin+0+0000000000.json", [json.dumps(pin())])
        assert lake.run("pin", *DAY)["quarantined"] == 0
        assert lake.rows(f"SELECT * FROM {CATALOG}.quarantine.records") == []
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.bronze.pin")) == 1

    def test_objects_that_went_away_leave_an_empty_interval(self, lake: Lake) -> None:
        path = lake.land("pinflow.pin", FIVE, "pinflow.pin+0+0000000000.json", ["broken"])
        lake.run("pin", *DAY)
        path.unlink()
        path.parent.rmdir()
        assert lake.run("pin", *DAY)["landed"] == 0
        assert contents(lake, "bronze.pin", "quarantine.records") == {"bronze.pin": [], "quarantine.records": []}

    def test_other_intervals_and_tables_stay(self, lake: Lake) -> None:
        """Also where the other interval is of the same day."""
        land(lake, "pin", [json.dumps(pin(1)), "broken"])
        land(lake, "pin", [json.dumps(pin(2)), "broken"], 10, FIVE + timedelta(hours=1))
        land(lake, "user", ["broken"])
        lake.run("pin", *DAY)
        lake.run("user", *DAY)
        assert lake.run("pin", "2022-03-01T05:30:00", "2022-03-01T06:30:00", "batch-2")["landed"] == 2
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.bronze.pin")) == 4
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.quarantine.records")) == 3
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.ops.batch_audit")) == 3


class TestSessionTimeZone:
    def test_does_not_matter(self, lake: Lake) -> None:
        """A line at 00:30 UTC is of that UTC day, also where the session's day is another."""
        midnight = FIVE.replace(hour=0)
        lake.land(
            "pinflow.pin", midnight, "pinflow.pin+0+0000000000.json", [positioned(pin(), "pinflow.pin", 0, 0, midnight)]
        )
        lake.spark.conf.set("spark.sql.session.timeZone", "America/New_York")
        try:
            assert lake.run("pin", *DAY)["landed"] == 1
            assert lake.run("pin", *DAY)["landed"] == 1
        finally:
            lake.spark.conf.set("spark.sql.session.timeZone", "UTC")
        found = lake.rows(f"SELECT CAST(day AS STRING) AS day, kafka_timestamp FROM {CATALOG}.bronze.pin")
        assert found == [{"day": "2022-03-01", "kafka_timestamp": midnight}]


TEXTS = {
    "table": "pin",
    "interval_start": "2022-03-01",
    "interval_end": "2022-03-02",
    "landing_url": "s3a://b/topics",
    "topic": "pinflow.pin",
    "catalog": "spark_catalog",
    "batch_id": "b",
}


class TestParameters:
    def test_names_are_those_of_the_notebook(self) -> None:
        assert set(TEXTS) == set(batch.NAMES)
        assert batch.Parameters.from_texts(TEXTS).name("silver") == "spark_catalog.silver.pin"

    @pytest.mark.parametrize("name", sorted(TEXTS))
    @pytest.mark.parametrize("how", ["left out", "blank"])
    def test_each_is_needed(self, name: str, how: str) -> None:
        texts = without(TEXTS, name) if how == "left out" else {**TEXTS, name: " "}
        with pytest.raises(ValueError, match=f"The parameter {name} is missing"):
            batch.Parameters.from_texts(texts)

    @pytest.mark.parametrize(
        ("name", "value"), [("table", "pins"), ("catalog", "a; DROP TABLE b"), ("interval_end", "x")]
    )
    def test_refuses_with_the_mend(self, name: str, value: str) -> None:
        with pytest.raises(ValueError, match=r"(Use|Write)"):
            batch.Parameters.from_texts({**TEXTS, name: value})
