"""The emulator as a task: what is passed on, progress, a kill, and the same ledger run on each try."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import emulator.post
from emulator.post import EmulatorOptions, EmulatorSummary
from emulator.source import show
from pinflow.exceptions import PinflowError, RecordsNotAccepted, Rejected
from pinflow.hooks.emulator import EmulatorHook
from pinflow.operators.emulator import EmulatorRunOperator, EmulatorSeedOperator, at_most_every, ledger_run_id


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty SQLite source that ``source_default`` leads to."""
    url = f"sqlite:///{tmp_path / 'source.sqlite'}"
    monkeypatch.setenv("AIRFLOW_CONN_SOURCE_DEFAULT", json.dumps({"conn_type": "generic", "extra": {"url": url}}))
    gateway = {"conn_type": "http", "host": "127.0.0.1", "port": 9, "schema": "http"}
    monkeypatch.setenv("AIRFLOW_CONN_GATEWAY_DEFAULT", json.dumps(gateway))
    return url


class TestEmulatorHook:
    @pytest.mark.parametrize(
        ("connection", "url"),
        [
            ({"conn_type": "generic", "extra": {"url": "sqlite:////x"}}, "sqlite:////x"),
            (
                {"conn_type": "mysql", "host": "h", "port": 3306, "login": "u", "password": "p@ss", "schema": "d"},
                "mysql+pymysql://u:p%40ss@h:3306/d",
            ),
            (
                {"conn_type": "postgres", "host": "h", "login": "u", "password": "p", "schema": "d"},
                "postgresql+psycopg2://u:p@h/d",
            ),
        ],
    )
    def test_source_url(self, monkeypatch: pytest.MonkeyPatch, connection: Any, url: str) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_SOURCE_DEFAULT", json.dumps(connection))
        assert EmulatorHook().source_url == url

    def test_a_connection_that_says_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_SOURCE_DEFAULT", json.dumps({"conn_type": "ftp", "host": "h"}))
        with pytest.raises(Rejected, match="type is ftp"):
            _ = EmulatorHook().source_url

    @pytest.mark.parametrize(
        ("connection", "url"),
        [
            ({"host": "127.0.0.1", "port": 80, "schema": "http"}, "http://127.0.0.1:80/dev"),
            ({"host": "x.execute-api.us-east-1.amazonaws.com"}, "https://x.execute-api.us-east-1.amazonaws.com/dev"),
            ({"host": "https://x/"}, "https://x/dev"),
        ],
    )
    def test_gateway_url(self, monkeypatch: pytest.MonkeyPatch, connection: Any, url: str) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_GATEWAY_DEFAULT", json.dumps({"conn_type": "http", **connection}))
        assert EmulatorHook().gateway_url("dev") == url


class TestEmulatorSeedOperator:
    def test_fills_an_empty_source_once(self, context: Any, source: str) -> None:
        assert EmulatorSeedOperator(task_id="t", posts="20", seed="1").execute(context) == {"seeded": True, "posts": 20}
        assert set(show(source)["tables"].values()) == {20}
        assert EmulatorSeedOperator(task_id="t", posts=50).execute(context) == {"seeded": False, "posts": 20}


def operator(**arguments: Any) -> EmulatorRunOperator:
    return EmulatorRunOperator(task_id="t", prefix="pinflow", stage="dev", **arguments)


def summary(**changes: Any) -> EmulatorSummary:
    given: dict[str, Any] = {
        "run_id": "r",
        "wanted": 2,
        "posts": 2,
        "records": 6,
        "accepted": 6,
        "rejected": 0,
        "unknown": 0,
        "retried": 0,
        "seconds": 0.1,
        "first_timestamp": "2022-03-01T00:00:00Z",
        "last_timestamp": "2022-03-01T00:00:01Z",
        "state": "finished",
        "error": None,
    }
    return EmulatorSummary(**(given | changes))


@pytest.fixture
def posting(monkeypatch: pytest.MonkeyPatch, source: str) -> list[EmulatorOptions]:
    """The options of each run; nothing is posted."""
    seen: list[EmulatorOptions] = []
    monkeypatch.setattr(emulator.post, "run", lambda options, **_: seen.append(options) or summary())
    return seen


