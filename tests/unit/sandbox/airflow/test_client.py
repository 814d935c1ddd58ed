from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.airflow import client as client_module
from sandbox.airflow.client import AirflowClient, AirflowError, TaskChange, task_key
from tests.unit.sandbox.airflow.fake_airflow import FakeAirflow, task


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(client_module, "time", made)
    return made


@pytest.fixture
def airflow() -> FakeAirflow:
    return FakeAirflow()


class TestCall:
    def test_one_token_serves_many_calls_and_is_renewed(self, airflow: FakeAirflow, clock: Clock) -> None:
        client = airflow.client()
        for _ in range(3):
            client.is_paused("pinflow_batch")
        assert airflow.tokens == 1
        clock.now += 1801
        client.is_paused("pinflow_batch")
        assert airflow.tokens == 2

    def test_a_refusal_is_shown(self, airflow: FakeAirflow) -> None:
        airflow.before = lambda request: (
            httpx.Response(409, text='{"detail":"already running"}') if request.method == "POST" else None
        )
        with pytest.raises(AirflowError, match=r'POST /dags/pinflow_batch/dagRuns: 409 \{"detail":"already running"\}'):
            airflow.client().trigger("pinflow_batch", {})

    @pytest.mark.parametrize(
        "answer",
        [
            httpx.Response(503, text="starting"),
            httpx.Response(200, text="<html>another server</html>"),
            httpx.Response(200, json={"something": "else"}),
        ],
        ids=["unhealthy", "no JSON", "no token"],
    )
    def test_no_token(self, airflow: FakeAirflow, answer: httpx.Response) -> None:
        airflow.before = lambda request: answer
        with pytest.raises(AirflowError, match=r"Airflow does not answer \((?s:.*)Look at \./pinflow status"):
            airflow.client().is_paused("pinflow_batch")

    def test_nobody_listens(self) -> None:
        with pytest.raises(AirflowError, match=r"Airflow does not answer \(.*refused.*then \./pinflow up\."):
            AirflowClient("http://127.0.0.1:1").is_paused("pinflow_batch")

    def test_an_empty_answer(self, airflow: FakeAirflow) -> None:
        airflow.before = lambda request: httpx.Response(204) if request.method == "DELETE" else None
        assert airflow.client().call("DELETE", "/dags/pinflow_batch") is None


