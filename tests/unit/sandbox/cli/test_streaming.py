from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import create_engine

from emulator.ledger.tables import entries, metadata
from sandbox.cli import streaming
from sandbox.cli.streaming import StreamDisagreesError, agree
from sandbox.databricks.client import WorkspaceError
from sandbox.supervisor.home import Home
from tests.unit.sandbox.airflow.fake_airflow import FakeAirflow
from tests.unit.sandbox.cli.conftest import Pinflow

SEQUENCES = {"pin": ["9", "10", "11"], "geo": ["7"], "user": []}


@dataclass
class Workspace:
    """Answers to the command's statements and calls, in memory."""

    arrived: dict[str, Sequence[str]] = field(default_factory=lambda: dict(SEQUENCES))
    counted: int = 3
    in_window: int = 3
    missing: bool = False
    runs: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    busy: int = 0

    def query(self, statement: str, catalog: str) -> list[dict[str, Any]]:
        assert catalog == "spark_catalog"
        if self.missing:
            raise WorkspaceError("[TABLE_OR_VIEW_NOT_FOUND] The table or view cannot be found")
        if statement == streaming.COUNTED:
            return [{"posts": self.counted}]
        if statement == streaming.ARRIVED_IN_WINDOW:
            return [{"posts": self.in_window}]
        if statement.startswith("SELECT count(*)"):
            return [{"n": len(statement)}]
        if statement == streaming.HEARTBEAT:
            return [{"batch_id": 7}]
        (table,) = (name for name in SEQUENCES if f"table_name = '{name}'" in statement)
        return [{"sequence_number": text} for text in self.arrived[table]]

    def active_runs(self, name: str) -> list[dict[str, Any]]:
        assert name == "pinflow-streaming"
        return self.runs

    def cancel(self, run_id: int) -> None:
        self.cancelled.append(run_id)

    def run_notebook(self, path: str, parameters: dict[str, str]) -> str:
        self.asked.append((path, parameters))
        if self.busy:
            self.busy -= 1
            raise WorkspaceError("ActiveQueryError: The streaming job gave a sign of life 16 s ago.")
        return json.dumps(self.moved)


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Workspace:
    made = Workspace()
    monkeypatch.setattr(streaming, "workspace", lambda: made)
    return made


class TestAgree:
    @pytest.fixture(autouse=True)
    def ledger(self, home: Home) -> None:
        with create_engine(home.source_url).begin() as source:
            metadata.create_all(source)
            for run_id, sequences in (("r-1", SEQUENCES), ("r-0", {"pin": ["3"]})):
                for table, texts in sequences.items():
                    for ind, sequence in enumerate(texts):
                        source.execute(entries.insert().values(
                            run_id=run_id, table_name=table, ind=ind, path="stream", topic=table, partition=0,
                            sequence=sequence, outcome="accepted", attempt=1, timestamp_ms=0,
                        ))  # fmt: skip

    def test_all_arrived_and_counted(self, workspace: Workspace) -> None:
        workspace.arrived = {**SEQUENCES, "pin": ["11", "12", "9", "10"]}
        assert agree("r-1", within=0) == {
            "records": {"pin": 3, "geo": 1, "user": 0}, "posts_in_the_last_ten_minutes": 3,
        }  # fmt: skip

    def test_a_record_that_did_not_arrive(self, workspace: Workspace) -> None:
        workspace.arrived = {**SEQUENCES, "pin": ["9", "11", "3"]}
        with pytest.raises(StreamDisagreesError, match="1 of 3 pin records that Kinesis took have not arrived after 0"):
            agree("r-1", within=0)

    def test_metrics_that_lag(self, workspace: Workspace) -> None:
        workspace.counted = 2
        with pytest.raises(StreamDisagreesError, match="count 2 posts of the last ten minutes, 3 arrived"):
            agree("r-1", within=0)

    def test_it_waits(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        workspace.counted = 1
        monkeypatch.setattr(streaming.time, "sleep", lambda _: setattr(workspace, "counted", workspace.counted + 1))
        assert agree("r-1")["posts_in_the_last_ten_minutes"] == 3


class TestStatus:
    def test_json(self, pinflow: Pinflow, workspace: Workspace) -> None:
        workspace.runs = [{"run_id": 5, "state": {"life_cycle_state": "RUNNING"}, "run_page_url": "http://page"}]
        found = json.loads(pinflow("streaming", "status", "--json").stdout)
        assert found["runs"] == [{"run_id": 5, "state": "RUNNING", "page": "http://page"}]
        assert found["heartbeat"] == {"batch_id": 7}
        assert list(found["rows"]) == ["pin", "geo", "user", "arrivals"]

    def test_before_the_first_start(self, pinflow: Pinflow, workspace: Workspace) -> None:
        workspace.missing = True
        found = json.loads(pinflow("streaming", "status", "--json").stdout)
        assert (found["runs"], found["heartbeat"]) == ([], None)
        assert set(found["rows"].values()) == {None}
        assert "does not run" in pinflow("streaming", "status").stdout


class TestStop:
    def test_windows_first_then_the_job(
        self, pinflow: Pinflow, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        airflow = FakeAirflow(dags={"pinflow_streaming": False}, runs=[{"dag_run_id": "manual__a+b"}])
        monkeypatch.setattr(streaming, "client", airflow.client)
        workspace.runs = [{"run_id": 5}, {"run_id": 6}]
        shown = pinflow("streaming", "stop")
        assert shown.exit_code == 0, shown.exception
        assert ("PATCH", "/dags/pinflow_streaming/dagRuns/manual__a+b", {"state": "success"}) in airflow.calls
        assert workspace.cancelled == [5, 6]


class TestReset:
    @pytest.mark.parametrize(("words", "queries"), [([], "posts,live"), (["live"], "live"), (["posts"], "posts")])
    def test_which(self, pinflow: Pinflow, workspace: Workspace, words: list[str], queries: str) -> None:
        workspace.moved = {"live": "dbfs:/pinflow/checkpoints/live.kept-1"}
        shown = pinflow("streaming", "reset", *words, "--json")
        assert json.loads(shown.stdout) == workspace.moved
        ((path, parameters),) = workspace.asked
        assert path == "/Shared/pinflow/include/spark/notebooks/stream_reset"
        assert parameters["queries"] == queries
        assert parameters["checkpoint_root"] == "dbfs:/pinflow/checkpoints"

    def test_it_says_where_the_old_one_is(self, pinflow: Pinflow, workspace: Workspace) -> None:
        assert "There was no checkpoint." in pinflow("streaming", "reset").stderr
        workspace.moved = {"live": "dbfs:/pinflow/checkpoints/live.kept-1"}
        assert "live: kept as dbfs:/pinflow/checkpoints/live.kept-1" in pinflow("streaming", "reset").stderr

    def test_just_after_the_job_ended_it_waits(
        self, pinflow: Pinflow, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streaming.time, "sleep", lambda _: None)
        workspace.busy, workspace.moved = 2, {"live": "dbfs:/kept"}
        assert json.loads(pinflow("streaming", "reset", "--json").stdout) == {"live": "dbfs:/kept"}
        assert len(workspace.asked) == 3

    def test_a_job_that_runs_is_not_waited_for(self, pinflow: Pinflow, workspace: Workspace) -> None:
        workspace.busy, workspace.runs = 1, [{"run_id": 5}]
        assert "sign of life" in str(pinflow("streaming", "reset").exception)
        assert len(workspace.asked) == 1

    def test_an_unknown_query(self, pinflow: Pinflow, workspace: Workspace) -> None:
        assert pinflow("streaming", "reset", "pins").exit_code == 2
        assert workspace.asked == []
