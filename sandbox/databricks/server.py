"""The workspace's server: state, jobs, statements and pages put together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.databricks import clusters, secret_scopes
from sandbox.databricks.api import TokenMiddleware, answer_error
from sandbox.databricks.errors import ApiError
from sandbox.databricks.jobs.attempts import Attempts, SparkSessions
from sandbox.databricks.jobs.executor import Executor
from sandbox.databricks.jobs.jobs import Jobs
from sandbox.databricks.jobs.routes import JobsService
from sandbox.databricks.jobs.routes import routes as job_routes
from sandbox.databricks.jobs.runs import Runs
from sandbox.databricks.pages.routes import routes as page_routes
from sandbox.databricks.secret_scopes import SecretScopes
from sandbox.databricks.sql.engine import Engine
from sandbox.databricks.sql.routes import routes as sql_routes
from sandbox.databricks.sql.statements import Statements
from sandbox.databricks.store import Store
from sandbox.databricks.workspace.objects import Workspace
from sandbox.databricks.workspace.routes import routes as workspace_routes

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Configuration:
    """What a workspace server is made of.

    :param data: its folder: state, workspace files, DBFS, runs.
    :param base_url: where browsers reach it, without a slash at the end.
    :param token: the bearer token of all callers.
    :param engine: runs SQL statements.
    :param sessions: ends Spark sessions.
    :param spark_port: of the Connect server that notebooks use; none = notebooks without Spark.
    :param slots: how many tasks run at once; the others wait.
    :param environment: further variables for the processes of tasks.
    """

    data: Path
    base_url: str
    token: str
    engine: Engine
    sessions: SparkSessions
    spark_port: int | None = None
    slots: int = 3
    environment: Mapping[str, str] = field(default_factory=dict)


class Server:
    """Everything behind the routes, while the server runs."""

    def __init__(self, configuration: Configuration) -> None:
        data = configuration.data
        self.store = Store(data)
        self.workspace = Workspace(data / "workspace", self.store)
        self.scopes = SecretScopes(self.store)
        self.statements = Statements(self.store, configuration.engine, configuration.sessions)
        runs = Runs(self.store)
        attempts = Attempts(
            runs, self.workspace, data / "runs", configuration.sessions,
            {"PYTHONDONTWRITEBYTECODE": "1", **configuration.environment},
            {"spark_port": configuration.spark_port, "state": str(data)},
            asyncio.Semaphore(configuration.slots),
        )  # fmt: skip
        self.service = JobsService(Jobs(self.store), runs, Executor(runs, attempts), configuration.base_url)

    async def close(self) -> None:
        """Stop runs and statements, then close the state."""
        await self.service.executor.close()
        await self.statements.close()
        self.store.close()


def create_app(configuration: Configuration) -> Starlette:
    """The ASGI application."""
    running: list[Server] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        server = Server(configuration)
        running[:] = [server]
        server.service.executor.adopt()
        warm_up = asyncio.create_task(server.statements.warm_up()) if configuration.spark_port else None
        try:
            yield
        finally:
            if warm_up:
                warm_up.cancel()
            await server.close()

    async def health(_: Request) -> JSONResponse:
        body: dict[str, Any] = {"status": "ok", "active_runs": len(running[0].service.runs.active())}
        return JSONResponse(body)

    return Starlette(
        routes=[
            Route("/_health", health),
            *workspace_routes(lambda: running[0].workspace),
            *job_routes(lambda: running[0].service),
            *sql_routes(lambda: running[0].statements),
            *secret_scopes.routes(lambda: running[0].scopes),
            *clusters.routes(),
            *page_routes(lambda: running[0].service),
        ],
        middleware=[Middleware(TokenMiddleware, token=configuration.token)],
        exception_handlers={ApiError: answer_error, HTTPException: answer_error, Exception: answer_error},
        lifespan=lifespan,
    )
