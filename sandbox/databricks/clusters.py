"""The few cluster calls that clients make before they run something: the sandbox has one, and it is always on."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from sandbox.databricks.api import Call, route

VERSIONS = ("2.0", "2.1")
SPARK_VERSION = {"key": "18.x-scala2.13", "name": "18 LTS (includes Apache Spark 4.1, Scala 2.13)"}


def routes() -> list[Route]:
    """The routes of clusters."""

    async def spark_versions(_: Call) -> dict[str, Any]:
        return {"versions": [SPARK_VERSION]}

    async def get(call: Call) -> dict[str, Any]:
        return _cluster(call.text("cluster_id"))

    async def list_clusters(_: Call) -> dict[str, Any]:
        return {"clusters": [_cluster("sandbox")]}

    async def control(call: Call) -> dict[str, Any]:
        call.text("cluster_id")
        return {}

    return [
        *route("GET", "clusters/spark-versions", spark_versions, VERSIONS),
        *route("GET", "clusters/get", get, VERSIONS),
        *route("GET", "clusters/list", list_clusters, VERSIONS),
        *(entry for name in ("start", "restart") for entry in route("POST", f"clusters/{name}", control, VERSIONS)),
    ]


def _cluster(cluster_id: str) -> dict[str, Any]:
    """Any id is taken: DAGs name clusters of their own workspace in ``existing_cluster_id``."""
    return {
        "cluster_id": cluster_id,
        "cluster_name": "Sandbox",
        "state": "RUNNING",
        "state_message": "",
        "spark_version": SPARK_VERSION["key"],
        "data_security_mode": "USER_ISOLATION",
        "num_workers": 0,
    }
