"""The source in a real Spark Connect server: registered as the notebook runner does it, read by real queries."""

from __future__ import annotations

import json
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

from sandbox.databricks.kinesis.registration import install
from sandbox.databricks.notebook import streams
from sandbox.databricks.sessions import connect
from tests.spark.kinesis.server import Server

MODULE = "written_in_the_workspace"
SINK = '''
import json
from pathlib import Path

def write(frame, batch_id):
    """Each batch is one file, which a batch that is repeated replaces."""
    rows = [[row.stream, row.shardId, row.sequenceNumber, bytes(row.data).decode().strip()] for row in frame.collect()]
    folder = Path(__file__).parent / "output"
    draft = folder / f"{batch_id}.new"
    draft.write_text(json.dumps(rows))
    draft.rename(folder / f"{batch_id}.json")
'''


class SparkServer:
    """A Spark Connect server of its own, with the source where its processes find it, and nothing of the repository.

    :param folder: its working folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        install(folder / "python")
        self.start()

    def start(self) -> None:
        """Start and wait until its port listens."""
        import pyspark

        home = Path(pyspark.__file__).parent
        settings = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(self.port),
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.warehouse.dir": str(self.folder / "warehouse"),
        }
        options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        server = "org.apache.spark.sql.connect.service.SparkConnectServer"
        command = [str(home / "bin/spark-submit"), "--master", "local[2]", "--driver-memory", "700m", "--class", server]
        environment = {
            **os.environ, "SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable, "SPARK_NO_DAEMONIZE": "1",
            "PYTHONPATH": str(self.folder / "python"), "TMPDIR": str(self.folder),
        }  # fmt: skip
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *options, "spark-internal"], cwd=self.folder, env=environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        wait(self._listens, 120)

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.folder / "server.log").read_text()[-3000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End it and its Python processes at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Job:
    """A query that writes what it reads to files, started as a notebook would."""

    def __init__(self, server: SparkServer, workspace: Path, options: dict[str, str]) -> None:
        self.server, self.workspace, self.options = server, workspace, options
        self.output = workspace / "output"
        self.session: Any = None

    def open(self) -> Any:
        """A new session, ready for streaming."""
        self.session = connect(f"sc://127.0.0.1:{self.server.port}")
        streams.prepare(self.session, self.workspace)
        return self.session

    def frame(self, **options: str) -> Any:
        """The stream."""
        return self.session.readStream.format("kinesis").options(**self.options, **options).load()

    def start(self, frame: Any, **trigger: Any) -> Any:
        """Start the query."""
        import importlib

        sink = importlib.import_module(MODULE)
        writer = frame.writeStream.foreachBatch(sink.write)
        return writer.option("checkpointLocation", str(self.workspace / "checkpoint")).trigger(**trigger).start()

    def batches(self) -> dict[int, list[list[str]]]:
        """What the files hold, by batch."""
        return {int(file.stem): json.loads(file.read_text()) for file in self.output.glob("*.json")}

    def values(self) -> list[str]:
        """The data of all records."""
        return sorted(row[3] for rows in self.batches().values() for row in rows)


def wait(until: Callable[[], bool], seconds: float) -> None:
    """Until something is so, or the test has failed."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def spark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServer]:
    made = SparkServer(tmp_path_factory.mktemp("spark-kinesis"))
    yield made
    made.kill()


@pytest.fixture
def job(
    spark_server: SparkServer, tmp_path: Path, connection: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Job]:
    """A job in a workspace whose module is importable here, as the runner has it, and nowhere in the server."""
    (tmp_path / "output").mkdir()
    (tmp_path / f"{MODULE}.py").write_text(SINK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    made = Job(spark_server, tmp_path, connection | {"initialPosition": "earliest"})
    made.open()
    yield made
    made.session.stop()


def test_available_now_drains_more_than_a_batch_holds(kinesis: Server, job: Job) -> None:
    """Also through a union of two sources; the function of foreachBatch is imported from the workspace."""
    pin, geo, user = (kinesis.stream(shards=2) for _ in range(3))
    put = [
        value for stream in (pin, geo, user) for value in kinesis.put(stream, (f"{stream}-{n}" for n in range(1500)))
    ]
    small = {"fetchBufferSize": "20kb", "maxRecordsPerFetch": "300"}

    def drain() -> None:
        first = job.frame(streamName=f"{pin},{geo}", **small)
        second = job.frame(streamName=user, **small).where("data IS NOT NULL")
        assert job.start(first.union(second), availableNow=True).awaitTermination(120)

    drain()
    assert job.values() == sorted(put)
    more = kinesis.put(geo, ["one more"])
    drain()
    assert job.values() == sorted(put + more)
    assert sorted(job.batches()) == [0, 1]


def test_available_now_of_a_view_is_an_error_and_no_part(kinesis: Server, job: Job) -> None:
    stream = kinesis.stream()
    kinesis.put(stream, range(500))
    job.frame(streamName=stream, fetchBufferSize="1kb").createOrReplaceTempView("hidden")
    query = job.start(job.session.table("hidden"), availableNow=True)
    with pytest.raises(Exception, match="The trigger availableNow would end before all records are read"):
        query.awaitTermination(120)
    assert job.values() == []


def test_options_are_refused_by_load(job: Job) -> None:
    frame = job.frame(streamName="pin", maxRecords="5")
    with pytest.raises(Exception, match="kinesis: unknown option maxrecords"):
        frame.printSchema()


def test_columns(job: Job) -> None:
    assert [(field.name, field.dataType.simpleString()) for field in job.frame(streamName="pin").schema] == [
        ("partitionKey", "string"), ("data", "binary"), ("stream", "string"), ("shardId", "string"),
        ("sequenceNumber", "string"), ("approximateArrivalTimestamp", "timestamp"),
    ]  # fmt: skip


def test_spark_is_killed_in_the_middle(kinesis: Server, job: Job, spark_server: SparkServer) -> None:
    """Small batches of two streams, a kill -9 of Spark and its processes, a reshard, and on from the checkpoint."""
    pin, geo = kinesis.stream(shards=2), kinesis.stream(shards=1)
    put = [*kinesis.put(pin, (f"p{n}" for n in range(3000))), *kinesis.put(geo, (f"g{n}" for n in range(1000)))]
    options = {"streamName": f"{pin},{geo}", "fetchBufferSize": "40kb"}
    job.start(job.frame(**options), processingTime="0 seconds")
    wait(lambda: len(job.batches()) >= 3, 120)
    spark_server.kill()
    before = job.batches()
    put += kinesis.put(pin, (f"q{n}" for n in range(500)))
    kinesis.split(geo, "shardId-000000000000")
    put += kinesis.put(geo, (f"h{n}" for n in range(500)))
    spark_server.start()
    job.open()
    query = job.start(job.frame(**options), processingTime="0 seconds")
    wait(lambda: len(job.values()) >= len(put), 120)
    query.processAllAvailable()
    progress = query.lastProgress
    query.stop()
    assert job.values() == sorted(put)
    after = job.batches()
    assert all(sorted(after[number]) == sorted(rows) for number, rows in before.items()), "a batch that is repeated"
    assert len(before) < len(after)
    reached = json.loads(progress.sources[0].endOffset)
    assert reached["maxMsBehindLatest"] == 0
    assert reached["streams"].keys() == {pin, geo}
