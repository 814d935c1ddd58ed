"""The settings of a job or of a one-time run: read, checked, in one form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sandbox.databricks.api import whole_number
from sandbox.databricks.errors import InvalidParameterError
from sandbox.databricks.jobs.states import RunIf

TASK_KEY = re.compile(r"[A-Za-z0-9_-]{1,100}")
SINGLE_TASK_KEY = "main"
MAXIMUM_TASKS = 1000
MAXIMUM_TOKEN = 64


def task_list(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tasks of a request, also of one in the old form with a ``*_task`` at the top.

    :param settings: the body of ``runs/submit``, ``create`` or ``reset``'s ``new_settings``.
    :raises InvalidParameterError: no task, a bad or doubled key, an unknown or circular dependency.
    """
    tasks = settings.get("tasks") or [_single(settings)]
    if not isinstance(tasks, list) or not all(isinstance(task, Mapping) for task in tasks):
        raise InvalidParameterError("The field 'tasks' must be a list of objects.")
    if len(tasks) > MAXIMUM_TASKS:
        raise InvalidParameterError(f"There are {len(tasks)} tasks. A job has {MAXIMUM_TASKS} at most. Split the job.")
    checked = [_task(task) for task in tasks]
    _check_graph(checked)
    return checked


def _single(settings: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [name for name in settings if name.endswith("_task")]
    if not kinds:
        raise InvalidParameterError(
            "The request has no task. Add 'tasks', or one of 'notebook_task', 'spark_python_task'."
        )
    kept = ("existing_cluster_id", "new_cluster", "job_cluster_key", "libraries", "timeout_seconds", "max_retries")
    task = {name: settings[name] for name in (*kinds, *kept) if name in settings}
    return {"task_key": SINGLE_TASK_KEY, **task}


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    key = task.get("task_key")
    if not isinstance(key, str) or not TASK_KEY.fullmatch(key):
        raise InvalidParameterError(
            f"The task key {key!r} cannot be used. Keys have 1 to 100 letters, digits, '_' or '-'. Rename the task."
        )
    if len(kinds := [name for name in task if name.endswith("_task")]) != 1:
        raise InvalidParameterError(
            f"Task {key!r} has {len(kinds)} kinds of task ({', '.join(kinds)}). Give exactly one."
        )
    if not isinstance(task[kinds[0]], Mapping):
        raise InvalidParameterError(f"Task {key!r}: {kinds[0]!r} must be an object.")
    if task.get("run_if", "ALL_SUCCESS") not in list(RunIf):
        raise InvalidParameterError(
            f"Task {key!r}: run_if {task['run_if']!r} is unknown. Use one of {', '.join(RunIf)}."
        )
    for name in ("timeout_seconds", "max_retries", "min_retry_interval_millis"):
        if task.get(name) is not None:
            task = {**task, name: whole_number(task[name], name)}
    return dict(task)


def dependencies(task: Mapping[str, Any]) -> list[str]:
    """The keys of the tasks that a task depends on."""
    return [str(entry["task_key"]) for entry in task.get("depends_on") or []]


def _check_graph(tasks: Sequence[Mapping[str, Any]]) -> None:
    graph = {str(task["task_key"]): dependencies(task) for task in tasks}
    if len(graph) < len(tasks):
        raise InvalidParameterError("Two tasks have the same task_key. Keys are unique within a job. Rename one.")
    for key, needed in graph.items():
        if unknown := set(needed) - set(graph):
            raise InvalidParameterError(
                f"Task {key!r} depends on {sorted(unknown)[0]!r}, which is not a task of this job."
            )
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise InvalidParameterError(f"Tasks depend on each other in a circle: {' -> '.join(error.args[1])}.") from None


def token(value: object) -> str | None:
    """The idempotency token of a request.

    :raises InvalidParameterError: longer than 64 characters, or not a text.
    """
    if value in (None, ""):
        return None
    if not isinstance(value, str) or len(value) > MAXIMUM_TOKEN:
        raise InvalidParameterError(f"The idempotency_token must be a text of {MAXIMUM_TOKEN} characters at most.")
    return value


def job_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a job as they are kept.

    :raises InvalidParameterError: as :func:`task_list`.
    """
    kept = {name: value for name, value in settings.items() if name not in ("access_control_list", "idempotency_token")}
    if settings.get("tasks") or any(name.endswith("_task") for name in settings):
        kept = {name: value for name, value in kept.items() if not name.endswith("_task")}
        kept["tasks"] = task_list(settings)
    name = kept.setdefault("name", "Untitled")
    if not isinstance(name, str):
        raise InvalidParameterError(f"The name of a job must be a text, not {name!r}.")
    return {"format": "MULTI_TASK", "max_concurrent_runs": 1, "timeout_seconds": 0, **kept}
