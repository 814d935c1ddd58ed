"""One streaming job at a time: started, adopted, started again, stopped, reported; whatever breaks in between."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import TaskDeferred

from pinflow.exceptions import (
    CheckpointRefused,
    OutcomeUnknown,
    PinflowError,
    Rejected,
    StatementFailed,
    StreamingJobFailed,
    Unavailable,
)
from pinflow.hooks import streaming
from pinflow.hooks.streaming import Watch
from pinflow.operators.streaming import StreamingJobOperator, Window
from pinflow.retries import FAIL_FAST
from pinflow.triggers.streaming import StreamingJobTrigger
from tests.unit.plugins.streaming_workspace import JOB, Run, StreamingWorkspace, beat, idle


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STOP_POLL", 0)


def operator(**changes: Any) -> StreamingJobOperator:
    given: dict[str, Any] = {
        "job_id": JOB,
        "notebook_path": "/n",
        "warehouse_id": "w",
        "parameters": {"trigger": "1 second"},
        "cluster": {"num_workers": 0},
        "until_idle_seconds": 0.01,
        "backoff_seconds": 0,
        "outage_seconds": 0,
        "polling_period_seconds": 0,
        **changes,
    }
    return StreamingJobOperator(task_id="t", **given)


def see_through(made: StreamingJobOperator, context: Any, method: str = "execute", **given: Any) -> Any:
    """Run a task to its end; where it defers, its trigger is serialised, made again and waited for."""
    for _ in range(30):
        try:
            return getattr(made, method)(context, **given)
        except TaskDeferred as deferred:
            kind, arguments = type(deferred.trigger), deferred.trigger.serialize()[1]
            trigger = kind(
                **json.loads(json.dumps(arguments, default=str)) if kind is StreamingJobTrigger else arguments
            )
            event = asyncio.run(asyncio.wait_for(anext(aiter(trigger.run())), 20))
            kept = json.loads(json.dumps(deferred.kwargs or {}))
            method, given = deferred.method_name, {"event": event.payload, **kept}
            made = operator(**{name: getattr(made, name) for name in CARRIED})
    raise AssertionError("it waits for ever")


CARRIED = (
    "deferrable",
    "window_seconds",
    "until_idle_seconds",
    "at_end",
    "maximum_restarts",
    "backoff_seconds",
    "outage_seconds",
    "parameters",
)


class TestInit:
    def test_template_fields(self) -> None:
        made = operator()
        for name in made.template_fields:
            getattr(made, name)

    def test_defaults(self) -> None:
        made = StreamingJobOperator(task_id="t", job_id="j", notebook_path="/n", warehouse_id="w")
        assert (made.at_end, made.window_seconds, made.until_idle_seconds) == ("leave", 3600, None)
        assert (made.stall_seconds, made.maximum_restarts, made.outage_seconds) == (120, 5, 300)
        assert (made.heartbeat_table, made.arrivals_table) == ("ops.stream_heartbeat", "stream.arrivals")

    @pytest.mark.parametrize(
        ("name", "value"), [("at_end", "explode"), ("window_seconds", "soon"), ("until_idle_seconds", "-3")]
    )
    def test_nonsense_is_refused_before_anything_is_started(
        self, context: Any, workspace: StreamingWorkspace, name: str, value: str
    ) -> None:
        with pytest.raises(Rejected, match=f"parameter {name} cannot be read. It is '{value}'"):
            operator(**{name: value}).execute(context)
        assert workspace.submitted == []


@pytest.mark.parametrize("deferrable", [False, True], ids=["wait", "defer"])
class TestWindow:
    def test_starts_once_and_reports(self, context: Any, workspace: StreamingWorkspace, deferrable: bool) -> None:
        looks = [None, beat(age=1), idle({})]
        workspace.vitals = lambda asked: looks.pop(0) if len(looks) > 1 else looks[0]
        workspace.totals = {"batches": 4, "rows": 1200, "quarantined": 3, "late": 2, "since_ms": 1_700_000_000_000}
        workspace.delays = [800.4, 2100.0, 3999.6]
        report = see_through(operator(deferrable=deferrable), context)
        assert len(workspace.submitted) == 1
        sent = workspace.submitted[0]
        assert (sent["run_name"], sent["new_cluster"]) == (JOB, {"num_workers": 0})
        token = sent["idempotency_token"]
        assert len(token) == 64
        wanted = {"trigger": "1 second", "job_id": JOB, "run_key": token}
        assert sent["notebook_task"] == {"notebook_path": "/n", "base_parameters": wanted}
        assert report["rows_per_second"] > 0
        times = {name: report.pop(name) for name in ("window_start", "window_end", "rows_per_second")}
        assert str(times["window_start"]) < str(times["window_end"])
        assert report == {
            "job_id": JOB,
            "run_ids": [1],
            "restarts": 0,
            "ends": [],
            "rows": 1200,
            "quarantined": 3,
            "late": 2,
            "delay_p50_ms": 800,
            "delay_p95_ms": 2100,
            "delay_p99_ms": 4000,
            "lag_ms": 0,
            "lag_records": 0,
            "left_running": True,
        }
        assert context["ti"].xcoms == {"run_id": 1, "run_page_url": "http://w/1"}
        assert context["task_state_store"] == {}

    def test_ends_with_its_time_and_nothing_to_report(
        self, context: Any, workspace: StreamingWorkspace, deferrable: bool
    ) -> None:
        workspace.vitals = lambda asked: None
        report = see_through(operator(deferrable=deferrable, window_seconds="0.3", until_idle_seconds=""), context)
        assert (report["rows"], report["delay_p50_ms"], report["lag_ms"]) == (0, None, None)
        assert report["left_running"] is True
        assert workspace.active == [1]

    def test_stop_at_the_end(self, context: Any, workspace: StreamingWorkspace, deferrable: bool) -> None:
        workspace.vitals, workspace.cancel_takes = idle, 2
        report = see_through(operator(deferrable=deferrable, at_end="stop"), context)
        assert (report["left_running"], workspace.active, workspace.cancelled) == (False, [], [1])

    def test_a_failed_run_is_started_again_and_counted(
        self, context: Any, workspace: StreamingWorkspace, deferrable: bool
    ) -> None:
        def begin(run: Run) -> None:
            if run.run_id < 3:
                run.end("FAILED", f"ValueError: boom {run.run_id}")

        workspace.on_submit, workspace.vitals = begin, idle
        report = see_through(operator(deferrable=deferrable), context)
        assert (report["run_ids"], report["restarts"]) == ([1, 2, 3], 2)
        assert report["ends"] == [
            "Run 1 ended FAILED: ValueError: boom 1",
            "Run 2 ended FAILED: ValueError: boom 2",
        ]
        assert len({sent["idempotency_token"] for sent in workspace.submitted}) == 3

    def test_too_many_failures(self, context: Any, workspace: StreamingWorkspace, deferrable: bool) -> None:
        workspace.on_submit = lambda run: run.end("FAILED", "ValueError: boom")
        with pytest.raises(StreamingJobFailed) as caught:
            see_through(operator(deferrable=deferrable, maximum_restarts=2), context)
        assert str(caught.value) == (
            "The streaming job posts-job does not stay up: restarts have not helped (2). "
            "Run 3 ended FAILED: ValueError: boom. "
            "Mend the cause (the run pages of [1, 2, 3] show the traces), then clear the task."
        )
        assert caught.value.data["restarts"] == 2
        assert FAIL_FAST.evaluate(caught.value, 1, 5).action is RetryAction.FAIL
        assert context["task_state_store"] == {}, "a clear begins anew"

    def test_a_stalled_run_is_ended_before_another_begins(
        self, context: Any, workspace: StreamingWorkspace, deferrable: bool
    ) -> None:
        first: list[str] = []

        def vitals(asked: Any) -> Any:
            first.append(asked["run_key"]) if asked["run_key"] and not first else None
            return beat(age=121) if asked["run_key"] == first[0] else idle(asked)

        active = []
        workspace.before_submit = lambda asked: active.append(list(workspace.active))
        workspace.vitals, workspace.cancel_takes = vitals, 3
        report = see_through(operator(deferrable=deferrable), context)
        assert active == [[], []]
        assert workspace.cancelled == [1]
        assert (report["run_ids"], report["restarts"]) == ([1, 2], 1)
        assert report["ends"] == ["Run 1 wrote no heartbeat in time and was cancelled"]

    def test_a_refused_checkpoint_is_final(self, context: Any, workspace: StreamingWorkspace, deferrable: bool) -> None:
        text = "CheckpointRefusedError: The checkpoint is of another stream. It was made anew. Reset it."
        trace = f"Traceback (most recent call last):\n  File x\ninclude.spark.stream.identity.{text}"
        workspace.on_submit = lambda run: run.end("FAILED", "Exception: see the trace", trace)
        with pytest.raises(CheckpointRefused, match="The checkpoint is of another stream") as caught:
            see_through(operator(deferrable=deferrable), context)
        assert caught.value.data["text"] == text
        assert "./pinflow streaming reset" in caught.value.mend
        assert len(workspace.submitted) == 1
        assert FAIL_FAST.evaluate(caught.value, 1, 5).action is RetryAction.FAIL
        assert context["task_state_store"] == {}

    def test_available_now_ends_with_its_run(
        self, context: Any, workspace: StreamingWorkspace, deferrable: bool
    ) -> None:
        workspace.on_submit = lambda run: run.end("SUCCESS")
        made = operator(deferrable=deferrable, parameters={"trigger": "availableNow"})
        report = see_through(made, context)
        assert (report["run_ids"], report["restarts"], report["left_running"]) == ([1], 0, False)

    def test_available_now_that_fails_is_started_again(
        self, context: Any, workspace: StreamingWorkspace, deferrable: bool
    ) -> None:
        workspace.on_submit = lambda run: run.end("SUCCESS") if run.run_id == 2 else run.end("FAILED", "boom")
        made = operator(deferrable=deferrable, parameters={"trigger": "availableNow"})
        report = see_through(made, context)
        assert (report["run_ids"], report["ends"]) == ([1, 2], ["Run 1 ended FAILED: boom"])

    def test_a_job_without_end_that_ends_well_is_started_again(
        self, context: Any, workspace: StreamingWorkspace, deferrable: bool
    ) -> None:
        workspace.on_submit = lambda run: run.end("SUCCESS") if run.run_id == 1 else None
        workspace.vitals = idle
        report = see_through(operator(deferrable=deferrable), context)
        assert (report["run_ids"], len(report["ends"])) == ([1, 2], 1)

    def test_a_run_that_was_deleted(self, context: Any, workspace: StreamingWorkspace, deferrable: bool) -> None:
        def vitals(asked: Any) -> Any:
            if 2 not in workspace.runs:
                del workspace.runs[1]
                workspace.runs[1001] = Run(1001, name="another's")
                return beat()
            return idle(asked)

        workspace.vitals = lambda asked: vitals(asked) if 1002 not in workspace.runs else idle(asked)
        report = see_through(operator(deferrable=deferrable), context)
        assert report["ends"] == ["Run 1 is not in the workspace any more"]
        assert report["run_ids"] == [1, 1002]


class TestEvents:
    """What the trigger said is looked at again."""

    def complete(self, context: Any, workspace: StreamingWorkspace, status: str) -> Any:
        workspace.vitals = lambda asked: beat()
        made = operator(deferrable=True)
        with pytest.raises(TaskDeferred) as deferred:
            made.execute(context)
        workspace.vitals = lambda asked: beat(age=40, quiet=3600, lag_ms=0, lag_records=0)
        window = (deferred.value.kwargs or {})["window"]
        watched_longer = {**window, "start": window["start"] - 100}
        return made.execute_complete(context, event={"status": status, "run_id": 1}, window=watched_longer)

    def test_idle_is_believed_though_its_heartbeat_has_aged_on_the_way(
        self, context: Any, workspace: StreamingWorkspace
    ) -> None:
        assert self.complete(context, workspace, "idle")["left_running"] is True

    @pytest.mark.parametrize("status", ["ended", "stalled", "window_over"])
    def test_what_is_no_more_so_is_waited_for_again(
        self, context: Any, workspace: StreamingWorkspace, status: str
    ) -> None:
        with pytest.raises(TaskDeferred):
            self.complete(context, workspace, status)
        assert (workspace.active, workspace.cancelled) == ([1], [])


class TestBackOff:
    def test_it_doubles_with_jitter_in_the_triggerer(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.on_submit = lambda run: run.end("FAILED", "boom")
        made = operator(deferrable=True, backoff_seconds=100)
        delays = []
        for _ in range(3):
            with pytest.raises(TaskDeferred) as deferred:
                made.execute(context)
            assert isinstance(deferred.value.trigger, DateTimeTrigger)
            window = context["task_state_store"]["window"]
            delays.append(window["restart_at"] - window["start"])
            assert deferred.value.trigger.moment.timestamp() == pytest.approx(window["restart_at"])
            context["task_state_store"]["window"] = {**window, "restart_at": 0}
        assert 50 <= delays[0] <= 101
        assert 100 <= delays[1] <= 201
        assert 150 <= delays[2] <= 301, "never above 300 s"

    def test_a_retry_does_not_jump_it(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.on_submit = lambda run: run.end("FAILED", "boom")
        for _ in range(3):
            with pytest.raises(TaskDeferred):
                operator(deferrable=True, backoff_seconds=100).execute(context)
        assert len(workspace.submitted) == 1


class TestAdoption:
    def test_across_windows(
        self, context: Any, workspace: StreamingWorkspace, capsys: pytest.CaptureFixture[str]
    ) -> None:
        workspace.vitals = idle
        workspace.add(parameters={"trigger": "1 second", "job_id": JOB, "run_key": "of another window"})
        workspace.add(name="another job")
        report = see_through(operator(), context)
        assert (report["run_ids"], report["restarts"], workspace.submitted) == ([1], 0, [])
        assert "other parameters" not in capsys.readouterr().out
        assert {asked.get("run_key") for asked in workspace.statements[:1]} == {"of another window"}
        assert workspace.runs[2].life == "RUNNING"

    def test_other_parameters_are_told(
        self, context: Any, workspace: StreamingWorkspace, capsys: pytest.CaptureFixture[str]
    ) -> None:
        workspace.vitals = idle
        workspace.add(parameters={"trigger": "9 seconds", "old": "x", "job_id": JOB, "run_key": "k"})
        see_through(operator(), context)
        assert "other parameters, and keeps them until it ends: ['old', 'trigger']" in capsys.readouterr().out

    def test_of_two_the_older_is_kept_and_the_other_ended(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals, workspace.cancel_takes = idle, 2
        workspace.add(begun=2000)
        workspace.add(begun=1000)
        report = see_through(operator(), context)
        assert (report["run_ids"], workspace.active, workspace.cancelled) == ([2], [2], [1])

    def test_one_that_is_being_stopped_is_waited_for(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals, workspace.cancel_takes = idle, 4
        workspace.add(life="TERMINATING")
        active = []
        workspace.before_submit = lambda asked: active.append(list(workspace.active))
        report = see_through(operator(), context)
        assert (active, report["run_ids"], workspace.cancelled) == ([[]], [2], [])

    def test_without_parameters_of_its_own(
        self, context: Any, workspace: StreamingWorkspace, capsys: pytest.CaptureFixture[str]
    ) -> None:
        workspace.vitals = idle
        see_through(operator(parameters=None), context)
        [sent] = workspace.submitted
        assert sent["notebook_task"]["base_parameters"] == {"job_id": JOB, "run_key": sent["idempotency_token"]}
        assert "other parameters" not in capsys.readouterr().out

    def test_two_supervisors_at_once_leave_one_run(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals = idle

        def other(asked: Any) -> None:
            workspace.before_submit = lambda asked: None
            workspace.add(begun=1.0, parameters={"run_key": "theirs"})

        workspace.before_submit = other
        report = see_through(operator(), context)
        assert (workspace.active, report["run_ids"]) == ([1], [1])
        assert workspace.cancelled == [2]


class TestCrash:
    """A worker dies at each point; the next try, or a clear, has the same task state store."""

    def test_the_intent_is_kept_before_the_run_is_submitted(self, context: Any, workspace: StreamingWorkspace) -> None:
        seen = []
        workspace.before_submit = lambda asked: seen.append(
            (Window(**context["task_state_store"]["window"]).token(context["ti"]), asked["idempotency_token"])
        )
        workspace.vitals = idle
        see_through(operator(), context)
        assert len(seen) == 1
        assert seen[0][0] == seen[0][1]

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_between_intent_and_answer(self, context: Any, workspace: StreamingWorkspace, when: str) -> None:
        """Before: the request was not carried out. After: it was, and the answer was lost."""

        def crash(asked: Any) -> None:
            workspace.before_submit = lambda asked: None
            if when == "after":
                workspace.jobs_runs_submit(asked)
            raise ConnectionAbortedError

        workspace.before_submit = crash
        with pytest.raises(OutcomeUnknown, match=r"did not carry out POST 2.2/jobs/runs/submit"):
            operator().execute(context)
        intended = Window(**context["task_state_store"]["window"])
        assert (intended.intended, intended.submission) == (True, 1)
        workspace.vitals = idle
        report = see_through(operator(), context)
        assert (len(workspace.submitted), report["run_ids"]) == (1, [1])
        assert workspace.submitted[0]["idempotency_token"] == intended.token(context["ti"])

    def test_a_run_that_failed_before_its_answer_was_known_is_not_taken_for_a_success(
        self, context: Any, workspace: StreamingWorkspace
    ) -> None:
        def crash(asked: Any) -> None:
            workspace.before_submit = lambda asked: None
            workspace.jobs_runs_submit(asked)
            workspace.runs[1].end("FAILED", "boom")
            raise ConnectionAbortedError

        workspace.before_submit = crash
        with pytest.raises(OutcomeUnknown):
            operator().execute(context)
        workspace.vitals = idle
        report = see_through(operator(), context)
        assert (report["run_ids"], report["ends"]) == ([1, 2], ["Run 1 ended FAILED: boom"])

    def test_between_submit_and_defer(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals = lambda asked: beat()
        starts = []
        for _ in range(3):
            with pytest.raises(TaskDeferred) as deferred:
                operator(deferrable=True).execute(context)
            assert isinstance(deferred.value.trigger, StreamingJobTrigger)
            watch = Watch(**deferred.value.trigger.watch)
            starts.append((watch.run_id, watch.window_start, watch.window_end))
        assert len(workspace.submitted) == 1
        assert len(set(starts)) == 1, "the same run, and the same window"

    def test_a_restart_is_not_counted_twice(self, context: Any, workspace: StreamingWorkspace) -> None:
        """The worker dies after the failure was noted and before the next run was submitted."""
        workspace.on_submit = lambda run: run.end("FAILED", "boom") if run.run_id == 1 else None

        def crash(asked: Any) -> None:
            if len(workspace.submitted) == 1:
                workspace.before_submit = lambda asked: None
                raise ConnectionAbortedError

        workspace.before_submit, workspace.vitals = crash, idle
        with pytest.raises(OutcomeUnknown):
            operator().execute(context)
        report = see_through(operator(), context)
        assert (report["run_ids"], len(report["ends"])) == ([1, 2], 1)

    def test_a_run_that_ended_while_nobody_watched(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals = lambda asked: beat()
        with pytest.raises(TaskDeferred):
            operator(deferrable=True).execute(context)
        workspace.runs[1].end("FAILED", "boom")
        workspace.vitals = idle
        report = see_through(operator(deferrable=True), context)
        assert (report["run_ids"], report["ends"]) == ([1, 2], ["Run 1 ended FAILED: boom"])

    def test_another_supervisor_started_it_again_meanwhile(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals = lambda asked: beat()
        with pytest.raises(TaskDeferred):
            operator(deferrable=True).execute(context)
        workspace.runs[1].end("FAILED", "boom")
        workspace.add(parameters={"run_key": "theirs"})
        workspace.vitals = idle
        report = see_through(operator(deferrable=True), context)
        assert (report["run_ids"], len(workspace.submitted)) == ([1, 2], 1)

    def test_without_a_store_the_name_is_what_finds_it(self, context: Any, workspace: StreamingWorkspace) -> None:
        context.pop("task_state_store")
        workspace.vitals = lambda asked: beat()
        for number in (1, 2):
            context["ti"].try_number = number
            with pytest.raises(TaskDeferred):
                operator(deferrable=True).execute(context)
        assert len(workspace.submitted) == 1
        workspace.runs[1].end("FAILED", "boom")
        workspace.vitals = idle
        context["ti"].try_number = 3
        assert see_through(operator(deferrable=True), context)["run_ids"] == [2]

    def test_cleared_after_success_it_opens_a_new_window(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals = idle
        first = see_through(operator(at_end="stop"), context)
        second = see_through(operator(at_end="stop"), context)
        assert (first["run_ids"], second["run_ids"]) == ([1], [2])
        assert second["window_start"] > first["window_start"]

    @pytest.mark.parametrize(("over", "runs"), [(60, []), (3600, [1])], ids=["just over: report", "long over: anew"])
    def test_a_stored_window_that_is_over(
        self, context: Any, workspace: StreamingWorkspace, over: float, runs: list[int]
    ) -> None:
        import time

        end = time.time() - over
        context["task_state_store"].set("window", vars(Window("n", end - 100, end)))
        workspace.vitals = idle
        assert see_through(operator(), context)["run_ids"] == runs


class TestKilledByAUser:
    @pytest.mark.parametrize(("at_end", "cancelled"), [("leave", []), ("stop", [1])])
    def test_while_running(
        self, context: Any, workspace: StreamingWorkspace, at_end: str, cancelled: list[int]
    ) -> None:
        made = operator(at_end=at_end)
        made.on_kill()
        assert workspace.cancelled == []

        def kill(asked: Any) -> Any:
            made.on_kill()
            raise KeyboardInterrupt

        made.__dict__["eager_hook"] = type("Killed", (), {"look": lambda self, watch: kill(watch)})()
        with pytest.raises(KeyboardInterrupt):
            made.execute(context)
        assert workspace.cancelled == cancelled

    @pytest.mark.parametrize(("at_end", "runs"), [("leave", [1]), ("stop", [1, 2])])
    def test_cleared_while_deferred(
        self, context: Any, workspace: StreamingWorkspace, at_end: str, runs: list[int]
    ) -> None:
        workspace.vitals, workspace.cancel_takes = (lambda asked: beat()), 3
        with pytest.raises(TaskDeferred) as deferred:
            operator(deferrable=True, at_end=at_end).execute(context)
        asyncio.run(deferred.value.trigger.on_kill())
        active = []
        workspace.before_submit = lambda asked: active.append(list(workspace.active))
        workspace.vitals = idle
        report = see_through(operator(deferrable=True, at_end=at_end), context)
        assert report["run_ids"] == runs
        assert all(others == [] for others in active), "never two"


class TestOutage:
    def test_calls_are_tried_again(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.down, workspace.vitals = 3, idle
        assert see_through(operator(outage_seconds=60), context)["run_ids"] == [1]

    @pytest.mark.parametrize("deferrable", [False, True], ids=["wait", "defer"])
    def test_looks_are_tried_again(self, context: Any, workspace: StreamingWorkspace, deferrable: bool) -> None:
        looks = iter(range(100))

        def vitals(asked: Any) -> Any:
            workspace.down = 2 if next(looks) == 0 else 0
            return beat() if next(looks) < 6 else idle(asked)

        workspace.vitals = vitals
        report = see_through(operator(deferrable=deferrable, outage_seconds=60), context)
        assert (report["run_ids"], report["restarts"]) == ([1], 0)

    @pytest.mark.parametrize("deferrable", [False, True], ids=["wait", "defer"])
    @pytest.mark.parametrize(("what", "raised"), [("workspace", Unavailable), ("warehouse", StatementFailed)])
    def test_one_that_lasts_fails_the_try_and_the_next_one_adopts(
        self, context: Any, workspace: StreamingWorkspace, what: str, raised: type[PinflowError], deferrable: bool
    ) -> None:
        def lose(asked: Any) -> Any:
            workspace.down = 1_000_000 if what == "workspace" else 0
            workspace.statement_error = "Spark does not answer (UNAVAILABLE)"
            return beat()

        workspace.vitals = lose
        made = operator(deferrable=deferrable)
        with pytest.raises(raised) as caught:
            see_through(made, context)
        assert FAIL_FAST.evaluate(caught.value, 1, 5).action is not RetryAction.FAIL
        assert "then clear the task" in caught.value.mend or raised is StatementFailed
        workspace.down, workspace.statement_error, workspace.vitals = 0, None, idle
        report = see_through(operator(deferrable=deferrable), context)
        assert (report["run_ids"], len(workspace.submitted)) == ([1], 1)
