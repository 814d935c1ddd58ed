"""The reconciliation's SQL on a real lake that the batch made from landed lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from pinflow.reconciliation import Finding, Interval, Lost, Surplus, TableReconciliation
from tests.spark.lake import Lake, positioned

HOUR = datetime(2022, 3, 1, 5, tzinfo=UTC)
INTERVAL = Interval(datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 3, 2, tzinfo=UTC))
TOPIC = "pinflow.user"


def user(ind: int, **changes: Any) -> dict[str, Any]:
    row = {"ind": ind, "first_name": "A", "last_name": "B", "age": 30, "date_joined": "2016-01-01 00:00:00"}
    return row | changes


class Ledger:
    """What was accepted: (ind, partition, offset), all at the same hour."""

    def __init__(self, accepted: list[tuple[int, int, int]], unknown: Iterable[int] = ()) -> None:
        self.records = accepted
        self.unknown = set(unknown)

    def accepted(
        self, table: str, start_ms: int | None = None, end_ms: int | None = None
    ) -> Iterator[tuple[int, int, int]]:
        """The records, if the hour is in the span."""
        moment = round(HOUR.timestamp() * 1000)
        return iter(self.records if (start_ms or 0) <= moment < (end_ms or 2**60) else ())

    def ambiguous(self, table: str) -> set[int]:
        """Posts with an unknown outcome."""
        return self.unknown

    def dead_letters(self, topic: str, start_ms: int, end_ms: int) -> list[Any]:
        """None."""
        return []

    def timestamps(self, positions: Iterable[Any]) -> Mapping[Any, int]:
        """Nothing is near an end."""
        return {}


TABLES = ("bronze.user", "silver.user", "quarantine.records")


@pytest.fixture
def landed(filled: Lake) -> Iterator[Lake]:
    """The lake; what a test changes is put back."""
    versions = {name: version(filled, name) for name in TABLES}
    yield filled
    for name, before in versions.items():
        if version(filled, name) != before:
            filled.spark.sql(f"RESTORE TABLE {name} TO VERSION AS OF {before}").collect()


def version(lake: Lake, name: str) -> int:
    return int(lake.rows(f"DESCRIBE HISTORY {name} LIMIT 1")[0]["version"])


@pytest.fixture(scope="module")
def filled(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Six posts on two partitions, one of them in quarantine; post 2 came twice."""
    lake = Lake(spark, tmp_path_factory.mktemp("landing") / "topics")
    lake.drop()
    rows = [
        (user(0), 0, 0),
        (user(1), 1, 0),
        (user(2), 0, 1),
        (user(3, age=999), 1, 1),
        (user(4), 0, 2),
        (user(2, first_name="C"), 0, 3),
    ]
    lines = [positioned(row, TOPIC, partition, offset, HOUR) for row, partition, offset in rows]
    lake.land(TOPIC, HOUR, f"{TOPIC}+0+0000000000.json.gz", lines)
    lake.run("user", "2022-03-01T00:00:00Z", "2022-03-02T00:00:00Z")
    return lake


ACCEPTED = [(0, 0, 0), (1, 1, 0), (2, 0, 1), (3, 1, 1), (4, 0, 2), (2, 0, 3)]


def find(lake: Lake, ledger: Ledger) -> Finding:
    def rows(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        def literal(found: re.Match[str]) -> str:
            value = parameters[found[1]]
            return f"TIMESTAMP '{value.isoformat()}'" if isinstance(value, datetime) else repr(value)

        return lake.rows(re.sub(r"(?<![:\w]):(\w+)", literal, sql))

    return TableReconciliation("user", TOPIC, INTERVAL, ledger=ledger, kafka=ledger, dead_letters=[], rows=rows).find()


def test_all_is_well(landed: Lake) -> None:
    finding = find(landed, Ledger(ACCEPTED))
    assert finding == Finding("user", accepted=6, landed=6, dead_letters=0, quarantined=1)


def test_lost_foreign_and_explained(landed: Lake) -> None:
    ledger = Ledger([*ACCEPTED[1:5], (7, 1, 2)], unknown=[2])
    finding = find(landed, ledger)
    assert finding.missing == [Lost(7, 1, 2)]
    assert finding.foreign == [Surplus(0, 0, 0)]
    assert finding.explained == [Surplus(2, 0, 3)]


def test_silver_lost_a_post(landed: Lake) -> None:
    landed.spark.sql("DELETE FROM silver.user WHERE ind = 4").collect()
    assert find(landed, Ledger(ACCEPTED)).absent_from_silver == [4]


def test_silver_has_a_post_twice(landed: Lake) -> None:
    landed.spark.sql("INSERT INTO silver.user SELECT * FROM silver.user WHERE ind = 1").collect()
    assert find(landed, Ledger(ACCEPTED)).doubled_in_silver == [1]


def test_a_line_is_in_bronze_twice(landed: Lake) -> None:
    landed.spark.sql(
        "INSERT INTO bronze.user SELECT * FROM bronze.user WHERE kafka_partition = 1 AND kafka_offset = 0"
    ).collect()
    finding = find(landed, Ledger(ACCEPTED))
    assert finding.repeated == [(1, 0)]
    assert finding.wrong


def test_a_post_was_swapped(landed: Lake) -> None:
    swapped = [(40, 0, 2) if record == (4, 0, 2) else record for record in ACCEPTED]
    assert find(landed, Ledger(swapped)).absent_from_silver == [40]


def test_large_offsets_do_not_overflow(landed: Lake) -> None:
    far = 900_000_000_000
    landed.spark.sql(f"UPDATE bronze.user SET kafka_offset = kafka_offset + {far}").collect()
    landed.spark.sql(f"UPDATE quarantine.records SET kafka_offset = kafka_offset + {far}").collect()
    moved = [(ind, partition, offset + far) for ind, partition, offset in ACCEPTED]
    assert not find(landed, Ledger(moved)).wrong
    assert find(landed, Ledger([*moved, (9, 0, far + 9)])).missing == [Lost(9, 0, far + 9)]


def test_another_interval_is_another_matter(landed: Lake) -> None:
    day = datetime(2022, 3, 5, tzinfo=UTC)
    lines = [positioned(user(50), TOPIC, 0, 50, day)]
    landed.land(TOPIC, day, f"{TOPIC}+0+0000000050.json.gz", lines)
    landed.run("user", "2022-03-05T00:00:00Z", "2022-03-06T00:00:00Z", "batch-2")
    assert find(landed, Ledger(ACCEPTED)) == Finding("user", 6, 6, 0, 1)


def test_a_record_whose_key_is_no_number_is_foreign_without_a_post(spark: Any, tmp_path: Any) -> None:
    lake = Lake(spark, tmp_path / "topics")
    lake.drop()
    rows = [(user(0), 0, 0), (user(0) | {"ind": "seven"}, 0, 1), (user(0) | {"ind": 8.0}, 0, 2)]
    lines = [positioned(row, TOPIC, partition, offset, HOUR) for row, partition, offset in rows]
    lake.land(TOPIC, HOUR, f"{TOPIC}+0+0000000000.json.gz", lines)
    lake.run("user", "2022-03-01T00:00:00Z", "2022-03-02T00:00:00Z")
    assert find(lake, Ledger([(0, 0, 0), (8, 0, 2)])).foreign == [Surplus(None, 0, 1)]
    assert find(lake, Ledger([(0, 0, 0), (7, 0, 1), (8, 0, 2)])).wrong is False
