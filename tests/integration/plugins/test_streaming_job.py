"""One streaming job at a time on the real workspace: its runs are real processes, its heartbeats rows of Delta tables.

The notebook is a stand-in for the streaming one: it does what a control file says, and writes the same tables.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pinflow-airflow-"))

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred

from pinflow.exceptions import CheckpointRefused, StreamingJobFailed
from pinflow.hooks.streaming import StreamingJobHook
from pinflow.operators.streaming import StreamingJobOperator
from pinflow.sensors.streaming import StreamingHeartbeatSensor
from tests.conftest import Platform
from tests.integration.databricks.conftest import RealWorkspace
from tests.integration.plugins.supervision import dag_run

pytestmark = pytest.mark.integration
SCHEMA = "supervised"
TABLES = {"heartbeat_table": f"{SCHEMA}.heartbeat", "arrivals_table": f"{SCHEMA}.arrivals"}
DELAYS_MS = [10 * number for number in range(101)]

PARAMETERS = """
import json, threading, time
from pathlib import Path
for name in ('job_id', 'run_key', 'trigger', 'control'):
    dbutils.widgets.text(name, '')
job_id, run_key, control = (dbutils.widgets.get(name) for name in ('job_id', 'run_key', 'control'))
def take(then):
    found = Path(control).read_text()
    if found not in ('idle', 'behind', 'fail always'):
        Path(control).write_text(then)
    return found
"""
BEFORE_SPARK = """
if Path(control).read_text() in ('fail', 'fail always', 'refuse'):
    mode = take('idle')
    class CheckpointRefusedError(Exception): pass
    raise CheckpointRefusedError('It is of another stream. Reset it') if mode == 'refuse' else ValueError('boom')
if Path(control).read_text() == 'end':
    dbutils.notebook.exit(take('idle'))
"""
HEARTBEATS = f"""
def beat(rows=0, batch_id='NULL', delay='NULL', committed='NULL', lag=0):
    spark.sql(f"INSERT INTO {SCHEMA}.heartbeat VALUES"
              f" ('{{job_id}}', '{{run_key}}', 'posts', 'new', {{batch_id}}, {{rows}},"
              f" {{2 if rows else 0}}, {{1 if rows else 0}}, {{committed}}, NULL, NULL, {{delay}}, {{lag}}, {{lag}},"
              f" NULL, current_timestamp())")
while True:
    mode = take('idle')
    if mode == 'hang':
        threading.Event().wait()
    if mode == 'rows':
        now = spark.sql("SELECT CAST(current_timestamp() AS STRING)").collect()[0][0]
        spark.sql(f"INSERT INTO {SCHEMA}.arrivals"
                  f" SELECT 'new', 7, TIMESTAMP'{{now}}' - make_dt_interval(0, 0, 0, id / 100) FROM range(101)")
        beat(101, 7, 1000, f"TIMESTAMP'{{now}}'", lag=5)
    beat(lag=5 if mode == 'behind' else 0)
    time.sleep(0.5)
