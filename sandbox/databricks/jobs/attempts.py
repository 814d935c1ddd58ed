"""One try of one task: its process is started or found again, watched, stopped, and its outcome read."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sandbox.databricks.jobs import plan
from sandbox.databricks.jobs.processes import SPECIFICATION, Outcome, TaskProcess, read_outcome, write_outcome
from sandbox.databricks.jobs.runs import Run, Runs, TaskRun
from sandbox.databricks.jobs.states import LifeCycle, Result, State
from sandbox.databricks.workspace.objects import Workspace

LOGGER = logging.getLogger(__name__)
FAILED_MESSAGE = "Workload failed, see run output for details"
STOP_MESSAGES = {Result.CANCELED: "Run cancelled.", Result.TIMEDOUT: "Run timed out and was stopped."}
SHUTDOWN_MESSAGE = "The sandbox was stopped while the run was active. Run it again."
LOST_MESSAGE = "The workspace server was restarted, and the task's process had gone without a result. Run it again."
RUNNING = State(LifeCycle.RUNNING, message="In run")


class SparkSessions(Protocol):
    """Ends Spark Connect sessions of processes that cannot do it any more."""

    async def release(self, session_id: str) -> None:
        """Interrupt what runs in a session, stop its streaming queries, and end it. Never raises."""
        ...


@dataclass
class StopSignal:
    """Tells the tasks of one run to stop; ``shutdown`` when it is this server that stops."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    shutdown: bool = False


@dataclass(frozen=True)
class Attempts:
    """Runs single tries of tasks.

    :param runs: the table of runs.
    :param workspace: where notebooks are.
    :param root: holds one folder a task run.
    :param sessions: ends Spark sessions.
    :param environment: variables for the processes of tasks.
    :param common: what every ``task.json`` says: ``spark_port`` and ``state``, the server's data folder.
    :param slots: a place for each task that may run at once.
    """

    runs: Runs
    workspace: Workspace
    root: Path
    sessions: SparkSessions
    environment: Mapping[str, str]
    common: Mapping[str, Any]
    slots: asyncio.Semaphore

    def folder(self, task_run_id: int) -> Path:
        """The folder of a task run: specification, output, cells, outcome."""
        return self.root / str(task_run_id)

    async def run(self, run: Run, task: TaskRun, stop: StopSignal) -> State:
        """Run a task, or go on with one that an earlier server started; whatever goes wrong, a final state results."""
        try:
            if task.state.life_cycle is LifeCycle.RUNNING:
                return await self._adopted(run, task, stop)
            return await self._placed(run, task, stop)
        except plan.TaskRefusedError as error:
            return self._failed(task, str(error), LifeCycle.TERMINATED)
        except Exception as error:
            LOGGER.exception("task run %s", task.run_id)
            return self._failed(task, f"{type(error).__name__}: {error}")

    async def _placed(self, run: Run, task: TaskRun, stop: StopSignal) -> State:
        if self.slots.locked():
            self.runs.set_task_state(task.run_id, State(LifeCycle.QUEUED, message="Waits for a free place."))
        if not await first(self.slots.acquire(), stop.event.wait()):
            return self._stopped(run, stop)
        try:
            return self._stopped(run, stop) if stop.event.is_set() else await self._started(run, task, stop)
        finally:
            self.slots.release()

    async def _started(self, run: Run, task: TaskRun, stop: StopSignal) -> State:
        planned = plan.specification(run, task, self.workspace, self._values(run))
        specification = {**self.common, **planned, "session_id": str(uuid.uuid4())}
        self.runs.set_task_state(task.run_id, RUNNING)
        self.runs.set_state(run.run_id, RUNNING)
        process = TaskProcess.start(self.folder(task.run_id), specification, self.environment)
        return await self._watched(run, task, process, stop)

    def _values(self, run: Run) -> Callable[[str, str], Any]:
        return lambda key, name: self.runs.task_value(run.run_id, key, name)

    async def _adopted(self, run: Run, task: TaskRun, stop: StopSignal) -> State:
        folder = self.folder(task.run_id)
        if process := TaskProcess.find(folder):
            held = not self.slots.locked() and await self.slots.acquire()
            try:
                return await self._watched(run, task, process, stop)
            finally:
                if held:
                    self.slots.release()
        if outcome := read_outcome(folder):
            return _ended(outcome)
        await self._release(task)
        return self._stopped(run, stop) if stop.event.is_set() else self._failed(task, LOST_MESSAGE)

    async def _watched(self, run: Run, task: TaskRun, process: TaskProcess, stop: StopSignal) -> State:
        limit = int(task.spec.get("timeout_seconds") or 0)
        begun = self.runs.task(task.run_id).start_time / 1000
        in_time = await first(
            first(process.wait(), stop.event.wait()), _until(begun + limit if limit else time.time() + 10**8)
        )
        outcome = read_outcome(self.folder(task.run_id))
        await process.kill()
        if outcome is not None:
            return _ended(outcome)
        await self._release(task)
        if stop.event.is_set():
            return self._stopped(run, stop)
        if not in_time:
            text = f"The task ran longer than {limit} s and was stopped."
            return State(LifeCycle.TERMINATED, Result.TIMEDOUT, text)
        return self._failed(task, f"No result was left: {process.ending}. The run's output shows how far it came.")

    async def _release(self, task: TaskRun) -> None:
        """End the Spark sessions of processes that were killed: their queries would go on without them."""
        for path in self.folder(task.run_id).rglob(SPECIFICATION):
            with suppress(OSError, ValueError, KeyError):
                await self.sessions.release(json.loads(path.read_text(encoding="utf-8"))["session_id"])

    def _stopped(self, run: Run, stop: StopSignal) -> State:
        if stop.shutdown:
            return State(LifeCycle.INTERNAL_ERROR, Result.FAILED, SHUTDOWN_MESSAGE)
        result = self.runs.get(run.run_id).stop_as or Result.CANCELED
        return State(LifeCycle.TERMINATED, result, STOP_MESSAGES[result])

    def _failed(self, task: TaskRun, text: str, life_cycle: LifeCycle = LifeCycle.INTERNAL_ERROR) -> State:
        folder = self.folder(task.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        write_outcome(folder, Outcome(succeeded=False, error=text, error_trace=text))
        return State(life_cycle, Result.FAILED, text)


def _ended(outcome: Outcome) -> State:
    if outcome.succeeded:
        return State(LifeCycle.TERMINATED, Result.SUCCESS)
    return State(LifeCycle.TERMINATED, Result.FAILED, FAILED_MESSAGE)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(moment - time.time(), 0))


async def first(wanted: Coroutine[Any, Any, Any], *others: Coroutine[Any, Any, Any]) -> bool:
    """Wait for the first of several and give up the rest; whether the wanted one had come."""
    tasks = [asyncio.ensure_future(one) for one in (wanted, *others)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
