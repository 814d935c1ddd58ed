"""The notebooks, run as the workspace runs them: uploaded, each in a process of its own, over Spark Connect."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include import sql
from tests.spark.lake import CATALOG, Lake, positioned
from tests.spark.notebooks import Workspace
from tests.spark.posts import MAKERS

FIVE = datetime(2022, 3, 1, 5, tzinfo=UTC)


@pytest.fixture
def workspace(lake: Lake, spark_url: str, tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, int(spark_url.rpartition(":")[2]))


class TestBatchClean:
    def test_exits_with_the_audit_row(self, lake: Lake, workspace: Workspace) -> None:
        line = positioned(MAKERS["geo"](1), "pinflow.geo", 0, 0, FIVE)
        lake.land("pinflow.geo", FIVE, "pinflow.geo+0+0000000000.json.gz", [line, "broken"])
        outcome, _ = workspace.run(
            "batch_clean",
            table="geo",
            interval_start="2022-03-01T00:00:00+00:00",
            interval_end="2022-03-02T00:00:00+00:00",
            landing_url=f"file:{lake.landing}",
            topic="pinflow.geo",
            catalog=CATALOG,
            batch_id="from the notebook",
        )
        assert outcome.succeeded, outcome.error_trace
        audit = json.loads(outcome.result or "")
        assert (audit["batch_id"], audit["landed"], audit["clean"], audit["quarantined"]) == (
            "from the notebook",
            2,
            1,
            1,
        )
        assert lake.rows(f"SELECT ind, country FROM {CATALOG}.silver.geo") == [{"ind": 1, "country": "Albania"}]

    def test_fails_with_the_mend_when_a_parameter_is_missing(self, lake: Lake, workspace: Workspace) -> None:
        outcome, _ = workspace.run("batch_clean", table="geo")
        assert not outcome.succeeded
        assert "The parameter interval_start is missing" in str(outcome.error)


class TestResultsOverview:
    def test_shows_each_table_that_exists(self, lake: Lake, workspace: Workspace) -> None:
        lake.run("pin", "2022-03-01", "2022-03-02")
        first, second = sql.gold()[:2]
        row = "SELECT 'Nauru' AS country, 'q' AS poster_name, 4711 AS follower_count"
        lake.spark.sql(f"CREATE TABLE {CATALOG}.gold.{first.name} USING DELTA AS {row}").collect()
        outcome, cells = workspace.run("results_overview", catalog=CATALOG)
        assert outcome.succeeded, outcome.error_trace
        shown = json.dumps(cells)
        assert first.title in shown
        assert "4711" in shown
        assert f"{second.name}</h3><p>Not written yet" in shown
        assert "batch-1" in shown
