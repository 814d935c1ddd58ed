"""Runs of one name and their heartbeats: what is found, what a look says, and what an outage is."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.databricks.exceptions import DatabricksApiError
from requests.exceptions import ChunkedEncodingError

from pinflow.exceptions import OutcomeUnknown, StatementFailed, Unavailable, WaitTimedOut
from pinflow.hooks import streaming
from pinflow.hooks.streaming import Failure, StreamingJobHook, Tables, Verdict, Vitals, Watch, Watcher
from tests.unit.plugins.streaming_workspace import JOB, StreamingWorkspace, beat, idle

TABLES = Tables("w", "lake", "ops.stream_heartbeat", "stream.arrivals", "posts")
WATCH = Watch(
    job_id=JOB,
    run_id=1,
    run_key="k",
    window_start=0,
    window_end=4e9,
    stall_seconds=120,
    start_seconds=600,
    until_idle_seconds=None,
    fresh_seconds=8,
    outage_seconds=60,
    poll_seconds=5,
    stops=False,
    tables=vars(TABLES),
)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STOP_POLL", 0)


@pytest.fixture
def hook() -> StreamingJobHook:
    return StreamingJobHook("databricks_default", outage_seconds=0)


class TestRuns:
    def test_active_ones_of_the_name_over_all_pages_the_oldest_first(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace
    ) -> None:
        workspace.page_size = 2
        for begun in (30.0, 10.0, 20.0, 20.0):
            workspace.add(begun=begun)
        workspace.add(name="another job")
        workspace.add().end()
        assert [run["run_id"] for run in hook.active_runs(JOB)] == [2, 3, 4, 1]

    def test_none(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        assert hook.active_runs(JOB) == []
        assert hook.adopt(JOB) is None
        assert hook.find_run(77) is None

    def test_another_error_than_404_is_raised(self, hook: StreamingJobHook, server: Any) -> None:
        server.handler = lambda *_: (403, {"message": "not yours"})
        with pytest.raises(DatabricksApiError, match="not yours"):
            hook.find_run(1)

    def test_stop_asks_once_and_waits(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        workspace.add()
        workspace.cancel_takes = 3
        hook.stop_run(1)
        assert (workspace.runs[1].result, workspace.cancelled) == ("CANCELED", [1])
        hook.stop_run(1)
        hook.stop_run(99)
        assert workspace.cancelled == [1]

    def test_between_two_looks_at_one_that_stops_is_a_pause(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused: list[float] = []
        monkeypatch.setattr(streaming, "STOP_POLL", 7)
        monkeypatch.setattr(streaming.time, "sleep", paused.append)
        workspace.add()
        workspace.cancel_takes = 2
        hook.stop_run(1)
        assert set(paused) == {7}

    def test_one_that_does_not_stop(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        workspace.add()
        workspace.cancel_takes = 1_000_000
        with pytest.raises(WaitTimedOut, match=r"Run 1 was cancelled and goes on\. It is RUNNING after 0 s"):
            hook.stop_run(1, timeout=0)


class TestFailure:
    def of(self, hook: StreamingJobHook, workspace: StreamingWorkspace, **given: Any) -> Failure:
        run = workspace.add(life="TERMINATED", result="FAILED", **given)
        return hook.failure(run.view())

    def test_the_tasks_error(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        found = self.of(hook, workspace, error="ValueError: boom", trace="Traceback\nValueError: boom")
        assert (found.text, found.refusal) == ("ValueError: boom", None)

    @pytest.mark.parametrize(("message", "text"), [("Lost.", "Lost."), ("", "The workspace gives no reason")])
    def test_without_one(self, hook: StreamingJobHook, workspace: StreamingWorkspace, message: str, text: str) -> None:
        assert self.of(hook, workspace, message=message).text == text

    @pytest.mark.parametrize(
        ("text", "trace", "refusal"),
        [
            ("CheckpointRefusedError: Not mine.", "", "CheckpointRefusedError: Not mine."),
            ("a.b.CheckpointRefusedError: Not mine.", "", "CheckpointRefusedError: Not mine."),
            ("cut", "Traceback\n  line\na.CheckpointRefusedError: No.\n", "CheckpointRefusedError: No."),
            ("KeyError: 1", "Traceback\n    raise CheckpointRefusedError('no')\nKeyError: 1", None),
            ("KeyError: 1", "Traceback\n    except CheckpointRefusedError: pass\nKeyError: 1", None),
        ],
    )
    def test_refusals(self, text: str, trace: str, refusal: str | None) -> None:
        assert Failure(text, trace).refusal == refusal


class TestVitals:
    def look(self, hook: StreamingJobHook, row: Any, workspace: StreamingWorkspace) -> Vitals:
        workspace.vitals = lambda asked: row
        return hook.vitals(JOB, "k", TABLES, 1_700_000_000)

    def test_ages_are_by_the_warehouses_clock(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        row = {"now_ms": 100_000, "level_ms": 10_000, "last_ms": 97_500, "rows_ms": 60_000, "lag_ms": 7}
        found = self.look(hook, {**row, "lag_records": None}, workspace)
        assert found == Vitals(age=2.5, quiet=37.5, lag_ms=7, lag_records=None)
        asked = workspace.statements[0]
        moment = datetime.fromtimestamp(1_700_000_000, UTC).isoformat()
        assert {name: asked[name] for name in ("job_id", "run_key", "query", "heartbeats", "since")} == {
            "job_id": JOB, "run_key": "k", "query": "posts", "heartbeats": "ops.stream_heartbeat", "since": moment,
        }  # fmt: skip

    def test_quiet_counts_from_when_the_run_first_said_that_it_is_level(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace
    ) -> None:
        """Rows of an earlier run, or none: a run that has just begun is not idle."""
        row = {"now_ms": 100_000, "level_ms": 98_000, "last_ms": 99_000, "rows_ms": 50_000}
        lags = {"lag_ms": 0, "lag_records": 0}
        assert self.look(hook, {**row, **lags}, workspace).quiet == 1.0
        assert self.look(hook, {**row, "rows_ms": None, **lags}, workspace).quiet == 1.0
        assert self.look(hook, {**row, "level_ms": None, **lags}, workspace).quiet == 0.0

    def test_no_heartbeat(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        assert self.look(hook, beat(age=None, quiet=None), workspace) == Vitals()
        assert self.look(hook, None, workspace) == Vitals()

    def test_no_table_yet(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        workspace.statement_error = (
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `ops`.`stream_heartbeat` cannot be found"
        )
        assert hook.vitals(JOB, "k", TABLES, 0) == Vitals()
        assert hook.report(JOB, TABLES, 0, 10)["rows"] == 0
        workspace.statement_error = "PERMISSION_DENIED"
        with pytest.raises(StatementFailed, match="PERMISSION_DENIED"):
            hook.vitals(JOB, "k", TABLES, 0)

    @pytest.mark.parametrize(
        ("lag_ms", "lag_records", "caught_up"),
        [(0, 0, True), (0, None, True), (None, 0, True), (0, 3, False), (3, 0, False), (None, None, False)],
    )
    def test_caught_up(self, lag_ms: int | None, lag_records: int | None, caught_up: bool) -> None:
        assert Vitals(lag_ms=lag_ms, lag_records=lag_records).caught_up is caught_up

    @pytest.mark.parametrize(
        ("vitals", "well"),
        [
            (Vitals(age=60, lag_ms=1000, lag_records=900), True),
            (Vitals(age=61, lag_ms=0), False),
            (Vitals(age=1, lag_ms=1001), False),
            (Vitals(age=1, lag_records=0), True),
            (Vitals(age=1, lag_records=4), False),
            (Vitals(age=1), False),
            (Vitals(), False),
        ],
    )
    def test_well(self, vitals: Vitals, well: bool) -> None:
        assert vitals.well(60, 1000) is well


class TestLook:
    @pytest.mark.parametrize(
        ("run", "row", "changes", "verdict"),
        [
            ({}, beat(age=119), {}, None),
            ({}, beat(age=122), {}, Verdict.STALLED),
            ({"life": "PENDING"}, beat(age=122), {}, None),
            ({"life": "TERMINATED", "result": "SUCCESS"}, None, {}, Verdict.ENDED),
            ({"life": "INTERNAL_ERROR"}, None, {}, Verdict.ENDED),
            ({}, beat(), {"window_end": 1.0}, Verdict.WINDOW_OVER),
            ({"life": "TERMINATED", "result": "FAILED"}, None, {"window_end": 1.0}, Verdict.ENDED),
            ({}, beat(quiet=29, lag_ms=0, lag_records=0), {"until_idle_seconds": 30}, None),
            ({}, beat(quiet=33, lag_ms=0, lag_records=0), {"until_idle_seconds": 30}, Verdict.IDLE),
            ({}, beat(age=7, quiet=60, lag_ms=0, lag_records=0), {"until_idle_seconds": 30}, Verdict.IDLE),
            ({}, beat(age=9, quiet=60, lag_ms=0, lag_records=0), {"until_idle_seconds": 30}, None),
            ({}, beat(quiet=33, lag_ms=0, lag_records=0), {}, None),
            ({}, beat(quiet=33, lag_ms=0, lag_records=1), {"until_idle_seconds": 30}, None),
            ({}, beat(quiet=33, lag_ms=None, lag_records=None), {"until_idle_seconds": 30}, None),
            ({}, None, {"until_idle_seconds": 30}, None),
        ],
    )  # fmt: skip
    def test_verdicts(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace, run: Any, row: Any, changes: Any, verdict: Any
    ) -> None:
        workspace.add(**run)
        shift = round(time.time() * 1000) - row["now_ms"] if row else 0
        late = {name: value + shift if name.endswith("_ms") and name != "lag_ms" and value else value
                for name, value in (row or {}).items()}  # fmt: skip
        workspace.vitals = lambda asked: late or None
        assert hook.look(replace(WATCH, **changes)) is verdict

    def test_a_run_that_is_gone_has_ended(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        assert hook.look(WATCH) is Verdict.ENDED

    @pytest.mark.parametrize(
        ("begun", "setup", "verdict"),
        [(599, 0, None), (602, 0, Verdict.STALLED), (900, 400, None), (900, 200, Verdict.STALLED)],
    )
    def test_the_first_heartbeat_has_time_from_when_the_cluster_is_up(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace, begun: float, setup: float, verdict: Any
    ) -> None:
        workspace.add(begun=time.time() - begun, setup=setup)
        workspace.vitals = lambda asked: None
        assert hook.look(WATCH) is verdict

    def test_a_task_that_has_not_begun_is_not_stalled(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace
    ) -> None:
        workspace.add(begun=time.time(), task_begun=0)
        workspace.vitals = lambda asked: None
        assert hook.look(WATCH) is None

    def test_a_window_that_has_just_begun_is_not_idle(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace
    ) -> None:
        """The job may have been idle for an hour: this window has watched it for ten seconds."""
        workspace.add()
        workspace.vitals = idle
        begun = time.time() - 10
        assert hook.look(replace(WATCH, window_start=begun, until_idle_seconds=30)) is None
        assert hook.look(replace(WATCH, window_start=begun, until_idle_seconds=9)) is Verdict.IDLE

    def test_heartbeats_from_before_the_window_are_not_read_but_for_a_stall(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace
    ) -> None:
        workspace.add()
        hook.look(replace(WATCH, window_start=1_700_000_000.0))
        moment = datetime.fromtimestamp(1_700_000_000 - 120, UTC).isoformat()
        assert workspace.statements[0]["since"] == moment

    def test_pause(self) -> None:
        assert WATCH.pause == 5
        assert replace(WATCH, window_end=0).pause == 0
        assert 0 < replace(WATCH, window_end=time.time() + 2).pause <= 2


class TestReport:
    def test_exact_delays_over_what_the_batches_hold(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace
    ) -> None:
        workspace.totals = {"batches": 2, "rows": 500, "quarantined": 0, "late": 1, "since_ms": 1_700_000_001_500}
        workspace.delays = [10.0, 20.4, 30.6]
        workspace.vitals = lambda asked: beat(lag_ms=4, lag_records=2)
        report = hook.report(JOB, TABLES, 1_700_000_000, 1_700_000_010)
        assert report == {
            "rows": 500, "quarantined": 0, "late": 1, "rows_per_second": 50.0,
            "delay_p50_ms": 10, "delay_p95_ms": 20, "delay_p99_ms": 31, "lag_ms": 4, "lag_records": 2,
        }  # fmt: skip
        asked = next(entry for entry in workspace.statements if "AS delays" in entry["sql"])
        assert asked["since"] == datetime.fromtimestamp(1_700_000_000.5, UTC).isoformat()
        assert (asked["start"], asked["end"]) == ("2023-11-14T22:13:20+00:00", "2023-11-14T22:13:30+00:00")
        assert (asked["heartbeats"], asked["arrivals"]) == ("ops.stream_heartbeat", "stream.arrivals")

    def test_nothing_came(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        workspace.totals = {"batches": 0, "rows": None, "quarantined": None, "late": None, "since_ms": None}
        report = hook.report(JOB, TABLES, 0, 10)
        assert (report["rows"], report["rows_per_second"], report["delay_p99_ms"]) == (0, 0.0, None)
        assert not [entry for entry in workspace.statements if "AS delays" in entry["sql"]]


class TestOutage:
    @pytest.mark.parametrize("answer", [None, (503, {"message": "no"}), (429, {"message": "slow"})])
    def test_reads_and_others(self, hook: StreamingJobHook, server: Any, answer: Any) -> None:
        server.handler = lambda *_: answer
        with pytest.raises(
            Unavailable, match=r"did not carry out GET 2\.2/jobs/runs/list\. It has not answered for 0 s"
        ):
            hook.active_runs(JOB)
        with pytest.raises(OutcomeUnknown, match=r"POST 2\.2/jobs/runs/cancel"):
            hook.cancel_run(1)

    def test_a_refusal_is_none(self, hook: StreamingJobHook, server: Any) -> None:
        server.handler = lambda *_: (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "no such cluster"})
        with pytest.raises(DatabricksApiError, match="no such cluster"):
            hook.cancel_run(1)
        assert len(server.requests) == 1

    def test_patience(self, workspace: StreamingWorkspace) -> None:
        workspace.down = 2
        assert StreamingJobHook("databricks_default", outage_seconds=30).active_runs(JOB) == []

    def test_an_answer_that_breaks_off_is_one(self) -> None:
        assert StreamingJobHook._retryable_error(ChunkedEncodingError())
        assert not StreamingJobHook._retryable_error(ValueError())

    def test_the_watcher_has_patience_once_and_forgets_an_outage_that_ended(
        self, hook: StreamingJobHook, workspace: StreamingWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = iter([100.0, 130.0, 200.0, 259.0, 260.0])
        workspace.add()
        watcher = Watcher(hook, WATCH)
        monkeypatch.setattr(Watcher, "clock", staticmethod(lambda: next(clock)))
        found = []
        for down in (True, True, False, True, True, True):
            workspace.down = 1 if down else 0
            found.append(watcher.look())
        assert found == [None, None, None, None, None, Verdict.UNREACHABLE]

    def test_a_window_ends_in_an_outage_too(self, hook: StreamingJobHook, workspace: StreamingWorkspace) -> None:
        workspace.add()
        workspace.statement_error = "Spark does not answer"
        watch = replace(WATCH, window_end=time.time() + 0.2)
        watcher = Watcher(hook, watch)
        assert watcher.look() is None
        workspace.down = 1_000_000
        while (verdict := watcher.look()) is None:
            assert time.time() < watch.window_end + 5
        assert verdict is Verdict.WINDOW_OVER
