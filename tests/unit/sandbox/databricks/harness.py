"""A workspace server in this process, with real notebook processes; DuckDB stands in for Spark's SQL."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from sandbox.databricks.server import Configuration
from sandbox.databricks.sessions import NoSessions
from sandbox.databricks.sql.engine import SqlError, Statement
from sandbox.databricks.sql.results import Column, Result
from sandbox.databricks.sql.text import bind

TOKEN = "a-token-for-tests"
HEADER = "# Databricks notebook source\n"
SEPARATOR = "\n\n# COMMAND ----------\n\n"
FINAL = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
DUCKDB_TYPES = {"INTEGER": ("INT", "INT"), "BIGINT": ("LONG", "BIGINT"), "VARCHAR": ("STRING", "STRING")}


class DuckDbEngine:
    """Runs statements on DuckDB, each in a database of its own."""

    def run(self, statement: Statement) -> Result:
        import duckdb

        connection = duckdb.connect()
        literals = {
            given.name: re.sub(r" AS STRING\)", " AS VARCHAR)", given.literal) for given in statement.parameters
        }
        try:
            relation = connection.sql(bind(statement.sql, literals))
        except duckdb.Error as error:
            raise SqlError(str(error)) from error
        if relation is None:
            return Result([], [])
        kinds = [DUCKDB_TYPES.get(str(kind), (str(kind), str(kind))) for kind in relation.types]
        columns = [Column(name, *kind) for name, kind in zip(relation.columns, kinds, strict=True)]
        return Result(columns, relation.fetchall(), statement.row_limit)

    def cancel(self, session_id: str) -> None:
        """Statements are too short to be stopped."""

    def close(self) -> None:
        """Nothing is open."""


class Workspace:
    """A client of the server under test."""

    def __init__(self, client: httpx.Client, data: Path) -> None:
        self.client, self.data = client, data

    def call(self, method: str, route: str, /, **fields: Any) -> Any:
        """One call that must succeed."""
        answer = self.raw(method, route, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def raw(self, method: str, route: str, /, **fields: Any) -> Any:
        """One call, whatever comes."""
        given: dict[str, Any] = {"params": fields} if method == "GET" else {"json": fields}
        return self.client.request(method, f"/api/{route}", headers={"Authorization": f"Bearer {TOKEN}"}, **given)

    def put(self, path: str, text: str, **fields: Any) -> None:
        """Import an object with the folders above it; a Python notebook unless ``fields`` say otherwise."""
        self.call("POST", "2.0/workspace/mkdirs", path=path.rpartition("/")[0] or "/")
        content = base64.b64encode(text.encode()).decode()
        kind = {"format": "SOURCE", "language": "PYTHON"} | fields
        self.call("POST", "2.0/workspace/import", path=path, content=content, overwrite=True, **kind)

    def notebook(self, *cells: str, path: str = "/Shared/test/notebook") -> str:
        """Import a SOURCE notebook of these cells."""
        self.put(path, HEADER + SEPARATOR.join(cells))
        return path

    def submit(self, path: str, parameters: Mapping[str, str] | None = None, **fields: Any) -> int:
        """Submit a one-time run of one notebook."""
        task = {"notebook_path": path, "base_parameters": dict(parameters or {})}
        answer = self.call("POST", "2.2/jobs/runs/submit", notebook_task=task, **fields)
        return int(answer["run_id"])

    def get(self, run_id: int, **fields: Any) -> Any:
        """A run as it is now."""
        return self.call("GET", "2.2/jobs/runs/get", run_id=run_id, **fields)

    def wait(self, run_id: int, until: Callable[[Any], bool] | None = None, seconds: float = 60) -> Any:
        """Wait until a run has ended, or until something holds of it."""
        done = until or (lambda run: run["state"]["life_cycle_state"] in FINAL)
        give_up = time.monotonic() + seconds
        while not done(run := self.get(run_id)):
            assert time.monotonic() < give_up, run
            time.sleep(0.03)
        return run

    def output(self, run_id: int) -> Any:
        """The output of a run with one task."""
        return self.call("GET", "2.2/jobs/runs/get-output", run_id=run_id)

    def run(self, *cells: str, parameters: Mapping[str, str] | None = None, **fields: Any) -> tuple[Any, Any]:
        """Run a notebook of these cells to its end: the run and its output."""
        run_id = self.submit(self.notebook(*cells), parameters, **fields)
        return self.wait(run_id), self.output(run_id)

    def result(self, *cells: str, parameters: Mapping[str, str] | None = None) -> str:
        """What a notebook that must succeed gives to ``exit``."""
        run, output = self.run(*cells, parameters=parameters)
        assert run["state"]["result_state"] == "SUCCESS", output
        return str(output["notebook_output"]["result"])

    def failure(self, *cells: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The output of a notebook that must fail."""
        run, output = self.run(*cells, parameters=parameters)
        assert run["state"]["result_state"] == "FAILED", output
        assert run["state"]["life_cycle_state"] == "TERMINATED", run
        return output

    def page(self, run_id: int) -> str:
        """The HTML page of a run."""
        answer = self.client.get(f"/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def folder(self, run_id: int) -> Path:
        """The folder of the only task of a run."""
        return self.data / "runs" / str(self.get(run_id)["tasks"][0]["run_id"])


def configuration(data: Path, **fields: Any) -> Configuration:
    """The configuration of a server without Spark."""
    given: dict[str, Any] = {"engine": DuckDbEngine(), "sessions": NoSessions(), "environment": {}} | fields
    return Configuration(data=data, base_url="http://127.0.0.1:1", token=TOKEN, **given)