"""


@dataclass
class Job:
    """A job of a name of its own, and the file that tells its runs what to do."""

    name: str
    notebook: str
    control: Path
    real: RealWorkspace

    def will(self, mode: str) -> None:
        """What the next run to look will do, once: rows, hang, fail, refuse, end; then idle. ``behind`` and
        ``fail always`` last."""
        self.control.write_text(mode)

    def operator(self, **changes: Any) -> StreamingJobOperator:
        given: dict[str, Any] = {
            "parameters": {"trigger": "1 second", "control": str(self.control)},
            "deferrable": True,
            "window_seconds": 240,
            "until_idle_seconds": 2,
            "stall_seconds": 60,
            "backoff_seconds": 0.2,
            "outage_seconds": 60,
            "polling_period_seconds": 1,
            **TABLES,
            **changes,
        }
        return StreamingJobOperator(
            task_id="supervise", job_id=self.name, notebook_path=self.notebook, warehouse_id="sandbox", **given
        )

    def runs(self, **filters: Any) -> list[Any]:
        """All runs of the name, the oldest first."""
        found = self.real.call("GET", "2.2/jobs/runs/list", limit=25, **filters).get("runs", [])
        return sorted((run for run in found if run["run_name"] == self.name), key=lambda run: run["run_id"])

    def start(self, run_key: str) -> int:
        """A run that somebody else started."""
        parameters = {"trigger": "1 second", "control": str(self.control), "job_id": self.name, "run_key": run_key}
        return self.real.submit(self.notebook, parameters, run_name=self.name)

    def beats(self, run_id: int) -> int:
        """How many heartbeats a run has written."""
        key = self.real.get(run_id)["tasks"][0]["notebook_task"]["base_parameters"]["run_key"]
        return int(str(self.real.rows(f"SELECT count(*) FROM {SCHEMA}.heartbeat WHERE run_key = '{key}'")[0][0]))


@pytest.fixture(scope="module", autouse=True)
def tables(platform: Platform) -> None:
    """The tables of the contract, with what an earlier checkpoint and an earlier day left in them."""
    platform.up("databricks")
    real = RealWorkspace(platform)
    real.rows(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    real.rows(
        f"CREATE OR REPLACE TABLE {SCHEMA}.heartbeat (job_id STRING, run_key STRING, query STRING, query_id STRING,"
        " batch_id BIGINT, `rows` BIGINT, quarantined BIGINT, late BIGINT, committed_at TIMESTAMP, delay_p50_ms BIGINT,"
        " delay_p95_ms BIGINT, delay_max_ms BIGINT, lag_records BIGINT, lag_ms BIGINT,"
        " processed_rows_per_second DOUBLE, written_at TIMESTAMP)"
    )
    real.rows(f"CREATE OR REPLACE TABLE {SCHEMA}.arrivals (query_id STRING, batch_id BIGINT, arrived_at TIMESTAMP)")
    real.rows(f"INSERT INTO {SCHEMA}.arrivals SELECT 'old', 7, current_timestamp() - INTERVAL 1 DAY FROM range(50)")


@pytest.fixture
def job(
    platform: Platform, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Job]:
    """A job that does not run yet; nothing of it runs after the test."""
    from sandbox.airflow.environment import connections

    platform.up("databricks")
    monkeypatch.setenv(
        "AIRFLOW_CONN_DATABRICKS_DEFAULT", connections(platform.context)["AIRFLOW_CONN_DATABRICKS_DEFAULT"]
    )
    real = RealWorkspace(platform)
    path = real.notebook(PARAMETERS, BEFORE_SPARK, HEARTBEATS, path="/Shared/supervised/job")
    made = Job(f"job-{request.node.name}", path, tmp_path / "control", real)
    made.will("idle")
    yield made
    platform.up("databricks")
    hook = StreamingJobHook()
    for run in hook.active_runs(made.name):
        hook.stop_run(run["run_id"])


def until(condition: Callable[[], Any], seconds: float = 90) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.2)


def deferred(
    operator: StreamingJobOperator, context: Any, waiting: TaskDeferred | None = None, event: Any = None
) -> TaskDeferred:
    """Execute, or go on after an event, until it waits in the triggerer."""
    given = {} if waiting is None else {"event": event, **(waiting.kwargs or {})}
    with pytest.raises(TaskDeferred) as caught:
        (operator.execute if waiting is None else operator.execute_complete)(context, **given)
    return caught.value


def made_again(waiting: TaskDeferred) -> tuple[Any, list[str]]:
    """The trigger as a triggerer makes it from the database, and what each of its looks finds."""
    trigger, seen = type(waiting.trigger)(**json.loads(json.dumps(waiting.trigger.serialize()[1]))), list[str]()
    look = trigger.hook.look

    def spied(watch: Any) -> Any:
        try:
            seen.append(str(verdict := look(watch)))
        except Exception as error:
            seen.append(type(error).__name__)
            raise
        return verdict

    trigger.hook.look = spied
    return trigger, seen


def in_a_triggerer(waiting: TaskDeferred, meanwhile: Callable[[list[str]], Any] | None = None) -> Any:
    """The event of a trigger, while something happens."""
    if isinstance(waiting.trigger, DateTimeTrigger):
        return asyncio.run(anext(aiter(waiting.trigger.run()))).payload
    trigger, seen = made_again(waiting)

    async def both() -> Any:
        event = asyncio.wait_for(anext(aiter(trigger.run())), 200)
        action = asyncio.to_thread(meanwhile, seen) if meanwhile else asyncio.sleep(0)
        return (await asyncio.gather(event, action))[0]

    return asyncio.run(both()).payload


def see_through(
    operator: StreamingJobOperator, context: Any, waiting: TaskDeferred | None = None, event: Any = None
) -> Any:
    """Run the task to its end, each wait in a triggerer; or go on after an event."""
    try:
        if waiting is None:
            return operator.execute(context)
        event = event or in_a_triggerer(waiting)
        return operator.execute_complete(context, event=event, **(waiting.kwargs or {}))
    except TaskDeferred as again:
        return see_through(operator, context, again)


class TestWindows:
    def test_started_adopted_by_the_next_window_stopped(self, job: Job) -> None:
        job.will("rows")
        first = see_through(job.operator(), dag_run("first"))
        run_id = first["run_ids"][0]
        assert [run["run_id"] for run in job.runs()] == [run_id]
        assert {name: first[name] for name in ("restarts", "rows", "quarantined", "late", "left_running")} == {
            "restarts": 0, "rows": 101, "quarantined": 2, "late": 1, "left_running": True,
        }  # fmt: skip
        ordered = sorted(DELAYS_MS)
        assert [first[f"delay_p{rank}_ms"] for rank in (50, 95, 99)] == [ordered[50], ordered[95], ordered[99]]
        assert (first["lag_ms"], first["lag_records"]) == (0, 0)
        sensor = StreamingHeartbeatSensor(
            task_id="alive", job_id=job.name, warehouse_id="sandbox", heartbeat_table=TABLES["heartbeat_table"]
        )
        assert sensor.poke(dag_run()) is True
        second = see_through(job.operator(deferrable=False, at_end="stop"), dag_run("second"))
        assert (second["run_ids"], second["rows"], second["delay_p50_ms"]) == ([run_id], 0, None)
        assert second["left_running"] is False
        assert [run["state"]["result_state"] for run in job.runs()] == ["CANCELED"]

    def test_a_drained_run_ends_the_window(self, job: Job) -> None:
        job.will("end")
        parameters = {"trigger": "availableNow", "control": str(job.control)}
        report = see_through(job.operator(parameters=parameters), dag_run())
        assert (len(report["run_ids"]), report["restarts"], report["left_running"]) == (1, 0, False)
        assert len(job.runs()) == 1


def began_after(earlier: Any, later: Any) -> bool:
    """Whether a run was submitted when another had ended."""
    return bool(earlier["end_time"] <= later["start_time"])


class TestRestarts:
    def test_failed_then_stalled_then_well(self, job: Job) -> None:
        """Each run began after the one before had ended."""
        job.will("fail")
        context, patience = dag_run(), {"stall_seconds": 10, "start_seconds": 90}
        operator = job.operator(until_idle_seconds=None, **patience)
        waiting = deferred(operator, context)
        assert in_a_triggerer(waiting)["status"] == "ended"
        backing_off = deferred(operator, context)
        waiting = deferred(operator, context, backing_off, in_a_triggerer(backing_off))
        second = job.runs()[-1]["run_id"]
        event = in_a_triggerer(waiting, lambda _: (until(lambda: job.beats(second)), job.will("hang")))
        assert event == {"status": "stalled", "run_id": second}
        report = see_through(job.operator(**patience), context, waiting, event)
        runs = job.runs()
        assert report["run_ids"] == [run["run_id"] for run in runs]
        assert [run["state"].get("result_state") for run in runs] == ["FAILED", "CANCELED", None]
        assert all(began_after(*pair) for pair in pairwise(runs))
        assert report["restarts"] == 2
        assert report["ends"] == [
            f"Run {runs[0]['run_id']} ended FAILED: ValueError: boom",
            f"Run {runs[1]['run_id']} wrote no heartbeat in time and was cancelled",
        ]

    def test_too_often(self, job: Job) -> None:
        job.will("fail always")
        with pytest.raises(StreamingJobFailed, match=r"restarts have not helped \(1\)") as caught:
            see_through(job.operator(maximum_restarts=1), dag_run())
        assert [run["state"]["result_state"] for run in job.runs()] == ["FAILED", "FAILED"]
        assert caught.value.data["run_ids"] == [run["run_id"] for run in job.runs()]
        assert "ValueError: boom" in caught.value.why

    def test_a_refused_checkpoint(self, job: Job) -> None:
        job.will("refuse")
        with pytest.raises(CheckpointRefused, match=r"CheckpointRefusedError: It is of another stream\. Reset it\."):
            see_through(job.operator(), dag_run())
        assert len(job.runs()) == 1


class TestOneJob:
    def test_of_two_that_run_the_younger_is_ended(self, job: Job) -> None:
        older, younger = job.start("older"), job.start("younger")
        report = see_through(job.operator(until_idle_seconds=None, window_seconds=1), dag_run())
        assert report["run_ids"] == [older]
        assert [run["state"].get("result_state") for run in job.runs()] == [None, "CANCELED"]
        assert job.runs()[1]["run_id"] == younger

    @pytest.mark.parametrize("deferrable", [False, True], ids=["wait", "defer"])
    def test_a_worker_dies_before_and_after_the_submission(
        self, job: Job, deferrable: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The store is Airflow's, so it outlives the worker; the operator is made anew by the next try."""
        context, real = dag_run(), StreamingJobHook.submit_run

        def dies(after: bool) -> Any:
            def submit(hook: Any, body: Any) -> int:
                if after:
                    real(hook, body)
                raise SystemExit("killed")

            return submit

        for after in (False, True):
            monkeypatch.setattr(StreamingJobHook, "submit_run", dies(after))
            with pytest.raises(SystemExit):
                job.operator(deferrable=deferrable).execute(context)
            assert len(job.runs()) == int(after)
        monkeypatch.setattr(StreamingJobHook, "submit_run", real)
        report = see_through(job.operator(deferrable=deferrable), context)
        assert report["run_ids"] == [run["run_id"] for run in job.runs()]
        assert (len(job.runs()), report["restarts"]) == (1, 0)

    @pytest.mark.parametrize("at_end", ["leave", "stop"])
    def test_cleared_while_it_waits(self, job: Job, at_end: str) -> None:
        context = dag_run()
        waiting = deferred(job.operator(at_end=at_end), context)
        asyncio.run(waiting.trigger.on_kill())
        report = see_through(job.operator(at_end=at_end), context)
        runs = job.runs()
        assert len(runs) == {"leave": 1, "stop": 2}[at_end]
        assert report["run_ids"] == [run["run_id"] for run in runs]
        assert all(began_after(*pair) for pair in pairwise(runs))


