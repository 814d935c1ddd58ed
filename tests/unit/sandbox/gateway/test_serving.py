"""The process and the part: command line, start-up errors, health, a clean stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from sandbox.gateway.__main__ import DOCUMENT, arguments, build
from sandbox.gateway.part import PART
from sandbox.gateway.stages import CLIENTS_STAGES, StageError

ROOT = Path(__file__).parents[4]
VARIABLES = ("--variable", "restProxy=127.0.0.1:1", "--variable", "topicPrefix=pinflow")


class FakeContext:
    """The supervisor's answers that this part asks for."""

    root = ROOT

    def __init__(self, port: int) -> None:
        self.number = port

    def port(self, part: str, name: str = "main") -> int:
        assert part == "gateway"
        return self.number

    def url(self, part: str, name: str = "main") -> str:
        return f"http://127.0.0.1:{self.number if part == 'gateway' else 8082}"

    def python(self, environment: str) -> Path:
        assert environment == "airflow"
        return Path(sys.executable)

    def client_environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": "http://127.0.0.1:2"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_healthy(process: subprocess.Popen[str], context: FakeContext) -> None:
    deadline = time.monotonic() + 30
    while (problem := PART.check(context)) and time.monotonic() < deadline:  # type: ignore[arg-type]
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    assert problem is None


class TestCommandLine:
    def test_stages_and_variables(self) -> None:
        options = arguments(["--port", "1", "--stage", "dev", "--stage", "test", *VARIABLES])
        gateway = build(options)
        assert gateway.stages.names == {"dev", "test"}
        assert gateway.stages.variables == {"restProxy": "127.0.0.1:1", "topicPrefix": "pinflow"}
        assert options.document == DOCUMENT

    def test_the_port_is_asked_for(self) -> None:
        with pytest.raises(SystemExit):
            arguments(["--stage", "dev"])

    def test_no_stage(self) -> None:
        with pytest.raises(StageError):
            build(arguments(["--port", "1", *VARIABLES]))

    @pytest.mark.parametrize(
        ("document", "stages", "text"),
        [
            ("openapi: 3.0.1\npaths: {}\n", ["dev"], "has no method"),
            (None, ["a/b"], "The stage name 'a/b' is not allowed"),
        ],
    )
    def test_a_start_that_cannot_be_says_why_and_ends(
        self, tmp_path: Path, document: str | None, stages: list[str], text: str
    ) -> None:
        path = DOCUMENT
        if document is not None:
            path = tmp_path / "d.yaml"
            path.write_text(document)
        argv = [
            sys.executable,
            "-m",
            "sandbox.gateway",
            "--port",
            str(free_port()),
            "--document",
            str(path),
            *VARIABLES,
        ]
        argv += [word for stage in stages for word in ("--stage", stage)]
        ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 2
        assert text in ended.stderr
        assert "Traceback" not in ended.stderr


class TestPart:
    def test_the_command(self) -> None:
        command = PART.command(FakeContext(4000))  # type: ignore[arg-type]
        words = list(command.argv)
        assert words[1:5] == ["-m", "sandbox.gateway", "--port", "4000"]
        stages = {words[at + 1] for at, word in enumerate(words) if word == "--stage"}
        assert stages == {"dev", *CLIENTS_STAGES}
        variables = {words[at + 1] for at, word in enumerate(words) if word == "--variable"}
        assert variables == {"restProxy=127.0.0.1:8082", "topicPrefix=pinflow"}
        assert command.env["PYTHONPATH"] == str(ROOT)
        assert command.env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:2"

    def test_needs_both_back_ends(self) -> None:
        assert (PART.name, PART.requires, PART.stands_for) == ("gateway", ("rest-proxy", "kinesis"), "API Gateway")

    def test_a_dead_server_is_told(self) -> None:
        assert str(PART.check(FakeContext(free_port()))).startswith("no answer: ")  # type: ignore[arg-type]

    def test_starts_answers_and_stops_cleanly(self) -> None:
        context = FakeContext(free_port())
        command = PART.command(context)  # type: ignore[arg-type]
        process = subprocess.Popen(
            command.argv, env={**os.environ, **command.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            wait_until_healthy(process, context)
            answer = requests.get(f"{context.url('gateway')}/_health", timeout=5)
            assert json.loads(answer.text) == {
                "status": "ok",
                "title": "pinflow",
                "stages": sorted({"dev", *CLIENTS_STAGES}),
            }
            listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, timeout=10, check=False).stdout
            if listening:
                [line] = [line for line in listening.splitlines() if f":{context.number} " in line]
                assert f"127.0.0.1:{context.number}" in line
        finally:
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=15)
        assert process.returncode in (0, -signal.SIGTERM)
        assert "Traceback" not in output + errors
