"""What is killed, and what is left: runs, sessions, tables, addresses, memory."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.databricks.jobs.processes import TaskProcess
from tests.conftest import Platform
from tests.integration.databricks.conftest import RealWorkspace

pytestmark = pytest.mark.integration

STREAM = (
    "spark.sql('CREATE SCHEMA IF NOT EXISTS faults')\nspark.sql('DROP TABLE IF EXISTS faults.{name}')\n"
    "q = (spark.readStream.format('rate').option('rowsPerSecond', 20).load().writeStream"
    ".option('checkpointLocation', '/checkpoints/{name}-{{}}'.format(dbutils.widgets.get('token')))"
    ".trigger(processingTime='500 milliseconds').toTable('faults.{name}'))\n"
    "q.awaitTermination()"
)


def versions(real: RealWorkspace, table: str) -> int:
    """How many commits a Delta table has; 0 when there is none yet."""
    answer = real.sql(f"DESCRIBE HISTORY {table}")
    return len(answer["result"]["data_array"]) if answer["status"]["state"] == "SUCCEEDED" else 0


def until(condition: Any, seconds: float = 90) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def members(pid: int) -> list[psutil.Process]:
    leader = psutil.Process(pid)
    return [one for one in (leader, *leader.children(recursive=True)) if one.status() != psutil.STATUS_ZOMBIE]


class TestCancel:
    def test_a_stream_ends_with_its_run(self, real: RealWorkspace) -> None:
        """A killed client's query would go on in the server for ever; the run's session is ended too."""
        path = real.notebook(STREAM.format(name="rated"), path="/Shared/faults/stream")
        run_id = real.submit(path, {"token": str(time.time_ns())})
        until(lambda: versions(real, "faults.rated") >= 3)
        process = TaskProcess.find(real.folder(run_id))
        assert process is not None
        real.call("POST", "2.2/jobs/runs/cancel", run_id=run_id)
        assert real.wait(run_id)["state"]["result_state"] == "CANCELED"
        assert not psutil.pid_exists(process.pid)
        after = versions(real, "faults.rated")
        assert real.result("dbutils.notebook.exit(spark.range(5).count())") == "5"  # several triggers later
        assert versions(real, "faults.rated") <= after + 1  # one commit may have been under way
        settled = versions(real, "faults.rated")
        assert real.result("dbutils.notebook.exit(spark.range(5).count())") == "5"
        assert versions(real, "faults.rated") == settled


class TestKilledServer:
    def test_runs_with_spark_go_on_and_are_adopted(
        self, real: RealWorkspace, platform: Platform, tmp_path: Path
    ) -> None:
        gate = tmp_path / "gate"
        path = real.notebook(
            "before = spark.range(10).count()",
            f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)",
            "dbutils.notebook.exit(before + spark.range(5).count())",
            path="/Shared/faults/long",
        )
        run_id = real.submit(path)
        until(lambda: ">2</span>" in real.page(run_id))  # the second cell runs
        os.kill(platform.leader("databricks"), signal.SIGKILL)
        platform.up("databricks")
        assert real.get(run_id)["state"]["life_cycle_state"] == "RUNNING"
        gate.touch()
        assert real.wait(run_id)["state"]["result_state"] == "SUCCESS"
        assert real.output(run_id)["notebook_output"]["result"] == "15"


class TestKilledSpark:
    def test_tables_are_kept_and_statements_work_again(self, real: RealWorkspace, platform: Platform) -> None:
        real.rows("CREATE SCHEMA IF NOT EXISTS spark_catalog.silver")
        real.rows("CREATE OR REPLACE TABLE spark_catalog.silver.kept AS SELECT 1 AS ind, 'a' AS name")
        real.rows("INSERT INTO spark_catalog.silver.kept VALUES (2, 'b')")
        os.kill(platform.leader("spark"), signal.SIGKILL)
        platform.up("databricks")
        assert real.rows("SELECT * FROM spark_catalog.silver.kept ORDER BY ind") == [["1", "a"], ["2", "b"]]
        assert real.result("dbutils.notebook.exit(spark.table('silver.kept').count())") == "2"
        real.rows(
            "MERGE INTO silver.kept t USING (SELECT 2 AS ind, 'c' AS name) s ON t.ind = s.ind"
            " WHEN MATCHED THEN UPDATE SET *"
        )
        assert real.rows("SELECT name FROM silver.kept WHERE ind = 2") == [["c"]]

    def test_a_run_that_lost_its_spark_fails(self, real: RealWorkspace, platform: Platform, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        path = real.notebook(
            "spark.range(10).createOrReplaceTempView('mine')",
            f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)",
            "spark.table('mine').count()",
            path="/Shared/faults/loses",
        )
        run_id = real.submit(path)
        until(lambda: ">2</span>" in real.page(run_id))
        os.kill(platform.leader("spark"), signal.SIGKILL)
        platform.up("databricks")
        gate.touch()
        run = real.wait(run_id)
        assert run["state"]["result_state"] == "FAILED"
        assert real.output(run_id)["error"]

    def test_statements_say_that_spark_is_gone(self, real: RealWorkspace, platform: Platform) -> None:
        os.kill(platform.leader("spark"), signal.SIGKILL)
        answer = real.sql("SELECT 1")
        assert answer["status"]["state"] == "FAILED"
        assert answer["status"]["error"]["message"].startswith("Spark does not answer (UNAVAILABLE)")
        platform.up("databricks")
        assert real.rows("SELECT 1") == [["1"]]


class TestStop:
    def test_nothing_is_left_after_down(self, real: RealWorkspace, platform: Platform) -> None:
        waiting = real.notebook("import threading\nthreading.Event().wait()", path="/Shared/faults/wait")
        run_id = real.submit(waiting)
        until(lambda: TaskProcess.find(real.folder(run_id)) is not None)
        before = [process for part in ("spark", "databricks") for process in members(platform.leader(part))]
        run_process = TaskProcess.find(real.folder(run_id))
        assert run_process is not None
        platform.down("databricks", "spark")
        assert not [process for process in before if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
        assert (
            not psutil.pid_exists(run_process.pid) or psutil.Process(run_process.pid).status() == psutil.STATUS_ZOMBIE
        )
        platform.up("databricks")
        run = real.get(run_id)
        assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
        assert "The sandbox was stopped" in run["state"]["state_message"]


class TestWhatOthersSee:
    def test_every_socket_is_on_the_loopback(self, real: RealWorkspace, platform: Platform) -> None:
        real.rows("SELECT 1")
        listening = [
            connection.laddr
            for part in ("spark", "databricks")
            for process in members(platform.leader(part))
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        ports = {address.port for address in listening}
        assert {platform.port("spark"), platform.port("databricks")} <= ports
        assert {address.ip for address in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}

    def test_no_key_is_on_a_command_line_or_in_a_log(self, real: RealWorkspace, platform: Platform) -> None:
        known = platform.context.client_environment()
        keys = [known["AWS_SECRET_ACCESS_KEY"], known["DATABRICKS_TOKEN"]]
        real.run("print('x')", "spark.sql('SET').collect()")
        lines = [
            argument
            for part in ("spark", "databricks")
            for process in members(platform.leader(part))
            for argument in process.cmdline()
        ]
        logs = [platform.context.log(part).read_text() for part in ("spark", "databricks")]
        logs += [file.read_text() for file in real.data.rglob("runs/*/*") if file.is_file()]
        for key in keys:
            assert not [text for text in [*lines, *logs] if key in text]

    def test_memory(self, real: RealWorkspace, platform: Platform) -> None:
        """Both parts together, after all the work of the tests before."""
        real.rows("SELECT count(*) FROM range(1000000) GROUP BY id % 1000")
        status = {status.name: status for status in platform.supervisor.status()}
        assert status["spark"].memory + status["databricks"].memory < 2.5 * 1024**3
