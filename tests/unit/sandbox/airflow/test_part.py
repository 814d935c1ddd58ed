from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml
from cryptography.fernet import Fernet

from include.config.settings import load
from sandbox.airflow.environment import connections, environment
from sandbox.airflow.part import PARTS, VERSION, Component
from sandbox.supervisor.home import Home
from sandbox.supervisor.supervisor import Supervisor

BY_NAME = {part.name: part for part in PARTS}
NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("PINFLOW_SOURCE_URL", raising=False)
    return Home(base=tmp_path / "sandbox", setup=tmp_path / "setup", preferred_ports=False)


@pytest.fixture
def health(home: Home) -> Iterator[dict[str, Any]]:
    """A server in place of the API server; it answers with what a test puts here."""
    found: dict[str, Any] = {}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/v2/monitor/health" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", home.port("airflow-api")), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


class TestCheck:
    """``prepare`` of these parts writes when the process started, which tells old heartbeats."""

    scheduler = BY_NAME["airflow-scheduler"]

    def beat(self, seconds: float) -> dict[str, str]:
        return {"status": "healthy", "latest_scheduler_heartbeat": (NOW + timedelta(seconds=seconds)).isoformat()}

    @pytest.fixture(autouse=True)
    def started(self, home: Home) -> None:
        (home.data("airflow") / "airflow-scheduler.started").write_text(NOW.isoformat())
        (home.data("airflow") / "airflow-api.started").write_text(NOW.isoformat())

    def test_healthy(self, home: Home, health: dict[str, Any]) -> None:
        health["scheduler"] = self.beat(1)
        assert self.scheduler.check(home) is None

    def test_a_heartbeat_of_the_process_before(self, home: Home, health: dict[str, Any]) -> None:
        health["scheduler"] = self.beat(-1)
        assert self.scheduler.check(home) == "its heartbeat is still that of the process before"

    def test_a_component_without_a_heartbeat(self, home: Home, health: dict[str, Any]) -> None:
        health["metadatabase"] = {"status": "healthy"}
        assert BY_NAME["airflow-api"].check(home) is None

    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            ({"status": "unhealthy", "latest_scheduler_heartbeat": None}, "Airflow says unhealthy"),
            ({"status": None}, "Airflow says nothing of it yet"),
            (None, "Airflow says nothing of it yet"),
        ],
    )
    def test_unhealthy(self, home: Home, health: dict[str, Any], answer: Any, problem: str) -> None:
        health["scheduler"] = answer
        assert self.scheduler.check(home) == problem

    def test_no_answer(self, home: Home) -> None:
        assert (self.scheduler.check(home) or "").startswith("the API does not answer (")


class TestStart:
    AIRFLOW = (
        "#!/bin/sh",
        'echo "$*" >> "$AIRFLOW_HOME/calls"',
        '[ -e "$AIRFLOW_HOME/broken" ] && echo "no such revision" >&2 && exit 1',
        ': > "$AIRFLOW_HOME/airflow.db"',
        "",
    )

    @pytest.fixture(autouse=True)
    def program(self, home: Home) -> None:
        """An ``airflow`` that notes its calls."""
        path = home.python("airflow").with_name("airflow")
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(self.AIRFLOW))
        path.chmod(0o755)

    def calls(self, home: Home) -> list[str]:
        path = home.data("airflow") / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def test_the_database_is_migrated_once_and_by_the_first_part_only(self, home: Home) -> None:
        for part in PARTS:
            part.prepare(home)
        BY_NAME["airflow-api"].prepare(home)
        assert self.calls(home) == ["db migrate"]

    def test_again_when_the_database_went(self, home: Home) -> None:
        BY_NAME["airflow-api"].prepare(home)
        (home.data("airflow") / "airflow.db").unlink()
        BY_NAME["airflow-api"].prepare(home)
        assert self.calls(home) == ["db migrate"] * 2

    def test_a_migration_that_fails_is_shown_and_done_again(self, home: Home) -> None:
        (home.data("airflow") / "broken").touch()
        with pytest.raises(RuntimeError, match=r"airflow db migrate failed:\nno such revision"):
            BY_NAME["airflow-api"].prepare(home)
        assert not (home.data("airflow") / f"migrated-{VERSION}").exists()
        (home.data("airflow") / "broken").unlink()
        BY_NAME["airflow-api"].prepare(home)
        assert self.calls(home) == ["db migrate"] * 2

    @pytest.mark.parametrize(
        ("name", "verb"),
        [
            ("airflow-api", "api-server"),
            ("airflow-scheduler", "scheduler --skip-serve-logs"),
            ("airflow-dag-processor", "dag-processor"),
            ("airflow-triggerer", "triggerer --skip-serve-logs"),
        ],
    )
    def test_the_command_of_each(self, home: Home, name: str, verb: str) -> None:
        command = BY_NAME[name].command(home)
        folder = home.setup / "venv/airflow/bin"
        assert command.argv == (
            f"{folder}/python",
            "-m",
            "sandbox.supervisor.keeper",
            f"{folder}/airflow",
            *verb.split(),
        )
        assert command.env == environment(home)

    def test_the_others_need_the_api_server(self, home: Home) -> None:
        assert {part.name: part.requires for part in PARTS} == {
            "airflow-api": (),
            "airflow-scheduler": ("airflow-api",),
            "airflow-dag-processor": ("airflow-api",),
            "airflow-triggerer": ("airflow-api",),
        }
        assert all(isinstance(part, Component) for part in PARTS)
        assert [one.state for one in Supervisor(home, PARTS).status()] == ["stopped"] * 4


