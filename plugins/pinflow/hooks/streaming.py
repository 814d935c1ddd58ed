"""A streaming job in a Databricks workspace: its runs, the heartbeats that it writes, and what they tell."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.providers.databricks.hooks.databricks import RunState
from airflow.sdk.exceptions import AirflowException
from requests.exceptions import ChunkedEncodingError
from tenacity import RetryError, stop_after_delay, wait_random_exponential

from pinflow.exceptions import OutcomeUnknown, StatementFailed, Unavailable, WaitTimedOut
from pinflow.hooks.databricks import DatabricksWorkspaceHook

OUTAGE_SECONDS = 300.0
STOP_SECONDS = 600.0
STOP_POLL = 1.0
PAGE = 25
ROUNDING_MS = 1000
OUTAGES = (Unavailable, OutcomeUnknown, StatementFailed)
REFUSED = re.compile(r"^(?:[\w.]+\.)?(CheckpointRefusedError: .*)$", re.MULTILINE)
MISSING_TABLE = "TABLE_OR_VIEW_NOT_FOUND"

VITALS = """
SELECT unix_millis(current_timestamp()) AS now_ms,
       unix_millis(min(written_at) FILTER (WHERE run_key = coalesce(:run_key, run_key)
         AND coalesce(lag_ms, lag_records) = 0 AND coalesce(lag_records, 0) = 0)) AS level_ms,
       unix_millis(max(written_at) FILTER (WHERE run_key = coalesce(:run_key, run_key))) AS last_ms,
       unix_millis(max(written_at) FILTER (WHERE `rows` > 0)) AS rows_ms,
       max_by(lag_ms, written_at) FILTER (WHERE run_key = coalesce(:run_key, run_key)) AS lag_ms,
       max_by(lag_records, written_at) FILTER (WHERE run_key = coalesce(:run_key, run_key)) AS lag_records
FROM IDENTIFIER(:heartbeats)
WHERE job_id = :job_id AND query = :query AND written_at >= :since
"""
BATCHES = """
SELECT query_id, batch_id, min(committed_at) AS committed_at, max(`rows`) AS `rows`, max(quarantined) AS quarantined,
       max(late) AS late, max(coalesce(delay_max_ms, 0)) AS delay_max_ms
FROM IDENTIFIER(:heartbeats)
WHERE job_id = :job_id AND query = :query AND written_at >= :start AND committed_at BETWEEN :start AND :end
  AND (`rows` > 0 OR quarantined > 0)
GROUP BY query_id, batch_id
"""
TOTALS = f"""
SELECT count(*) AS batches, sum(`rows`) AS `rows`, sum(quarantined) AS quarantined, sum(late) AS late,
       min(unix_millis(committed_at) - delay_max_ms) AS since_ms
FROM ({BATCHES}) AS batches
"""  # noqa: S608  our own text
DELAYS = f"""
SELECT percentile(
         unix_millis(batches.committed_at) - unix_millis(arrivals.arrived_at), array(0.5, 0.95, 0.99)) AS delays
