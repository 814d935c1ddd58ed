"""A streaming job that outlives its supervisors: started once, watched, started again, reported."""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.databricks.hooks.databricks import RunState
from airflow.providers.databricks.operators.databricks import DatabricksJobRunLink
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf

from pinflow.exceptions import CheckpointRefused, Rejected, StreamingJobFailed
from pinflow.hooks.streaming import (
    OUTAGE_SECONDS,
    STOP_SECONDS,
    StreamingJobHook,
    Tables,
    Verdict,
    Watch,
    Watcher,
    has_ended,
    parameters_of,
)
from pinflow.operators.databricks import DatabricksRunNotebookOperator
from pinflow.triggers.streaming import StreamingJobTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

MAXIMUM_BACKOFF = 300.0
MAXIMUM_TEXT = 1000
STALE_SECONDS = 600.0
FRESH_SECONDS = 3.0
EVENT_SECONDS = 60.0
OWN_PARAMETERS = ("job_id", "run_key")
DRAINS = "availableNow"


class AtEnd(StrEnum):
    """What becomes of the job when the window is over."""

    LEAVE = "leave"
    STOP = "stop"


@dataclass
class Window:
    """One window of supervision, as it is kept over tries and deferrals; times in epoch seconds.

    :param nonce: makes the tokens of this window its own.
    :param submission: the number of the last submission, counted from 1.
    :param intended: whether it may have gone out without its run being known.
    :param run_ids: the runs that were watched, the last one last.
    :param ends: why each that ended did.
    :param restart_at: not to be started again before.
    """

    nonce: str
    start: float
    end: float
    submission: int = 0
    intended: bool = False
    run_id: int | None = None
    run_key: str = ""
    restart_at: float = 0.0
    run_ids: list[int] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    @property
    def restarts(self) -> int:
        """How many runs took the place of another."""
        return max(0, len(self.run_ids) - 1)

    def token(self, instance: Any) -> str:
        """The idempotency token of the present submission, 64 characters."""
        parts = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index))
        return hashlib.sha256("\0".join((*parts, self.nonce, str(self.submission))).encode()).hexdigest()


