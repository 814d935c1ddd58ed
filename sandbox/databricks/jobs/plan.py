"""What the process of a task is to do: the task's settings with the run's parameters filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.databricks.errors import ApiError
from sandbox.databricks.jobs.runs import Run, TaskRun
from sandbox.databricks.workspace.objects import Kind, Workspace

DEDICATED = frozenset({"SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED", "DEDICATED", "LEGACY_SINGLE_USER"})
REFERENCE = re.compile(r"\{\{\s*([\w.\-]+)\s*\}\}")
PATH_FIELDS = {"notebook_task": "notebook_path", "spark_python_task": "python_file"}


class TaskRefusedError(ValueError):
    """A task that cannot be run here; the text becomes the error of the task."""


def specification(run: Run, task: TaskRun, workspace: Workspace, value: Callable[[str, str], Any]) -> dict[str, Any]:
    """The content of ``task.json``.

    :param value: gives what a task key left under a name, for ``{{tasks.KEY.values.NAME}}``.
    :raises TaskRefusedError: a kind of task, source or access mode that this server does not run, or no such notebook.
    """
    if task.kind not in PATH_FIELDS:
        known = ", ".join(PATH_FIELDS)
        raise TaskRefusedError(
            f"Tasks of the kind {task.kind} do not run in the sandbox. It runs {known}. Use one of them."
        )
    _check_cluster(run, task)
    settings = task.spec[task.kind]
    path = str(settings.get(PATH_FIELDS[task.kind]) or "")
    if settings.get("source") == "GIT" or run.settings.get("git_source"):
        raise TaskRefusedError(
            f"{path} is to come from Git. The sandbox runs workspace files. Import it and drop 'source'."
        )
    found = _find(workspace, path, task.kind)
    filled = _Filled(run, task, value)
    return {
        "kind": task.kind,
        "path": found,
        "workspace": str(workspace.root),
        "parameters": filled(_parameters(run, task)),
        "arguments": filled(list(run.parameters.get("python_params") or settings.get("parameters") or [])),
        "run_id": run.run_id,
        "task_run_id": task.run_id,
        "task_key": task.key,
        "job_id": run.job_id,
    }


def _check_cluster(run: Run, task: TaskRun) -> None:
    shared = {
        entry.get("job_cluster_key"): entry.get("new_cluster") for entry in run.settings.get("job_clusters") or []
    }
    cluster = task.spec.get("new_cluster") or shared.get(task.spec.get("job_cluster_key")) or {}
    if (mode := cluster.get("data_security_mode")) in DEDICATED:
        raise TaskRefusedError(
            f"The cluster asks for dedicated access mode ({mode}), a Spark of its own. The sandbox shares one Spark "
            "(standard access mode, Spark Connect). Drop 'data_security_mode' or set USER_ISOLATION."
        )


def _find(workspace: Workspace, path: str, kind: str) -> str:
    """The object's path; a plain ``.py`` file may be named with its end or, as a notebook, without."""
    for candidate in (path, f"{path}.py", f"{path}.ipynb") if kind == "notebook_task" else (path,):
        try:
            found = workspace.status(candidate)
        except ApiError as error:
            problem = error.message
            continue
        if found.kind is not Kind.DIRECTORY:
            return found.path
        problem = f"{candidate} is a folder."
    raise TaskRefusedError(
        f"Unable to access the notebook {path!r}: {problem if path else 'no path is given.'} Import it first."
    )


def job_parameters(run: Run) -> dict[str, str]:
    """The job's parameters: its defaults, then what the caller gave."""
    defaults = {entry["name"]: entry.get("default", "") for entry in run.settings.get("parameters") or []}
    return {**defaults, **(run.parameters.get("job_parameters") or {})}


def _parameters(run: Run, task: TaskRun) -> dict[str, Any]:
    """Widgets of a notebook: its own parameters, then the caller's, then the job's, which win."""
    base = task.spec[task.kind].get("base_parameters") or {}
    return {**base, **(run.parameters.get("notebook_params") or {}), **job_parameters(run)}


class _Filled:
    """Fills in ``{{run_id}}``, ``{{job.parameters.NAME}}``, ``{{tasks.KEY.values.NAME}}`` and their kind."""

    def __init__(self, run: Run, task: TaskRun, value: Callable[[str, str], Any]) -> None:
        self._value = value
        self._known: Mapping[str, Any] = {
            "job_id": run.job_id, "job.id": run.job_id, "job.name": run.name, "job.run_id": run.run_id,
            "run_id": task.run_id, "task.run_id": task.run_id, "task_key": task.key, "task.name": task.key,
            "parent_run_id": run.run_id, "job.start_time.timestamp_ms": run.start_time,
            **{f"job.parameters.{name}": given for name, given in job_parameters(run).items()},
        }  # fmt: skip

    def __call__(self, item: Any) -> Any:
        if isinstance(item, dict):
            return {str(name): self(value) for name, value in item.items()}
        if isinstance(item, list):
            return [self(value) for value in item]
        return REFERENCE.sub(self._replacement, item) if isinstance(item, str) else str(item)

    def _replacement(self, match: re.Match[str]) -> str:
        name = match[1]
        if name in self._known:
            return str(self._known[name])
        parts = name.split(".")
        if parts[0] == "tasks" and len(parts) == 4 and parts[2] == "values":
            found = self._value(parts[1], parts[3])
            return match[0] if found is None else str(found)
        return match[0]
