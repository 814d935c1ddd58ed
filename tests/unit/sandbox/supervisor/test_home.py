from __future__ import annotations

import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.supervisor.home import ROOT, Home, SandboxBusyError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(base=tmp_path / "one", setup=tmp_path / "setup", preferred_ports=False)


class TestSecrets:
    def test_only_the_owner_may_read_them(self, home: Home) -> None:
        home.secret("first")
        home.secret("second")
        assert stat.S_IMODE((home.run / "secrets.json").stat().st_mode) == 0o600

    def test_a_draft_of_a_killed_command_does_not_widen_the_mode(self, home: Home) -> None:
        home.run.mkdir(parents=True)
        (home.run / "secrets.new").touch(mode=0o644)
        home.secret("first")
        assert stat.S_IMODE((home.run / "secrets.json").stat().st_mode) == 0o600

    def test_they_are_stable_and_distinct(self, home: Home) -> None:
        first, second = home.secret("first"), home.secret("second")
        assert len(first) == len(second) == 64
        assert int(first, 16) != int(second, 16)
        again = Home(base=home.base)
        assert (again.secret("first"), again.secret("second")) == (first, second)

    def test_two_commands_that_ask_at_once_get_the_same(self, tmp_path: Path) -> None:
        def ask(number: int) -> str:
            return Home(base=tmp_path).secret(f"key-{number % 4}")

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(64)))
        assert len(set(answers)) == 4
        assert answers[:4] * 16 == answers


class TestPorts:
    def test_they_are_stable_across_instances(self, home: Home) -> None:
        ports = [home.port("kafka"), home.port("kafka", "controller"), home.port("gateway")]
        assert len(set(ports)) == 3
        later = Home(base=home.base, preferred_ports=False)
        assert [later.port("kafka"), later.port("kafka", "controller"), later.port("gateway")] == ports

    def test_homes_do_not_share_them(self, tmp_path: Path) -> None:
        # Nothing listens yet, so that only the start of the search keeps them apart; two in five may meet by chance.
        homes = [Home(base=tmp_path / str(number), preferred_ports=False) for number in range(5)]
        chosen = {home.port("part", str(number)) for home in homes for number in range(12)}
        assert len(chosen) > 3 * 12

    def test_many_commands_at_once_agree(self, tmp_path: Path) -> None:
        def ask(number: int) -> int:
            return Home(base=tmp_path, preferred_ports=False).port(f"part-{number % 8}")

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(64)))
        assert len(set(answers)) == 8
        assert answers[:8] * 8 == answers

    def test_a_url_names_loopback(self, home: Home) -> None:
        assert home.url("kafka") == f"http://127.0.0.1:{home.port('kafka')}"

    def test_the_well_known_port_is_tried_first(self, tmp_path: Path) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free = probe.connect_ex(("127.0.0.1", 8083)) != 0
        chosen = Home(base=tmp_path).port("connect")
        assert (chosen == 8083) is free


class TestPaths:
    def test_interpreters_and_jars_are_those_of_the_set_up(self, home: Home) -> None:
        assert home.python("spark") == home.setup / "venv/spark/bin/python"
        assert home.jars("kafka", "spark") == f"{home.setup}/jars/kafka/*:{home.setup}/jars/spark/*"

    def test_java_is_what_the_set_up_wrote_down(self, home: Home) -> None:
        home.setup.mkdir()
        (home.setup / "java").write_text("/opt/jdk/bin/java")
        assert home.java == Path("/opt/jdk/bin/java")

    def test_no_java(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(RuntimeError, match=r"Run \./pinflow up"):
            _ = home.java

    def test_a_part_has_a_folder_of_its_own(self, home: Home) -> None:
        assert home.data("kafka").is_dir()
        assert home.data("kafka") != home.data("connect")
        assert home.log("kafka") == home.base / "log/kafka.log"

    def test_the_environment_names_another_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PINFLOW_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("PINFLOW_SETUP", str(tmp_path / "set-up"))
        assert (Home().base, Home().setup) == (tmp_path / "home", tmp_path / "set-up")


class TestSourceUrl:
    @pytest.fixture(autouse=True)
    def unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PINFLOW_SOURCE_URL", raising=False)

    def test_sqlite_by_default(self, home: Home) -> None:
        assert home.source_url == f"sqlite:///{home.base}/data/source/source.sqlite"

    def test_what_was_recorded(self, home: Home) -> None:
        home.run.mkdir(parents=True)
        (home.run / "source-url").write_text("mysql+pymysql://u@h/d\n")
        assert home.source_url == "mysql+pymysql://u@h/d"

    def test_the_environment_goes_first(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        home.run.mkdir(parents=True)
        (home.run / "source-url").write_text("mysql+pymysql://u@h/d")
        monkeypatch.setenv("PINFLOW_SOURCE_URL", "postgresql://h/d")
        assert home.source_url == "postgresql://h/d"
        assert home.client_environment()["PINFLOW_SOURCE_URL"] == "postgresql://h/d"


def test_clients_get_addresses_and_keys(home: Home) -> None:
    found = home.client_environment()
    assert found["AWS_ACCESS_KEY_ID"] == "pinflow"
    assert found["AWS_SECRET_ACCESS_KEY"] == home.secret("aws")
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "us-east-1"
    assert found["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{home.port('aws')}"
    assert found["AWS_ENDPOINT_URL_KAFKA"] == found["AWS_ENDPOINT_URL_KAFKACONNECT"] == home.url("msk")
    assert found["KAFKA_BOOTSTRAP_SERVERS"] == f"127.0.0.1:{home.port('kafka')}"
    assert found["DATABRICKS_TOKEN"] == home.secret("databricks-token") != found["AWS_SECRET_ACCESS_KEY"]
    assert found["PINFLOW_SETTINGS"] == "sandbox"


class TestLock:
    HOLD = (
        "import sys; from pathlib import Path; from sandbox.supervisor.home import Home\n"
        "with Home(base=Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.readline()"
    )

    def test_another_process_holds_it(self, home: Home) -> None:
        argv = [sys.executable, "-c", self.HOLD, str(home.base)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(argv, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, **pipes) as other:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(SandboxBusyError, match=str(home.base)), home.locked():
                pass
            # A killed holder leaves nothing behind.
            other.kill()
        with home.locked():
            assert (home.run / "lock").exists()

    def test_two_homes_do_not_wait_for_each_other(self, tmp_path: Path) -> None:
        with Home(base=tmp_path / "one").locked(), Home(base=tmp_path / "two").locked():
            assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}
