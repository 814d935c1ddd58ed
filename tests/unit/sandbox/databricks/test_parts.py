"""The two parts: what is started, with which settings, and where the keys are."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.databricks import spark_connect
from sandbox.databricks.connect_protocol import interrupt_request, release_request, version_request
from sandbox.databricks.part import PARTS, DatabricksPart, SparkPart
from sandbox.supervisor.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(base=tmp_path / "sandbox", preferred_ports=False)


def written(home: Home) -> dict[str, str]:
    spark_connect.write_configuration(home)
    lines = (home.data("spark") / "spark.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


class TestSpark:
    def test_every_address_is_the_loopback(self, home: Home) -> None:
        found = written(home)
        for name in ("spark.driver.host", "spark.driver.bindAddress", "spark.connect.grpc.binding.address"):
            assert found[name] == "127.0.0.1"
        assert found["spark.ui.enabled"] == "false"
        assert SparkPart().command(home).env["SPARK_LOCAL_IP"] == "127.0.0.1"

    def test_all_state_is_in_the_data_folder(self, home: Home) -> None:
        found = written(home)
        data = str(home.data("spark"))
        for name in ("spark.local.dir", "spark.sql.warehouse.dir", "spark.hadoop.javax.jdo.option.ConnectionURL"):
            assert data in found[name]
        assert f"-Djava.io.tmpdir={data}/temporary" in found["spark.driver.extraJavaOptions"]
        assert SparkPart().command(home).cwd == home.data("spark")

    def test_no_key_is_in_a_file_or_an_argument(self, home: Home) -> None:
        spark_connect.write_configuration(home)
        secret = home.client_environment()["AWS_SECRET_ACCESS_KEY"]
        command = SparkPart().command(home)
        assert command.env["AWS_SECRET_ACCESS_KEY"] == secret
        assert secret not in " ".join(command.argv)
        for file in home.data("spark").rglob("*"):
            assert file.is_dir() or secret not in file.read_text()

    def test_its_processes_find_the_kinesis_source_and_nothing_else_of_the_repository(self, home: Home) -> None:
        spark_connect.write_configuration(home)
        command = SparkPart().command(home)
        [folder] = command.env["PYTHONPATH"].split(":")
        code = (
            "import sandbox.databricks.kinesis.options as found, importlib.util as u\n"
            "print(found.__file__, [n for n in ('include', 'emulator', 'sandbox.supervisor', 'sandbox.databricks.api')"
            " if u.find_spec(n)])"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=home.data("spark"), env={"PYTHONPATH": folder}, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        assert ran.stdout.strip() == f"{folder}/sandbox/databricks/kinesis/options.py []"
        assert command.env["AWS_ENDPOINT_URL_KINESIS"] == home.url("kinesis")
        assert DatabricksPart().command(home).env["AWS_ENDPOINT_URL_KINESIS"] == home.url("kinesis")

    def test_a_start_replaces_the_source_and_empties_what_was_temporary(self, home: Home) -> None:
        spark_connect.write_configuration(home)
        old = home.data("spark") / "python/sandbox/databricks/kinesis/of_an_older_version.py"
        left = Path(SparkPart().command(home).env["TMPDIR"]) / "pinflow-kinesis-x/1.arrow"
        left.parent.mkdir()
        old.touch()
        left.touch()
        spark_connect.write_configuration(home)
        assert not old.exists()
        assert not left.parent.exists()
        assert left.parents[1].is_dir()

    def test_the_settings_are_for_their_owner_only(self, home: Home) -> None:
        spark_connect.write_configuration(home)
        assert stat.S_IMODE((home.data("spark") / "spark.properties").stat().st_mode) == 0o600

    def test_s3_goes_to_the_sandbox(self, home: Home) -> None:
        found = written(home)
        assert found["spark.hadoop.fs.s3a.endpoint"] == home.url("aws")
        assert found["spark.hadoop.fs.s3a.path.style.access"] == "true"
        assert found["spark.hadoop.fs.s3.impl"] == "org.apache.hadoop.fs.s3a.S3AFileSystem"

    def test_preparing_again_keeps_tables_and_clears_leftovers(self, home: Home) -> None:
        spark_connect.write_configuration(home)
        table = home.data("spark") / "warehouse/silver.db/pin/part"
        left = home.data("spark") / "local/blockmgr-1/x"
        for file in (table, left):
            file.parent.mkdir(parents=True)
            file.touch()
        spark_connect.write_configuration(home)
        assert table.exists()
        assert not left.exists()

    def test_jars_are_listed_one_by_one(self, tmp_path: Path) -> None:
        for name in ("one/b.jar", "one/a.jar", "one/notes.txt", "two/c.jar"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        path = f"{tmp_path}/one/*:{tmp_path}/two:{tmp_path}/one/a.jar"
        assert [jar.name for jar in spark_connect.jar_files(path)] == ["a.jar", "b.jar", "c.jar", "a.jar"]

    def test_a_port_that_does_not_listen_is_not_healthy(self, home: Home) -> None:
        assert SparkPart().check(home) == "its port does not listen yet"

    def test_a_port_that_listens_and_does_not_answer_is_not_healthy(self, home: Home) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", home.port("spark")))
            listener.listen()
            problem = SparkPart().check(home)
        assert problem is not None
        assert "gRPC" in problem

    def test_requests_are_those_of_spark_connect(self) -> None:
        """Compared with what pyspark's own classes give (pyspark 4.1.3, spark/connect/base.proto)."""
        session = "00000000-0000-4000-8000-000000000001"
        who = b"\n$" + session.encode() + b"\x12\x07\n\x05probe"
        assert version_request(session, "probe") == who + b"R\x00"
        assert interrupt_request(session, "probe") == who + b" \x01"
        assert release_request(session, "probe") == who


class TestDatabricks:
    def test_the_token_is_in_the_environment_only(self, home: Home) -> None:
        command = DatabricksPart().command(home)
        assert command.env["DATABRICKS_TOKEN"] == home.secret("databricks-token")
        assert home.secret("databricks-token") not in " ".join(command.argv)

    def test_a_server_that_is_not_there_is_not_healthy(self, home: Home) -> None:
        problem = DatabricksPart().check(home)
        assert problem is not None
        assert "/_health does not answer" in problem

    def test_runs_outlive_the_server(self) -> None:
        """Without it the supervisor would end the notebooks that the next server is to adopt."""
        assert DatabricksPart().adopts


def test_names_and_requirements() -> None:
    assert {part.name: part.requires for part in PARTS} == {"spark": (), "databricks": ("spark", "aws")}