class StreamingJobOperator(BaseOperator):
    """Keep a streaming notebook running for a window of time, and report what it did.

    There is one run of the name ``job_id`` in the workspace: one that is active is adopted, whoever started it, and a
    second one is cancelled. Otherwise a token goes into the task state store first and then a run is submitted with
    it, so that a crash in between, a retry, a clear or a lost deferral leads to the same run. A run that ends, or
    writes no heartbeat for ``stall_seconds``, is started again with jittered, exponential back-off. It rides out an
    outage of the workspace for ``outage_seconds``; then the task fails and its next try adopts the job.

    An adopted run keeps the parameters that it was started with; a difference is logged.

    :param job_id: the job's name, unique in the workspace. (templated)
    :param notebook_path: the notebook, without extension. It gets ``job_id`` and ``run_key`` as parameters and writes
        them into its heartbeats. (templated)
    :param warehouse_id: the SQL warehouse that reads the heartbeats. (templated)
    :param catalog: the catalog of the tables. (templated)
    :param parameters: the notebook's other widgets, all text; with ``trigger`` = ``availableNow`` a run that ends with
        SUCCESS ends the window. (templated)
    :param cluster: a new cluster's specification, or ``{"existing_cluster_id": ...}``. (templated)
    :param window_seconds: how long to watch. (templated)
    :param until_idle_seconds: end earlier, when nothing came for so long and nothing is behind. (templated)
    :param at_end: ``leave`` the job running or ``stop`` it; also what ``on_kill`` does. (templated)
    :param stall_seconds: so long without a heartbeat, also one of an idle job, is a stall.
    :param start_seconds: how long the first heartbeat of a run may take.
    :param maximum_restarts: in one window.
    :param backoff_seconds: before the first restart; it doubles up to 300 s.
    :param outage_seconds: how long the workspace or its warehouse may be out of reach.
    :param polling_period_seconds: between two looks.
    :param heartbeat_table: a row a micro-batch. (templated)
    :param arrivals_table: a row a record, for the exact delays. (templated)
    :param query: the streaming query whose heartbeats count.
    :param deferrable: wait in the triggerer.
    :param databricks_conn_id: the connection. (templated)
    :raises CheckpointRefused: the job says that its checkpoint is not its own; it is not started again.
    :raises StreamingJobFailed: it ended or stalled more than ``maximum_restarts`` times.
    :raises Unavailable, OutcomeUnknown: the workspace was out of reach for too long.
    :raises Rejected: a parameter cannot be read.
    """

    STATE = "window"
    ui_color = "#f5cfc2"
    operator_extra_links = (DatabricksJobRunLink(),)
    template_fields: Sequence[str] = (
        "job_id",
        "notebook_path",
        "warehouse_id",
        "catalog",
        "parameters",
        "cluster",
        "window_seconds",
        "until_idle_seconds",
        "at_end",
        "heartbeat_table",
        "arrivals_table",
        "databricks_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json", "cluster": "json"}

    def __init__(
        self,
        *,
        job_id: str,
        notebook_path: str,
        warehouse_id: str,
        catalog: str | None = None,
        parameters: Mapping[str, str] | None = None,
        cluster: Mapping[str, Any] | None = None,
        window_seconds: float | str = 3600,
        until_idle_seconds: float | str | None = None,
        at_end: str = AtEnd.LEAVE,
        stall_seconds: float = 120,
        start_seconds: float = 600,
        maximum_restarts: int = 5,
        backoff_seconds: float = 10,
        outage_seconds: float = OUTAGE_SECONDS,
        polling_period_seconds: float = 10,
        heartbeat_table: str = "ops.stream_heartbeat",
        arrivals_table: str = "stream.arrivals",
        query: str = "posts",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        databricks_conn_id: str = "databricks_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.notebook_path = notebook_path
        self.warehouse_id = warehouse_id
        self.catalog = catalog
        self.parameters = parameters
        self.cluster = cluster
        self.window_seconds = window_seconds
        self.until_idle_seconds = until_idle_seconds
        self.at_end = at_end
        self.stall_seconds = stall_seconds
        self.start_seconds = start_seconds
        self.maximum_restarts = maximum_restarts
        self.backoff_seconds = backoff_seconds
        self.outage_seconds = outage_seconds
        self.polling_period_seconds = polling_period_seconds
        self.heartbeat_table = heartbeat_table
        self.arrivals_table = arrivals_table
        self.query = query
        self.deferrable = deferrable
        self.databricks_conn_id = databricks_conn_id
        self.run_id: int | None = None

    @cached_property
    def hook(self) -> StreamingJobHook:
        """The client, made on first use; its calls ride out an outage."""
        return StreamingJobHook(self.databricks_conn_id, outage_seconds=self.outage_seconds)

    @cached_property
    def eager_hook(self) -> StreamingJobHook:
        """The client of looks: one try a call, as the watcher has its own patience."""
        return StreamingJobHook(self.databricks_conn_id, outage_seconds=0)

    @property
    def tables(self) -> Tables:
        """Where heartbeats and arrivals are."""
        return Tables(self.warehouse_id, self.catalog, self.heartbeat_table, self.arrivals_table, self.query)

    @property
    def stops(self) -> bool:
        """Whether the job is stopped at the end.

        :raises Rejected: ``at_end`` is neither.
        """
        if self.at_end not in list(AtEnd):
            raise _unreadable("at_end", self.at_end, "'leave' or 'stop'")
        return self.at_end == AtEnd.STOP

    @property
    def idle_seconds(self) -> float | None:
        """``until_idle_seconds`` as a number.

        :raises Rejected: it is none.
        """
        return _seconds("until_idle_seconds", self.until_idle_seconds)

    def execute(self, context: Context) -> dict[str, Any]:
        """Go on with the window of an earlier try, or begin one; adopt the job, or start it; watch it to the end.

        :returns: ``job_id``, ``run_ids``, ``restarts``, ``ends`` (why runs ended), ``rows``, ``quarantined``, ``late``,
            ``rows_per_second`` (over the whole window), ``delay_p50_ms``, ``delay_p95_ms`` and ``delay_p99_ms`` (from
            arrival in the stream to the commit of the tables, ``None`` when nothing came), ``lag_ms``, ``lag_records``,
            ``window_start`` and ``window_end`` (ISO 8601 UTC), ``left_running``.
        """
        _ = self.stops, self.idle_seconds
        window = self._window(context)
        if window.run_id is not None and (run := self.hook.adopt(self.job_id)):
            self._watching(context, window, run)
        return self._supervise(context, window)

    def execute_complete(self, context: Context, event: Any, window: Mapping[str, Any]) -> dict[str, Any]:
        """Look again rather than trust the event, act, and wait again if there is more to wait for."""
        self.run_id = window["run_id"]
        told = Verdict(event["status"]) if isinstance(event, Mapping) else None
        return self._supervise(context, Window(**window), told)

    def on_kill(self) -> None:
        """Cancel the run if the job is to be stopped at the end; otherwise the next supervisor adopts it."""
        if self.run_id is not None and self.stops:
            self.hook.cancel_run(self.run_id)

    def _supervise(self, context: Context, window: Window, told: Verdict | None = None) -> dict[str, Any]:
        while time.time() < window.end:
            if time.time() < window.restart_at:
                self._pause(window)
                continue
            watch = self._begun(context, window)
            verdict, told = self._look(watch, told), None
            if verdict in (None, Verdict.UNREACHABLE):
                told = self._wait(watch, window)
            elif verdict in (Verdict.IDLE, Verdict.WINDOW_OVER) or self._drained(watch.run_id):
                break
            else:
                self._again(context, window, verdict)
        return self._finished(context, window)

    def _look(self, watch: Watch, told: Verdict | None) -> Verdict | None:
        """Look again after an event.

        :raises Unavailable, OutcomeUnknown, StatementFailed: the workspace was out of reach for too long, and still is.
        """
        if told is Verdict.UNREACHABLE:
            return self.eager_hook.look(watch)
        if told is Verdict.IDLE:  # the heartbeat that said so has aged while the task was on its way to a worker
            watch = replace(watch, fresh_seconds=watch.fresh_seconds + EVENT_SECONDS)
        return Watcher(self.eager_hook, watch).look()

    def _begun(self, context: Context, window: Window) -> Watch:
        """What to watch: the run that is known, or one that is adopted or started now."""
        run_id = window.run_id
        if run_id is None:
            run_id = self._watching(context, window, self.hook.adopt(self.job_id) or self._started(context, window))
        self.run_id = run_id
        return Watch(
            job_id=self.job_id,
            run_id=run_id,
            run_key=window.run_key,
            window_start=window.start,
            window_end=window.end,
            stall_seconds=self.stall_seconds,
            start_seconds=self.start_seconds,
            until_idle_seconds=self.idle_seconds,
            fresh_seconds=self.polling_period_seconds + FRESH_SECONDS,
            outage_seconds=self.outage_seconds,
            poll_seconds=self.polling_period_seconds,
            stops=self.stops,
            tables=asdict(self.tables),
        )

    def _started(self, context: Context, window: Window) -> dict[str, Any]:
        """Submit a run, the intent first; of two supervisors that do so at once, one run is left."""
        if not window.intended:
            window.submission += 1
            window.intended = True
            self._save(context, window)
        token = window.token(context["ti"])
        parameters = {**(self.parameters or {}), "job_id": self.job_id, "run_key": token}
        run_id = self.hook.submit_notebook(
            self.notebook_path, parameters, run_name=self.job_id, token=token, cluster=self.cluster
        )
        return self.hook.adopt(self.job_id) or self.hook.get_run(run_id)

    def _watching(self, context: Context, window: Window, run: Mapping[str, Any]) -> int:
        """Note the run that is watched from now on.

        :returns: its id.
        """
        given = parameters_of(run)
        window.run_id, window.run_key, window.intended = run["run_id"], given.get("run_key", ""), False
        if run["run_id"] not in window.run_ids:
            window.run_ids.append(run["run_id"])
        self._save(context, window)
        for key in ("run_id", "run_page_url"):
            context["ti"].xcom_push(key=key, value=run[key])
        self.log.info("Run %s of %s: %s", run["run_id"], self.job_id, run["run_page_url"])
        wanted = dict(self.parameters or {})
        if other := {name for name in wanted | given if wanted.get(name) != given.get(name)} - set(OWN_PARAMETERS):
            self.log.warning("It was started with other parameters, and keeps them until it ends: %s", sorted(other))
        return int(run["run_id"])

    def _wait(self, watch: Watch, window: Window) -> Verdict:
        """Wait until there is something to do, here or in the triggerer."""
        if self.deferrable:
            trigger = StreamingJobTrigger(asdict(watch), self.databricks_conn_id)
            self.defer(trigger=trigger, method_name="execute_complete", kwargs={"window": asdict(window)})
        watcher, verdict = Watcher(self.eager_hook, watch), None
        while verdict is None:
            time.sleep(watch.pause)
            verdict = watcher.look()
        return verdict

    def _pause(self, window: Window) -> None:
        """Wait until the job may be started again."""
        until = min(window.restart_at, window.end)
        if self.deferrable:
            trigger = DateTimeTrigger(datetime.fromtimestamp(until, UTC))
            self.defer(trigger=trigger, method_name="execute_complete", kwargs={"window": asdict(window)})
        time.sleep(max(0.0, until - time.time()))

    def _drained(self, run_id: int) -> bool:
        """Whether the run was to read what was there, and has done so."""
        run = self.hook.find_run(run_id)
        if run is None or parameters_of(run).get("trigger") != DRAINS:
            return False
        return bool(RunState(**run["state"]).is_successful)

    def _again(self, context: Context, window: Window, verdict: Verdict) -> None:
        """Note why the run is over and when the next is due.

        :raises CheckpointRefused, StreamingJobFailed: there is to be no next.
        """
        self._note_end(context, window, verdict)
        if len(window.ends) > self.maximum_restarts:
            self._forget(context)
            raise self._failed(window)
        delay = min(self.backoff_seconds * 2 ** (len(window.ends) - 1), MAXIMUM_BACKOFF) * random.uniform(0.5, 1)
        window.run_id, window.restart_at = None, time.time() + delay
        self._save(context, window)
        self.log.warning("%s. It is started again in %.1f s", window.ends[-1], delay)

    def _note_end(self, context: Context, window: Window, verdict: Verdict) -> None:
        run_id = int(window.run_id or 0)
        if verdict is Verdict.STALLED:
            self.hook.stop_run(run_id)
            window.ends.append(f"Run {run_id} wrote no heartbeat in time and was cancelled")
            return
        run = self.hook.find_run(run_id)
        if run is None:
            window.ends.append(f"Run {run_id} is not in the workspace any more")
            return
        failure, state = self.hook.failure(run), run["state"]
        if failure.refusal:
            self._forget(context)
            raise _refused(self.job_id, run, failure.refusal)
        result = state.get("result_state") or state["life_cycle_state"]
        window.ends.append(f"Run {run_id} ended {result}: {failure.text[:MAXIMUM_TEXT].rstrip('.')}")

    def _failed(self, window: Window) -> StreamingJobFailed:
        return StreamingJobFailed(
            f"The streaming job {self.job_id} does not stay up: restarts have not helped ({self.maximum_restarts}).",
            f"{window.ends[-1]}.",
            f"Mend the cause (the run pages of {window.run_ids} show the traces), then clear the task.",
            run_ids=window.run_ids,
            restarts=window.restarts,
            ends=window.ends,
        )

    def _finished(self, context: Context, window: Window) -> dict[str, Any]:
        if self.stops:
            for run in self.hook.active_runs(self.job_id):
                self.hook.stop_run(run["run_id"])
        end = time.time()
        report = {
            "job_id": self.job_id,
            "run_ids": window.run_ids,
            "restarts": window.restarts,
            "ends": window.ends,
            **self.hook.report(self.job_id, self.tables, window.start, end),
            "window_start": _iso(window.start),
            "window_end": _iso(end),
            "left_running": any(not has_ended(run) for run in self.hook.active_runs(self.job_id)),
        }
        self._forget(context)
        self.log.info("Window over: %s", report)
        return report

    def _window(self, context: Context) -> Window:
        """The window of an earlier try, unless it was over long before, or a new one."""
        store, now = context.get("task_state_store"), time.time()
        if store is not None and (stored := store.get(self.STATE)):
            window = Window(**stored)  # type: ignore[arg-type]
            if now < window.end + STALE_SECONDS:
                self.log.info("Going on with the window that began %s", _iso(window.start))
                return window
        length = _seconds("window_seconds", self.window_seconds)
        if length is None:
            raise _unreadable("window_seconds", self.window_seconds, "a number of seconds")
        nonce = uuid.uuid4().hex if store is not None else str(context["ti"].try_number)
        return Window(nonce=nonce, start=now, end=now + length)

    def _save(self, context: Context, window: Window) -> None:
        if (store := context.get("task_state_store")) is not None:
            store.set(self.STATE, asdict(window))

    def _forget(self, context: Context) -> None:
        if (store := context.get("task_state_store")) is not None:
            store.delete(self.STATE)


class StreamingJobStopOperator(BaseOperator):
    """Cancel all runs of a streaming job and wait until they have ended; nothing happens when none runs.

    Its checkpoints stay. It does not end windows of supervision: one that is open starts the job again.

    :param job_id: the job's name in the workspace. (templated)
    :param timeout_seconds: how long a run may take to end.
    :param databricks_conn_id: the connection. (templated)
    :raises WaitTimedOut: a run goes on.
    """

    ui_color = "#f5cfc2"
    template_fields: Sequence[str] = ("job_id", "databricks_conn_id")

    def __init__(
        self,
        *,
        job_id: str,
        timeout_seconds: float = STOP_SECONDS,
        databricks_conn_id: str = "databricks_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.timeout_seconds = timeout_seconds
        self.databricks_conn_id = databricks_conn_id

    @cached_property
    def hook(self) -> StreamingJobHook:
        """The client, made on first use."""
        return StreamingJobHook(self.databricks_conn_id)

    def execute(self, context: Context) -> list[int]:
        """Stop.

        :returns: the runs that were stopped.
        """
        runs = [int(run["run_id"]) for run in self.hook.active_runs(self.job_id)]
        for run_id in runs:
            self.hook.stop_run(run_id, self.timeout_seconds)
        self.log.info("Runs of %s that were stopped: %s", self.job_id, runs or "none")
        return runs


class StreamingCheckpointResetOperator(DatabricksRunNotebookOperator):
    """Put a streaming job's checkpoints aside with its notebook, so that the next start reads from the beginning.

    Needed before streams of the same names are made again: a checkpoint of a stream that was deleted is refused. The
    old ones are kept beside. Nothing happens when the notebook is not in the workspace: nothing was provisioned.

    Its parameters and errors are those of ``DatabricksRunNotebookOperator``. The notebook refuses while the job's last
    sign of life is younger than half a minute: give the task retries.
    """

    def execute(self, context: Context) -> Any:
        """Reset.

        :returns: where each query's checkpoint is now.
        """
        folder = self.notebook_path.rpartition("/")[0]
        if self.notebook_path not in {entry.path for entry in self.hook.tree(folder)}:
            self.log.info("There is no notebook %s: nothing to reset", self.notebook_path)
            return {}
        return super().execute(context)


def _seconds(name: str, given: object) -> float | None:
    if given in (None, "", "None"):
        return None
    try:
        found = float(str(given))
    except ValueError:
        found = -1.0
    if found < 0:
        raise _unreadable(name, given, "a number of seconds")
    return found


def _unreadable(name: str, given: object, wanted: str) -> Rejected:
    return Rejected(
        f"The parameter {name} cannot be read.",
        f"It is {given!r} and must be {wanted}.",
        "Trigger the run again with it.",
    )


def _refused(job_id: str, run: Mapping[str, Any], text: str) -> CheckpointRefused:
    return CheckpointRefused(
        f"The streaming job {job_id} refuses its checkpoint.",
        f"{text.rstrip('.')}.",
        "If that is right, ./pinflow streaming reset keeps the old checkpoint aside; then clear the task.",
        run_id=run["run_id"],
        text=text,
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
