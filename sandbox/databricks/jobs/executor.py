"""Drives runs: tasks in the order of their dependencies, stopping, retries, and always an end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.databricks.jobs.attempts import STOP_MESSAGES, Attempts, StopSignal, first
from sandbox.databricks.jobs.runs import Run, Runs, TaskRun
from sandbox.databricks.jobs.settings import dependencies
from sandbox.databricks.jobs.states import CANCELLATIONS, FAILURES, LifeCycle, Result, RunIf, State, overall

LOGGER = logging.getLogger(__name__)
CLOSE_SECONDS = 10.0
FOREVER_SECONDS = 10**8


@dataclass
class _Active:
    """A run in this server's hands."""

    stop: StopSignal = field(default_factory=StopSignal)
    driver: asyncio.Task[None] | None = None


class Executor:
    """Runs what is recorded.

    :param runs: the table of runs.
    :param attempts: runs single tries of tasks.
    """

    def __init__(self, runs: Runs, attempts: Attempts) -> None:
        self._runs, self._attempts = runs, attempts
        self._active: dict[int, _Active] = {}

    def folder(self, task_run_id: int) -> Path:
        """The folder of a task run."""
        return self._attempts.folder(task_run_id)

    def start(self, run_id: int) -> None:
        """Take a recorded run in hand: a new one, or one that an earlier server left."""
        active = self._active[run_id] = _Active()
        active.driver = asyncio.create_task(self._drive(run_id, active), name=f"run {run_id}")
        active.driver.add_done_callback(lambda _: self._active.pop(run_id, None))

    def adopt(self) -> None:
        """Take every run in hand that had not ended when the last server did."""
        for run in self._runs.active():
            self.start(run.run_id)

    def stop(self, run_id: int, result: Result = Result.CANCELED) -> None:
        """Stop a run; nothing happens to one that has ended.

        :param result: how the run is to end: CANCELED or TIMEDOUT.
        """
        if active := self._active.get(run_id):
            self._runs.request_stop(run_id, result)
            self._runs.set_state(run_id, State(LifeCycle.TERMINATING, message="Is being stopped."))
            active.stop.event.set()

    async def close(self) -> None:
        """End every process, and say in each run why it ended."""
        working = list(self._active.values())
        for active in working:
            active.stop.shutdown = True
            active.stop.event.set()
        if drivers := [active.driver for active in working if active.driver]:
            await asyncio.wait(drivers, timeout=CLOSE_SECONDS)

    async def _drive(self, run_id: int, active: _Active) -> None:
        run = self._runs.get(run_id)
        if run.stop_as:
            active.stop.event.set()
        timer = self._timer(run)
        try:
            await self._tasks(run, active.stop)
            self._finish(run_id)
        except Exception as error:
            LOGGER.exception("run %s", run_id)
            text = f"{type(error).__name__}: {error}"
            self._runs.set_state(run_id, State(LifeCycle.INTERNAL_ERROR, Result.FAILED, text))
        finally:
            timer.cancel()

    def _timer(self, run: Run) -> asyncio.TimerHandle:
        """Stops the run when its time is over; the time before a restart counts."""
        spent = time.time() - run.start_time / 1000
        left = max(run.timeout_seconds - spent, 0) if run.timeout_seconds else FOREVER_SECONDS
        return asyncio.get_running_loop().call_later(left, self.stop, run.run_id, Result.TIMEDOUT)

    async def _tasks(self, run: Run, stop: StopSignal) -> None:
        working: dict[asyncio.Task[None], str] = {}
        while True:
            for task in self._ready(run, set(working.values())):
                working[asyncio.create_task(self._tried(run, task, stop))] = task.key
            if not working:
                return
            done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                working.pop(one)
                one.result()
            run = self._runs.get(run.run_id)

    async def _tried(self, run: Run, task: TaskRun, stop: StopSignal) -> None:
        """One task with the retries that its settings allow; ``max_retries`` -1 is without end."""
        allowed = int(task.spec.get("max_retries") or 0)
        pause = int(task.spec.get("min_retry_interval_millis") or 0) / 1000
        while True:
            state = await self._attempts.run(run, task, stop)
            self._runs.set_task_state(task.run_id, state)
            if state.result is not Result.FAILED or 0 <= allowed <= task.attempt or stop.event.is_set():
                return
            await first(asyncio.sleep(pause), stop.event.wait())
            task = self._runs.task(self._runs.renew_task(task))

    def _ready(self, run: Run, working: set[str]) -> list[TaskRun]:
        """The tasks that can start now; those that never can are ended here."""
        states = {task.key: task.state for task in run.tasks}
        waiting = [task for task in run.tasks if not task.state.life_cycle.final and task.key not in working]
        found: list[TaskRun] = []
        for task in _in_order(waiting):
            upstream = [states[key] for key in dependencies(task.spec)]
            if not all(state.life_cycle.final for state in upstream):
                continue
            results = [state.result or Result.FAILED for state in upstream]
            if RunIf(task.spec.get("run_if", RunIf.ALL_SUCCESS)).holds(results):
                found.append(task)
                continue
            states[task.key] = _not_run(results)
            self._runs.set_task_state(task.run_id, states[task.key])
        return found

    def _finish(self, run_id: int) -> None:
        run = self._runs.get(run_id)
        needed = {key for task in run.tasks for key in dependencies(task.spec)}
        results = {task.key: task.state.result or Result.FAILED for task in run.tasks}
        result = overall(list(results.values()), [value for key, value in results.items() if key not in needed])
        lost = result is Result.FAILED and any(task.state.life_cycle is LifeCycle.INTERNAL_ERROR for task in run.tasks)
        life_cycle = LifeCycle.INTERNAL_ERROR if lost else LifeCycle.TERMINATED
        self._runs.set_state(run_id, State(life_cycle, result, _message(run, result)))


def _message(run: Run, result: Result) -> str:
    if result in STOP_MESSAGES:
        return STOP_MESSAGES[result]
    failed = [task for task in run.tasks if task.state.result is Result.FAILED]
    if not failed:
        return ""
    text = failed[0].state.message
    return f"Task {failed[0].key} failed with message: {text}" if len(run.tasks) > 1 else text


def _not_run(upstream: Sequence[Result]) -> State:
    """The state of a task whose ``run_if`` does not hold."""
    if FAILURES.intersection(upstream):
        result = Result.UPSTREAM_FAILED
    else:
        result = Result.UPSTREAM_CANCELED if CANCELLATIONS.intersection(upstream) else Result.EXCLUDED
    return State(LifeCycle.TERMINATED, result, "Not run, because of how the tasks ended that it depends on.")


def _in_order(tasks: Sequence[TaskRun]) -> list[TaskRun]:
    """Those that others need first, so that one pass ends whole chains that cannot run."""
    left = {task.key: task for task in tasks}
    ordered: list[TaskRun] = []
    while left:
        free = [task for task in left.values() if not set(dependencies(task.spec)) & set(left)]
        ordered.extend(left.pop(task.key) for task in free)
    return ordered
