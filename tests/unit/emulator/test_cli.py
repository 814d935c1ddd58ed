"""The command line, as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from emulator import commands
from emulator.cli import main
from emulator.ledger import Ledger
from emulator.source import engine
from tests.unit.emulator.fake_gateway import Call, Reply, fake_gateway


def emulator(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emulator", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_from_nothing_to_posts(empty: str) -> None:
    seeded = emulator("seed", "--source", empty, "--posts", "50")
    assert (seeded.returncode, json.loads(seeded.stdout)) == (0, {"posts": 50, "seed": 100, "written": True})
    shown = emulator("show", PINFLOW_SOURCE_URL=empty)
    assert json.loads(shown.stdout)["tables"]["user_data"] == 50
    with fake_gateway() as gateway:
        posted = emulator("post", "--source", empty, "--gateway", gateway.url, "--posts", "all")
    assert posted.returncode == 0
    assert json.loads(posted.stdout)["accepted"] == len(gateway.taken) == 150
    assert posted.stderr == ""


def test_console_prints_records_and_nothing_else(source: str) -> None:
    done = emulator("post", "--source", source, "--to", "console", "--posts", "3", "--days", "2022-03-01")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert len(records) == 9
    assert all(record["timestamp"].startswith("2022-03-01") for record in records)
    assert done.stderr == "3 posts printed, finished.\n"


def test_a_closed_pipe_is_no_crash(source: str) -> None:
    command = f"{sys.executable} -m emulator post --source {source} --to console --posts 20000 | head -n 2"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show"], "PINFLOW_SOURCE_URL"),
        (["post", "--source", "sqlite://", "--days", "tomorrow"], "2022-03-01:2022-03-07"),
        (["post", "--source", "sqlite://", "--gateway", "nowhere"], "with its stage"),
        (["post", "--source", "sqlite://", "--gateway", "http://h/d", "--rate", "-1"], "rate is -1.0"),
        (["seed", "--source", "sqlite://", "--posts", "0"], "1 to 10,000,000"),
    ],
)
def test_a_command_line_that_makes_no_sense(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PINFLOW_SOURCE_URL", raising=False)
    try:
        code: Any = main(arguments)
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert words in capsys.readouterr().err


def test_errors_are_told_without_a_trace(empty: str) -> None:
    done = emulator("post", "--source", empty, "--gateway", "http://127.0.0.1:1/dev")
    assert done.returncode == 1
    assert done.stderr.startswith("error: The source database holds no posts.")
    assert done.stdout == ""


def test_rejected_records_make_the_exit_code(source: str) -> None:
    bad = {"partition": None, "offset": None, "error_code": 50002, "error": "Too large."}
    with fake_gateway(lambda call: Reply(errors={0: bad} if call.number == 1 else {})) as gateway:
        done = emulator("post", "--source", source, "--gateway", gateway.url, "--posts", "5")
    assert done.returncode == 1
    assert json.loads(done.stdout)["rejected"] == 1


def test_a_failed_run_says_why(source: str) -> None:
    with fake_gateway(lambda _: Reply(404, {"error_code": 40401, "message": "Topic not found."})) as gateway:
        done = emulator("post", "--source", source, "--gateway", gateway.url, "--posts", "5")
    assert done.returncode == 1
    assert "error: The gateway refused pinflow." in done.stderr
    assert "Topic not found." in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_with_a_summary(source: str, number: int) -> None:
    with fake_gateway() as gateway:
        process = subprocess.Popen(
            [sys.executable, "-m", "emulator", "post", "--source", source, "--gateway", gateway.url,
             "--posts", "1000000", "--rate", "200"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        wait_for_calls(gateway.calls, 6, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    summary = json.loads(out)
    assert (process.returncode, err) == (0, "")
    assert summary["state"] == "stopped"
    assert summary["accepted"] == summary["records"] == len(gateway.taken)
    assert Ledger(engine(source)).totals()["pin"]["accepted"] == summary["posts"]


def wait_for_calls(calls: list[Call], count: int, process: subprocess.Popen[str]) -> None:
    import time

    end = time.monotonic() + 30
    while len(calls) < count:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)


def test_commands_are_plain_functions(empty: str) -> None:
    told: list[tuple[int, int]] = []
    assert commands.seed(empty, 20, 7, lambda done, total: told.append((done, total)))["written"] is True
    assert told == [(20, 20)]
    assert commands.show(empty)["tables"]["pinterest_data"] == 20
    Ledger(engine(empty)).begin("r", target="batch", mode="now", seed=1)
    commands.forget(empty)
    assert Ledger(engine(empty)).runs() == []
    assert commands.show(empty)["tables"]["pinterest_data"] == 20
