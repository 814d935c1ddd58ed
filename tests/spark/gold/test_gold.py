"""The ten answers against the independent calculation, DuckDB and hand-written results."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from include import sql
from tests.independent import gold as independent
from tests.spark.gold.answers import Silver, answer, seeded, utc, written
from tests.spark.lake import CATALOG, Lake

QUERIES = {query.name: query for query in sql.gold()}
AS_OF = (None, "2019-06-01T00:00:00Z", "2022-01-01")


@pytest.fixture(scope="module")
def generated(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Silver]:
    return _lake(spark, tmp_path_factory, seeded(1, 400))


def _lake(spark: Any, folders: pytest.TempPathFactory, silver: Silver) -> tuple[Lake, Silver]:
    lake = Lake(spark, folders.mktemp("landing"))
    lake.drop()
    silver.write(lake)
    return lake, silver


class TestAgainstTheIndependentCalculation:
    @pytest.mark.parametrize("name", sorted(QUERIES))
    def test_same_rows_in_the_same_order(self, generated: Any, name: str) -> None:
        lake, silver = generated
        expected = getattr(independent, name)(silver.pins, silver.geos, silver.users)
        assert written(lake, QUERIES[name]) == expected
        assert expected

    @pytest.mark.parametrize("as_of", AS_OF)
    def test_as_of(self, generated: Any, as_of: str | None) -> None:
        lake, silver = generated
        moment = datetime.fromisoformat(as_of) if as_of else None
        if moment and moment.tzinfo is None:
            moment = utc(moment.year, moment.month, moment.day)
        expected = independent.most_popular_category_this_year(silver.pins, silver.geos, silver.users, moment)
        assert answer(lake, QUERIES["most_popular_category_this_year"], as_of=as_of) == expected
        assert expected

    @pytest.mark.parametrize("name", ["most_popular_category_by_year", "users_joined_by_year"])
    def test_years_are_utc_whatever_the_session_says(self, generated: Any, name: str) -> None:
        lake, silver = generated
        lake.spark.conf.set("spark.sql.session.timeZone", "America/New_York")
        try:
            found = answer(lake, QUERIES[name])
        finally:
            lake.spark.conf.set("spark.sql.session.timeZone", "UTC")
        assert found == getattr(independent, name)(silver.pins, silver.geos, silver.users)


class TestAgainstDuckDB:
    """The same text in another engine: a second opinion on the SQL, not on the rules."""

    @pytest.fixture(scope="class")
    @classmethod
    def duck(cls, generated: Any) -> Any:
        import duckdb

        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA silver")
        connection.execute("CREATE MACRO in_utc(moment) AS timezone('UTC', moment)")
        for table in ("pin", "geo", "user"):
            frame = generated[0].spark.table(f"{CATALOG}.silver.{table}").toPandas()
            for name in ("timestamp", "date_joined"):
                if name in frame:
                    frame[name] = frame[name].dt.tz_localize("UTC")
            connection.register("incoming", frame)
            connection.execute(f'CREATE TABLE silver."{table}" AS SELECT * FROM incoming')
        return connection

    @pytest.mark.parametrize("name", sorted(QUERIES))
    def test_same_rows(self, generated: Any, duck: Any, name: str) -> None:
        import sqlglot

        query, lake = QUERIES[name], generated[0]
        text = sql.select(query).replace("percentile(", "quantile_cont(").replace("to_utc_timestamp(", "in_utc(")
        [translated] = sqlglot.transpile(text.replace(", current_timezone())", ")"), read="spark", write="duckdb")
        spark = [{key: value for key, value in row.items() if key != "as_of"} for row in answer(lake, query)]
        names = ", ".join(spark[0])
        rows = duck.execute(f"SELECT {names} FROM ({translated}) ORDER BY {query.order_by}").fetchall()
        assert rows == [tuple(row.values()) for row in spark]


class TestByHand:
    """One lake in which each question has a trap; the expected rows are written by hand."""

    @pytest.fixture(scope="class")
    @classmethod
    def lake(cls, spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Lake:
        silver = Silver()
        silver.post("art", country="Albania", poster_name="ann", follower_count=8_000_000, user_name="Ann Ali", age=24)
        silver.post("art", country="Albania", poster_name="ann", follower_count=5, user_name="Ann Ali", age=24)
        silver.post("beauty", country="Albania", poster_name="bob", follower_count=7, user_name="Bob Bee", age=25)
        silver.post("beauty", country="Albania", poster_name="bob", follower_count=7, user_name="Bob Bee", age=25)
        silver.post("travel", country="Aruba", poster_name="zoe", follower_count=8_000_000, user_name="Zoë Zen", age=51)
        silver.post("travel", country="Nauru", poster_name=None, follower_count=9_000_000, user_name="No Name", age=17)
        silver.post("quotes", country="Nauru", poster_name="nemo", follower_count=None, user_name="No Count", age=None)
        silver.post("quotes", timestamp=utc(2017, 12, 31, 23, 59, 59), user_name="Ann Ali", age=50, person=None)
        silver.post("quotes", timestamp=utc(2018, 1, 1), person=None)
        silver.post("finance", timestamp=utc(2022, 12, 31, 23, 59, 59), date_joined=utc(2014, 12, 31, 23, 59, 59))
        silver.post("vehicles", timestamp=utc(2023, 1, 1), user_name="Ann Ali", age=20, date_joined=utc(2015, 1, 1))
        silver.post("vehicles", place=None, user_name="Ann Ali", age=20, date_joined=utc(2020, 12, 31, 23, 59, 59))
        silver.post("vehicles", place=None, user_name="Ann Ali", age=20, date_joined=utc(2021, 1, 1))
        return _lake(spark, tmp_path_factory, silver)[0]

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            (
                "most_popular_category_by_country",
                [
                    ("Albania", "art", 2),
                    ("Albania", "beauty", 2),
                    ("Albania", "quotes", 2),
                    ("Aruba", "travel", 1),
                    ("Nauru", "quotes", 1),
                    ("Nauru", "travel", 1),
                ],
            ),
            (
                "most_popular_category_by_year",
                [
                    (2018, "quotes", 1),
                    (2019, "art", 2),
                    (2019, "beauty", 2),
                    (2019, "travel", 2),
                    (2022, "finance", 1),
                ],
            ),
            (
                "most_followed_user_by_country",
                [("Albania", "ann", 8_000_000), ("Aruba", "zoe", 8_000_000)],
            ),
            (
                "country_with_most_followed_user",
                [("Albania", "ann", 8_000_000), ("Aruba", "zoe", 8_000_000)],
            ),
            (
                "most_popular_category_by_age_group",
                [
                    ("+50", "travel", 1),
                    ("18-24", "vehicles", 3),
                    ("25-35", "beauty", 2),
                ],
            ),
            ("median_followers_by_age_group", [("+50", 8_000_000.0), ("18-24", 4_000_002.5), ("25-35", 7.0)]),
            ("users_joined_by_year", [(2015, 1), (2016, 5), (2020, 1)]),
            ("median_followers_by_join_year", [(2016, 8_000_000.0)]),
            (
                "median_followers_by_join_year_and_age_group",
                [(2016, "+50", 8_000_000.0), (2016, "18-24", 4_000_002.5), (2016, "25-35", 7.0)],
            ),
            ("most_popular_category_this_year", [(2023, "vehicles", 1, utc(2023, 1, 1))]),
        ],
    )
    def test_answer(self, lake: Lake, name: str, expected: list[tuple[Any, ...]]) -> None:
        assert [tuple(row.values()) for row in answer(lake, QUERIES[name])] == expected

    @pytest.mark.parametrize(
        ("as_of", "expected"),
        [
            ("2022-12-31T23:59:58Z", []),
            ("2022-12-31T23:59:59Z", [("finance", 1)]),
            ("2023-01-01T00:59:59+01:00", [("finance", 1)]),
            ("2018-12-31", [("quotes", 1)]),
            ("2017-01-01", []),
            ("", [("vehicles", 1)]),
        ],
    )
    def test_this_year_ends_with_as_of(self, lake: Lake, as_of: str, expected: list[tuple[str, int]]) -> None:
        rows = answer(lake, QUERIES["most_popular_category_this_year"], as_of=as_of)
        assert [(row["category"], row["category_count"]) for row in rows] == expected

    def test_the_comment_of_a_table_is_what_it_answers(self, lake: Lake) -> None:
        query = QUERIES["users_joined_by_year"]
        written(lake, query)
        [row] = [
            row for row in lake.rows(f"DESCRIBE EXTENDED {CATALOG}.gold.{query.name}") if row["col_name"] == "Comment"
        ]
        assert row["data_type"] == query.title

    def test_types(self, lake: Lake) -> None:
        expected = {
            "most_popular_category_by_country": "country:string,category:string,category_count:bigint",
            "median_followers_by_join_year": "join_year:int,median_follower_count:double",
            "most_popular_category_this_year": "post_year:int,category:string,category_count:bigint,as_of:timestamp",
        }
        for name, kind in expected.items():
            frame = lake.spark.sql(sql.select(QUERIES[name]))
            assert frame.schema.simpleString() == f"struct<{kind}>"


class TestEmpty:
    def test_every_question_has_an_empty_answer(self, lake: Lake) -> None:
        Silver().write(lake)
        assert {name: answer(lake, query) for name, query in QUERIES.items()} == {name: [] for name in QUERIES}