class TestWaitForDag:
    def test_it_is_there(self, airflow: FakeAirflow, clock: Clock) -> None:
        airflow.client().wait_for_dag("pinflow_batch")
        assert clock.naps == []

    def test_it_comes_late(self, airflow: FakeAirflow, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        airflow.dags = {}
        waits = clock.sleep

        def sleep(seconds: float) -> None:
            waits(seconds)
            if len(clock.naps) == 3:
                airflow.dags["late"] = False

        monkeypatch.setattr(clock, "sleep", sleep)
        airflow.client().wait_for_dag("late")
        assert len(clock.naps) == 3

    def test_a_file_that_cannot_be_imported(self, airflow: FakeAirflow) -> None:
        airflow.import_errors = [{"filename": "dags/broken.py", "stack_trace": "SyntaxError: invalid"}]
        with pytest.raises(AirflowError, match=r"dags/broken\.py cannot be imported:\nSyntaxError: invalid"):
            airflow.client().wait_for_dag("broken")

    def test_never(self, airflow: FakeAirflow, clock: Clock) -> None:
        with pytest.raises(AirflowError, match=r"There is no DAG 'nobody'\. .*logs airflow-dag-processor"):
            airflow.client().wait_for_dag("nobody", timeout=30)
        assert 30 <= sum(clock.naps) < 32

    def test_a_stale_one_does_not_count(self, airflow: FakeAirflow) -> None:
        airflow.before = lambda request: (
            httpx.Response(200, json={"dags": [{"dag_id": "old", "is_stale": True}]})
            if request.url.path.endswith("/dags")
            else None
        )
        with pytest.raises(AirflowError, match="There is no DAG 'old'"):
            airflow.client().wait_for_dag("old", timeout=1)


class TestTrigger:
    def test_the_run_is_made_before_the_dag_is_unpaused(self, airflow: FakeAirflow) -> None:
        assert airflow.client().trigger("pinflow_batch", {"from": "a"}) == "manual__pinflow_batch"
        assert airflow.changes() == [
            ("POST", "/dags/pinflow_batch/dagRuns", {"logical_date": None, "conf": {"from": "a"}}),
            ("PATCH", "/dags/pinflow_batch", {"is_paused": False}),
        ]

    def test_pausing(self, airflow: FakeAirflow) -> None:
        client = airflow.client()
        assert client.is_paused("pinflow_batch")
        client.set_paused("pinflow_batch", paused=False)
        assert not client.is_paused("pinflow_batch")


class TestRun:
    RUN = "manual__2026-11-21T09:00:00+00:00"

    def test_ids_with_signs_reach_the_server_whole(self, airflow: FakeAirflow) -> None:
        airflow.looks[self.RUN] = [("failed", [])]
        assert airflow.client().state("pinflow_batch", self.RUN) == "failed"

    def test_all_pages_of_tasks(self, airflow: FakeAirflow) -> None:
        many = [task("gold", "success", map_index=number) for number in range(250)]
        airflow.looks[self.RUN] = [("running", many)]
        found = airflow.client().tasks("pinflow_batch", self.RUN)
        assert [one["map_index"] for one in found] == list(range(250))
        assert len(airflow.calls) == 3

    def test_each_change_is_told_once_until_the_end(self, airflow: FakeAirflow, clock: Clock) -> None:
        mapped = {"map_index": 0, "rendered_map_index": "pin"}
        airflow.looks[self.RUN] = [
            ("queued", [task("interval", None), task("clean", None)]),
            ("running", [task("interval", "running"), task("clean", None)]),
            ("running", [task("interval", "up_for_retry"), task("clean", None)]),
            ("running", [task("interval", "running", try_number=2), task("clean", None)]),
            ("running", [task("interval", "running", try_number=2), task("clean", None)]),
            ("running", [task("interval", "success", try_number=2), task("clean", "running", **mapped)]),
            ("success", [task("interval", "success", try_number=2), task("clean", "success", **mapped)]),
        ]
        seen = list(airflow.client().watch("pinflow_batch", self.RUN, interval=0.7))
        assert seen == [
            TaskChange("interval", "running", 1),
            TaskChange("interval", "up_for_retry", 1),
            TaskChange("interval", "running", 2),
            TaskChange("interval", "success", 2),
            TaskChange("clean [pin]", "running", 1),
            TaskChange("clean [pin]", "success", 1),
        ]
        assert clock.naps == [0.7] * 6

    def test_a_task_that_waits_again_is_told(self, airflow: FakeAirflow) -> None:
        airflow.looks[self.RUN] = [("running", [task("clean", "running")]), ("failed", [task("clean", None)])]
        seen = list(airflow.client().watch("pinflow_batch", self.RUN))
        assert [change.state for change in seen] == ["running", "waits"]

    def test_what_a_task_returned(self, airflow: FakeAirflow) -> None:
        airflow.xcoms["emulate", "return_value"] = {"posts": 10}
        assert airflow.client().xcom("pinflow_emulate", self.RUN, "emulate") == {"posts": 10}
        assert airflow.calls[-1][2] == {"deserialize": "false", "stringify": "false"}


class TestLog:
    def log(self, content: object) -> str:
        airflow = FakeAirflow(logs={"clean": content})
        return airflow.client().log("pinflow_batch", "run", task("clean", "failed", try_number=2, map_index=1))

    def test_plain_text(self) -> None:
        assert self.log("one\ntwo") == "one\ntwo"

    def test_structured_lines(self) -> None:
        error = {"exc_type": "ValueError", "exc_value": "no such table"}
        assert self.log([
            "::group::Log message source details",
            {"timestamp": "2026-11-21T09:00:00Z", "level": "info", "event": "starts"},
            {"event": "Task failed", "level": "error", "error_detail": [error]},
        ]) == (
            "::group::Log message source details\n2026-11-21T09:00:00Z info starts\n"
            "error Task failed\nValueError: no such table"
        )  # fmt: skip

    def test_of_the_last_try_of_that_map_index(self) -> None:
        airflow = FakeAirflow(logs={"clean": ""})
        airflow.client().log("pinflow_batch", "run", task("clean", "failed", try_number=2, map_index=1))
        assert airflow.calls[-1][1:] == (
            "/dags/pinflow_batch/dagRuns/run/taskInstances/clean/logs/2", {"map_index": "1"},
        )  # fmt: skip


class TestBackfill:
    def test_days_are_inclusive_and_done_again(self, airflow: FakeAirflow) -> None:
        assert airflow.client().backfill("pinflow_batch", "2022-03-01", "2022-03-07") == 7
        (call,) = airflow.changes()
        assert call[:2] == ("POST", "/backfills")
        assert call[2] == {
            "dag_id": "pinflow_batch",
            "from_date": "2022-03-01T00:00:00Z",
            "to_date": "2022-03-07T00:00:00Z",
            "run_backwards": False,
            "dag_run_conf": {},
            "reprocess_behavior": "completed",
            "max_active_runs": 1,
        }

    def test_one_that_has_just_ended_is_waited_for(self, airflow: FakeAirflow) -> None:
        ended = {"completed_at": "2026-11-21T11:11:25Z"}
        airflow.looks_at_backfills = [[ended, {"completed_at": None}], [ended, {"completed_at": None}], [ended, ended]]
        assert airflow.client().backfill("pinflow_batch", "2022-03-02", "2022-03-02") == 7
        looks = [call for call in airflow.calls if call[:2] == ("GET", "/backfills")]
        assert [call[2] for call in looks] == [{"dag_id": "pinflow_batch"}] * 3
        assert airflow.calls[-1][:2] == ("POST", "/backfills")

    @pytest.mark.parametrize("half_made", [[], [{"id": 3, "completed_at": None}]])
    def test_a_locked_database_is_asked_again(
        self, airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch, half_made: list[dict[str, Any]]
    ) -> None:
        monkeypatch.setattr(client_module.time, "sleep", lambda seconds: None)
        airflow.looks_at_backfills = [[], half_made, []]
        locked = [httpx.Response(503, json={"detail": "Database is locked. Backfill creation is not supported"})]

        def refuse(request: httpx.Request) -> httpx.Response | None:
            return locked.pop() if locked and request.method == "POST" else None

        airflow.before = refuse
        assert airflow.client().backfill("pinflow_batch", "2022-03-01", "2022-03-02") == 7
        cancelled = [path for method, path, _ in airflow.calls if method == "PUT"]
        assert cancelled == [f"/backfills/{one['id']}/cancel" for one in half_made]

    def test_a_database_that_stays_locked(self, airflow: FakeAirflow) -> None:
        airflow.before = lambda request: (
            httpx.Response(503, json={"detail": "Database is locked."}) if request.url.path.endswith("/backfills")
            and request.method == "POST" else None
        )  # fmt: skip
        with pytest.raises(AirflowError, match="Database is locked"):
            airflow.client().backfill("pinflow_batch", "2022-03-01", "2022-03-02", patience=-1)

    def test_one_that_goes_on_is_told(self, airflow: FakeAirflow) -> None:
        airflow.looks_at_backfills = [[{"completed_at": None}]]
        with pytest.raises(AirflowError, match="Another backfill of pinflow_batch is running"):
            airflow.client().backfill("pinflow_batch", "2022-03-02", "2022-03-02", patience=0)
        assert airflow.changes() == []

    def test_runs_of_a_hundred_days_and_more(self, airflow: FakeAirflow) -> None:
        airflow.runs = [{"dag_run_id": f"run-{day}", "run_type": "backfill"} for day in range(140)]
        airflow.runs.insert(3, {"dag_run_id": "by hand", "run_type": "manual"})
        found = airflow.client().backfill_runs("pinflow_batch", 7, "2022-01-01", "2022-05-20")
        assert [run["dag_run_id"] for run in found] == [f"run-{day}" for day in range(140)]
        asked = airflow.calls[0][2]
        assert (asked["logical_date_gte"], asked["logical_date_lte"], asked["order_by"]) == (
            "2022-01-01T00:00:00Z", "2022-05-20T23:59:59Z", "logical_date",
        )  # fmt: skip

    def test_none_within_a_minute(self, airflow: FakeAirflow, clock: Clock) -> None:
        with pytest.raises(AirflowError, match="The backfill 7 of pinflow_batch made no run from 2022-03-01 to"):
            airflow.client().backfill_runs("pinflow_batch", 7, "2022-03-01", "2022-03-02")
        assert sum(clock.naps) >= 60


@pytest.mark.parametrize(
    ("instance", "key"),
    [
        (task("clean", None), "clean"),
        (task("clean", None, map_index=2), "clean [2]"),
        (task("clean", None, map_index=0, rendered_map_index="pin"), "clean [pin]"),
        (task("clean", None, map_index=0, rendered_map_index=None), "clean [0]"),
    ],
)
def test_task_key(instance: dict, key: str) -> None:
    assert task_key(instance) == key
