from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.cli import dags, run
from sandbox.cli.run import span
from sandbox.supervisor.home import Home
from sandbox.supervisor.supervisor import PartFailedError, Supervisor
from tests.unit.sandbox.airflow.fake_airflow import FakeAirflow, task
from tests.unit.sandbox.cli.conftest import Pinflow

AGREED = {"records": {"pin": 40, "geo": 40, "user": 40}, "posts_in_the_last_ten_minutes": 39}
SUMMARY = {
    "run_id": "r-1",
    "posts": 40,
    "first_timestamp": "2026-11-21T23:59:58.750Z",
    "last_timestamp": "2026-11-22T00:00:03Z",
}
ROWS = [{"category": "art", "category_count": 12}]


class TestSpan:
    @pytest.mark.parametrize(
        ("first", "last", "expected"),
        [
            ("2026-11-21T10:00:00.123Z", "2026-11-21T10:00:09.999Z", ("10:00:00", "10:00:10")),
            ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z", ("10:00:00", "10:00:01")),
            ("2026-11-21T10:00:00+00:00", "2026-11-21T10:00:09+00:00", ("10:00:00", "10:00:10")),
            ("2026-11-21T11:30:00.5+01:30", "2026-11-21T12:00:00+02:00", ("10:00:00", "10:00:01")),
        ],
    )
    def test_whole_seconds_around_all_records(self, first: str, last: str, expected: tuple[str, str]) -> None:
        found = span({"first_timestamp": first, "last_timestamp": last})
        day = "2026-11-21T"
        assert found == {"from": f"{day}{expected[0]}+00:00", "to": f"{day}{expected[1]}+00:00"}

    def test_midnight_does_not_matter(self) -> None:
        found = span(SUMMARY)
        assert found == {"from": "2026-11-21T23:59:58+00:00", "to": "2026-11-22T00:00:04+00:00"}
        begin, end = (datetime.fromisoformat(found[key]) for key in ("from", "to"))
        records = [datetime.fromisoformat(SUMMARY[key]) for key in ("first_timestamp", "last_timestamp")]
        assert all(begin <= record < end for record in records)
        assert begin.tzinfo == UTC


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> FakeAirflow:
    names = ("pinflow_provision", "pinflow_emulate", "pinflow_batch", "pinflow_streaming")
    made = FakeAirflow(dags=dict.fromkeys(names, True))
    made.xcoms = {
        ("emulate", "return_value"): SUMMARY, ("report", "return_value"): {"landed": 120},
        ("supervise", "return_value"): {"rows": 120},
    }  # fmt: skip
    monkeypatch.setattr(run, "agree", {"r-1": AGREED}.__getitem__)
    for module in (dags, run):
        monkeypatch.setattr(module, "client", made.client)
    monkeypatch.setattr(run, "all_results", lambda client: {"top_categories": ROWS})
    return made


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the sandbox."""
    found: list[str] = []

    def bring_up() -> Supervisor:
        found.append("up")
        return Supervisor(Home())

    monkeypatch.setattr(run, "bring_up", bring_up)
    monkeypatch.setattr(run, "take_down", lambda: found.append("down"))
    monkeypatch.setattr(run, "show", lambda results, limit: found.append(f"shown {limit}"))
    return found


class TestRun:
    def test_the_dags_in_order_over_the_span_of_the_posts(
        self, pinflow: Pinflow, airflow: FakeAirflow, happened: list[str]
    ) -> None:
        assert pinflow("run", "--posts", "40").exit_code == 0
        posted = [(path, body["conf"]) for method, path, body in airflow.calls if method == "POST"]
        assert posted == [
            ("/dags/pinflow_provision/dagRuns", {}),
            (
                "/dags/pinflow_streaming/dagRuns",
                {"window_minutes": 15, "until_idle_seconds": 45, "at_end": "leave"},
            ),
            ("/dags/pinflow_emulate/dagRuns", {"posts": 40, "target": "both"}),
            (
                "/dags/pinflow_batch/dagRuns",
                {"from": "2026-11-21T23:59:58+00:00", "to": "2026-11-22T00:00:04+00:00"},
            ),
        ]

    def test_json_is_the_whole_output(self, pinflow: Pinflow, airflow: FakeAirflow, happened: list[str]) -> None:
        shown = pinflow("run", "--json")
        assert json.loads(shown.stdout) == {
            "emulated": SUMMARY, "report": {"landed": 120}, "results": {"top_categories": ROWS},
            "stream": {"agrees": AGREED, "window": {"rows": 120}},
        }  # fmt: skip
        assert happened == ["up"]

    def test_the_pages_stay(self, pinflow: Pinflow, airflow: FakeAirflow, happened: list[str], home: Home) -> None:
        shown = pinflow("run")
        assert happened == ["up", "shown 8"]
        assert "1000 posts from the source database to the answers in " in shown.stderr
        assert home.url("airflow-api") in shown.stderr
        assert shown.stdout == ""

    def test_exit_stops_everything(
        self, pinflow: Pinflow, airflow: FakeAirflow, happened: list[str], home: Home
    ) -> None:
        shown = pinflow("run", "--exit", "--json")
        assert happened == ["up", "down"]
        assert home.url("airflow-api") not in shown.stderr

    @pytest.mark.parametrize(("words", "after"), [(["--exit"], ["up", "down"]), ([], ["up"])])
    def test_a_dag_that_fails_ends_it(
        self, pinflow: Pinflow, airflow: FakeAirflow, happened: list[str], words: list[str], after: list[str]
    ) -> None:
        airflow.looks["manual__pinflow_emulate"] = [("failed", [task("emulate", "failed")])]
        airflow.logs["emulate"] = "the gateway is gone"
        shown = pinflow("run", *words)
        assert "the gateway is gone" in str(shown.exception)
        assert shown.exit_code == 1
        assert happened == after
        assert not [path for method, path, _ in airflow.calls if method == "POST" and "pinflow_batch" in path]

    def test_a_streaming_job_that_fails_is_told_after_the_batch_run(
        self, pinflow: Pinflow, airflow: FakeAirflow, happened: list[str]
    ) -> None:
        airflow.looks["manual__pinflow_streaming"] = [("failed", [task("supervise", "failed")])]
        airflow.logs["supervise"] = "the checkpoint is another stream's"
        shown = pinflow("run", "--exit")
        assert "the checkpoint is another stream's" in str(shown.exception)
        assert [path for method, path, _ in airflow.calls if method == "POST" and "pinflow_batch" in path]
        assert happened == ["up", "down"]
        assert airflow.dags["pinflow_streaming"] is True

    def test_a_part_that_fails_with_exit(
        self, pinflow: Pinflow, happened: list[str], monkeypatch: pytest.MonkeyPatch, home: Home
    ) -> None:
        def fail() -> Any:
            raise PartFailedError("kafka", "it ended with exit code 1", home.log("kafka"))

        monkeypatch.setattr(run, "bring_up", fail)
        assert isinstance(pinflow("run", "--exit").exception, PartFailedError)
        assert happened == ["down"]

    @pytest.mark.parametrize("posts", ["0", "-5", "many"])
    def test_bad_posts(self, pinflow: Pinflow, happened: list[str], posts: str) -> None:
        assert pinflow("run", "--posts", posts).exit_code == 2
        assert happened == []
