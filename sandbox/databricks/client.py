"""The workspace's REST API as the command line uses it: SQL statements and runs."""

from __future__ import annotations

import time
from typing import Any

import httpx

NUMBERS = {
    "BYTE": int, "SHORT": int, "INT": int, "LONG": int, "FLOAT": float, "DOUBLE": float,
}  # fmt: skip
FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")


class WorkspaceError(RuntimeError):
    """The workspace does not answer, or a statement failed."""


class WorkspaceClient:
    """SQL against one workspace.

    :param base_url: scheme, host and port.
    :param token: a personal access token.
    :param warehouse_id: what runs the statements.
    :param transport: replaces the network in tests.
    """

    def __init__(
        self, base_url: str, token: str, warehouse_id: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=base_url, timeout=60, headers=headers, transport=transport)
        self._warehouse = warehouse_id

    def query(self, statement: str, catalog: str, timeout: float = 120) -> list[dict[str, Any]]:
        """Run a statement and return its rows, each a mapping of column to value.

        :param timeout: seconds.
        :raises WorkspaceError: it failed, or did not end in time.
        """
        body = {"statement": statement, "warehouse_id": self._warehouse, "catalog": catalog, "wait_timeout": "30s"}
        answer = self._call("POST", "/api/2.0/sql/statements", json=body)
        give_up = time.monotonic() + timeout
        while answer["status"]["state"] not in FINAL:
            if time.monotonic() > give_up:
                raise WorkspaceError(f"The statement did not end within {timeout:.0f} s: {statement[:200]}")
            time.sleep(0.2)
            answer = self._call("GET", f"/api/2.0/sql/statements/{answer['statement_id']}")
        if answer["status"]["state"] != "SUCCEEDED":
            message = answer["status"].get("error", {}).get("message", answer["status"]["state"])
            raise WorkspaceError(message)
        return self._rows(answer)

    def active_runs(self, name: str) -> list[dict[str, Any]]:
        """The runs of that name that have not ended, newest first."""
        found: list[dict[str, Any]] = []
        page = "&"
        while page:
            answer = self._call("GET", f"/api/2.2/jobs/runs/list?active_only=true{page}")
            found += [run for run in answer.get("runs", []) if run.get("run_name") == name]
            page = f"&page_token={answer['next_page_token']}" if answer.get("next_page_token") else ""
        return found

    def cancel(self, run_id: int, timeout: float = 60) -> None:
        """Cancel a run and wait until it has ended.

        :param timeout: seconds.
        :raises WorkspaceError: it did not end in time.
        """
        self._call("POST", "/api/2.2/jobs/runs/cancel", json={"run_id": run_id})
        self._ended(run_id, timeout)

    def run_notebook(self, path: str, parameters: dict[str, str], timeout: float = 180) -> str:
        """Run a notebook to its end.

        :param timeout: seconds.
        :returns: its exit value.
        :raises WorkspaceError: it failed, with its error, or did not end in time.
        """
        task = {"task_key": "run", "notebook_task": {"notebook_path": path, "base_parameters": parameters}}
        body = {"run_name": path.rpartition("/")[2], "tasks": [task]}
        run = self._ended(int(self._call("POST", "/api/2.2/jobs/runs/submit", json=body)["run_id"]), timeout)
        output = self._call("GET", f"/api/2.2/jobs/runs/get-output?run_id={run['tasks'][0]['run_id']}")
        if run["state"].get("result_state") != "SUCCESS":
            raise WorkspaceError(output.get("error") or run["state"].get("state_message") or f"{path} failed.")
        return str(output.get("notebook_output", {}).get("result", ""))

    def _ended(self, run_id: int, timeout: float) -> dict[str, Any]:
        give_up = time.monotonic() + timeout
        while True:
            run = self._call("GET", f"/api/2.2/jobs/runs/get?run_id={run_id}")
            if run["state"]["life_cycle_state"] in ("TERMINATED", "SKIPPED", "INTERNAL_ERROR"):
                return run
            if time.monotonic() > give_up:
                raise WorkspaceError(f"The run {run_id} did not end within {timeout:.0f} s: {run.get('run_page_url')}")
            time.sleep(0.3)

    def _rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        columns = answer["manifest"]["schema"].get("columns", [])
        chunk: dict[str, Any] = answer.get("result") or {}
        rows: list[list[str | None]] = []
        while True:
            rows += chunk.get("data_array") or []
            link = chunk.get("next_chunk_internal_link")
            if not link:
                break
            chunk = self._call("GET", link)
        return [
            {column["name"]: _value(column["type_name"], text) for column, text in zip(columns, row, strict=True)}
            for row in rows
        ]

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise WorkspaceError(
                f"The workspace does not answer ({error}). Look at ./pinflow status, then ./pinflow up."
            ) from error
        if answer.is_error:
            raise WorkspaceError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        found: dict[str, Any] = answer.json()
        return found


def _value(type_name: str, text: str | None) -> Any:
    if text is None:
        return None
    if type_name == "BOOLEAN":
        return text == "true"
    return NUMBERS.get(type_name, str)(text)
