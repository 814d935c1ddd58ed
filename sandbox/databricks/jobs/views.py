"""Runs and jobs as the Jobs API shows them: https://docs.databricks.com/api/workspace/jobs/getrun."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.databricks.jobs.processes import CELLS, LOG, read_outcome
from sandbox.databricks.jobs.runs import Run, TaskRun
from sandbox.databricks.jobs.states import LifeCycle, Result, State
from sandbox.databricks.store import now_ms

USER = "pinflow"
MAXIMUM_LOG = 5 * 1024 * 1024
TASK_PAGE = 100


def run_view(run: Run, base_url: str, repairs: Sequence[sqlite3.Row] | None = None, offset: int = 0) -> dict[str, Any]:
    """A run.

    :param base_url: of this server, for ``run_page_url``.
    :param repairs: the repairs, when the history is wanted.
    :param offset: the first task to show; further ones are behind ``next_page_token``.
    """
    public: dict[str, Any] = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "number_in_job": run.run_id,
        "original_attempt_run_id": run.run_id,
        "creator_user_name": USER,
        "run_name": run.name,
        "run_type": run.run_type,
        "run_page_url": f"{base_url}/runs/{run.run_id}",
        "trigger": "ONE_TIME",
        "format": "MULTI_TASK",
        "overriding_parameters": {key: value for key, value in run.parameters.items() if key != "job_parameters"},
        "job_parameters": _job_parameters(run),
        **_timing(run.state, run.start_time, run.end_time),
        "tasks": [task_view(task, base_url) for task in run.tasks[offset : offset + TASK_PAGE]],
    }
    if offset + TASK_PAGE < len(run.tasks):
        public["next_page_token"] = str(offset + TASK_PAGE)
    if repairs is not None:
        public["repair_history"] = _history(run, repairs)
    return public


def _job_parameters(run: Run) -> list[dict[str, Any]]:
    given = run.parameters.get("job_parameters") or {}
    defaults = {entry["name"]: entry.get("default", "") for entry in run.settings.get("parameters") or []}
    return [
        {"name": name, "default": defaults.get(name, ""), "value": given.get(name, defaults.get(name, ""))}
        for name in {**defaults, **given}
    ]


def task_view(task: TaskRun, base_url: str) -> dict[str, Any]:
    """A task within a run."""
    hidden = ("run_id", "state")
    return {
        **{key: value for key, value in task.spec.items() if key not in hidden},
        "run_id": task.run_id,
        "run_page_url": f"{base_url}/runs/{task.parent_id}#task-{task.run_id}",
        "attempt_number": task.attempt,
        **_timing(task.state, task.start_time, task.end_time),
    }


def _timing(state: State, start: int, end: int) -> dict[str, Any]:
    duration = (end or now_ms()) - start if start else 0
    return {
        "state": state.as_dict(),
        "status": _status(state),
        "start_time": start,
        "end_time": end,
        "setup_duration": 0,
        "execution_duration": duration if end else 0,
        "cleanup_duration": 0,
        "run_duration": duration,
    }


def _status(state: State) -> dict[str, Any]:
    """The newer form of a state, which API 2.2 shows beside the old one."""
    if not state.life_cycle.final:
        return {"state": state.life_cycle.value}
    code, kind = {
        Result.SUCCESS: ("SUCCESS", "SUCCESS"),
        Result.SUCCESS_WITH_FAILURES: ("SUCCESS_WITH_FAILURES", "SUCCESS"),
        Result.CANCELED: ("USER_CANCELED", "CLIENT_ERROR"),
        Result.EXCLUDED: ("SKIPPED", "SUCCESS"),
    }.get(state.result or Result.FAILED, ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"))
    if state.life_cycle is LifeCycle.INTERNAL_ERROR:
        code, kind = "INTERNAL_ERROR", "INTERNAL_ERROR"
    return {"state": "TERMINATED", "termination_details": {"code": code, "type": kind, "message": state.message}}


def _history(run: Run, repairs: Sequence[sqlite3.Row]) -> list[dict[str, Any]]:
    original = {
        "type": "ORIGINAL",
        "start_time": run.start_time,
        "end_time": run.end_time,
        "state": run.state.as_dict(),
    }
    return [
        {**original, "task_run_ids": [task.run_id for task in run.tasks]},
        *(
            {
                "type": "REPAIR",
                "id": row["repair_id"],
                "start_time": row["start_time"],
                "end_time": run.end_time,
                "state": run.state.as_dict(),
                "task_run_ids": json.loads(row["task_run_ids"]),
            }
            for row in repairs
        ),
    ]


def output_view(run: Run, task: TaskRun, folder: Path, base_url: str) -> dict[str, Any]:
    """What ``runs/get-output`` says of one task.

    :param folder: the task run's folder.
    """
    metadata = {**run_view(run, base_url), **task_view(task, base_url), "tasks": []}
    metadata.pop("tasks")
    public: dict[str, Any] = {"metadata": metadata}
    outcome = read_outcome(folder)
    if task.kind == "notebook_task":
        given = {"result": outcome.result} if outcome and outcome.result is not None else {}
        public["notebook_output"] = {**given, "truncated": bool(outcome and outcome.truncated)}
    else:
        text, truncated = read_log(folder)
        public |= {"logs": text, "logs_truncated": truncated}
    if outcome and outcome.error is not None:
        public |= {"error": outcome.error, "error_trace": outcome.error_trace or outcome.error}
    return public


def read_log(folder: Path) -> tuple[str, bool]:
    """The end of a task's output, and whether its beginning was left out."""
    path = folder / LOG
    if not path.exists():
        return "", False
    with path.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - MAXIMUM_LOG))
        return handle.read().decode("utf-8", "replace"), size > MAXIMUM_LOG


def read_events(folder: Path) -> list[dict[str, Any]]:
    """What the notebook has shown so far; a line that is still being written is left for later."""
    path = folder / CELLS
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line]


def job_view(row: sqlite3.Row, *, expand: bool = True) -> dict[str, Any]:
    """A job.

    :param expand: with its tasks and clusters.
    """
    settings = json.loads(row["settings"])
    if not expand:
        settings = {key: value for key, value in settings.items() if key not in ("tasks", "job_clusters", "parameters")}
    return {
        "job_id": row["job_id"],
        "creator_user_name": USER,
        "run_as_user_name": USER,
        "created_time": row["created_time"],
        "settings": settings,
    }
