from __future__ import annotations

import json
from typing import Any

import pytest

from include.sql import gold, live
from sandbox.cli import results
from sandbox.cli.results import NoResultError, all_results
from tests.unit.sandbox.cli.conftest import Pinflow

FIRST, SECOND = (query.name for query in gold()[:2])
(TREND,) = (query for query in live() if query.name == "category_trend")
LIVE = f"SELECT * FROM ({TREND.text}) ORDER BY trend_rank, category"


class Workspace:
    """Tables in memory: the statements that the command makes, and no others."""

    def __init__(self, **tables: list[dict[str, Any]]) -> None:
        self.tables = tables
        self.asked: list[str] = []

    def query(self, statement: str, catalog: str) -> list[dict[str, Any]]:
        assert catalog == "spark_catalog"
        self.asked.append(statement)
        if statement == "SHOW SCHEMAS":
            return [{"namespace": "bronze"}, *([{"namespace": "gold"}, {"namespace": "live"}] if self.tables else [])]
        for schema, queries in (("gold", gold()), ("live", live())):
            if statement == f"SHOW TABLES IN {schema}":
                names = [name for name in self.tables if name in {query.name for query in queries} or schema == "gold"]
                return [{"database": schema, "tableName": name, "isTemporary": False} for name in names]
        if statement == LIVE:
            return self.tables[TREND.name]
        return self.tables[statement.removeprefix("SELECT * FROM gold.").split()[0]]


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Workspace:
    made = Workspace(**{
        FIRST: [{"country": "[Peru]", "category": "art", "category_count": 3}] * 12,
        SECOND: [{"year": 2020, "follower": None}],
        "somebody_elses": [{"n": 1}],
    })  # fmt: skip
    monkeypatch.setattr(results, "workspace", lambda: made)
    return made


class TestOne:
    def test_json_is_a_list_of_objects(self, pinflow: Pinflow, workspace: Workspace) -> None:
        shown = pinflow("results", FIRST, "--json")
        assert json.loads(shown.stdout) == workspace.tables[FIRST]
        assert (shown.exit_code, shown.stderr) == (0, "")

    def test_rows_come_in_the_query_s_order(self, pinflow: Pinflow, workspace: Workspace) -> None:
        pinflow("results", FIRST, "--json")
        (order,) = [query.order_by for query in gold() if query.name == FIRST]
        assert order
        assert workspace.asked[-1] == f"SELECT * FROM gold.{FIRST} ORDER BY {order}"

    def test_the_table_shows_every_row(self, pinflow: Pinflow, workspace: Workspace) -> None:
        shown = pinflow("results", FIRST)
        assert shown.stdout.count("[Peru]") == 12
        assert f"{FIRST}: " in shown.stdout

    def test_an_unknown_name_lists_the_known_ones(self, pinflow: Pinflow, workspace: Workspace) -> None:
        shown = pinflow("results", "most_liked", "--json")
        assert isinstance(shown.exception, NoResultError)
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert str(shown.exception).startswith("There is no result 'most_liked'. There are: ")
        assert all(query.name in str(shown.exception) for query in gold())
        assert workspace.asked == []

    def test_one_that_is_not_there_yet(self, pinflow: Pinflow, workspace: Workspace) -> None:
        del workspace.tables[SECOND]
        shown = pinflow("results", SECOND)
        assert str(shown.exception) == "There are no results yet. Run: ./pinflow run"


class TestLive:
    def test_the_last_ten_minutes_by_rank(self, pinflow: Pinflow, workspace: Workspace) -> None:
        workspace.tables[TREND.name] = [{"category": "art", "posts": 4, "trend_rank": 1}]
        assert json.loads(pinflow("results", "category_trend", "--json").stdout) == workspace.tables[TREND.name]
        assert list(json.loads(pinflow("results", "--json").stdout)) == [FIRST, SECOND, "category_trend"]

    def test_there_is_none_before_the_job_ran(self, pinflow: Pinflow, workspace: Workspace) -> None:
        assert isinstance(pinflow("results", "profile_popularity").exception, NoResultError)


class TestAll:
    def test_json_is_one_object(self, pinflow: Pinflow, workspace: Workspace) -> None:
        shown = pinflow("results", "--json")
        assert json.loads(shown.stdout) == {name: workspace.tables[name] for name in (FIRST, SECOND)}

    def test_a_survey_shows_the_first_rows(self, pinflow: Pinflow, workspace: Workspace) -> None:
        shown = pinflow("results")
        assert shown.stdout.count("[Peru]") == 8
        assert "(8 of 12 rows)" in shown.stdout
        assert f"{SECOND}: " in shown.stdout
        assert "somebody_elses" not in shown.stdout

    @pytest.mark.parametrize("words", [[], ["--json"], [FIRST]])
    def test_nothing_yet(self, pinflow: Pinflow, workspace: Workspace, words: list[str]) -> None:
        workspace.tables.clear()
        shown = pinflow("results", *words)
        assert isinstance(shown.exception, NoResultError)
        assert shown.stdout == ""
        assert all_results(workspace) == {}
