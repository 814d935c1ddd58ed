from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.cli import platform
from sandbox.supervisor.home import ROOT, Home
from sandbox.supervisor.registry import UnknownPartError, parts
from sandbox.supervisor.supervisor import Status, Supervisor
from tests.unit.sandbox.cli.conftest import Pinflow

RUNNING = Status("kafka", "Amazon MSK", "healthy", "", "127.0.0.1:9092", 4321, 300 * 2**20, "/logs/kafka.log")
HURT = Status(
    "gateway", "API Gateway", "unhealthy", "HTTP Error 500 [/dev]", "127.0.0.1:8090", 99, 2**20, "/logs/g.log"
)


@pytest.fixture
def parts_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Supervisor, "status", lambda self: [RUNNING, HURT])


class TestStatus:
    def test_of_a_sandbox_that_never_ran(self, pinflow: Pinflow) -> None:
        shown = pinflow("status", "--json")
        found = json.loads(shown.stdout)
        assert [one["name"] for one in found] == [part.name for part in parts()]
        assert {one["state"] for one in found} == {"stopped"}
        assert set(found[0]) == {"name", "stands_for", "state", "detail", "address", "pid", "memory", "log"}
        assert (shown.exit_code, shown.stderr) == (1, "")

    def test_nothing_is_made_by_looking(self, pinflow: Pinflow, home: Home) -> None:
        pinflow("status")
        assert not home.base.exists()

    @pytest.mark.usefixtures("parts_are")
    def test_as_a_table(self, pinflow: Pinflow) -> None:
        shown = pinflow("status")
        (kafka,) = [line for line in shown.stdout.splitlines() if "kafka" in line]
        cells = [cell.strip() for cell in kafka.strip("│").split("│")]
        assert cells == ["kafka", "Amazon MSK", "healthy", "127.0.0.1:9092", "4321", "300", "/logs/kafka.log"]
        assert "unhealthy HTTP Error 500 [/dev]" in shown.stdout
        assert shown.stdout.endswith("0.29 GiB resident in all\n")
        assert shown.exit_code == 1

    def test_the_code_is_0_when_all_are_healthy(self, pinflow: Pinflow, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Supervisor, "status", lambda self: [RUNNING])
        assert pinflow("status").exit_code == pinflow("status", "--json").exit_code == 0

    def test_a_log_below_the_working_folder_is_shown_short(
        self, pinflow: Pinflow, monkeypatch: pytest.MonkeyPatch, home: Home
    ) -> None:
        monkeypatch.chdir(home.base.parent)
        assert " home/log/kafka.log " in pinflow("status").stdout


class TestUpAndDown:
    def test_names_and_states_go_through(self, pinflow: Pinflow, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[str, list[str] | None]] = []

        def up(self: Supervisor, names: list[str] | None, progress: platform.Board.set) -> None:
            asked.append(("up", names))
            progress("kafka", "starts")
            progress("kafka", "healthy 2.1 s")

        monkeypatch.setattr(Supervisor, "up", up)
        monkeypatch.setattr(Supervisor, "down", lambda self, names, progress: asked.append(("down", names)))
        shown = pinflow("up", "kafka", "gateway")
        assert (shown.exit_code, shown.stdout) == (0, "")
        lines = shown.stderr.splitlines()
        assert lines[0] == "Parts of the sandbox"
        assert [line.split("s  ", 1)[1].split() for line in lines[1:]] == [
            ["kafka", "starts"], ["kafka", "healthy", "2.1", "s"],
        ]  # fmt: skip
        pinflow("down", "kafka")
        pinflow("down")
        assert asked == [("up", ["kafka", "gateway"]), ("down", ["kafka"]), ("down", None)]

    def test_the_pages_are_named_when_all_is_up(
        self, pinflow: Pinflow, monkeypatch: pytest.MonkeyPatch, home: Home
    ) -> None:
        monkeypatch.setattr(Supervisor, "up", lambda self, names, progress: None)
        shown = pinflow("up")
        assert home.url("airflow-api") in shown.stderr
        assert home.url("databricks") in shown.stderr


class TestLogs:
    @pytest.fixture
    def log(self, home: Home) -> Path:
        path = home.log("kafka")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(b"line %d\n" % number for number in range(1, 301)) + b"\xff [/odd]\n")
        return path

    def test_the_last_lines_as_they_are(self, pinflow: Pinflow, log: Path) -> None:
        lines = pinflow("logs", "kafka").stdout.splitlines()
        assert lines == [*(f"line {number}" for number in range(102, 301)), "\N{REPLACEMENT CHARACTER} [/odd]"]

    @pytest.mark.parametrize(("number", "first"), [(1, None), (3, "line 299"), (1000, "line 1"), (0, None)])
    def test_as_many_as_are_asked_for(self, pinflow: Pinflow, log: Path, number: int, first: str | None) -> None:
        lines = pinflow("logs", "kafka", "-n", number).stdout.splitlines()
        assert len(lines) == min(number, 301)
        assert first is None or lines[0] == first

    def test_of_a_part_that_has_not_run(self, pinflow: Pinflow) -> None:
        shown = pinflow("logs", "kafka")
        assert (shown.exit_code, shown.stdout, shown.stderr) == (1, "", "kafka has not run yet.\n")

    def test_of_no_part(self, pinflow: Pinflow) -> None:
        assert isinstance(pinflow("logs", "kafak").exception, UnknownPartError)

    def test_a_number_below_0(self, pinflow: Pinflow) -> None:
        assert pinflow("logs", "kafka", "-n", -1).exit_code == 2

    def test_following(self, log: Path, home: Home) -> None:
        environment = {"PATH": os.environ["PATH"], "PINFLOW_HOME": str(home.base), "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, "-m", "sandbox.cli", "logs", "kafka", "-f", "-n", "1"]
        with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline().endswith(b"[/odd]\n")
            with log.open("a") as more:
                more.write("fresh\n")
            assert process.stdout.readline() == b"fresh\n"
            process.kill()


class TestEnv:
    def test_a_shell_takes_it(self, pinflow: Pinflow, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        url = "mysql+pymysql://me:it's $HOME@127.0.0.1/db"
        monkeypatch.setenv("PINFLOW_SOURCE_URL", url)
        shown = pinflow("env")
        assert (shown.exit_code, shown.stderr) == (0, "")
        script = f"{shown.stdout}\nexec env -0"
        done = subprocess.run(
            ["/bin/sh"], input=script, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
        )
        taken = dict(entry.split("=", 1) for entry in done.stdout.rstrip("\0").split("\0"))
        assert home.client_environment().items() <= taken.items()
        assert taken["PINFLOW_SOURCE_URL"] == url
