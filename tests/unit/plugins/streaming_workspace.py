"""A workspace with runs and heartbeats, in memory, behind the REST API; tests decide what becomes of each run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

JOB = "posts-job"
Row = dict[str, Any]
ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


@dataclass
class Run:
    """A run as the Jobs API knows it."""

    run_id: int
    name: str = JOB
    token: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    life: str = "RUNNING"
    result: str | None = None
    message: str = ""
    error: str | None = None
    trace: str | None = None
    begun: float = field(default_factory=time.time)
    task_begun: float | None = None
    setup: float = 0.0

    def end(self, result: str = "SUCCESS", error: str | None = None, trace: str | None = None) -> None:
        """Let it end."""
        self.life, self.result, self.error, self.trace = "TERMINATED", result, error, trace

    def view(self, *, tasks: bool = True) -> Row:
        """As ``runs/get`` shows it."""
        state = {"life_cycle_state": self.life, "state_message": self.message}
        if self.result:
            state["result_state"] = self.result
        found: Row = {
            "run_id": self.run_id,
            "run_name": self.name,
            "run_page_url": f"http://w/{self.run_id}",
            "state": state,
            "start_time": round(self.begun * 1000),
        }
        if tasks:
            task = {
                "task_key": "main",
                "run_id": self.run_id * 10,
                "state": state,
                "notebook_task": {"notebook_path": "/n", "base_parameters": self.parameters},
                "start_time": round((self.begun if self.task_begun is None else self.task_begun) * 1000),
                "setup_duration": round(self.setup * 1000),
            }
            found["tasks"] = [task]
        return found


class StreamingWorkspace:
    """Answers requests; ``vitals``, ``totals`` and ``delays`` are what the three statements give."""

    def __init__(self) -> None:
        self.runs: dict[int, Run] = {}
        self.submitted: list[Row] = []
        self.cancelled: list[int] = []
        self.cancel_takes = 0
        self.page_size = 25
        self.statements: list[Row] = []
        self.vitals: Callable[[Row], Row | None] = lambda asked: beat()
        self.totals: Row | None = None
        self.delays: list[float] | None = None
        self.statement_error: str | None = None
        self.on_submit: Callable[[Run], None] = lambda run: None
        self.before_submit: Callable[[Row], None] = lambda asked: None
        self.down = 0
        """How many of the next requests are answered by hanging up."""

    def add(self, **given: Any) -> Run:
        """A run that is there."""
        run_id = max(self.runs, default=0) + 1
        self.runs[run_id] = Run(run_id, **given)
        return self.runs[run_id]

    @property
    def active(self) -> list[int]:
        """The ids of the runs of our job that have not ended."""
        return [run.run_id for run in self.runs.values() if run.life not in ENDED and run.name == JOB]

    def __call__(self, method: str, path: str, body: bytes) -> tuple[int, Any] | None:
        """Answer a request."""
        if self.down > 0:
            self.down -= 1
            return None
        parts = urlsplit(path)
        asked = json.loads(body) if body else {name: values[0] for name, values in parse_qs(parts.query).items()}
        name = parts.path.removeprefix("/api/").split("/", 1)[1].replace("/", "_").replace("-", "_")
        return getattr(self, name)(asked)  # type: ignore[no-any-return]

    def jobs_runs_list(self, asked: Row) -> tuple[int, Any]:
        """The youngest first, as the service lists them."""
        assert asked["active_only"] == "true"
        assert int(asked["limit"]) <= 25, "the service takes no more"
        runs = [run.view(tasks=False) for run in reversed(self.runs.values()) if run.life not in ENDED]
        for run in self.runs.values():
            self._stopping(run)
        offset = int(asked.get("page_token", 0))
        page = runs[offset : offset + self.page_size]
        more = {"next_page_token": str(offset + self.page_size)} if len(runs) > offset + self.page_size else {}
        return 200, {**({"runs": page} if page else {}), **more}

    def jobs_runs_submit(self, asked: Row) -> tuple[int, Any]:
        """The same token gives the same run."""
        self.before_submit(asked)
        token = asked["idempotency_token"]
        known = next((run for run in self.runs.values() if run.token == token), None)
        if known is None:
            self.submitted.append(asked)
            parameters = asked["notebook_task"]["base_parameters"]
            known = self.add(name=asked["run_name"], token=token, parameters=parameters)
            self.on_submit(known)
        return 200, {"run_id": known.run_id}

    def jobs_runs_get(self, asked: Row) -> tuple[int, Any]:
        """A run; 404 when there is none."""
        run = self.runs.get(int(asked["run_id"]))
        if run is None:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}
        self._stopping(run)
        return 200, run.view()

    def jobs_runs_get_output(self, asked: Row) -> tuple[int, Any]:
        """Error and trace of a task."""
        run = self.runs[int(asked["run_id"]) // 10]
        return 200, {"error": run.error, "error_trace": run.trace} if run.error else {}

    def jobs_runs_cancel(self, asked: Row) -> tuple[int, Any]:
        """It is TERMINATING for as many looks as ``cancel_takes``."""
        run = self.runs[int(asked["run_id"])]
        self.cancelled.append(run.run_id)
        if run.life not in ENDED:
            run.life = "TERMINATING"
        return 200, {}

    def _stopping(self, run: Run) -> None:
        if run.life == "TERMINATING":
            if self.cancel_takes > 0:
                self.cancel_takes -= 1
                return
            run.end("CANCELED")

    def sql_statements(self, asked: Row) -> tuple[int, Any]:
        """The rows of one of the three statements."""
        given = {entry["name"]: entry.get("value") for entry in asked.get("parameters", [])}
        self.statements.append({**given, "sql": asked["statement"]})
        if self.statement_error:
            error = {"error_code": "BAD_REQUEST", "message": self.statement_error}
            return 200, {"statement_id": "s", "status": {"state": "FAILED", "error": error}}
        if "AS delays" in asked["statement"]:
            return 200, result({"delays": self.delays})
        if "AS since_ms" in asked["statement"]:
            return 200, result(self.totals)
        return 200, result(self.vitals(given))


def beat(
    age: float | None = 1.0, quiet: float | None = 0.0, lag_ms: int | None = 5, lag_records: int | None = 5
) -> Row:
    """The row of vitals: the newest heartbeat is ``age`` seconds old, the newest rows came ``quiet`` seconds ago."""
    now = round(time.time() * 1000)
    return {
        "now_ms": now,
        "level_ms": None if age is None else now - 3_600_000,
        "last_ms": None if age is None else now - round(age * 1000),
        "rows_ms": None if quiet is None else now - round(quiet * 1000),
        "lag_ms": lag_ms,
        "lag_records": lag_records,
    }


def idle(asked: Row) -> Row:
    """Alive, with nothing behind and nothing new for an hour."""
    return beat(age=0.0, quiet=3600, lag_ms=0, lag_records=0)


def result(row: Row | None) -> Row:
    """A statement's answer of one row or none; all are whole numbers but the percentiles."""
    kinds = {"delays": "ARRAY"}
    columns = [{"name": name, "type_name": kinds.get(name, "LONG")} for name in row or {}]
    cells = [None if value is None else json.dumps(value) for value in (row or {}).values()]
    return {
        "statement_id": "s",
        "status": {"state": "SUCCEEDED"},
        "manifest": {"schema": {"columns": columns}},
        "result": {"data_array": [cells] if row else []},
    }
