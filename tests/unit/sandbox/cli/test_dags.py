from __future__ import annotations

from typing import Any

import pytest

from sandbox.cli import dags
from sandbox.cli.dags import RunFailedError
from tests.unit.sandbox.airflow.fake_airflow import FakeAirflow, task
from tests.unit.sandbox.cli.conftest import Pinflow

RUN = "manual__pinflow_batch"


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> FakeAirflow:
    """An Airflow whose runs succeed at once; the DAG is paused."""
    made = FakeAirflow()
    monkeypatch.setattr(dags, "client", made.client)
    monkeypatch.setattr("sandbox.airflow.client.time.sleep", lambda seconds: None)
    return made


def fails(airflow: FakeAirflow, run: str = RUN) -> None:
    """Let a run fail in one of its two tasks."""
    failed = task("clean", "failed", map_index=0, rendered_map_index="pin")
    airflow.looks[run] = [("failed", [task("interval", "success"), failed])]
    airflow.logs["clean"] = "\n".join([f"line {number}" for number in range(40)] + ["ValueError: [/bad] row"])


class TestTrigger:
    def test_the_tasks_are_shown_as_they_go(self, pinflow: Pinflow, airflow: FakeAirflow) -> None:
        airflow.looks[RUN] = [
            ("running", [task("interval", "running")]),
            ("running", [task("interval", "failed")]),
            ("running", [task("interval", "running", try_number=2)]),
            ("success", [task("interval", "success", try_number=2)]),
        ]
        shown = pinflow("trigger", "pinflow_batch", "--conf", '{"from": "2022-03-01"}')
        assert (shown.exit_code, shown.stdout) == (0, "")
        title, *lines = shown.stderr.splitlines()
        assert title == "pinflow_batch"
        assert [line.split("s  ", 1)[1].split(maxsplit=1) for line in lines] == [
            ["interval", "running"], ["interval", "failed"],
            ["interval", "running (try 2)"], ["interval", "success (try 2)"],
        ]  # fmt: skip
        posted = [body for method, path, body in airflow.calls if (method, path[-8:]) == ("POST", "/dagRuns")]
        assert posted == [{"logical_date": None, "conf": {"from": "2022-03-01"}}]

    @pytest.mark.parametrize("paused", [True, False])
    @pytest.mark.parametrize("good", [True, False])
    def test_a_dag_is_left_as_paused_as_it_was(
        self, pinflow: Pinflow, airflow: FakeAirflow, paused: bool, good: bool
    ) -> None:
        airflow.dags["pinflow_batch"] = paused
        if not good:
            fails(airflow)
        assert pinflow("trigger", "pinflow_batch").exit_code == (0 if good else 1)
        assert airflow.dags["pinflow_batch"] is paused
        assert ("PATCH", "/dags/pinflow_batch", {"is_paused": False}) in airflow.calls

    def test_a_run_that_failed_shows_the_end_of_the_log(self, pinflow: Pinflow, airflow: FakeAirflow) -> None:
        fails(airflow)
        shown = pinflow("trigger", "pinflow_batch")
        assert isinstance(shown.exception, RunFailedError)
        lines = str(shown.exception).splitlines()
        assert lines[:2] == [f"pinflow_batch {RUN} failed.", "--- clean"]
        assert lines[2:] == [*(f"line {number}" for number in range(16, 40)), "ValueError: [/bad] row"]

    def test_a_log_that_cannot_be_had(self, pinflow: Pinflow, airflow: FakeAirflow) -> None:
        fails(airflow)
        airflow.before = lambda request: (
            airflow_says(404, "no log") if "/logs/" in request.url.path else None
        )  # fmt: skip
        assert "404 no log" in str(pinflow("trigger", "pinflow_batch").exception)

    @pytest.mark.parametrize(
        ("conf", "reason"),
        [
            ("{from: 1}", "not JSON"),
            ("", "not JSON"),
            ("[1]", "must be an object"),
            ("7", "must be an object"),
        ],
    )
    def test_bad_conf(self, pinflow: Pinflow, airflow: FakeAirflow, conf: str, reason: str) -> None:
        shown = pinflow("trigger", "pinflow_batch", "--conf", conf)
        assert shown.exit_code == 2
        assert "--conf" in shown.stderr
        assert reason in shown.stderr
        assert airflow.calls == []


def airflow_says(status: int, text: str) -> Any:
    import httpx

    return httpx.Response(status, text=text)


class TestBackfill:
    DAYS = ("2022-03-01", "2022-03-02", "2022-03-03")

    @pytest.fixture(autouse=True)
    def runs(self, airflow: FakeAirflow) -> None:
        airflow.runs = [
            {"dag_run_id": f"backfill__{day}", "run_type": "backfill", "data_interval_start": f"{day}T00:00:00Z"}
            for day in self.DAYS
        ]
        airflow.default = [("success", [task("interval", "success")])]

    def test_every_day_is_followed(self, pinflow: Pinflow, airflow: FakeAirflow) -> None:
        shown = pinflow("backfill", "pinflow_batch", self.DAYS[0], self.DAYS[-1])
        assert (shown.exit_code, shown.stdout) == (0, "")
        lines = shown.stderr.splitlines()
        assert lines[0] == "3 runs"
        assert [line for line in lines if line.startswith("2022")] == list(self.DAYS)
        (asked,) = [body for method, path, body in airflow.calls if (method, path) == ("POST", "/backfills")]
        assert (asked["from_date"][:10], asked["to_date"][:10]) == (self.DAYS[0], self.DAYS[-1])
        assert airflow.dags["pinflow_batch"] is True

    def test_a_day_that_fails_does_not_hide_the_others(self, pinflow: Pinflow, airflow: FakeAirflow) -> None:
        fails(airflow, "backfill__2022-03-02")
        shown = pinflow("backfill", "pinflow_batch", self.DAYS[0], self.DAYS[-1])
        assert isinstance(shown.exception, RunFailedError)
        assert "backfill__2022-03-02 failed" in str(shown.exception)
        assert "2022-03-03" in shown.stderr
        assert airflow.dags["pinflow_batch"] is True

    @pytest.mark.parametrize(
        ("first", "last", "reason"),
        [
            ("yesterday", "2022-03-07", "'yesterday' is not a day such as 2022-03-01"),
            ("2022-03-01", "2022-02-30", "'2022-02-30' is not a day"),
            ("2022-03-07", "2022-03-01", "2022-03-01 comes before 2022-03-07"),
        ],
    )
    def test_bad_days(self, pinflow: Pinflow, airflow: FakeAirflow, first: str, last: str, reason: str) -> None:
        shown = pinflow("backfill", "pinflow_batch", first, last)
        assert shown.exit_code == 2
        assert reason in shown.stderr
        assert airflow.calls == []

    def test_other_ways_to_write_a_day(self, pinflow: Pinflow, airflow: FakeAirflow) -> None:
        pinflow("backfill", "pinflow_batch", "20220301", "2022-03-03")
        (asked,) = [body for method, path, body in airflow.calls if (method, path) == ("POST", "/backfills")]
        assert asked["from_date"] == "2022-03-01T00:00:00Z"
