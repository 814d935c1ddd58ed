"""Whole runs: what reaches each table, what the audit says, and that running again changes nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.spark import batch, schemas
from tests.independent import Record, clean
from tests.spark.lake import CATALOG, Lake, positioned
from tests.spark.posts import Dirt, pin, user, without

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

    def test_an_interval_without_objects_is_a_good_run(self, lake: Lake) -> None:
        audit = lake.run("pin", *DAY)
        assert (audit["landed"], audit["clean"], audit["quarantined"], audit["objects"]) == (0, 0, 0, 0)
        assert lake.rows(f"SELECT count(*) AS n FROM {CATALOG}.silver.pin") == [{"n": 0}]
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.ops.batch_audit")) == 1

    def test_namesakes_are_not_one(self, lake: Lake) -> None:
        land(lake, "user", [json.dumps(user(1)), json.dumps(user(2)), json.dumps(user(3))])
        assert lake.run("user", *DAY)["clean"] == 3


KEPT: list[dict[str, Any]] = [
    {},
    {"is_image_or_video": "multi-video(story page format)"},
    {"downloaded": 0, "image_src": "Image src error."},
    {"follower_count": "User Info Error", "poster_name": "User Info Error"},
    {"title": "No Title Data Available"},
    {"tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"},
    {"follower_count": "0"},
]


@dataclass(frozen=True)
class Ran:
    """One run over pins that are all kept, a user row among them, and an object of another sink."""

    lake: Lake
    audit: dict[str, Any]
    records: list[Record]


@pytest.fixture(scope="module")
def ran(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    lake = Lake(spark, tmp_path_factory.mktemp("landing"))
    lake.drop()
    records = land(
        lake, "pin", [*(json.dumps(pin(ind, **values)) for ind, values in enumerate(KEPT)), json.dumps(user())]
    )
    lake.land("pinflow.pin", FIVE, "pinflow.pin+4+0000000000.json", [json.dumps(pin(100))])
    return Ran(lake, lake.run("pin", *DAY), records)


class TestOneRun:
    """What each table holds; read only."""

    def test_audit(self, ran: Ran) -> None:
        audit = dict(ran.audit)
        finished = datetime.fromisoformat(audit.pop("finished_at"))
        assert abs(datetime.now(UTC) - finished) < timedelta(hours=1)
        assert audit == {
            "batch_id": "batch-1",
            "table_name": "pin",
            "interval_start": "2022-03-01T00:00:00Z",
            "interval_end": "2022-03-02T00:00:00Z",
            "landed": 9,
            "clean": 8,
            "duplicates": 0,
            "conflicts": 0,
            "quarantined": 1,
            "follower_warnings": 0,
            "extra_fields": 0,
            "objects": 2,
        }

    def test_audit_is_in_its_table(self, ran: Ran) -> None:
        [row] = ran.lake.rows(f"SELECT * FROM {CATALOG}.ops.batch_audit")
        assert list(row) == schemas.AUDIT.names
        assert row["finished_at"] == datetime.fromisoformat(ran.audit["finished_at"])
        assert {name: row[name] for name in ("landed", "clean", "quarantined")} == {
            "landed": 9,
            "clean": 8,
            "quarantined": 1,
        }

    def test_nothing_is_dropped_for_its_content(self, ran: Ran) -> None:
        """Multi-video, not downloaded, without followers, title or tags, or with 0 followers: all are kept."""
        found = ran.lake.rows(f"SELECT ind FROM {CATALOG}.silver.pin ORDER BY ind")
        assert [row["ind"] for row in found] == [*range(len(KEPT)), 100]

    def test_silver_has_the_written_columns_and_the_position(self, ran: Ran) -> None:
        [row] = ran.lake.rows(f"SELECT * FROM {CATALOG}.silver.pin WHERE ind = 0")
        assert list(row) == schemas.SILVER["pin"].names
        assert (row["follower_count"], row["kafka_offset"], row["kafka_timestamp"]) == (12_300, 0, FIVE)

    def test_quarantine_keeps_everything_of_a_line(self, ran: Ran) -> None:
        [row] = ran.lake.rows(f"SELECT * FROM {CATALOG}.quarantine.records")
        assert row.pop("quarantined_at") <= datetime.now(UTC)
        folder = f"file:{ran.lake.landing}/pinflow.pin/year=2022/month=03/day=01/hour=05"
        assert row == {
            "topic": "pinflow.pin",
            "table_name": "pin",
            "reason": "wrong_topic",
            "detail": "has the fields of table user",
            "raw": ran.records[-1].raw,
            "kafka_partition": 0,
            "kafka_offset": len(KEPT),
            "kafka_timestamp": FIVE + timedelta(milliseconds=len(KEPT)),
            "source_file": f"{folder}/pinflow.pin+0+0000000000.json.gz",
            "batch_id": "batch-1",
        }

    def test_bronze_keeps_the_lines_whole(self, ran: Ran) -> None:
        found = ran.lake.rows(f"SELECT * FROM {CATALOG}.bronze.pin WHERE kafka_partition = 0 ORDER BY kafka_offset")
        assert [row["raw"] for row in found] == [record.raw for record in ran.records]
        assert {(str(row["day"]), row["kafka_topic"], row["batch_id"]) for row in found} == {
            ("2022-03-01", "pinflow.pin", "batch-1")
        }
        assert list(found[0]) == schemas.BRONZE.names

    def test_a_line_of_another_sink_has_no_offset(self, ran: Ran) -> None:
        columns = "kafka_partition, kafka_offset, kafka_timestamp"
        [row] = ran.lake.rows(f"SELECT {columns} FROM {CATALOG}.silver.pin WHERE ind = 100")
        assert row == {"kafka_partition": 4, "kafka_offset": None, "kafka_timestamp": FIVE}


class TestAgain:
    def test_changes_nothing_but_the_audit(self, lake: Lake) -> None:
        land(lake, "pin", Dirt(4).lines("pin", 120))
        first = lake.run("pin", *DAY, "it's one")
        before = contents(lake, *TABLES)
        second = lake.run("pin", *DAY, "it's one")
        assert contents(lake, *TABLES) == before
        assert {**first, "finished_at": ""} == {**second, "finished_at": ""}
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.ops.batch_audit")) == 1
        lake.run("pin", *DAY, "it's two")
        assert contents(lake, *TABLES) == before
        found = lake.rows(f"SELECT batch_id, landed FROM {CATALOG}.ops.batch_audit ORDER BY batch_id")
        assert found == [{"batch_id": "it's one", "landed": 120}, {"batch_id": "it's two", "landed": 120}]

    def test_tables_follow_the_landing(self, lake: Lake) -> None:
        """A mended line leaves quarantine, late objects join in, and what went away is gone from bronze."""
        path = lake.land("pinflow.pin", FIVE, "pinflow.pin+0+0000000000.json", ["broken"])
        assert lake.run("pin", *DAY)["quarantined"] == 1
        lake.land("pinflow.pin", FIVE, path.name, [json.dumps(pin())])
        land(lake, "pin", [json.dumps(pin(2))], 10)
        audit = lake.run("pin", *DAY)
        assert (audit["landed"], audit["clean"], audit["quarantined"], audit["objects"]) == (2, 2, 0, 2)
        assert contents(lake, "quarantine.records") == {"quarantine.records": []}
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.bronze.pin")) == 2
        shutil.rmtree(path.parent)
        assert lake.run("pin", *DAY)["landed"] == 0
        assert contents(lake, "bronze.pin") == {"bronze.pin": []}

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
