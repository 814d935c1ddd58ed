"""The real Kinesis part, a task's context, and a plain boto3 client to look with."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests

from tests.conftest import Platform

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pinflow-airflow-"))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


class TaskInstance:
    """As much of a task instance as operators look at."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "manual__1", "task", -1, 1

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep an XCom."""
        self.xcoms[key] = value


@pytest.fixture
def context() -> dict[str, Any]:
    """A task's context."""
    return {"ti": TaskInstance(), "params": {}}


@pytest.fixture
def kinesis(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client; the operators of the same test reach the same server."""
    platform.up("kinesis")
    for name, value in platform.context.client_environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
    return boto3.client("kinesis")


@pytest.fixture
def name() -> str:
    """A name that no stream has."""
    return f"streaming-{uuid.uuid4().hex[:8]}-pin"


@pytest.fixture
def limits(kinesis: Any, platform: Platform) -> Iterator[None]:
    """Shards that throttle, as those of AWS always do."""
    url = f"{platform.url('kinesis')}/_limits"
    requests.put(url, json={"enabled": True}, timeout=10).raise_for_status()
    yield
    requests.put(url, json={"enabled": False}, timeout=10).raise_for_status()
