from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from sandbox.databricks import client as client_module
from sandbox.databricks.client import WorkspaceClient, WorkspaceError


class Workspace:
    """Statements in memory: answers are given one after the other."""

    def __init__(self, *answers: dict[str, Any] | httpx.Response) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def client(self) -> WorkspaceClient:
        return WorkspaceClient("http://workspace", "secret", "warehouse-1", httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        self.requests.append(request)
        given = self.answers.pop(0)
        return given if isinstance(given, httpx.Response) else httpx.Response(200, json=given)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module.time, "sleep", lambda seconds: None)


def answer(columns: list[tuple[str, str]], rows: list[list[str | None]], state: str = "SUCCEEDED") -> dict[str, Any]:
    return {
        "statement_id": "s-1",
        "status": {"state": state},
        "manifest": {"schema": {"columns": [{"name": name, "type_name": kind} for name, kind in columns]}},
        "result": {"data_array": rows},
    }


def test_what_is_asked() -> None:
    workspace = Workspace(answer([("n", "INT")], [["1"]]))
    assert workspace.client().query("SELECT 1 AS n", "spark_catalog") == [{"n": 1}]
    (request,) = workspace.requests
    assert (request.method, request.url.path) == ("POST", "/api/2.0/sql/statements")
    assert json.loads(request.content) == {
        "statement": "SELECT 1 AS n", "warehouse_id": "warehouse-1", "catalog": "spark_catalog", "wait_timeout": "30s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("BYTE", "-1", -1),
        ("SHORT", "7", 7),
        ("INT", "42", 42),
        ("LONG", "9007199254740993", 9007199254740993),
        ("FLOAT", "0.5", 0.5),
        ("DOUBLE", "1.0E10", 1e10),
        ("BOOLEAN", "true", True),
        ("BOOLEAN", "false", False),
        ("STRING", "12", "12"),
        ("STRING", "", ""),
        ("DATE", "2022-03-01", "2022-03-01"),
        ("TIMESTAMP", "2022-03-01T00:00:00.000Z", "2022-03-01T00:00:00.000Z"),
        ("DECIMAL", "1.10", "1.10"),
        ("INT", None, None),
        ("BOOLEAN", None, None),
    ],
)
def test_values(kind: str, text: str | None, value: object) -> None:
    (row,) = Workspace(answer([("v", kind)], [[text]])).client().query("SELECT", "c")
    assert row["v"] == value
    assert type(row["v"]) is type(value)


def test_no_rows() -> None:
    assert Workspace(answer([("n", "INT")], [])).client().query("SELECT", "c") == []


def test_a_statement_without_a_result() -> None:
    done = {"statement_id": "s-1", "status": {"state": "SUCCEEDED"}, "manifest": {"schema": {}}}
    assert Workspace(done).client().query("CREATE TABLE", "c") == []


def test_all_chunks() -> None:
    first = answer([("n", "INT")], [["1"], ["2"]])
    link = "/api/2.0/sql/statements/s-1/result/chunks/"
    first["result"]["next_chunk_internal_link"] = f"{link}1?row_offset=2"
    second = {"data_array": [["3"]], "next_chunk_internal_link": f"{link}2?row_offset=3"}
    workspace = Workspace(first, second, {"data_array": [["4"]]})
    assert [row["n"] for row in workspace.client().query("SELECT", "c")] == [1, 2, 3, 4]
    assert [str(request.url.raw_path, "ascii") for request in workspace.requests[1:]] == [
        f"{link}1?row_offset=2", f"{link}2?row_offset=3",
    ]  # fmt: skip


def test_a_statement_that_takes_its_time_is_looked_at_again() -> None:
    waits = {"statement_id": "s-9", "status": {"state": "RUNNING"}}
    workspace = Workspace({**waits, "status": {"state": "PENDING"}}, waits, answer([("n", "INT")], [["5"]]))
    assert workspace.client().query("SELECT", "c") == [{"n": 5}]
    assert [(one.method, one.url.path) for one in workspace.requests[1:]] == [
        ("GET", "/api/2.0/sql/statements/s-9"),
    ] * 2  # fmt: skip


