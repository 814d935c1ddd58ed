"""Runs and their tasks, as they are kept in the store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.databricks.errors import InvalidStateError, NotFoundError
from sandbox.databricks.jobs.states import LifeCycle, Result, State
from sandbox.databricks.store import Store, now_ms

Json = Mapping[str, Any]
ACTIVE = "life_cycle_state NOT IN ('TERMINATED', 'SKIPPED', 'INTERNAL_ERROR')"


@dataclass(frozen=True)
class TaskRun:
    """One task within a run, with a run id of its own; times in milliseconds, 0 = not yet."""

    run_id: int
    parent_id: int
    key: str
    spec: Json
    state: State
    start_time: int
    end_time: int
    attempt: int

    @property
    def kind(self) -> str:
        """The name of its ``*_task`` field."""
        return next(name for name in self.spec if name.endswith("_task"))


@dataclass(frozen=True)
class Run:
    """One run of a job, or a one-time run.

    :param settings: what the run was made from: tasks, timeout, default parameters.
    :param parameters: what the caller overrode: ``job_parameters``, ``notebook_params``, ``python_params``.
    :param stop_as: the result with which it is to end, once somebody wants it to stop.
    """

    run_id: int
    job_id: int
    run_type: str
    name: str
    settings: Json
    parameters: Json
    state: State
    start_time: int
    end_time: int
    stop_as: Result | None
    tasks: Sequence[TaskRun] = field(default_factory=tuple)

    @property
    def timeout_seconds(self) -> int:
        """After how many seconds the whole run is stopped; 0 = never."""
        return int(self.settings.get("timeout_seconds") or 0)


class Runs:
    """The table of runs.

    :param store: the workspace's state.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self, *, job_id: int | None, name: str, settings: Json, parameters: Json, token: str | None
    ) -> tuple[int, bool]:
        """Record a run before anything of it is started.

        :param job_id: none for a one-time run, which gets a job id of its own, as on Databricks.
        :returns: the run id, and whether it is a new run: the same token gives the same run.
        :raises InvalidStateError: the token belongs to a run that was deleted.
        """
        with self._store.transaction():
            if token and (known := self._store.row("SELECT run_id, deleted FROM runs WHERE token = ?", (token,))):
                if known["deleted"]:
                    raise InvalidStateError(f"The run with the token {token!r} was deleted. Use another token.")
                return known["run_id"], False
            run_id = self._store.new_id()
            kind = "SUBMIT_RUN" if job_id is None else "JOB_RUN"
            self._store.execute(
                "INSERT INTO runs (run_id, job_id, run_type, run_name, token, settings, parameters, life_cycle_state,"
                " state_message, start_time) VALUES (?, ?, ?, ?, ?, ?, ?, 'PENDING', '', ?)",
                (
                    run_id, job_id or self._store.new_id(), kind, name, token,
                    json.dumps(settings), json.dumps(parameters), now_ms(),
                ),
            )  # fmt: skip
            for task in settings["tasks"]:
                self._add_task(run_id, task, 0)
        return run_id, True

    def _add_task(self, run_id: int, task: Json, attempt: int) -> int:
        task_run_id = self._store.new_id()
        self._store.execute(
            "INSERT INTO task_runs (run_id, parent_id, task_key, spec, life_cycle_state, state_message, attempt)"
            " VALUES (?, ?, ?, ?, 'PENDING', '', ?)",
            (task_run_id, run_id, task["task_key"], json.dumps(task), attempt),
        )
        return task_run_id

    def renew_task(self, task: TaskRun) -> int:
        """Put a new try in the place of one that has ended; the old one stays readable by its id."""
        with self._store.transaction():
            self._store.execute("UPDATE task_runs SET superseded = 1 WHERE run_id = ?", (task.run_id,))
            return self._add_task(task.parent_id, task.spec, task.attempt + 1)

    def get(self, run_id: int) -> Run:
        """A run with its current tasks.

        :raises NotFoundError: there is none of that id; the id of a task gives the run that it belongs to.
        """
        row = self._store.row("SELECT * FROM runs WHERE run_id = ? AND NOT deleted", (run_id,))
        if row is None:
            row = self._store.row(
                "SELECT runs.* FROM runs JOIN task_runs ON task_runs.parent_id = runs.run_id"
                " WHERE task_runs.run_id = ? AND NOT deleted",
                (run_id,),
            )
        if row is None:
            raise NotFoundError(f"Run {run_id} does not exist.")
        return self._run(row)

    def task(self, run_id: int) -> TaskRun:
        """A task by its own run id; the run's id will do when the run has one task.

        :raises NotFoundError: there is none.
        :raises InvalidStateError: it is a run of several tasks.
        """
        row = self._store.row("SELECT * FROM task_runs WHERE run_id = ?", (run_id,))
        run = self.get(run_id)
        if row is not None:
            return _task_run(row)
        if len(run.tasks) != 1:
            raise InvalidStateError(
                "Retrieving the output of runs with multiple tasks is not supported. "
                "Ask for the output of each task by the run_id in 'tasks'.",
                "INVALID_PARAMETER_VALUE",
            )
        return run.tasks[0]

    def page(
        self, *, job_id: int | None = None, active: bool | None = None, limit: int = 25, offset: int = 0
    ) -> list[Run]:
        """Runs, the youngest first."""
        where, values = ["NOT deleted"], list[Any]()
        if job_id is not None:
            where.append("job_id = ?")
            values.append(job_id)
        if active is not None:
            where.append(ACTIVE if active else f"NOT ({ACTIVE})")
        query = f"SELECT * FROM runs WHERE {' AND '.join(where)} ORDER BY run_id DESC LIMIT ? OFFSET ?"  # noqa: S608
        return [self._run(row) for row in self._store.rows(query, (*values, limit, offset))]

    def active(self) -> list[Run]:
        """Every run that has not ended, the oldest first."""
        return list(reversed(self.page(active=True, limit=-1)))

    def set_state(self, run_id: int, state: State) -> None:
        """Change the state of a run; a final one also sets its end."""
        self._set("runs", run_id, state)

    def set_task_state(self, run_id: int, state: State) -> None:
        """Change the state of a task; RUNNING sets its start, a final one its end."""
        self._set("task_runs", run_id, state)
        if state.life_cycle is LifeCycle.RUNNING:
            self._store.execute(
                "UPDATE task_runs SET start_time = ? WHERE run_id = ? AND start_time = 0", (now_ms(), run_id)
            )

    def _set(self, table: str, run_id: int, state: State) -> None:
        end = now_ms() if state.life_cycle.final else 0
        self._store.execute(
            f"UPDATE {table} SET life_cycle_state = ?, result_state = ?, state_message = ?, end_time = ?"  # noqa: S608
            " WHERE run_id = ?",
            (state.life_cycle.value, state.result and state.result.value, state.message, end, run_id),
        )

    def request_stop(self, run_id: int, result: Result) -> None:
        """Remember that a run is to stop; the first wish counts."""
        self._store.execute("UPDATE runs SET stop_as = coalesce(stop_as, ?) WHERE run_id = ?", (result.value, run_id))

    def reopen(self, run: Run, task_run_ids: list[int]) -> int:
        """Record a repair, with the new tries of the tasks that it runs again."""
        with self._store.transaction():
            repair_id = self._store.new_id()
            self._store.execute(
                "INSERT INTO repairs VALUES (?, ?, ?, ?)", (repair_id, run.run_id, now_ms(), json.dumps(task_run_ids))
            )
            self._store.execute("UPDATE runs SET stop_as = NULL WHERE run_id = ?", (run.run_id,))
            self._set("runs", run.run_id, State(LifeCycle.PENDING))
        return repair_id

    def repairs(self, run_id: int) -> list[sqlite3.Row]:
        """The repairs of a run, the first first."""
        return self._store.rows("SELECT * FROM repairs WHERE run_id = ? ORDER BY repair_id", (run_id,))

    def attempts(self, run_id: int) -> list[TaskRun]:
        """Every try of every task of a run."""
        return [
            _task_run(row)
            for row in self._store.rows("SELECT * FROM task_runs WHERE parent_id = ? ORDER BY run_id", (run_id,))
        ]

    def set_parameters(self, run_id: int, parameters: Json) -> None:
        """Replace what the caller overrides, for a repair."""
        self._store.execute("UPDATE runs SET parameters = ? WHERE run_id = ?", (json.dumps(parameters), run_id))

    def delete(self, run: Run) -> None:
        """Hide a run for good.

        :raises InvalidStateError: it has not ended.
        """
        if not run.state.life_cycle.final:
            raise InvalidStateError(
                f"Run {run.run_id} is active. Only runs that have ended are deleted. Cancel it first."
            )
        self._store.execute("UPDATE runs SET deleted = 1 WHERE run_id = ?", (run.run_id,))

    def task_value(self, run_id: int, task_key: str, key: str) -> Any:
        """What a task left for others with ``dbutils.jobs.taskValues.set``; none when it did not."""
        row = self._store.row(
            "SELECT value FROM task_values WHERE run_id = ? AND task_key = ? AND key = ?", (run_id, task_key, key)
        )
        return json.loads(row["value"]) if row else None

    def _run(self, row: sqlite3.Row) -> Run:
        current = self._store.rows("SELECT * FROM task_runs WHERE parent_id = ? AND NOT superseded", (row["run_id"],))
        by_key = {task["task_key"]: _task_run(task) for task in current}
        settings = json.loads(row["settings"])
        return Run(
            row["run_id"], row["job_id"], row["run_type"], row["run_name"],
            settings, json.loads(row["parameters"]), _state(row),
            row["start_time"], row["end_time"], Result(row["stop_as"]) if row["stop_as"] else None,
            tuple(by_key[task["task_key"]] for task in settings["tasks"]),
        )  # fmt: skip


def _task_run(row: sqlite3.Row) -> TaskRun:
    return TaskRun(
        row["run_id"], row["parent_id"], row["task_key"], json.loads(row["spec"]), _state(row),
        row["start_time"], row["end_time"], row["attempt"],
    )  # fmt: skip


def _state(row: sqlite3.Row) -> State:
    result = Result(row["result_state"]) if row["result_state"] else None
    return State(LifeCycle(row["life_cycle_state"]), result, row["state_message"])