class TestEnvironment:
    def test_every_option_is_one_of_airflow_s(self, home: Home) -> None:
        import importlib.util

        (folder,) = importlib.util.find_spec("airflow").submodule_search_locations
        known = yaml.safe_load((Path(folder) / "config_templates/config.yml").read_text())
        options = [name for name in environment(home) if name.startswith("AIRFLOW__")]
        assert len(options) > 15
        for name in options:
            _, section, option = name.lower().split("__")
            assert option in known[section]["options"], name

    def test_it_listens_on_loopback_only(self, home: Home) -> None:
        found = environment(home)
        assert found["AIRFLOW__API__HOST"] == "127.0.0.1"
        assert found["AIRFLOW__API__PORT"] == str(home.port("airflow-api"))
        assert found["AIRFLOW__API__BASE_URL"] == f"http://127.0.0.1:{home.port('airflow-api')}"

    def test_keys_are_whole_and_none_serves_twice(self, home: Home) -> None:
        found = environment(home)
        Fernet(found["AIRFLOW__CORE__FERNET_KEY"])
        keys = [found[name] for name in ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET")]
        assert len({*keys, found["AIRFLOW__CORE__FERNET_KEY"], found["AWS_SECRET_ACCESS_KEY"]}) == 4
        assert environment(home) == found

    def test_dags_see_the_sandbox_as_any_client_does(self, home: Home) -> None:
        own = {"PINFLOW_SETTINGS"}
        for name in home.client_environment().keys() - own:
            assert environment(home)[name] == home.client_environment()[name]
        assert environment(home)["AIRFLOW__CORE__DAGS_FOLDER"] == str(home.root / "dags")
        assert environment(home)["PYTHONPATH"] == str(home.root)

    def test_the_schedule_begins_on_the_day_the_sandbox_is_made_and_stays(self, home: Home) -> None:
        with time_machine.travel("2027-02-03T23:00:00Z", tick=False):
            first = environment(home)["PINFLOW_SETTINGS"]
        with time_machine.travel("2027-02-05T01:00:00Z", tick=False):
            again = environment(home)["PINFLOW_SETTINGS"]
        assert first == again
        assert load(again).batch.first_day == "2027-02-03"
        assert replace(load(again), batch=load("sandbox").batch) == load("sandbox")

    def test_state_is_in_the_sandbox(self, home: Home) -> None:
        found = environment(home)
        for name in ("AIRFLOW_HOME", "AIRFLOW__LOGGING__BASE_LOG_FOLDER"):
            assert Path(found[name]).is_relative_to(home.base)
        assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{home.base}/data/airflow/airflow.db"


class TestConnections:
    @pytest.fixture
    def described(self, home: Home) -> dict[str, Any]:
        return {name: json.loads(text) for name, text in connections(home).items()}

    def test_all_that_the_dags_use(self, described: dict[str, Any]) -> None:
        assert set(described) == {
            f"AIRFLOW_CONN_{name}_DEFAULT" for name in ("KAFKA_REST", "GATEWAY", "AWS", "DATABRICKS", "SOURCE", "KAFKA")
        }

    def test_http(self, described: dict[str, Any], home: Home) -> None:
        for name, part in (("KAFKA_REST", "rest-proxy"), ("GATEWAY", "gateway")):
            assert described[f"AIRFLOW_CONN_{name}_DEFAULT"] == {
                "conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": home.port(part),
            }  # fmt: skip

    def test_databricks(self, described: dict[str, Any], home: Home) -> None:
        assert described["AIRFLOW_CONN_DATABRICKS_DEFAULT"] == {
            "conn_type": "databricks",
            "schema": "http",
            "host": "127.0.0.1",
            "port": home.port("databricks"),
            "password": home.secret("databricks-token"),
        }

    def test_kafka_source_and_aws(self, described: dict[str, Any], home: Home) -> None:
        kafka = described["AIRFLOW_CONN_KAFKA_DEFAULT"]["extra"]
        assert kafka["bootstrap.servers"] == f"127.0.0.1:{home.port('kafka')}"
        assert described["AIRFLOW_CONN_SOURCE_DEFAULT"]["extra"] == {"url": home.source_url}
        assert described["AIRFLOW_CONN_AWS_DEFAULT"] == {"conn_type": "aws"}
