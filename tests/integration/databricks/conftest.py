"""The workspace with its real Spark, started once; and Airflow's connection to it."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

import httpx
import pytest

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pinflow-airflow-"))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

from tests.conftest import Platform
from tests.unit.sandbox.databricks.harness import Workspace


class RealWorkspace(Workspace):
    """A client of the workspace of the test platform."""

    def __init__(self, platform: Platform) -> None:
        client = httpx.Client(base_url=platform.url("databricks"), timeout=90)
        super().__init__(client, platform.context.data("databricks"))
        self._token = platform.context.secret("databricks-token")

    def raw(self, method: str, route: str, /, **fields: Any) -> Any:
        """One call, whatever comes."""
        given: dict[str, Any] = {"params": fields} if method == "GET" else {"json": fields}
        headers = {"Authorization": f"Bearer {self._token}"}
        return self.client.request(method, f"/api/{route}", headers=headers, **given)

    def sql(self, statement: str, **fields: Any) -> Any:
        """Run a SQL statement to its end, whatever that is."""
        body = {"statement": statement, "warehouse_id": "sandbox", "wait_timeout": "50s"} | fields
        return self.call("POST", "2.0/sql/statements", **body)

    def rows(self, statement: str, **fields: Any) -> list[list[str | None]]:
        """The rows of a statement that must succeed."""
        answer = self.sql(statement, **fields)
        assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
        found: list[list[str | None]] = answer["result"]["data_array"]
        return found


@pytest.fixture
def real(platform: Platform) -> RealWorkspace:
    """The workspace, healthy."""
    platform.up("databricks")
    return RealWorkspace(platform)


@pytest.fixture
def connection(real: RealWorkspace, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an Airflow connection to the workspace."""
    document = {
        "conn_type": "databricks",
        "host": "127.0.0.1",
        "schema": "http",
        "port": platform.port("databricks"),
        "password": platform.context.secret("databricks-token"),
    }
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps(document))
    return "databricks_default"