class TestOutages:
    def test_the_triggerer_is_restarted_and_the_workspace_server_killed(self, job: Job, platform: Platform) -> None:
        """The job runs on through both, nobody takes it for failed, and no second one is started."""
        job.will("behind")
        context = dag_run()
        waiting = deferred(job.operator(), context)
        run_id = job.runs()[0]["run_id"]
        trigger, seen = made_again(waiting)

        async def one_that_dies() -> None:
            task = asyncio.ensure_future(anext(aiter(trigger.run())))
            await asyncio.to_thread(until, lambda: seen)
            task.cancel()
            await asyncio.wait([task])

        asyncio.run(one_that_dies())
        assert seen == ["None"]

        def kill_and_start(seen: list[str]) -> None:
            until(lambda: "None" in seen)
            os.kill(platform.leader("databricks"), signal.SIGKILL)
            until(lambda: "Unavailable" in seen or "OutcomeUnknown" in seen)
            platform.up("databricks")
            until(lambda: seen[-1] == "None")
            job.will("idle")

        event = in_a_triggerer(waiting, kill_and_start)
        assert event == {"status": "idle", "run_id": run_id}
        report = see_through(job.operator(), context, waiting, event)
        assert (report["run_ids"], report["restarts"], report["left_running"]) == ([run_id], 0, True)
        assert len(job.runs()) == 1