class TestOptions:
    def test_as_they_are_templated(self, context: Any, posting: Any, source: str) -> None:
        given = {"posts": "10", "rate": "2.5", "seed": "7", "first_day": "2022-03-01", "last_day": "2022-03-07"}
        operator(**given).execute(context)
        options = posting[0]
        assert (options.posts, options.rate, options.seed) == (10, 2.5, 7)
        assert options.days == (date(2022, 3, 1), date(2022, 3, 7))
        assert (options.source_url, options.gateway_url) == (source, "http://127.0.0.1:9/dev")

    @pytest.mark.parametrize("rate", [None, "", "None"])
    def test_no_rate(self, context: Any, posting: Any, rate: Any) -> None:
        operator(rate=rate).execute(context)
        assert posting[0].rate is None

    def test_human_all_and_one_day(self, context: Any, posting: Any) -> None:
        operator(rate="human", posts="all", first_day="2022-03-01", last_day="").execute(context)
        assert (posting[0].rate, posting[0].posts) == ("human", "all")
        assert posting[0].days == (date(2022, 3, 1), date(2022, 3, 1))

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"posts": "many"}, "posts cannot be read"),
            ({"posts": 0}, "posts is 0"),
            ({"rate": "fast"}, "rate cannot be read"),
            ({"rate": "-1"}, "rate is -1"),
            ({"first_day": "1.3.2022"}, "first_day or last_day cannot be read"),
            ({"last_day": "2022-03-01"}, "first_day cannot be read"),
            ({"first_day": "2022-03-02", "last_day": "2022-03-01"}, "run backwards"),
        ],
    )
    def test_what_cannot_be_used(self, context: Any, source: str, given: Any, told: str) -> None:
        with pytest.raises(Rejected, match=told):
            operator(**given).options(context)

    def test_template_fields(self) -> None:
        made = operator()
        for name in made.template_fields:
            getattr(made, name)


class TestLedgerRunId:
    def test_the_same_on_each_try_and_another_for_each_task_instance(self, context: Any) -> None:
        instance = context["ti"]
        first = ledger_run_id(instance)
        instance.try_number = 2
        assert ledger_run_id(instance) == first
        assert len(first) <= 64
        found = {first}
        for name, value in (("run_id", "manual__2"), ("task_id", "other"), ("map_index", 1), ("dag_id", "other")):
            setattr(instance, name, value)
            found.add(ledger_run_id(instance))
        assert len(found) == 5

    def test_it_reaches_the_emulator(self, context: Any, posting: Any) -> None:
        operator().execute(context)
        assert posting[0].run_id == ledger_run_id(context["ti"])


class TestRun:
    def run(self, monkeypatch: pytest.MonkeyPatch, answer: Callable[..., EmulatorSummary]) -> None:
        monkeypatch.setattr(emulator.post, "run", answer)

    def test_returns_the_summary(self, context: Any, posting: Any) -> None:
        assert operator().execute(context) == summary().as_dict()

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"rejected": 2, "accepted": 4}, "2 records were rejected and 0 are unknown, of 6.*run r"),
            ({"unknown": 1, "accepted": 5}, "0 records were rejected and 1 are unknown"),
            ({"state": "failed", "error": "All topics are gone."}, "All topics are gone"),
        ],
    )
    def test_anything_but_accepted_fails(
        self, context: Any, source: str, monkeypatch: pytest.MonkeyPatch, changes: Any, told: str
    ) -> None:
        self.run(monkeypatch, lambda *_, **__: summary(**changes))
        with pytest.raises(RecordsNotAccepted, match=told) as caught:
            operator().execute(context)
        assert caught.value.data["summary"]["run_id"] == "r"

    def test_a_kill_stops_cleanly(self, context: Any, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
        begun = threading.Event()

        def posting(_: Any, *, stop: threading.Event, **__: Any) -> EmulatorSummary:
            begun.set()
            assert stop.wait(10)
            return summary(posts=1, state="stopped")

        self.run(monkeypatch, posting)
        made = operator()
        threading.Thread(target=lambda: begun.wait(10) and made.on_kill()).start()
        with pytest.raises(PinflowError, match="stopped after 1 posts"):
            made.execute(context)

    def test_a_kill_before_the_start(self) -> None:
        operator().on_kill()

    def test_progress_is_logged(self, context: Any, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pinflow.operators.emulator.PROGRESS_EVERY", 0.0)

        def posting(_: Any, *, on_progress: Callable[[EmulatorSummary], None], **__: Any) -> EmulatorSummary:
            on_progress(summary(accepted=3, state="running"))
            return summary()

        self.run(monkeypatch, posting)
        made = operator()
        lines: list[str] = []
        monkeypatch.setattr(type(made), "log", property(lambda _: Log(lines)))
        made.execute(context)
        assert lines[0] == "2 posts in 0 s: 3 records accepted, 0 rejected, 0 unknown, 0 sent again"


class Log:
    """Keeps what is logged."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def warning(self, *_: Any) -> None:
        """Not looked at."""

    def info(self, text: str, *values: Any) -> None:
        self.lines.append(text % values)


def test_at_most_every() -> None:
    seen: list[int] = []
    rare = at_most_every(3600, seen.append)
    often = at_most_every(0, seen.append)
    for number in range(3):
        rare(number)
        often(number + 10)
    assert seen == [10, 11, 12]


def test_a_real_run_to_the_console(context: Any, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    EmulatorSeedOperator(task_id="t", posts=20).execute(context)
    result = operator(target="console", posts=5).execute(context)
    assert (result["posts"], result["state"]) == (5, "finished")
    assert capsys.readouterr().out.count("\n") >= 5
