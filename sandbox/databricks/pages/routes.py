"""``/`` lists the runs, ``/runs/ID`` shows one; read-only, and without a token: only this machine reaches them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.databricks.errors import ApiError
from sandbox.databricks.jobs.processes import SPECIFICATION, read_outcome
from sandbox.databricks.jobs.routes import JobsService
from sandbox.databricks.jobs.runs import Run, TaskRun
from sandbox.databricks.jobs.views import read_events, read_log
from sandbox.databricks.pages.cells import colours, shown_cells
from sandbox.databricks.store import now_ms

LISTED_RUNS = 100
PATHS = ("notebook_path", "python_file")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape())


def routes(service: Callable[[], JobsService]) -> list[Route]:
    """The routes of the pages.

    :param service: gives the service once the server has started.
    """

    async def index(_: Request) -> Response:
        return _page("index.html", runs=[_run(run) for run in service().runs.page(limit=LISTED_RUNS)])

    async def run_page(request: Request) -> Response:
        try:
            run = service().runs.get(int(request.path_params["run_id"]))
        except ApiError as error:
            return _page("missing.html", status=error.status, message=error.message)
        template = "run_body.html" if "body" in request.query_params else "run.html"
        return _page(template, run=_run(run), tasks=[_task(service(), task) for task in run.tasks])

    async def log(request: Request) -> Response:
        task = int(request.path_params["task_run_id"])
        return PlainTextResponse(read_log(service().executor.folder(task))[0])

    return [
        Route("/", index),
        Route("/runs/{run_id:int}", run_page),
        Route("/tasks/{task_run_id:int}/log", log),
    ]


def _page(template: str, status: int = 200, **content: Any) -> Response:
    text = TEMPLATES.get_template(template).render(colours=colours, **content)
    return HTMLResponse(text, status, {"Content-Security-Policy": POLICY})


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "name": run.name,
        "job_id": run.job_id if run.run_type == "JOB_RUN" else None,
        "state": run.state.result or run.state.life_cycle,
        "message": run.state.message,
        "active": not run.state.life_cycle.final,
        "started": _moment(run.start_time),
        "seconds": _seconds(run.start_time, run.end_time),
        "tasks": len(run.tasks),
        "parameters": run.parameters,
    }


def _task(service: JobsService, task: TaskRun) -> dict[str, Any]:
    folder = service.executor.folder(task.run_id)
    outcome = read_outcome(folder)
    cells = shown_cells(read_events(folder))
    failed = any(output.get("kind") == "error" for cell in cells for output in cell.outputs)
    return {
        "id": task.run_id,
        "key": task.key,
        "path": next((str(task.spec[task.kind][name]) for name in PATHS if name in task.spec[task.kind]), ""),
        "state": task.state.result or task.state.life_cycle,
        "message": task.state.message,
        "started": _moment(task.start_time),
        "seconds": _seconds(task.start_time, task.end_time),
        "parameters": _parameters(folder),
        "cells": cells,
        "result": outcome.result if outcome else None,
        "error": outcome.error_trace if outcome and not failed else None,
        "log": "" if cells else read_log(folder)[0],
    }


def _parameters(folder: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((folder / SPECIFICATION).read_text(encoding="utf-8"))["parameters"]
    except (OSError, ValueError, KeyError):
        return {}
    return found


def _moment(milliseconds: int) -> str:
    if not milliseconds:
        return ""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _seconds(start: int, end: int) -> float | None:
    return round(((end or now_ms()) - start) / 1000, 1) if start else None
