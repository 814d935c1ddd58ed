"""Each quality rule holds on good tables and finds the row that breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from include import sql
from include.spark import schemas, tables
from tests.spark.gold.answers import Silver, utc
from tests.spark.lake import CATALOG, Lake

RULES = {query.name: query for query in sql.quality()}
GOOD_AUDIT = ("b", "pin", utc(2022, 3, 1), utc(2022, 3, 2), 10, 6, 3, 0, 1, 0, 0, 1, utc(2022, 3, 2))
MOMENT = "TIMESTAMP'2022-03-01 00:00:00Z'"


@pytest.fixture(scope="module")
def good(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(spark, tmp_path_factory.mktemp("landing"))
    lake.drop()
    silver = Silver()
    for category in ("art", "travel"):
        silver.post(category, poster_name="ann", follower_count=0)
    silver.write(lake)
    for table in schemas.TABLES:
        tables.create(spark, CATALOG, table)
    frame = spark.createDataFrame([GOOD_AUDIT], schemas.AUDIT)
    frame.write.format("delta").mode("append").saveAsTable(f"{CATALOG}.ops.batch_audit")
    return lake


def verdict(lake: Lake, name: str) -> tuple[int, str | None]:
    [row] = lake.rows(RULES[name].text)
    assert list(row) == ["failures", "example"]
    return row["failures"], row["example"]


class TestGood:
    @pytest.mark.parametrize("name", sorted(RULES))
    def test_rule_holds(self, good: Lake, name: str) -> None:
        assert verdict(good, name) == (0, None)


def quarantined(reason: str = "not_json", source: str = "'s3://b/o'") -> str:
    values = f"'pinflow.pin', 'pin', '{reason}', 'd', 'raw', 0, 1, {MOMENT}, {source}, 'b', {MOMENT}"
    return f"INSERT INTO quarantine.records VALUES ({values})"


def audited(**changes: int) -> str:
    row = dict(zip(schemas.AUDIT.names, GOOD_AUDIT, strict=True))
    row.update({"interval_start": None, "interval_end": None, "finished_at": None, **changes})
    values = ", ".join("NULL" if row[name] is None else repr(row[name]) for name in schemas.AUDIT.names)
    return f"INSERT INTO ops.batch_audit VALUES ({values})"


BROKEN = [
    ("one_row_per_post", "INSERT INTO silver.geo SELECT * FROM silver.geo WHERE ind = 1", 1, "geo 1"),
    ("keys_are_row_numbers", "UPDATE silver.user SET ind = -1 WHERE ind = 1", 1, "user -1"),
    ("coordinates_in_range", "UPDATE silver.geo SET coordinates = array(90.5D, 0D) WHERE ind = 1", 1, "1"),
    ("coordinates_in_range", "UPDATE silver.geo SET coordinates = array(0D, -180.5D)", 2, "0"),
    (
        "coordinates_in_range",
        "UPDATE silver.geo SET coordinates = array(0D, CAST(NULL AS DOUBLE)) WHERE ind = 1",
        1,
        "1",
    ),
    ("coordinates_in_range", "UPDATE silver.geo SET coordinates = array(0D) WHERE ind = 1", 1, "1"),
    ("coordinates_in_range", "UPDATE silver.geo SET coordinates = array(0D, double('NaN')) WHERE ind = 1", 1, "1"),
    ("ages_in_range", "UPDATE silver.user SET age = 131 WHERE ind = 1", 1, "1"),
    ("times_present", "UPDATE silver.geo SET timestamp = NULL WHERE ind = 1", 1, "geo 1"),
    ("times_present", "UPDATE silver.user SET date_joined = NULL WHERE ind = 0", 1, "user 0"),
    ("placeholders_absent", "UPDATE silver.pin SET title = ' No Title Data Available' WHERE ind = 1", 1, "1"),
    ("placeholders_absent", "UPDATE silver.pin SET description = 'No description available yet' WHERE ind = 1", 1, "1"),
    ("placeholders_absent", "UPDATE silver.pin SET poster_name = '' WHERE ind = 1", 1, "1"),
    (
        "placeholders_absent",
        "UPDATE silver.pin SET tag_list = 'N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e' WHERE ind = 1",
        1,
        "1",
    ),
    ("placeholders_absent", "UPDATE silver.pin SET image_src = 'Image src error' WHERE ind = 1", 1, "1"),
    ("placeholders_absent", "UPDATE silver.pin SET save_location = 'Local save in /data' WHERE ind = 1", 1, "1"),
    ("follower_counts_not_negative", "UPDATE silver.pin SET follower_count = -1 WHERE ind = 1", 1, "1"),
    ("batch_counts_balance", audited(landed=11), 1, "b pin"),
    ("joins_keep_posts_single", "INSERT INTO silver.geo SELECT * FROM silver.geo WHERE ind = 1", 1, "country"),
    ("joins_keep_posts_single", "INSERT INTO silver.user SELECT * FROM silver.user", 2, "age group"),
    ("quarantine_has_reasons", quarantined("because"), 1, "pin because s3://b/o"),
    ("quarantine_has_reasons", quarantined(source="NULL"), 1, "pin not_json"),
    ("posts_without_partner", "DELETE FROM silver.user WHERE ind = 1", 2, "geo 1"),
    ("quarantined_lines", quarantined(), 1, "pin not_json s3://b/o"),
    ("conflicting_copies", audited(conflicts=2), 2, "b pin"),
    ("unread_follower_counts", audited(follower_warnings=3), 3, "b pin"),
    ("unknown_fields", audited(extra_fields=4), 4, "b pin"),
]


class TestBroken:
    @pytest.mark.parametrize(("name", "damage", "failures", "example"), BROKEN)
    def test_rule_finds_it(self, good: Lake, name: str, damage: str, failures: int, example: str) -> None:
        table = damage.split()[1 if damage.startswith("UPDATE") else 2]
        [version] = good.rows(f"DESCRIBE HISTORY {table} LIMIT 1")
        good.spark.sql(damage).collect()
        try:
            assert verdict(good, name) == (failures, example)
        finally:
            good.spark.sql(f"RESTORE TABLE {table} TO VERSION AS OF {version['version']}").collect()

    def test_each_rule_is_broken_once(self) -> None:
        assert {case[0] for case in BROKEN} == set(RULES)
