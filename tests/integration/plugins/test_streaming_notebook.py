"""The operator with the notebook that it is made for, on the real streams and the real Spark, which is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pinflow-airflow-"))

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred

import include
from pinflow.operators.databricks import DatabricksWorkspaceUploadOperator
from pinflow.operators.streaming import StreamingJobOperator
from tests.conftest import Platform
from tests.integration.databricks.conftest import RealWorkspace
from tests.integration.plugins.supervision import dag_run
from tests.spark.posts import MAKERS

pytestmark = pytest.mark.integration
PREFIX = "watched"
JOB = "watched-streaming"
POSTS = 40


def stream(table: str) -> str:
    return f"streaming-{PREFIX}-{table}"


@pytest.fixture
def kinesis(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The streams, empty; Airflow's connections; the notebook in the workspace."""
    from sandbox.airflow.environment import connections

    platform.up("kinesis", "databricks")
    for name, value in (platform.context.client_environment() | connections(platform.context)).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("kinesis")
    for table in MAKERS:
        client.create_stream(StreamName=stream(table), ShardCount=1)
    for table in MAKERS:
        waiter = {"Delay": 1, "MaxAttempts": 30}
        client.get_waiter("stream_exists").wait(StreamName=stream(table), WaiterConfig=waiter)
    folder = Path(include.__file__).parent
    upload = DatabricksWorkspaceUploadOperator(task_id="upload", folder=folder, root="/Shared/watched")
    upload.execute({})  # type: ignore[typeddict-item]
    return client


def post(kinesis: Any, first: int, broken: bool = False) -> None:
    """Forty posts to each stream; a record that is no JSON when asked for."""
    for table, make in MAKERS.items():
        texts = {str(ind): json.dumps(make(ind)) for ind in range(first, first + POSTS)}
        if broken and table == "pin":
            texts["broken"] = "no JSON"
        records = [{"Data": text.encode(), "PartitionKey": key} for key, text in texts.items()]
        assert kinesis.put_records(StreamName=stream(table), Records=records)["FailedRecordCount"] == 0


def supervise(**changes: Any) -> StreamingJobOperator:
    parameters = {
        "source": "kinesis", "catalog": "spark_catalog", "prefix": PREFIX, "region": "us-east-1",
        "checkpoint_root": "dbfs:/watched/checkpoints", "trigger": "1 second", "live_trigger": "5 seconds",
        "initial_position": "earliest", "tables": "pin,geo,user", "kafka_bootstrap": "",
    }  # fmt: skip
    given: dict[str, Any] = {"until_idle_seconds": 3, "window_seconds": 500, "polling_period_seconds": 2, **changes}
    return StreamingJobOperator(
        task_id="supervise",
        job_id=JOB,
        notebook_path="/Shared/watched/include/spark/notebooks/stream",
        warehouse_id="sandbox",
        parameters=parameters,
        backoff_seconds=2,
        deferrable=True,
        **given,
    )


def see_through(operator: StreamingJobOperator, meanwhile: Callable[[], None] | None = None) -> dict[str, Any]:
    """Run a window; something happens while it waits for the first time."""
    context: Any = dag_run()
    call: Callable[[], Any] = lambda: operator.execute(context)  # noqa: E731
    for _ in range(20):
        try:
            found: dict[str, Any] = call()
        except TaskDeferred as waiting:
            event = asyncio.run(wait(waiting, meanwhile))
            meanwhile = None if not isinstance(waiting.trigger, DateTimeTrigger) else meanwhile
            given = {"event": event, **(waiting.kwargs or {})}
            call = lambda given=given: operator.execute_complete(context, **given)  # type: ignore[misc]  # noqa: E731
        else:
            return found
    raise AssertionError("it waits for ever")


async def wait(waiting: TaskDeferred, meanwhile: Callable[[], None] | None) -> Any:
    """The event of the trigger, while something happens."""
    event = asyncio.wait_for(anext(aiter(waiting.trigger.run())), 300)
    action = asyncio.to_thread(meanwhile) if meanwhile else asyncio.sleep(0)
    return (await asyncio.gather(event, action))[0].payload


def test_two_windows_and_a_killed_spark(kinesis: Any, platform: Platform) -> None:
    real = RealWorkspace(platform)

    def number(query: str) -> int:
        return int(str(real.rows(query)[0][0]))

    post(kinesis, 0, broken=True)
    first = see_through(supervise())
    assert (first["rows"], first["quarantined"]) == (3 * POSTS + 1, 1)
    assert (first["left_running"], first["lag_ms"]) == (True, 0)
    assert 0 < first["delay_p50_ms"] <= first["delay_p95_ms"] <= first["delay_p99_ms"]

    def kill() -> None:
        post(kinesis, POSTS)
        give_up = time.monotonic() + 120
        while number("SELECT count(*) FROM stream.pin") < POSTS + 1:
            assert time.monotonic() < give_up
            time.sleep(0.5)
        os.kill(platform.leader("spark"), signal.SIGKILL)
        platform.up("databricks")
        post(kinesis, 2 * POSTS)

    second = see_through(supervise(at_end="stop"), kill)
    assert second["run_ids"][0] == first["run_ids"][-1], "adopted"
    assert second["restarts"] >= 1
    assert second["left_running"] is False
    for table in MAKERS:
        assert number(f"SELECT count(*) FROM stream.{table}") == 3 * POSTS
        assert number(f"SELECT count(DISTINCT ind) FROM stream.{table}") == 3 * POSTS
