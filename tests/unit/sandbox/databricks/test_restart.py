"""A server that is stopped or killed, and the next one on the same folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from sandbox.databricks.jobs.processes import TaskProcess
from sandbox.databricks.server import create_app
from tests.unit.sandbox.databricks.harness import TOKEN, Workspace, configuration
from tests.unit.sandbox.databricks.test_runs_api import WAIT, alive, results, running, submit, task

ROOT = Path(__file__).resolve().parents[4]


class ServerProcess:
    """The server as the supervisor starts it, without Spark."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.data = data
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Workspace:
        argv = (sys.executable, "-m", "sandbox.databricks", "--port", str(self.port), "--data", str(self.data))
        self.process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, "DATABRICKS_TOKEN": TOKEN})
        client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        give_up = time.monotonic() + 30
        while True:
            try:
                if client.get("/_health").status_code == 200:
                    return Workspace(client, self.data)
            except httpx.TransportError:
                assert self.process.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.05)

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def server(data: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(data)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGTERM)


def pid_of(workspace: Workspace, run_id: int) -> int:
    """The process of a run, as soon as it is there."""
    folder = workspace.folder(run_id)
    give_up = time.monotonic() + 20
    while (process := TaskProcess.find(folder)) is None:
        assert time.monotonic() < give_up
        time.sleep(0.02)
    return process.pid


class TestKilled:
    def test_a_run_goes_on_and_is_adopted(self, server: ServerProcess, tmp_path: Path) -> None:
        workspace = server.start()
        gate = tmp_path / "gate"
        wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
        code = f"{wait}\ndbutils.notebook.exit('finished')"
        run_id = submit(
            workspace, task(workspace, "a", code), task(workspace, "b", "dbutils.notebook.exit('after')", "a")
        )
        workspace.wait(run_id, running)
        server.end(signal.SIGKILL)
        workspace = server.start()
        assert results(workspace.get(run_id)) == {"a": None, "b": None}
        gate.touch()
        run = workspace.wait(run_id)
        assert results(run) == {"a": "SUCCESS", "b": "SUCCESS"}
        output = workspace.call("GET", "2.2/jobs/runs/get-output", run_id=run["tasks"][0]["run_id"])
        assert output["notebook_output"]["result"] == "finished"

    def test_an_adopted_run_can_be_cancelled(self, server: ServerProcess) -> None:
        workspace = server.start()
        run_id = workspace.submit(workspace.notebook(WAIT))
        workspace.wait(run_id, running)
        pid = pid_of(workspace, run_id)
        server.end(signal.SIGKILL)
        assert alive(pid)
        workspace = server.start()
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=run_id)
        assert workspace.wait(run_id)["state"]["result_state"] == "CANCELED"
        assert not alive(pid)

    def test_a_run_that_ended_meanwhile_has_its_own_result(self, server: ServerProcess, tmp_path: Path) -> None:
        workspace = server.start()
        gate = tmp_path / "gate"
        code = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\nraise ValueError('alone')"
        run_id = workspace.submit(workspace.notebook(code))
        workspace.wait(run_id, running)
        pid = pid_of(workspace, run_id)
        server.end(signal.SIGKILL)
        gate.touch()
        give_up = time.monotonic() + 20
        while alive(pid):
            assert time.monotonic() < give_up
            time.sleep(0.02)
        workspace = server.start()
        assert workspace.wait(run_id)["state"]["result_state"] == "FAILED"
        assert workspace.output(run_id)["error"] == "ValueError: alone"

    def test_a_run_whose_process_is_gone_ends_with_the_reason(self, server: ServerProcess) -> None:
        workspace = server.start()
        run_id = workspace.submit(workspace.notebook(WAIT))
        workspace.wait(run_id, running)
        pid = pid_of(workspace, run_id)
        server.end(signal.SIGKILL)
        os.killpg(pid, signal.SIGKILL)
        workspace = server.start()
        run = workspace.wait(run_id)
        assert (run["state"]["life_cycle_state"], run["state"]["result_state"]) == ("INTERNAL_ERROR", "FAILED")
        assert "server was restarted" in run["state"]["state_message"]
        assert "server was restarted" in workspace.output(run_id)["error"]

    def test_jobs_objects_secrets_and_tokens_are_kept(self, server: ServerProcess) -> None:
        workspace = server.start()
        path = workspace.notebook("dbutils.notebook.exit('1')")
        run_id = workspace.submit(path, idempotency_token="once")
        workspace.wait(run_id)
        body = {"name": "kept", "tasks": [{"task_key": "t", "notebook_task": {"notebook_path": path}}]}
        job_id = workspace.call("POST", "2.2/jobs/create", **body)["job_id"]
        workspace.call("POST", "2.0/secrets/scopes/create", scope="s")
        server.end(signal.SIGKILL)
        workspace = server.start()
        assert workspace.submit(path, idempotency_token="once") == run_id
        assert workspace.output(run_id)["notebook_output"]["result"] == "1"
        assert workspace.call("GET", "2.2/jobs/get", job_id=job_id)["settings"]["name"] == "kept"
        assert workspace.call("GET", "2.0/workspace/get-status", path=path)["object_type"] == "NOTEBOOK"
        assert workspace.call("GET", "2.0/secrets/scopes/list")["scopes"][0]["name"] == "s"
        assert workspace.submit(path) > max(run_id, job_id)