FROM ({BATCHES}) AS batches
JOIN IDENTIFIER(:arrivals) AS arrivals USING (query_id, batch_id)
WHERE arrivals.arrived_at >= :since
"""  # noqa: S608  our own text


class Verdict(StrEnum):
    """What a look at a job found, when there is something to do."""

    ENDED = "ended"
    STALLED = "stalled"
    IDLE = "idle"
    WINDOW_OVER = "window_over"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Failure:
    """Why a run ended.

    :param text: the last line of the trace, or the state's message.
    :param trace: the whole trace; empty when the workspace has none.
    """

    text: str
    trace: str = ""

    @property
    def refusal(self) -> str | None:
        """What the job says when it cannot use its checkpoint, however often it is started.

        Only where an exception is told: a line of source in a trace may hold the name too.
        """
        found = REFUSED.search(self.text) or REFUSED.search(self.trace)
        return found[1] if found else None


@dataclass(frozen=True)
class Tables:
    """Where a job's heartbeats and arrivals are.

    :param warehouse_id: the SQL warehouse that reads them.
    :param heartbeats: a row a micro-batch, and one from time to time when nothing comes.
    :param arrivals: a row an accepted record, with its ``query_id`` and ``batch_id``.
    :param query: the streaming query whose heartbeats count.
    """

    warehouse_id: str
    catalog: str | None
    heartbeats: str
    arrivals: str
    query: str


@dataclass(frozen=True)
class Vitals:
    """The heartbeats of a run in short; seconds by the warehouse's clock, ``None`` where there was none.

    :param age: since the newest heartbeat.
    :param quiet: for how long, at the newest heartbeat, nothing had come and nothing was behind. What came after it is
        not known: a micro-batch says something when it is done.
    """

    age: float | None = None
    quiet: float | None = None
    lag_ms: int | None = None
    lag_records: int | None = None

    @property
    def caught_up(self) -> bool:
        """Whether nothing is behind; unknown is no."""
        known = [lag for lag in (self.lag_ms, self.lag_records) if lag is not None]
        return bool(known) and not any(known)

    def well(self, maximum_age: float, maximum_lag_ms: int) -> bool:
        """Whether there is a heartbeat of at most that age in seconds, and the lag is known and at most that."""
        near = self.caught_up if self.lag_ms is None else self.lag_ms <= maximum_lag_ms
        return near and self.age is not None and self.age <= maximum_age


@dataclass(frozen=True)
class Watch:
    """What to look at and when it is worth an event; JSON-able, so that a trigger can carry it. Times in seconds.

    :param run_key: the parameter of that name which the run was started with.
    :param window_start: since when arrivals count, epoch.
    :param window_end: until when to watch, epoch.
    :param stall_seconds: without a heartbeat for so long, the run is stalled.
    :param start_seconds: how long the first heartbeat may take, from when the run's cluster is up.
    :param until_idle_seconds: the window is over when nothing came for so long and nothing is behind.
    :param fresh_seconds: how old the heartbeat may be that says so.
    :param outage_seconds: how long the workspace may be out of reach.
    :param stops: whether a user's action on the waiting task stops the job.
    """

    job_id: str
    run_id: int
    run_key: str
    window_start: float
    window_end: float
    stall_seconds: float
    start_seconds: float
    until_idle_seconds: float | None
    fresh_seconds: float
    outage_seconds: float
    poll_seconds: float
    stops: bool
    tables: dict[str, Any]

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return max(0.0, min(self.poll_seconds, self.window_end - time.time()))


class StreamingJobHook(DatabricksWorkspaceHook):
    """Runs of one name, and their heartbeats.

    Calls ride out an outage of the workspace (no connection, 429, 5xx) for ``outage_seconds`` with jittered back-off;
    then reads raise ``Unavailable`` and the rest ``OutcomeUnknown``.

    :param databricks_conn_id: the connection.
    :param outage_seconds: 0 for one try.
    """

    def __init__(
        self, databricks_conn_id: str = "databricks_default", outage_seconds: float = OUTAGE_SECONDS, **kwargs: Any
    ) -> None:
        patience = {
            "stop": stop_after_delay(outage_seconds),
            "wait": wait_random_exponential(multiplier=0.5, max=10),
        }
        super().__init__(databricks_conn_id, **{"timeout_seconds": 60, "retry_args": patience, **kwargs})
        self.outage_seconds = outage_seconds

    def active_runs(self, job_id: str) -> list[dict[str, Any]]:
        """The runs of that name that have not ended, the oldest first."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while True:
            query = {"active_only": "true", "run_type": "SUBMIT_RUN", "limit": PAGE, **page}
            answer = self._do_api_call(("GET", "2.2/jobs/runs/list"), query)
            found += [run for run in answer.get("runs", []) if run.get("run_name") == job_id]
            if not answer.get("next_page_token"):
                return sorted(found, key=lambda run: (run.get("start_time", 0), run["run_id"]))
            page = {"page_token": answer["next_page_token"]}

    def adopt(self, job_id: str) -> dict[str, Any] | None:
        """The oldest active run of that name; others are cancelled, and those that are being stopped waited for."""
        runs = self.active_runs(job_id)
        kept = next((run for run in runs if run["state"]["life_cycle_state"] != "TERMINATING"), None)
        for other in runs:
            if other is not kept:
                self.log.warning("Run %s of %s is one too many: it must end", other["run_id"], job_id)
                self.stop_run(other["run_id"])
        return self.get_run(kept["run_id"]) if kept else None

    def find_run(self, run_id: int) -> dict[str, Any] | None:
        """A run, or ``None`` when there is none of that id."""
        try:
            found: dict[str, Any] = self.get_run(run_id)
        except DatabricksApiError as error:
            if error.http_status_code != 404:
                raise
            return None
        return found

    def stop_run(self, run_id: int, timeout: float = STOP_SECONDS) -> None:
        """Cancel a run and wait until it has ended; one that has ended, or is not there, is left alone.

        :raises WaitTimedOut: it goes on after ``timeout`` seconds.
        """
        give_up, asked = time.monotonic() + timeout, False
        while (run := self.find_run(run_id)) and not has_ended(run):
            if not asked and run["state"]["life_cycle_state"] != "TERMINATING":
                self.cancel_run(run_id)
            asked = True
            if time.monotonic() > give_up:
                raise WaitTimedOut(
                    f"Run {run_id} was cancelled and goes on.",
                    f"It is {run['state']['life_cycle_state']} after {timeout:.0f} s.",
                    f"Look at {run.get('run_page_url')} and its cluster, then clear the task.",
                    run_id=run_id,
                )
            time.sleep(STOP_POLL)

    def failure(self, run: Mapping[str, Any]) -> Failure:
        """Why a run ended: the errors of its tasks, or what its state says."""
        told = [self.get_run_output(task["run_id"]) for task in run.get("tasks") or [] if _failed(task)]
        errors = "\n".join(output["error"] for output in told if output.get("error"))
        traces = "\n".join(output["error_trace"] for output in told if output.get("error_trace"))
        return Failure(errors or run["state"].get("state_message") or "The workspace gives no reason", traces)

    def vitals(self, job_id: str, run_key: str | None, tables: Tables, since: float) -> Vitals:
        """What the heartbeats tell; those of all runs of the job when no ``run_key`` is given.

        :param since: heartbeats that were written before, epoch seconds, are not looked at.
        """
        found = self._rows_of(VITALS, tables, job_id=job_id, run_key=run_key, since=_moment(since))
        if not found or found[0]["last_ms"] is None:
            return Vitals()
        row = found[0]
        quiet_since = max(row["level_ms"] or row["last_ms"], row["rows_ms"] or 0)
        return Vitals(
            age=(row["now_ms"] - row["last_ms"]) / 1000,
            quiet=max(0, row["last_ms"] - quiet_since) / 1000,
            lag_ms=row["lag_ms"],
            lag_records=row["lag_records"],
        )

    def look(self, watch: Watch) -> Verdict | None:
        """Look once; ``None`` when all is well.

        :raises Unavailable, OutcomeUnknown, StatementFailed: the workspace or its warehouse doesn't answer.
        """
        run = self.find_run(watch.run_id)
        if run is None or has_ended(run):
            return Verdict.ENDED
        if time.time() >= watch.window_end:
            return Verdict.WINDOW_OVER
        tables = Tables(**watch.tables)
        vitals = self.vitals(watch.job_id, watch.run_key, tables, watch.window_start - watch.stall_seconds)
        self.log.info("Run %s is %s: %s", watch.run_id, run["state"]["life_cycle_state"], vitals)
        if run["state"]["life_cycle_state"] == "RUNNING" and _stalled(watch, run, vitals):
            return Verdict.STALLED
        return Verdict.IDLE if _idle(watch, vitals) else None

    def report(self, job_id: str, tables: Tables, start: float, end: float) -> dict[str, Any]:
        """What a job did between two moments (epoch seconds): counts, exact delays in milliseconds, and its lag."""
        span = {"job_id": job_id, "start": _moment(start), "end": _moment(end)}
        totals = next(iter(self._rows_of(TOTALS, tables, **span)), None) or {}
        vitals = self.vitals(job_id, None, tables, start)
        delays: Sequence[float] | None = None
        if totals.get("since_ms") is not None:
            since = _moment((totals["since_ms"] - ROUNDING_MS) / 1000)
            found = self._rows_of(DELAYS, tables, **span, since=since, arrivals=tables.arrivals)
            delays = found[0]["delays"] if found else None
        names = ("delay_p50_ms", "delay_p95_ms", "delay_p99_ms")
        return {
            "rows": totals.get("rows") or 0,
            "quarantined": totals.get("quarantined") or 0,
            "late": totals.get("late") or 0,
            "rows_per_second": round((totals.get("rows") or 0) / max(end - start, 0.001), 3),
            **dict(zip(names, [round(float(delay)) for delay in delays] if delays else [None] * 3, strict=True)),
            "lag_ms": vitals.lag_ms,
            "lag_records": vitals.lag_records,
        }

    def _rows_of(self, sql: str, tables: Tables, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a statement; none when the job has not made its tables yet."""
        given = {"heartbeats": tables.heartbeats, "query": tables.query, **parameters}
        try:
            return self.statement(sql, given, warehouse_id=tables.warehouse_id, catalog=tables.catalog)
        except StatementFailed as error:
            if MISSING_TABLE not in str(error):
                raise
            return []

    @staticmethod
    def _retryable_error(exception: BaseException) -> bool:
        broken_off = isinstance(exception, ChunkedEncodingError)
        return broken_off or bool(DatabricksWorkspaceHook._retryable_error(exception))

    def _do_api_call(
        self, endpoint_info: tuple[str, str], json: dict[str, Any] | None = None, wrap_http_errors: bool = True
    ) -> Any:
        try:
            return super()._do_api_call(endpoint_info, json, wrap_http_errors)
        except AirflowException as error:
            if not isinstance(error.__cause__, RetryError):
                raise
            kind = Unavailable if endpoint_info[0] == "GET" else OutcomeUnknown
            raise kind(
                f"The workspace at {self.host} did not carry out {' '.join(endpoint_info)}.",
                f"It has not answered for {self.outage_seconds:.0f} s ({error.__cause__.last_attempt.exception()}).",
                "Look at the workspace (in the sandbox: ./pinflow status), then clear the task: it adopts the job.",
            ) from error


class Watcher:
    """Looks again and again, and rides out outages.

    :param hook: with ``outage_seconds=0``: the patience is here.
    :param watch: what to look at.
    """

    clock = staticmethod(time.monotonic)

    def __init__(self, hook: StreamingJobHook, watch: Watch) -> None:
        self.hook, self.watch = hook, watch
        self._since: float | None = None

    def look(self) -> Verdict | None:
        """Look once; ``UNREACHABLE`` when nobody has answered for too long."""
        try:
            verdict = self.hook.look(self.watch)
        except OUTAGES as error:
            return self._outage(error)
        self._since = None
        return verdict

    def _outage(self, error: Exception) -> Verdict | None:
        now = self.clock()
        self._since = now if self._since is None else self._since
        self.hook.log.warning("No look at run %s, for %.0f s now: %s", self.watch.run_id, now - self._since, error)
        if time.time() >= self.watch.window_end:
            return Verdict.WINDOW_OVER
        return Verdict.UNREACHABLE if now - self._since >= self.watch.outage_seconds else None


def has_ended(run: Mapping[str, Any]) -> bool:
    """Whether a run will do nothing more."""
    return bool(RunState(**run["state"]).is_terminal)


def parameters_of(run: Mapping[str, Any]) -> dict[str, str]:
    """The notebook parameters that a run was submitted with."""
    tasks = run.get("tasks") or [{}]
    return dict(tasks[0].get("notebook_task", {}).get("base_parameters") or {})


def _failed(task: Mapping[str, Any]) -> bool:
    return task.get("state", {}).get("result_state") not in (None, "SUCCESS")


def _stalled(watch: Watch, run: Mapping[str, Any], vitals: Vitals) -> bool:
    if vitals.age is not None:
        return vitals.age > watch.stall_seconds
    task = (run.get("tasks") or [run])[0]
    begun = (task.get("start_time") or 0) + (task.get("setup_duration") or 0)
    return begun > 0 and time.time() - begun / 1000 > max(watch.start_seconds, watch.stall_seconds)


def _idle(watch: Watch, vitals: Vitals) -> bool:
    """Whether a fresh heartbeat says so; an old one knows nothing of what came since."""
    if watch.until_idle_seconds is None or vitals.age is None or vitals.quiet is None or not vitals.caught_up:
        return False
    watched = time.time() - vitals.age - watch.window_start
    return vitals.age <= watch.fresh_seconds and min(vitals.quiet, watched) >= watch.until_idle_seconds


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
