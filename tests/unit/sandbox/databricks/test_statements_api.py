"""SQL statements over HTTP; DuckDB runs them here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from sandbox.databricks.server import create_app
from sandbox.databricks.sql import results
from sandbox.databricks.sql.engine import Engine, SqlError, Statement
from sandbox.databricks.sql.results import Column, Result
from sandbox.databricks.store import Store
from tests.unit.sandbox.databricks.harness import Workspace, configuration


def execute(workspace: Workspace, sql: str, **fields: Any) -> Any:
    body = {"statement": sql, "warehouse_id": "sandbox", "wait_timeout": "50s"} | fields
    return workspace.call("POST", "2.0/sql/statements", **body)


def test_rows_come_as_texts_with_their_types(workspace: Workspace) -> None:
    answer = execute(workspace, "SELECT 1 AS a, 'x' AS b, NULL::INTEGER AS c UNION ALL SELECT 2, 'y', 3 ORDER BY a")
    assert answer["status"] == {"state": "SUCCEEDED"}
    assert answer["result"]["data_array"] == [["1", "x", None], ["2", "y", "3"]]
    columns = answer["manifest"]["schema"]["columns"]
    assert [(column["name"], column["position"], column["type_name"]) for column in columns] == [
        ("a", 0, "INT"),
        ("b", 1, "STRING"),
        ("c", 2, "INT"),
    ]
    assert answer["manifest"]["total_row_count"] == 2
    assert answer["manifest"]["truncated"] is False
    assert "next_chunk_index" not in answer["result"]


def test_it_can_be_asked_for_again(workspace: Workspace) -> None:
    answer = execute(workspace, "SELECT 1")
    assert workspace.call("GET", f"2.0/sql/statements/{answer['statement_id']}") == answer
    assert workspace.call("GET", f"2.1/sql/statements/{answer['statement_id']}") == answer


def test_a_path_with_a_slash_at_the_end_is_the_same(workspace: Workspace) -> None:
    body = {"statement": "SELECT 1", "warehouse_id": "sandbox"}
    assert workspace.call("POST", "2.0/sql/statements/", **body)["status"]["state"] == "SUCCEEDED"


def test_parameters(workspace: Workspace) -> None:
    given = [
        {"name": "n", "value": "41", "type": "BIGINT"},
        {"name": "s", "value": "x"},
        {"name": "d", "value": "2022-03-01", "type": "DATE"},
        {"name": "none", "type": "INT"},
    ]
    answer = execute(workspace, "SELECT :n + 1, :s, :d, :none, ':n'", parameters=given)
    assert answer["result"]["data_array"] == [["42", "x", "2022-03-01", None, ":n"]]


def test_an_error_is_a_failed_statement(workspace: Workspace) -> None:
    answer = execute(workspace, "SELECT * FROM nowhere")
    assert answer["status"]["state"] == "FAILED"
    assert answer["status"]["error"]["error_code"] == "BAD_REQUEST"
    assert "nowhere" in answer["status"]["error"]["message"]
    assert "result" not in answer


def test_a_row_limit(workspace: Workspace) -> None:
    answer = execute(workspace, "SELECT * FROM range(10)", row_limit=3)
    assert answer["result"]["data_array"] == [["0"], ["1"], ["2"]]
    assert answer["manifest"]["truncated"] is True


def test_chunks(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "CHUNK_BYTES", 500)
    answer = execute(workspace, "SELECT range FROM range(500)")
    rows, chunk = list(answer["result"]["data_array"]), answer["result"]
    while link := chunk.get("next_chunk_internal_link"):
        chunk = workspace.call("GET", link.removeprefix("/api/"))
        assert chunk["row_offset"] == len(rows)
        rows += chunk["data_array"]
    assert rows == [[str(number)] for number in range(500)]
    assert len(answer["manifest"]["chunks"]) == answer["manifest"]["total_chunk_count"] > 3
    path = f"2.0/sql/statements/{answer['statement_id']}/result/chunks"
    assert workspace.raw("GET", f"{path}/99").status_code == 404
    assert workspace.raw("GET", f"{path}/x").status_code == 400


def test_too_large_a_result_fails_with_the_way_out(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "INLINE_BYTES", 1000)
    error = execute(workspace, "SELECT range FROM range(5000)")["status"]["error"]
    assert error["error_code"] == "RESOURCE_EXHAUSTED"
    assert "row_limit" in error["message"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"statement": " "}, 400),
        ({"wait_timeout": "3s"}, 400),
        ({"wait_timeout": "51s"}, 400),
        ({"wait_timeout": "soon"}, 400),
        ({"on_wait_timeout": "STOP"}, 400),
        ({"warehouse_id": "other"}, 404),
        ({"format": "ARROW_STREAM"}, 400),
        ({"disposition": "EXTERNAL_LINKS"}, 400),
        ({"row_limit": 0}, 400),
        ({"parameters": [{"value": "1"}]}, 400),
    ],
)
def test_bad_requests(workspace: Workspace, fields: dict[str, Any], status: int) -> None:
    body = {"statement": "SELECT 1", "warehouse_id": "sandbox"} | fields
    assert workspace.raw("POST", "2.0/sql/statements", **body).status_code == status


def test_a_warehouse_is_required(workspace: Workspace) -> None:
    assert "warehouse_id" in workspace.raw("POST", "2.0/sql/statements", statement="SELECT 1").json()["message"]


def test_unknown_statements_are_404(workspace: Workspace) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/result/chunks/0")):
        answer = workspace.raw(method, f"2.0/sql/statements/none{path}")
        assert (answer.status_code, answer.json()["error_code"]) == (404, "NOT_FOUND")


def test_warehouses(workspace: Workspace) -> None:
    (one,) = workspace.call("GET", "2.0/sql/warehouses")["warehouses"]
    assert (one["id"], one["state"]) == ("sandbox", "RUNNING")
    assert workspace.call("GET", "2.0/sql/warehouses/sandbox") == one
    assert workspace.raw("GET", "2.0/sql/warehouses/x").status_code == 404


class SlowEngine:
    """Blocks until the statement is cancelled."""

    def __init__(self) -> None:
        self.ended: dict[str, threading.Event] = {}

    def run(self, statement: Statement) -> Result:
        if statement.sql == "SLOW":
            self.ended.setdefault(statement.session_id, threading.Event()).wait(30)
            raise SqlError("interrupted")
        return Result([Column("a", "STRING", "STRING")], [[statement.catalog, statement.schema]])

    def cancel(self, session_id: str) -> None:
        self.ended.setdefault(session_id, threading.Event()).set()

    def close(self) -> None:
        for event in self.ended.values():
            event.set()


@pytest.fixture
def slow(data: Path) -> Iterator[Workspace]:
    engine: Engine = SlowEngine()
    with TestClient(create_app(configuration(data, engine=engine))) as client:
        yield Workspace(client, data)


class TestWaiting:
    def test_no_waiting_gives_a_statement_to_poll(self, slow: Workspace) -> None:
        answer = execute(slow, "SLOW", wait_timeout="0s")
        assert answer["status"]["state"] in ("PENDING", "RUNNING")
        assert "result" not in answer
        slow.call("POST", f"2.0/sql/statements/{answer['statement_id']}/cancel")

    def test_cancel(self, slow: Workspace) -> None:
        statement_id = execute(slow, "SLOW", wait_timeout="0s")["statement_id"]
        slow.call("POST", f"2.0/sql/statements/{statement_id}/cancel")
        assert slow.call("GET", f"2.0/sql/statements/{statement_id}")["status"] == {"state": "CANCELED"}
        slow.call("POST", f"2.0/sql/statements/{statement_id}/cancel")

    def test_waiting_too_long_can_cancel(self, slow: Workspace) -> None:
        answer = execute(slow, "SLOW", wait_timeout="5s", on_wait_timeout="CANCEL")
        assert answer["status"]["state"] == "CANCELED"

    def test_one_slow_statement_holds_up_no_other(self, slow: Workspace) -> None:
        first = execute(slow, "SLOW", wait_timeout="0s")["statement_id"]
        assert execute(slow, "FAST", catalog="c", schema="s")["result"]["data_array"] == [["c", "s"]]
        slow.call("POST", f"2.0/sql/statements/{first}/cancel")

    def test_statements_wait_for_a_free_worker_and_can_be_cancelled_before(self, slow: Workspace) -> None:
        working = [execute(slow, "SLOW", wait_timeout="0s")["statement_id"] for _ in range(5)]
        states = [slow.call("GET", f"2.0/sql/statements/{one}")["status"]["state"] for one in working]
        assert states[-1] == "PENDING"
        for one in reversed(working):
            slow.call("POST", f"2.0/sql/statements/{one}/cancel")
        assert execute(slow, "FAST")["status"]["state"] == "SUCCEEDED"


def test_a_statement_of_a_killed_server_has_failed(data: Path) -> None:
    store = Store(data)
    store.execute("INSERT INTO statements (statement_id, request, state, created_at) VALUES ('s', '{}', 'RUNNING', 1)")
    store.close()
    with TestClient(create_app(configuration(data))) as client:
        status = Workspace(client, data).call("GET", "2.0/sql/statements/s")["status"]
    assert (status["state"], status["error"]["error_code"]) == ("FAILED", "ABORTED")
    assert "Run it again" in status["error"]["message"]


def test_results_survive_a_restart(data: Path) -> None:
    with TestClient(create_app(configuration(data))) as client:
        answer = execute(Workspace(client, data), "SELECT 5")
    with TestClient(create_app(configuration(data))) as client:
        assert Workspace(client, data).call("GET", f"2.0/sql/statements/{answer['statement_id']}") == answer
