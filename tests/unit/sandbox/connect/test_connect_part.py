"""The worker's configuration."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import pytest

from sandbox.connect import part
from sandbox.connect.part import PART, worker_properties
from sandbox.supervisor.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "setup").mkdir()
    (tmp_path / "setup" / "java").write_text("/opt/java/bin/java")
    return Home(base=tmp_path / "base", setup=tmp_path / "setup", preferred_ports=False)


def test_listens_on_loopback_only() -> None:
    made = worker_properties(9092, 8083, Path("/plugins"))
    assert made["listeners"] == "http://127.0.0.1:8083"
    assert made["rest.advertised.host.name"] == "127.0.0.1"


def test_one_broker_suffices() -> None:
    made = worker_properties(9092, 8083, Path("/plugins"))
    factors = {value for key, value in made.items() if key.endswith("replication.factor")}
    assert factors == {"1"}


def test_connectors_may_set_their_consumers() -> None:
    made = worker_properties(9092, 8083, Path("/plugins"))
    assert made["connector.client.config.override.policy"] == "All"
    assert made["plugin.path"] == "/plugins"


def test_prepare_writes_the_ports_of_this_sandbox(home: Home) -> None:
    PART.prepare(home)
    written = (home.data("connect") / "connect.properties").read_text().splitlines()
    assert f"bootstrap.servers=127.0.0.1:{home.port('kafka')}" in written
    assert f"listeners=http://127.0.0.1:{home.port('connect')}" in written


def test_sink_gets_endpoint_and_keys_from_the_environment_only(home: Home) -> None:
    PART.prepare(home)
    command = PART.command(home)
    assert command.env["AWS_ENDPOINT_URL"] == home.url("aws")
    assert command.env["AWS_SECRET_ACCESS_KEY"] == home.secret("aws")
    assert not any(home.secret("aws") in argument for argument in command.argv)
    assert home.secret("aws") not in (home.data("connect") / "connect.properties").read_text()
    assert all(name.startswith("AWS_") for name in command.env)


def test_command_runs_the_distributed_worker(home: Home) -> None:
    argv = PART.command(home).argv
    assert argv[0] == "/opt/java/bin/java"
    assert argv[-2] == "org.apache.kafka.connect.cli.ConnectDistributed"
    assert {"-Xmx512m", "-Djava.net.preferIPv4Stack=true"} <= set(argv)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"status":"starting","message":"Worker is still starting up."}', "starting: Worker is still starting up."),
        (b"<html>", "health page says 503"),
    ],
)
def test_check_repeats_the_workers_words(
    home: Home, monkeypatch: pytest.MonkeyPatch, body: bytes, problem: str
) -> None:
    def answer(url: str, timeout: float) -> None:
        raise urllib.error.HTTPError(url, 503, "Unavailable", Message(), io.BytesIO(body))

    monkeypatch.setattr(part.urllib.request, "urlopen", answer)
    assert PART.check(home) == problem


def test_check_says_what_does_not_answer(home: Home) -> None:
    assert f"{home.url('connect')}/health" in (PART.check(home) or "")


def test_needs_the_broker_and_s3() -> None:
    assert set(PART.requires) == {"kafka", "aws"}
