"""SQL statements and workspace files over the REST API, as Databricks documents it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from pinflow.exceptions import StatementFailed
from pinflow.hooks import databricks
from pinflow.hooks.databricks import DatabricksWorkspaceHook, WorkspaceObject

COLUMNS = [
    ("i", "INT"),
    ("l", "LONG"),
    ("d", "DOUBLE"),
    ("m", "DECIMAL"),
    ("b", "BOOLEAN"),
    ("day", "DATE"),
    ("at", "TIMESTAMP"),
    ("local", "TIMESTAMP_NTZ"),
    ("s", "STRING"),
    ("a", "ARRAY"),
]
ROW = [
    "1",
    "12345678901",
    "1.5",
    "0.10",
    "true",
    "2022-03-01",
    "2022-03-01T01:02:03.004Z",
    "2022-03-01T01:02:03",
    "é",
    "[1,2]",
]
TYPED = {
    "i": 1,
    "l": 12345678901,
    "d": 1.5,
    "m": Decimal("0.10"),
    "b": True,
    "day": date(2022, 3, 1),
    "at": datetime(2022, 3, 1, 1, 2, 3, 4000, tzinfo=UTC),
    "local": datetime(2022, 3, 1, 1, 2, 3),  # noqa: DTZ001  the type has no zone
    "s": "é",
    "a": [1, 2],
}


def manifest(columns: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    return {"schema": {"columns": [{"name": name, "type_name": kind} for name, kind in columns]}, **more}


def answer(state: str = "SUCCEEDED", rows: list[list[Any]] | None = None, **more: Any) -> dict[str, Any]:
    columns = more.pop("columns", COLUMNS)
    result = {"data_array": rows or [], **more.pop("result", {})}
    return {
        "statement_id": "s1",
        "status": {"state": state, **more.pop("status", {})},
        "manifest": manifest(columns, **more),
        "result": result,
    }


@pytest.fixture
def hook(server: Any) -> DatabricksWorkspaceHook:
    return DatabricksWorkspaceHook(retry_delay=0)


class TestStatement:
    def test_values_are_typed_by_the_columns(self, hook: Any, server: Any) -> None:
        server.handler = lambda *_: (200, answer(rows=[ROW, [None] * len(ROW)]))
        assert hook.statement("SELECT 1", warehouse_id="w") == [TYPED, dict.fromkeys(TYPED)]

    def test_the_request(self, hook: Any, server: Any) -> None:
        server.handler = lambda *_: (200, answer())
        given = {
            "none": None,
            "flag": True,
            "count": 3,
            "share": 0.5,
            "exact": Decimal("1.2"),
            "day": date(2022, 3, 1),
            "at": datetime(2022, 3, 1, tzinfo=UTC),
            "text": "x",
        }
        hook.statement("SELECT :text", given, warehouse_id="w", catalog="c", schema="s")
        method, path, headers, body = server.requests[0]
        sent = json.loads(body)
        assert (method, path) == ("POST", "/api/2.0/sql/statements")
        assert headers["Authorization"] == "Bearer token"
        assert sent.pop("parameters") == [
            {"name": "none"},
            {"name": "flag", "value": "true", "type": "BOOLEAN"},
            {"name": "count", "value": "3", "type": "BIGINT"},
            {"name": "share", "value": "0.5", "type": "DOUBLE"},
            {"name": "exact", "value": "1.2", "type": "DECIMAL(38,9)"},
            {"name": "day", "value": "2022-03-01", "type": "DATE"},
            {"name": "at", "value": "2022-03-01T00:00:00+00:00", "type": "TIMESTAMP"},
            {"name": "text", "value": "x", "type": "STRING"},
        ]
        assert sent == {
            "statement": "SELECT :text",
            "warehouse_id": "w",
            "catalog": "c",
            "schema": "s",
            "wait_timeout": "30s",
            "on_wait_timeout": "CONTINUE",
            "format": "JSON_ARRAY",
            "disposition": "INLINE",
        }

    def test_all_chunks_in_order(self, hook: Any, server: Any) -> None:
        columns = [("n", "INT")]
        chunks = {
            "/api/2.0/sql/statements/s1/result/chunks/1": {"data_array": [["3"]], "next_chunk_index": 2},
            "/api/2.0/sql/statements/s1/result/chunks/2": {"data_array": [["4"], ["5"]]},
        }
        first = answer(rows=[["1"], ["2"]], columns=columns, result={"next_chunk_index": 1})
        server.handler = lambda method, path, body: (200, first if method == "POST" else chunks[path])
        assert [row["n"] for row in hook.statement("x", warehouse_id="w")] == [1, 2, 3, 4, 5]

    def test_no_result(self, hook: Any, server: Any) -> None:
        server.handler = lambda *_: (200, {"statement_id": "s1", "status": {"state": "SUCCEEDED"}})
        assert hook.statement("DROP TABLE x", warehouse_id="w") == []

    def test_polls_until_the_end(self, hook: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(databricks, "POLL", 0)
        states = iter(["PENDING", "RUNNING", "SUCCEEDED"])
        server.handler = lambda *_: (200, answer(next(states), rows=[["1"]], columns=[("n", "INT")]))
        assert hook.statement("x", warehouse_id="w") == [{"n": 1}]
        assert server.calls[1:] == ["GET /api/2.0/sql/statements/s1"] * 2

    @pytest.mark.parametrize(
        ("state", "error", "code"),
        [
            ("FAILED", {"error_code": "BAD_REQUEST", "message": "[TABLE_NOT_FOUND] gold.x"}, "BAD_REQUEST"),
            ("CANCELED", {}, "CANCELED"),
            ("CLOSED", {}, "CLOSED"),
        ],
    )
    def test_a_statement_that_does_not_succeed(self, hook: Any, server: Any, state: str, error: Any, code: str) -> None:
        server.handler = lambda *_: (200, answer(state, status={"error": error} if error else {}))
        with pytest.raises(StatementFailed, match=f"{code}.*SELECT broken") as caught:
            hook.statement("SELECT   broken", warehouse_id="w")
        assert caught.value.data["code"] == code
        assert str(error.get("message", "")) in str(caught.value)

    def test_a_cut_result_is_never_passed_off_as_whole(self, hook: Any, server: Any) -> None:
        server.handler = lambda *_: (200, answer(rows=[ROW], truncated=True))
        with pytest.raises(StatementFailed, match="cut"):
            hook.statement("x", warehouse_id="w")

    def test_time_is_up(self, hook: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(databricks, "POLL", 0.01)
        server.handler = lambda *_: (200, answer("RUNNING"))
        with pytest.raises(StatementFailed, match="cancelled"):
            hook.statement("x", warehouse_id="w", timeout=0.03)
        assert server.calls[-1] == "POST /api/2.0/sql/statements/s1/cancel"


class TestWorkspace:
    def test_tree_goes_into_folders(self, hook: Any, server: Any) -> None:
        folders = {
            "/a": [{"path": "/a/n", "object_type": "NOTEBOOK"}, {"path": "/a/b", "object_type": "DIRECTORY"}],
            "/a/b": [{"path": "/a/b/f.py", "object_type": "FILE"}],
        }

        def handler(method: str, path: str, body: bytes) -> tuple[int, Any]:
            asked = path.partition("path=")[2].replace("%2F", "/")
            return 200, {"objects": folders[asked]}

        server.handler = handler
        assert list(hook.tree("/a")) == [WorkspaceObject("/a/n", "NOTEBOOK"), WorkspaceObject("/a/b/f.py", "FILE")]

    def test_what_is_not_there(self, hook: Any, server: Any) -> None:
        server.handler = lambda *_: (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"})
        assert list(hook.tree("/a")) == []
        assert hook.read_file("/a/f") is None

    def test_other_errors_are_not_taken_for_absence(self, hook: Any, server: Any) -> None:
        server.handler = lambda *_: (403, {"error_code": "PERMISSION_DENIED", "message": "not you"})
        with pytest.raises(Exception, match="not you"):
            list(hook.tree("/a"))
        with pytest.raises(Exception, match="not you"):
            hook.read_file("/a/f")

    def test_reads_content(self, hook: Any, server: Any) -> None:
        server.handler = lambda *_: (200, {"content": base64.b64encode(b"\x00x").decode()})
        assert hook.read_file("/a/f") == b"\x00x"

    def test_the_result_of_the_one_task_of_a_run(self, hook: Any, server: Any) -> None:
        def handler(method: str, path: str, body: bytes) -> tuple[int, Any]:
            if "get-output" in path:
                return 200, {"notebook_output": {"result": path.partition("run_id=")[2]}}
            return 200, {"run_id": 1, "tasks": [{"run_id": 11, "task_key": "t"}]}

        server.handler = handler
        assert hook.notebook_result(1) == "11"