class TestStopped:
    def test_runs_end_with_the_reason_and_leave_no_process(self, server: ServerProcess) -> None:
        workspace = server.start()
        run_id = submit(workspace, task(workspace, "a", WAIT), task(workspace, "b", "pass", "a"))
        workspace.wait(run_id, running)
        pid = pid_of(workspace, run_id)
        begun = time.monotonic()
        server.end(signal.SIGTERM)
        assert time.monotonic() - begun < 10
        assert not alive(pid)
        run = server.start().get(run_id)
        assert (run["state"]["life_cycle_state"], run["state"]["result_state"]) == ("INTERNAL_ERROR", "FAILED")
        assert "The sandbox was stopped" in run["state"]["state_message"]
        assert results(run) == {"a": "FAILED", "b": "UPSTREAM_FAILED"}

    def test_a_run_that_is_being_started_over_and_over_ends_too(self, server: ServerProcess) -> None:
        workspace = server.start()
        run_id = submit(workspace, task(workspace, "a", "1 / 0", max_retries=-1, min_retry_interval_millis=50))
        workspace.wait(run_id, lambda run: run["tasks"][0]["attempt_number"] >= 2)
        server.end(signal.SIGTERM)
        assert server.start().get(run_id)["state"]["result_state"] == "FAILED"

    def test_it_listens_on_the_loopback_only(self, server: ServerProcess) -> None:
        server.start()
        wanted = f"{server.port:04X}"
        listening = [
            line.split()[1].split(":")
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            for line in Path(table).read_text().splitlines()[1:]
            if line.split()[3] == "0A"
        ]
        assert [address for address, port in listening if port == wanted] == ["0100007F"]


def test_a_queued_run_starts_after_a_restart(data: Path) -> None:
    """What was recorded and had not begun when the server went."""
    with TestClient(create_app(configuration(data))) as client:
        path = Workspace(client, data).notebook("dbutils.notebook.exit('late')")
    from sandbox.databricks.jobs.runs import Runs
    from sandbox.databricks.store import Store

    store = Store(data)
    settings = {"tasks": [{"task_key": "t", "notebook_task": {"notebook_path": path}}]}
    run_id, new = Runs(store).create(job_id=None, name="n", settings=settings, parameters={}, token=None)
    assert new
    store.close()
    with TestClient(create_app(configuration(data))) as client:
        workspace = Workspace(client, data)
        assert workspace.wait(run_id)["state"]["result_state"] == "SUCCESS"
        assert workspace.output(run_id)["notebook_output"]["result"] == "late"
