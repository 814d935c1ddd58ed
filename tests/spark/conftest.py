"""One Spark Connect server for the whole session, as the workspace has one: what passes needs no more than Connect."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.supervisor.home import Home
from tests.spark.lake import Lake

READY_SECONDS = 120


@pytest.fixture(scope="session")
def spark_url(tmp_path_factory: pytest.TempPathFactory, s3_url: str) -> Iterator[str]:
    """The address of a Spark Connect server with Delta and S3A, its tables in a temporary folder."""
    folder = tmp_path_factory.mktemp("spark")
    port = _free_port()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            _command(folder, port, s3_url),
            cwd=folder,
            env=_environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(lambda: _listens(port), process, folder / "server.log")
        yield f"sc://127.0.0.1:{port}"
    finally:
        _end(process)


@pytest.fixture(scope="session")
def spark(spark_url: str) -> Iterator[Any]:
    """The session that the tests share. Times come back in the time zone of this process."""
    from pyspark.sql import SparkSession

    logging.getLogger("SQLQueryContextLogger").disabled = True
    session = SparkSession.builder.remote(spark_url).create()
    yield session
    session.stop()


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real S3 API on this machine."""
    folder = tmp_path_factory.mktemp("s3")
    port = _free_port()
    state = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "PERSIST_STATE": "0", "S3_PERSIST": "0"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [str(Home().setup / "venv/ministack/bin/ministack")],
            cwd=folder,
            env={**os.environ, **state, "LOG_LEVEL": "WARNING"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(lambda: _listens(port), process, folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


@pytest.fixture
def lake(spark: Any, tmp_path: Path) -> Lake:
    """An empty lake: all five schemas dropped, and a landing folder of its own."""
    made = Lake(spark, tmp_path / "topics")
    made.drop()
    return made


def _command(folder: Path, port: int, s3_url: str) -> list[str]:
    import pyspark

    home = Path(pyspark.__file__).parent
    jars = [str(jar) for name in ("spark", "spark-aws") for jar in sorted((Home().setup / "jars" / name).glob("*.jar"))]
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.connect.serverStacktrace.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.hadoop.fs.s3a.endpoint": s3_url,
        "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.access.key": "pinflow",
        "spark.hadoop.fs.s3a.secret.key": "pinflow",
        "spark.hadoop.fs.s3a.bucket.probe": "0",
    }
    options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    start = [str(home / "bin/spark-submit"), "--class", server, "--master", "local[2]", "--driver-memory", "1g"]
    return [*start, "--jars", ",".join(jars), *options, "spark-internal"]


def _environment() -> dict[str, str]:
    import pyspark

    home = {"SPARK_HOME": str(Path(pyspark.__file__).parent), "PYSPARK_PYTHON": sys.executable}
    return {**os.environ, **home, "SPARK_NO_DAEMONIZE": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(f"The server did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
