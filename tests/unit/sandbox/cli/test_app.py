from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import typer

from sandbox.airflow.client import AirflowError
from sandbox.cli import app as app_module
from sandbox.cli import dags
from sandbox.cli.app import EXPECTED, app, main
from sandbox.supervisor.home import ROOT, Home
from tests.unit.sandbox.cli.conftest import Pinflow

COMMANDS = {
    "run", "up", "down", "status", "env", "logs", "trigger", "backfill", "results", "source", "emulate", "bench",
    "doctor", "clean", "test", "help", "package", "deploy", "secrets", "cost",
}  # fmt: skip


def options(*path: str) -> dict[str, set[str]]:
    """The parameters of a command and their flags, as Typer knows them."""
    command = typer.main.get_command(app)
    for word in path:
        command = command.commands[word]
    return {parameter.name: set(parameter.opts) for parameter in command.params}


class TestHelp:
    def test_every_command_is_listed(self, pinflow: Pinflow) -> None:
        shown = pinflow("--help")
        assert shown.exit_code == 0
        listed = {line.strip("│ ").split(" ")[0] for line in shown.stdout.splitlines() if line.startswith("│")}
        assert listed >= COMMANDS
        assert set(typer.main.get_command(app).commands) >= COMMANDS
        assert "./pinflow [OPTIONS] COMMAND" in shown.stdout

    def test_help_and_nothing_at_all_show_the_same(self, pinflow: Pinflow) -> None:
        assert pinflow("help").stdout == pinflow("-h").stdout == pinflow("--help").stdout
        assert pinflow().output.rstrip() == pinflow("--help").output.rstrip()

    @pytest.mark.parametrize("name", sorted(COMMANDS))
    def test_each_tells_what_it_does(self, pinflow: Pinflow, name: str) -> None:
        shown = pinflow(name, "--help")
        assert shown.exit_code == 0
        assert f"Usage: ./pinflow {name}" in shown.stdout

    def test_the_bootstrap_s_own_help_names_them_too(self) -> None:
        words = set(
            (ROOT / "pinflow").read_text().partition('"""')[2].partition('"""')[0].replace("./pinflow", "").split()
        )
        assert words >= COMMANDS

    @pytest.mark.parametrize(
        ("path", "flags"),
        [
            (["run"], {"--exit", "--posts", "--json"}),
            (["status"], {"--json"}),
            (["logs"], {"-f"}),
            (["trigger"], {"--conf"}),
            (["results"], {"--json"}),
            (["source", "seed"], {"--posts", "--seed", "--url"}),
            (["source", "load"], {"--pin", "--geo", "--user", "--replace"}),
            (["source", "show"], {"--json"}),
            (["emulate"], {"--to", "--posts", "--rate", "--seed", "--days"}),
            (["clean"], {"--data", "--all", "--yes"}),
            (["test"], {"--quick"}),
            (["cost"], {"--posts-per-day", "--set", "--prices", "--settings", "--json"}),
            (["doctor"], {"--json"}),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_flags(self, path: list[str], flags: set[str]) -> None:
        assert set().union(*options(*path).values()) >= flags

    def test_an_unknown_command(self, pinflow: Pinflow) -> None:
        shown = pinflow("fly")
        assert shown.exit_code == 2
        assert "No such command 'fly'" in shown.stderr


class TestErrors:
    def run(self, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["pinflow", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    def test_one_that_can_be_mended_is_shown_without_a_trace(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
    ) -> None:
        assert self.run(monkeypatch, "trigger", "pinflow_batch") == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("error Airflow does not answer (")
        assert "Traceback" not in shown.err

    @pytest.mark.parametrize("text", ["[/usr/lib] is gone", "clean [pin] [red]failed[/]", ":warning: [0]"])
    def test_its_text_is_shown_as_it_is(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, text: str
    ) -> None:
        def refuse() -> None:
            raise AirflowError(text)

        monkeypatch.setattr(dags, "client", refuse)
        assert self.run(monkeypatch, "trigger", "pinflow_batch") == 1
        assert capsys.readouterr().err == f"error {text}\n"

    def test_a_fault_of_ours_keeps_its_trace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail() -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(dags, "client", fail)
        monkeypatch.setattr(sys, "argv", ["pinflow", "trigger", "pinflow_batch"])
        with pytest.raises(ZeroDivisionError):
            main()
        assert not issubclass(ZeroDivisionError, EXPECTED)

    def test_a_part_that_nobody_knows(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        assert self.run(monkeypatch, "logs", "kafak") == 1
        assert capsys.readouterr().err.startswith("error There is no part 'kafak'. The parts are: aws, kafka, ")


def test_doctor_asks_the_set_up(pinflow: Pinflow, monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox.setup import doctor

    monkeypatch.setattr(doctor, "findings", lambda: [("memory", False, "1 GiB")])
    shown = pinflow("doctor", "--json")
    assert json.loads(shown.stdout) == [{"subject": "memory", "ok": False, "detail": "1 GiB"}]
    assert shown.exit_code == 1
    assert pinflow("doctor").stdout.startswith("NO  memory")


def test_as_the_bootstrap_calls_it(home: Home) -> None:
    environment = {"PATH": os.environ["PATH"], "PINFLOW_HOME": str(home.base), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "sandbox.cli", "status", "--json"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert {one["state"] for one in json.loads(done.stdout)} == {"stopped"}
    assert app_module.app is app
