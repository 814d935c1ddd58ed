"""The Databricks workspace beyond what the provider's hook does: files, and rows of SQL statements."""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.providers.databricks.hooks.databricks import DatabricksHook

from pinflow.exceptions import StatementFailed

STATEMENTS = "2.0/sql/statements"
FIRST_WAIT = "30s"
POLL = 1.0
NOTEBOOK = "NOTEBOOK"
FILE = "FILE"
DIRECTORY = "DIRECTORY"


@dataclass(frozen=True)
class WorkspaceObject:
    """Something in the workspace: its full path and ``NOTEBOOK``, ``FILE`` or ``DIRECTORY``."""

    path: str
    kind: str


class DatabricksWorkspaceHook(DatabricksHook):
    """Workspace files and SQL statements through a connection of type ``databricks``.

    Arguments are those of ``DatabricksHook``.
    """

    def statement(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        warehouse_id: str,
        catalog: str | None = None,
        schema: str | None = None,
        timeout: float = 3600,
    ) -> list[dict[str, Any]]:
        """Run a statement (``POST /api/2.0/sql/statements``) and fetch all its rows.

        Values are typed by the result's columns: int, float, Decimal, bool, date, datetime (UTC), text, and lists or
        mappings for complex types.

        :param sql: one statement, with named parameter markers such as ``:start``.
        :param parameters: values of the markers; ``None``, bool, int, float, Decimal, date, datetime or text.
        :param timeout: seconds until it is cancelled.
        :raises StatementFailed: it failed, was cancelled, took too long, or its result was cut at the size limit.
        """
        body = {
            "statement": sql,
            "warehouse_id": warehouse_id,
            "catalog": catalog,
            "schema": schema,
            "parameters": [_parameter(name, value) for name, value in (parameters or {}).items()],
            "wait_timeout": FIRST_WAIT,
            "on_wait_timeout": "CONTINUE",
            "format": "JSON_ARRAY",
            "disposition": "INLINE",
        }
        sent = {name: value for name, value in body.items() if value not in (None, [])}
        answer = self._do_api_call(("POST", STATEMENTS), sent)
        return self._rows(self._finished(answer, sql, timeout), sql)

    def import_notebook(self, path: str, source: str) -> None:
        """Put a Python notebook in Databricks source format at ``path``, which has no extension."""
        self._import(path, source.encode(), {"format": "SOURCE", "language": "PYTHON"})

    def import_file(self, path: str, content: bytes) -> None:
        """Put a workspace file at ``path``."""
        self._import(path, content, {"format": "AUTO"})

    def make_folder(self, path: str) -> None:
        """Make a folder with its parents; nothing happens when it is there."""
        self._do_api_call(("POST", "2.0/workspace/mkdirs"), {"path": path})

    def read_file(self, path: str) -> bytes | None:
        """The content of a workspace file, or ``None`` when there is none."""
        try:
            answer = self._do_api_call(("GET", "2.0/workspace/export"), {"path": path, "format": "AUTO"})
        except DatabricksApiError as error:
            if error.http_status_code != 404:
                raise
            return None
        return b64decode(answer["content"])

    def tree(self, path: str) -> Iterator[WorkspaceObject]:
        """All notebooks and files below a folder; nothing when there is no such folder."""
        try:
            answer = self._do_api_call(("GET", "2.0/workspace/list"), {"path": path})
        except DatabricksApiError as error:
            if error.http_status_code != 404:
                raise
            return
        for entry in answer.get("objects", []):
            if entry["object_type"] == DIRECTORY:
                yield from self.tree(entry["path"])
            else:
                yield WorkspaceObject(entry["path"], entry["object_type"])

    def delete_object(self, path: str) -> None:
        """Delete a notebook or file."""
        self._do_api_call(("POST", "2.0/workspace/delete"), {"path": path, "recursive": False})

    def submit_notebook(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        run_name: str,
        token: str,
        cluster: Mapping[str, Any] | None = None,
    ) -> int:
        """Submit a one-time run of a notebook (``POST /api/2.2/jobs/runs/submit``); the same token gives the same run.

        :param path: the notebook, without extension.
        :param parameters: its widgets, all text.
        :param token: the idempotency token, 64 characters at most.
        :param cluster: a new cluster's specification, ``{"existing_cluster_id": ...}``, or nothing for serverless.
        :returns: the run's id.
        """
        given = dict(cluster or {})
        existing = given.pop("existing_cluster_id", None)
        where = {"existing_cluster_id": existing} if existing else {"new_cluster": given} if given else {}
        task = {"notebook_path": path, "base_parameters": dict(parameters or {})}
        return int(self.submit_run({"run_name": run_name, "idempotency_token": token, "notebook_task": task, **where}))

    def notebook_result(self, run_id: int) -> str | None:
        """The text that a run of one notebook gave to ``dbutils.notebook.exit``."""
        tasks = self.get_run(run_id).get("tasks") or [{"run_id": run_id}]
        output = self.get_run_output(tasks[0]["run_id"])
        result = output.get("notebook_output", {}).get("result")
        return None if result is None else str(result)

    def _import(self, path: str, content: bytes, how: Mapping[str, str]) -> None:
        body = {"path": path, "content": b64encode(content).decode(), "overwrite": True, **how}
        self._do_api_call(("POST", "2.0/workspace/import"), body)

    def _finished(self, answer: dict[str, Any], sql: str, timeout: float) -> dict[str, Any]:
        statement_id = answer["statement_id"]
        deadline = time.monotonic() + timeout
        while (state := answer["status"]["state"]) in ("PENDING", "RUNNING"):
            if time.monotonic() > deadline:
                self.cancel_sql_statement(statement_id)
                raise _failed(sql, statement_id, "TIMEOUT", f"It did not end within {timeout:.0f} s and was cancelled")
            time.sleep(POLL)
            answer = self._do_api_call(("GET", f"{STATEMENTS}/{statement_id}"))
        if state != "SUCCEEDED":
            error = answer["status"].get("error", {})
            raise _failed(sql, statement_id, error.get("error_code", state), error.get("message", f"It is {state}"))
        return answer

    def _rows(self, answer: Mapping[str, Any], sql: str) -> list[dict[str, Any]]:
        manifest = answer.get("manifest") or {}
        if manifest.get("truncated"):
            raise _failed(sql, answer["statement_id"], "TRUNCATED", "The result is over the size limit and was cut")
        columns = manifest.get("schema", {}).get("columns", [])
        names = [column["name"] for column in columns]
        readers = [READERS.get(column["type_name"], str) for column in columns]
        return [
            {name: None if cell is None else read(cell) for name, read, cell in zip(names, readers, row, strict=True)}
            for chunk in self._chunks(answer)
            for row in chunk
        ]

    def _chunks(self, answer: Mapping[str, Any]) -> Iterator[Sequence[Sequence[Any]]]:
        result = answer.get("result") or {}
        while True:
            yield result.get("data_array") or []
            following = result.get("next_chunk_index")
            if following is None:
                return
            result = self._do_api_call(("GET", f"{STATEMENTS}/{answer['statement_id']}/result/chunks/{following}"))


