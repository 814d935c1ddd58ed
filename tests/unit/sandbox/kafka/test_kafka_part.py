"""The broker's configuration and what its start leaves in the data folder."""

from __future__ import annotations

import socket
import stat
import subprocess
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from sandbox.kafka import part
from sandbox.kafka.part import PART, FormatError, cluster_id, server_properties, write_properties
from sandbox.supervisor.home import Home

FAKE_JAVA = """#!/bin/sh
for argument in "$@"; do last=$argument; done
echo "$@" >> {calls}
folder=$(sed -n 's/^log.dirs=//p' "$last")
{body}
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(base=tmp_path / "base", setup=tmp_path / "setup", preferred_ports=False)


def fake_java(home: Home, body: str) -> Path:
    """A ``java`` that notes its arguments and runs ``body`` with ``$folder`` set to the configured ``log.dirs``."""
    calls = home.setup / "calls"
    home.setup.mkdir(parents=True)
    program = home.setup / "fake-java"
    program.write_text(FAKE_JAVA.format(calls=calls, body=body))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (home.setup / "java").write_text(str(program))
    return calls


def read(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


class TestServerProperties:
    made = server_properties(9092, 9093, Path("/data/log"))

    def test_listens_on_loopback_only(self) -> None:
        listening = [value for key, value in self.made.items() if "listeners" in key and "//" in value]
        assert len(listening) == 2
        for value in listening:
            assert {address.split("//")[1].split(":")[0] for address in value.split(",")} == {"127.0.0.1"}

    def test_topics_are_not_made_by_accident(self) -> None:
        assert self.made["auto.create.topics.enable"] == "false"

    def test_records_of_past_years_stay(self) -> None:
        assert self.made["log.retention.ms"] == "-1"
        assert int(self.made["log.message.timestamp.before.max.ms"]) == 9223372036854775807
        years = int(self.made["log.roll.ms"]) / (365.25 * 86_400_000)
        assert years > 50, "posts of different years must not roll a segment each"

    def test_one_broker_suffices(self) -> None:
        for key, value in self.made.items():
            if key.endswith((".replication.factor", ".min.isr")):
                assert value == "1", key

    def test_quorum_follows_the_port(self) -> None:
        assert self.made["controller.quorum.voters"] == "1@127.0.0.1:9093"
        assert self.made["log.dirs"] == "/data/log"


class TestClusterId:
    def test_is_16_bytes_and_stays(self, tmp_path: Path) -> None:
        made = cluster_id(tmp_path / "id")
        assert len(urlsafe_b64decode(made + "==")) == 16
        assert cluster_id(tmp_path / "id") == made

    def test_never_looks_like_an_option(self, tmp_path: Path) -> None:
        assert not any(cluster_id(tmp_path / str(number)).startswith("-") for number in range(200))

    def test_differs_between_sandboxes(self, tmp_path: Path) -> None:
        assert cluster_id(tmp_path / "a") != cluster_id(tmp_path / "b")


def test_properties_escape_backslashes(tmp_path: Path) -> None:
    assert write_properties(tmp_path / "p", {"a": "b\\c", "d": "e=f"}).read_text() == "a=b\\\\c\nd=e=f\n"


class TestPrepare:
    def test_formats_once(self, home: Home) -> None:
        calls = fake_java(home, 'echo made > "$folder/meta.properties"')
        PART.prepare(home)
        PART.prepare(home)
        assert len(calls.read_text().splitlines()) == 1
        log = home.data("kafka") / "log"
        assert (log / "meta.properties").read_text() == "made\n"
        assert read(home.data("kafka") / "server.properties")["log.dirs"] == str(log)

    def test_a_format_that_was_killed_is_done_again(self, home: Home) -> None:
        fake_java(home, 'echo made > "$folder/meta.properties"')
        half = home.data("kafka") / "log.new"
        half.mkdir()
        (half / "bootstrap.checkpoint").write_text("half")
        PART.prepare(home)
        assert [path.name for path in (home.data("kafka") / "log").iterdir()] == ["meta.properties"]
        assert not half.exists()

    def test_keeps_the_cluster_id_when_formatting_again(self, home: Home) -> None:
        calls = fake_java(home, "exit 0")
        PART.prepare(home)
        PART.prepare(home)
        first, second = calls.read_text().splitlines()
        assert first == second
        assert (home.data("kafka") / "cluster-id").read_text() in first

    def test_refusal_carries_kafkas_words(self, home: Home) -> None:
        fake_java(home, "echo 'No space left on device' >&2; exit 1")
        with pytest.raises(FormatError, match="No space left on device"):
            PART.prepare(home)
        assert not (home.data("kafka") / "log").exists()

    def test_empties_its_temporary_folder(self, home: Home) -> None:
        fake_java(home, 'echo made > "$folder/meta.properties"')
        left = home.data("kafka") / "tmp" / "librocks.so"
        left.parent.mkdir()
        left.write_text("left by a killed broker")
        PART.prepare(home)
        assert not left.exists()


class TestCommand:
    def test_runs_with_a_bounded_heap_on_ipv4(self, home: Home) -> None:
        fake_java(home, "exit 0")
        command = PART.command(home)
        assert command.argv[0] == str(home.setup / "fake-java")
        assert {"-Xmx512m", "-Djava.net.preferIPv4Stack=true"} <= set(command.argv)
        assert command.argv[-2:] == ("kafka.Kafka", str(home.data("kafka") / "server.properties"))

    def test_log_configuration_is_in_the_repository(self) -> None:
        assert part.LOG4J2.is_file()


class TestCheck:
    def test_nothing_listens(self, home: Home) -> None:
        assert PART.check(home) == f"nothing listens on 127.0.0.1:{home.port('kafka')}"

    def test_something_listens_that_does_not_answer(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(part, "METADATA_TIMEOUT", 0.3)
        with socket.create_server(("127.0.0.1", home.port("kafka"))):
            assert f"no metadata from 127.0.0.1:{home.port('kafka')}" in (PART.check(home) or "")


def test_importing_needs_no_kafka_client() -> None:
    code = "import sys, sandbox.kafka.part, sandbox.connect.part; sys.exit('confluent_kafka' in sys.modules)"
    python = Home().python("airflow")
    assert subprocess.run([python, "-c", code], cwd=Home().root, check=False).returncode == 0
