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


@pytest.fixture(scope="module")
def good(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Good tables, each behind a view of the name that the rules read, so that a view can show them damaged."""
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
    for name in VIEWS:
        spark.sql(f"ALTER TABLE {name} RENAME TO {name}_good").collect()
        show(lake, name)
    return lake


VIEWS = ("silver.pin", "silver.geo", "silver.user", "quarantine.records", "ops.batch_audit")


def show(lake: Lake, view: str, rows: str | None = None) -> None:
    lake.spark.sql(
        f"CREATE OR REPLACE VIEW {CATALOG}.{view} AS {rows or f'SELECT * FROM {CATALOG}.{view}_good'}"
    ).collect()


def verdict(lake: Lake, name: str) -> tuple[int, str | None]:
    [row] = lake.rows(RULES[name].text)
    assert list(row) == ["failures", "example"]
    return row["failures"], row["example"]


class TestGood:
    def test_all_rules_hold_and_fit_into_one_statement(self, good: Lake) -> None:
        parts = [f"SELECT '{name}' AS rule, * FROM ({rule.text})" for name, rule in RULES.items()]
        found = {row.pop("rule"): row for row in good.rows(" UNION ALL ".join(parts))}
        assert found == {name: {"failures": 0, "example": None} for name in RULES}


def changed(view: str, column: str, value: str, where: str = "ind = 1") -> tuple[str, str]:
    rest = f"SELECT * EXCEPT ({column}), IF({where}, {value}, {column}) AS {column}"
    return view, f"{rest} FROM {CATALOG}.{view}_good"


def twice(view: str, where: str) -> tuple[str, str]:
    return view, f"SELECT * FROM {CATALOG}.{view}_good UNION ALL SELECT * FROM {CATALOG}.{view}_good WHERE {where}"


def pin(column: str, value: str) -> tuple[str, str]:
    return changed("silver.pin", column, f"'{value}'")


def coordinates(value: str, where: str = "ind = 1") -> tuple[str, str]:
    return changed("silver.geo", "coordinates", value, where)


def audited(column: str, value: int) -> tuple[str, str]:
    return changed("ops.batch_audit", column, f"{value}L", "true")


def quarantined(reason: str = "'not_json'", source: str = "'s3://b/o'") -> tuple[str, str]:
    return "quarantine.records", f"SELECT 'pin' AS table_name, {reason} AS reason, 'x' AS raw, {source} AS source_file"


BROKEN = [
    ("one_row_per_post", twice("silver.geo", "ind = 1"), 1, "geo 1"),
    ("keys_are_row_numbers", changed("silver.user", "ind", "-1"), 1, "user -1"),
    ("keys_are_row_numbers", changed("silver.pin", "ind", "NULL"), 1, "pin without key"),
    ("coordinates_in_range", coordinates("array(90.5D, 0D)"), 1, "1"),
    ("coordinates_in_range", coordinates("array(0D, -180.5D)", "true"), 2, "0"),
    ("coordinates_in_range", coordinates("array(0D, CAST(NULL AS DOUBLE))"), 1, "1"),
    ("coordinates_in_range", coordinates("array(0D)"), 1, "1"),
    ("coordinates_in_range", coordinates("array(0D, double('NaN'))"), 1, "1"),
    ("ages_in_range", changed("silver.user", "age", "131"), 1, "1"),
    ("times_present", changed("silver.geo", "timestamp", "NULL"), 1, "geo 1"),
    ("times_present", changed("silver.user", "date_joined", "NULL", "ind = 0"), 1, "user 0"),
    ("placeholders_absent", pin("title", " No Title Data Available"), 1, "1"),
    ("placeholders_absent", pin("description", "No description available yet"), 1, "1"),
    ("placeholders_absent", pin("poster_name", ""), 1, "1"),
    ("placeholders_absent", pin("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"), 1, "1"),
    ("placeholders_absent", pin("image_src", "Image src error"), 1, "1"),
    ("placeholders_absent", pin("save_location", "Local save in /data"), 1, "1"),
    ("follower_counts_not_negative", changed("silver.pin", "follower_count", "-1"), 1, "1"),
    ("batch_counts_balance", audited("landed", 11), 1, "b pin"),
    ("joins_keep_posts_single", twice("silver.geo", "ind = 1"), 1, "country"),
    ("joins_keep_posts_single", twice("silver.user", "true"), 2, "age group"),
    ("quarantine_has_reasons", quarantined("'because'"), 1, "pin because s3://b/o"),
    ("quarantine_has_reasons", quarantined("CAST(NULL AS STRING)"), 1, "pin s3://b/o"),
    ("quarantine_has_reasons", quarantined(source="CAST(NULL AS STRING)"), 1, "pin not_json"),
    ("posts_without_partner", ("silver.user", f"SELECT * FROM {CATALOG}.silver.user_good WHERE ind = 0"), 2, "geo 1"),
    ("quarantined_lines", quarantined(), 1, "pin not_json s3://b/o"),
    ("conflicting_copies", audited("conflicts", 2), 2, "b pin"),
    ("unread_follower_counts", audited("follower_warnings", 3), 3, "b pin"),
    ("unknown_fields", audited("extra_fields", 4), 4, "b pin"),
]


class TestBroken:
    @pytest.mark.parametrize(("name", "damage", "failures", "example"), BROKEN)
    def test_rule_finds_it(self, good: Lake, name: str, damage: tuple[str, str], failures: int, example: str) -> None:
        view, rows = damage
        show(good, view, rows)
        try:
            assert verdict(good, name) == (failures, example)
        finally:
            show(good, view)

    def test_each_rule_is_broken_once(self) -> None:
        assert {case[0] for case in BROKEN} == set(RULES)