def _failed(sql: str, statement_id: str, code: str, message: str) -> StatementFailed:
    return StatementFailed(
        f"A SQL statement did not succeed ({code}).",
        f"{message.rstrip('.')}. It starts with: {' '.join(sql.split())[:200]}",
        f"Correct the cause and clear the task; the workspace knows the statement as {statement_id}.",
        sql=sql,
        code=code,
        statement_id=statement_id,
    )


def _parameter(name: str, value: Any) -> dict[str, Any]:
    kinds = ((bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE"), (Decimal, "DECIMAL(38,9)"))
    if value is None:
        return {"name": name}
    if isinstance(value, datetime):
        return {"name": name, "value": value.astimezone(UTC).isoformat(), "type": "TIMESTAMP"}
    if isinstance(value, date):
        return {"name": name, "value": value.isoformat(), "type": "DATE"}
    kind = next((kind for python, kind in kinds if isinstance(value, python)), "STRING")
    return {"name": name, "value": str(value).lower() if kind == "BOOLEAN" else str(value), "type": kind}


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("BYTE", "SHORT", "INT", "LONG"), int),
    **dict.fromkeys(("FLOAT", "DOUBLE"), float),
    "DECIMAL": Decimal,
    "BOOLEAN": lambda text: str(text).lower() == "true",
    "DATE": date.fromisoformat,
    "TIMESTAMP": _moment,
    "TIMESTAMP_NTZ": datetime.fromisoformat,
    **dict.fromkeys(("ARRAY", "MAP", "STRUCT"), lambda text: json.loads(text) if isinstance(text, str) else text),
}
"""How a value of each ``type_name`` of the API's columns is read; the rest stays text."""
