"""Statement Execution API and SQL warehouses: https://docs.databricks.com/api/workspace/statementexecution."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from starlette.routing import Route

from sandbox.databricks.api import Call, route, whole_number
from sandbox.databricks.errors import InvalidParameterError, NotFoundError
from sandbox.databricks.sql.statements import Statements

VERSIONS = ("2.0", "2.1")
WAREHOUSE_ID = "sandbox"
WAREHOUSE = {
    "id": WAREHOUSE_ID,
    "name": "Sandbox",
    "state": "RUNNING",
    "cluster_size": "2X-Small",
    "warehouse_type": "PRO",
    "enable_serverless_compute": False,
    "num_clusters": 1,
    "num_active_sessions": 0,
    "auto_stop_mins": 0,
}


def routes(statements: Callable[[], Statements]) -> list[Route]:
    """The routes of statements and of the one warehouse.

    :param statements: gives the statements once the server has started.
    """

    async def execute(call: Call) -> dict[str, Any]:
        _warehouse(call.text("warehouse_id"))
        seconds = _wait_seconds(call.text("wait_timeout", "10s"))
        on_timeout = call.text("on_wait_timeout", "CONTINUE")
        if on_timeout not in ("CONTINUE", "CANCEL"):
            raise InvalidParameterError(f"on_wait_timeout is {on_timeout!r}. Use CONTINUE or CANCEL.")
        statement_id = statements().begin(call.fields)
        if not await statements().wait(statement_id, seconds) and on_timeout == "CANCEL" and seconds:
            await statements().cancel(statement_id)
        return statements().view(statement_id)

    async def get(call: Call) -> dict[str, Any]:
        return statements().view(call.path("statement_id"))

    async def chunk(call: Call) -> dict[str, Any]:
        statements().view(call.path("statement_id"))
        return statements().chunk(call.path("statement_id"), whole_number(call.path("index"), "chunk_index"))

    async def cancel(call: Call) -> dict[str, Any]:
        await statements().cancel(call.path("statement_id"))
        return {}

    async def list_warehouses(_: Call) -> dict[str, Any]:
        return {"warehouses": [WAREHOUSE]}

    async def get_warehouse(call: Call) -> dict[str, Any]:
        return _warehouse(call.path("warehouse_id"))

    return [
        *route("POST", "sql/statements", execute, VERSIONS),
        *route("POST", "sql/statements/", execute, VERSIONS),
        *route("GET", "sql/statements/{statement_id}", get, VERSIONS),
        *route("GET", "sql/statements/{statement_id}/result/chunks/{index}", chunk, VERSIONS),
        *route("POST", "sql/statements/{statement_id}/cancel", cancel, VERSIONS),
        *route("GET", "sql/warehouses", list_warehouses),
        *route("GET", "sql/warehouses/{warehouse_id}", get_warehouse),
    ]


def _warehouse(warehouse_id: str) -> dict[str, Any]:
    if warehouse_id != WAREHOUSE_ID:
        raise NotFoundError(
            f"There is no SQL warehouse {warehouse_id!r}. The sandbox has one, {WAREHOUSE_ID!r}. Use it."
        )
    return WAREHOUSE


def _wait_seconds(given: str) -> float:
    found = re.fullmatch(r"(\d+)s", given)
    if not found or not (int(found[1]) == 0 or 5 <= int(found[1]) <= 50):
        raise InvalidParameterError(f"The wait_timeout is {given!r}. It must be '0s' or from '5s' to '50s'.")
    return float(found[1])
