"""The loader of the SQL files, without any engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from include import sql

ROOT = Path(sql.FOLDER).parents[1]
QUESTIONS = {
    "most_popular_category_by_country": ["country", "category", "category_count"],
    "most_popular_category_by_year": ["post_year", "category", "category_count"],
    "most_followed_user_by_country": ["country", "poster_name", "follower_count"],
    "country_with_most_followed_user": ["country", "poster_name", "follower_count"],
    "most_popular_category_by_age_group": ["age_group", "category", "category_count"],
    "median_followers_by_age_group": ["age_group", "median_follower_count"],
    "users_joined_by_year": ["join_year", "number_users_joined"],
    "median_followers_by_join_year": ["join_year", "median_follower_count"],
    "median_followers_by_join_year_and_age_group": ["join_year", "age_group", "median_follower_count"],
    "most_popular_category_this_year": ["post_year", "category", "category_count", "as_of"],
}


def query(name: str) -> sql.Query:
    return next(query for query in sql.gold() if query.name == name)


class TestGold:
    def test_has_the_ten_questions(self) -> None:
        assert [query.name for query in sql.gold()] == sorted(QUESTIONS)

    @pytest.mark.parametrize("name", sorted(QUESTIONS))
    def test_columns_are_selected_by_name_at_the_end(self, name: str) -> None:
        last = query(name).text.rpartition("\nSELECT ")[2].partition("\nFROM ")[0]
        columns = [column.split(" AS ")[-1].strip() for column in last.split(",") if "(" not in column]
        assert columns == [column for column in QUESTIONS[name] if column in columns]
        assert columns[-1] == QUESTIONS[name][-1] or last.endswith(f"AS {QUESTIONS[name][-1]}")

    @pytest.mark.parametrize("name", sorted(QUESTIONS))
    def test_order_names_columns_of_the_result(self, name: str) -> None:
        keys = [key.strip().removesuffix(" DESC") for key in query(name).order_by.split(",")]
        assert set(keys) <= set(QUESTIONS[name])

    @pytest.mark.parametrize("name", sorted(QUESTIONS))
    def test_reads_silver_only_and_names_no_catalog(self, name: str) -> None:
        text = query(name).text
        words = [word for line in text.splitlines() for word in line.split() if "silver" in word]
        assert words
        assert set(words) <= {"silver.pin", "silver.geo", "silver.user"}
        assert not any(schema in text for schema in ("bronze.", "gold.", "ops.", "spark_catalog"))

    def test_only_this_year_has_a_parameter(self) -> None:
        found = {query.name: query.parameters for query in sql.gold() if query.parameters}
        assert found == {"most_popular_category_this_year": ("as_of",)}

    def test_text_is_one_statement_without_the_comment(self) -> None:
        for found in (*sql.gold(), *sql.quality()):
            assert found.text.startswith(("SELECT", "WITH"))
            assert ";" not in found.text
            assert "--" not in found.text


class TestQuality:
    def test_each_rule_has_a_severity_and_returns_failures_and_example(self) -> None:
        assert len(sql.quality()) >= 10
        for rule in sql.quality():
            assert rule.severity in (sql.Severity.ERROR, sql.Severity.WARN)
            assert " AS failures" in rule.text
            assert " AS example" in rule.text
            assert rule.title.endswith(".")

    def test_rows_without_partner_are_reported_and_do_not_stop(self) -> None:
        severities = {rule.name: rule.severity for rule in sql.quality()}
        assert severities["posts_without_partner"] is sql.Severity.WARN
        assert severities["one_row_per_post"] is sql.Severity.ERROR
        assert severities["batch_counts_balance"] is sql.Severity.ERROR


class TestStatement:
    def test_creates_a_delta_table_from_the_query(self) -> None:
        made = sql.statement(sql.Query("some", "It's a \\ title", "SELECT 1 AS one"), "main")
        assert made == (
            "CREATE OR REPLACE TABLE main.gold.some\nUSING DELTA\nCOMMENT 'It\\'s a \\\\ title'\nAS\nSELECT 1 AS one"
        )

    @pytest.mark.parametrize(
        ("value", "literal"),
        [
            (None, "''"),
            ("", "''"),
            (" ", "''"),
            ("2022-10-19", "'2022-10-19T00:00:00Z'"),
            ("2022-10-19 17:54:00", "'2022-10-19T17:54:00Z'"),
            ("2022-10-19T17:54:00Z", "'2022-10-19T17:54:00Z'"),
            ("2022-10-19T17:54:00+02:00", "'2022-10-19T15:54:00Z'"),
        ],
    )
    def test_writes_parameters_as_literals(self, value: str | None, literal: str) -> None:
        made = sql.statement(query("most_popular_category_this_year"), "main", {"as_of": value})
        assert f"nullif({literal}, '')" in made
        assert ":as_of" not in made

    def test_a_parameter_may_be_left_out(self) -> None:
        assert "nullif('', '')" in sql.statement(query("most_popular_category_this_year"), "main")

    def test_touches_no_other_word(self) -> None:
        found = sql.Query("q", "t", "SELECT :as_of, x::as_of, :as_of_day, a:as_of", parameters=("as_of",))
        assert sql.statement(found, "main").endswith("SELECT '', x::as_of, :as_of_day, a:as_of")

    @pytest.mark.parametrize("value", ["yesterday", "'; DROP TABLE x --", "2022-13-01", "17:54"])
    def test_refuses_what_is_no_moment(self, value: str) -> None:
        with pytest.raises(sql.SqlError, match="is not a moment"):
            sql.statement(query("most_popular_category_this_year"), "main", {"as_of": value})

    def test_refuses_an_unknown_parameter(self) -> None:
        with pytest.raises(sql.SqlError, match="users_joined_by_year has no parameter 'as_of'"):
            sql.statement(query("users_joined_by_year"), "main", {"as_of": ""})

    @pytest.mark.parametrize("catalog", ["", "a.b", "a b", "a;b", "1a", "a`b"])
    def test_refuses_a_catalog_that_is_no_name(self, catalog: str) -> None:
        with pytest.raises(sql.SqlError, match="not a plain name"):
            sql.statement(query("users_joined_by_year"), catalog)


class TestRead:
    def read(self, folder: Path, text: str) -> sql.Query:
        path = folder / "some_query.sql"
        path.write_text(text)
        return sql._read(path, "order by")

    def test_takes_the_comment_apart(self, tmp_path: Path) -> None:
        text = "-- What?\n-- More about it.\n-- order by: a, b DESC\n-- parameters: x, y\n\nSELECT :x -- not this\n;\n"
        assert self.read(tmp_path, text) == sql.Query(
            "some_query", "What?", "SELECT :x -- not this", "a, b DESC", ("x", "y")
        )

    @pytest.mark.parametrize("text", ["", "SELECT 1", "-- Only a title.\nSELECT 1", "-- order by: a\nSELECT 1"])
    def test_a_file_without_its_comment_is_refused(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(sql.SqlError, match=r"some_query.sql does not start.*Begin it with"):
            self.read(tmp_path, text)


class TestImport:
    def test_needs_the_standard_library_only(self) -> None:
        """DAG files import it while they are parsed."""
        program = (
            "import sys; before = set(sys.modules); import include.sql as s; s.gold(); s.quality(); "
            "new = {n.partition('.')[0] for n in set(sys.modules) - before} - {'include'}; "
            "print(sorted(n for n in new if n not in sys.stdlib_module_names))"
        )
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"