class TestErrors:
    def test_a_statement_that_fails(self) -> None:
        status = {"state": "FAILED", "error": {"error_code": "BAD_REQUEST", "message": "[TABLE_NOT_FOUND] gold.x"}}
        with pytest.raises(WorkspaceError, match=r"^\[TABLE_NOT_FOUND\] gold\.x$"):
            Workspace({"statement_id": "s", "status": status}).client().query("SELECT", "c")

    @pytest.mark.parametrize("state", ["CANCELED", "CLOSED"])
    def test_one_that_somebody_ended(self, state: str) -> None:
        with pytest.raises(WorkspaceError, match=state):
            Workspace({"statement_id": "s", "status": {"state": state}}).client().query("SELECT", "c")

    def test_one_that_does_not_end(self) -> None:
        waits = {"statement_id": "s", "status": {"state": "RUNNING"}}
        with pytest.raises(WorkspaceError, match=r"did not end within 0 s: SELECT slow"):
            Workspace(waits, waits, waits).client().query("SELECT slow", "c", timeout=0)

    def test_a_refusal(self) -> None:
        refused = httpx.Response(403, text='{"error_code":"PERMISSION_DENIED"}')
        with pytest.raises(WorkspaceError, match=r'POST /api/2\.0/sql/statements: 403 \{"error_code"'):
            Workspace(refused).client().query("SELECT", "c")

    def test_nobody_listens(self) -> None:
        client = WorkspaceClient("http://127.0.0.1:1", "secret", "w")
        with pytest.raises(WorkspaceError, match=r"The workspace does not answer \(.*\./pinflow up\."):
            client.query("SELECT", "c")


class TestRuns:
    def test_active_ones_of_a_name_over_all_pages(self) -> None:
        page = {"runs": [{"run_id": 1, "run_name": "other"}, {"run_id": 2, "run_name": "job"}], "next_page_token": "t"}
        workspace = Workspace(page, {"runs": [{"run_id": 3, "run_name": "job"}]})
        assert [run["run_id"] for run in workspace.client().active_runs("job")] == [2, 3]
        assert [dict(request.url.params) for request in workspace.requests] == [
            {"active_only": "true"}, {"active_only": "true", "page_token": "t"},
        ]  # fmt: skip

    def test_cancel_waits_for_the_end(self) -> None:
        states = ("RUNNING", "TERMINATING", "TERMINATED")
        workspace = Workspace({}, *({"state": {"life_cycle_state": state}} for state in states))
        workspace.client().cancel(7)
        assert json.loads(workspace.requests[0].content) == {"run_id": 7}
        assert workspace.answers == []

    def test_a_run_that_does_not_end(self) -> None:
        workspace = Workspace({}, {"state": {"life_cycle_state": "RUNNING"}})
        with pytest.raises(WorkspaceError, match="The run 7 did not end within 0 s"):
            workspace.client().cancel(7, timeout=0)

    def run(self, result: str, output: dict[str, Any]) -> Workspace:
        state = {"life_cycle_state": "TERMINATED", "result_state": result}
        return Workspace({"run_id": 9}, {"state": state, "tasks": [{"run_id": 10}]}, output)

    def test_a_notebook_s_exit_value(self) -> None:
        workspace = self.run("SUCCESS", {"notebook_output": {"result": "[1]"}})
        assert workspace.client().run_notebook("/a/book", {"x": "1"}) == "[1]"
        task = json.loads(workspace.requests[0].content)["tasks"][0]
        assert task["notebook_task"] == {"notebook_path": "/a/book", "base_parameters": {"x": "1"}}
        assert dict(workspace.requests[-1].url.params) == {"run_id": "10"}

    def test_a_notebook_that_fails(self) -> None:
        with pytest.raises(WorkspaceError, match="the query is active"):
            self.run("FAILED", {"error": "the query is active"}).client().run_notebook("/a/book", {})
