"""The server: finds the operation of a request, runs it in a thread, answers in AWS's form."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import orjson
from confluent_kafka.admin import AdminClient
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.msk.clusters import Clusters
from sandbox.msk.connectors import Connectors
from sandbox.msk.errors import ApiError, bad_request, not_found
from sandbox.msk.names import REGION
from sandbox.msk.operations import Operations
from sandbox.msk.plugins import Plugins
from sandbox.msk.protocol import Operation, Routes, read_input, write_output
from sandbox.msk.store import Store
from sandbox.msk.tags import Tags
from sandbox.msk.topics import Topics
from sandbox.msk.worker import Worker, WorkerError
from sandbox.msk.worker_configurations import WorkerConfigurations

log = logging.getLogger(__name__)
Handler = Callable[[dict[str, Any]], dict[str, Any]]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
BACKGROUND_THREADS = 4


@dataclass(frozen=True)
class Options:
    """What the server is told at its start.

    :param data: the folder of its memory.
    :param connect_url: the worker's REST interface.
    """

    bootstrap_servers: str
    connect_url: str
    cluster_name: str
    kafka_version: str
    data: Path


class ControlPlane:
    """The two services."""

    def __init__(self, options: Options) -> None:
        self.store = Store(options.data / "state.json")
        self._background = ThreadPoolExecutor(BACKGROUND_THREADS, thread_name_prefix="msk")
        admin = AdminClient(
            {"bootstrap.servers": options.bootstrap_servers, "reconnect.backoff.max.ms": 1000}, logger=log
        )
        self.worker = Worker(options.connect_url)
        self.clusters = Clusters(
            admin, self.store, options.cluster_name, options.bootstrap_servers, options.kafka_version
        )
        self.plugins = Plugins(self.store, boto3.client("s3", region_name=REGION), self.schedule)
        configurations = WorkerConfigurations(self.store)
        self.connectors = Connectors(
            self.store, self.worker, self.plugins, configurations, options.bootstrap_servers, self.schedule
        )
        self.handlers = {
            **_kafka(self.clusters, Topics(self.clusters), Tags(self.store, self._check_cluster)),
            **_kafkaconnect(
                self.connectors,
                self.plugins,
                configurations,
                Operations(self.store),
                Tags(self.store, self._check_connect_thing),
            ),
        }

    def schedule(self, job: Callable[[], None]) -> None:
        """Run a job in the background; a failure is logged."""
        self._background.submit(job).add_done_callback(_log_failure)

    def resume(self) -> None:
        """Go on with what the process before had begun."""
        self.plugins.resume()
        self.connectors.resume()

    def close(self) -> None:
        """Begin no more jobs; what is unfinished goes on after the next start."""
        self._background.shutdown(wait=False, cancel_futures=True)

    def call(self, operation: Operation, given: dict[str, Any]) -> dict[str, Any]:
        """Run an operation.

        :raises ApiError: also when the sandbox does not serve the operation.
        """
        handler = self.handlers.get((operation.service, operation.name))
        if handler is None:
            raise ApiError(
                "NotImplementedException", f"The sandbox does not serve {operation.service}:{operation.name}."
            )
        return handler(given)

    def _check_cluster(self, arn: str) -> None:
        self.clusters.check(arn)

    def _check_connect_thing(self, arn: str) -> None:
        with self.store.look() as document:
            if not any(arn in document[section] for section in ("connectors", "plugins", "worker_configurations")):
                raise not_found(f"The resource {arn} does not exist.", "resourceArn")


def _log_failure(done: Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("A job in the background failed.", exc_info=error)


def _named(service: str, handlers: dict[str, Handler]) -> dict[tuple[str, str], Handler]:
    return {(service, name): handler for name, handler in handlers.items()}


def _tagging(tags: Tags) -> dict[str, Handler]:
    return {"TagResource": tags.add, "UntagResource": tags.remove, "ListTagsForResource": tags.show}


def _kafka(clusters: Clusters, topics: Topics, tags: Tags) -> dict[tuple[str, str], Handler]:
    handlers: dict[str, Handler] = {
        "ListClusters": clusters.list_v1,
        "ListClustersV2": clusters.list_v2,
        "DescribeCluster": clusters.describe_v1,
        "DescribeClusterV2": clusters.describe_v2,
        "GetBootstrapBrokers": clusters.bootstrap_brokers,
        "ListNodes": clusters.nodes,
        "CreateTopic": topics.create,
        "UpdateTopic": topics.update,
        "DeleteTopic": topics.delete,
        "DescribeTopic": topics.describe,
        "DescribeTopicPartitions": topics.partitions,
        "ListTopics": topics.list,
        **_tagging(tags),
    }
    return _named("kafka", handlers)


def _kafkaconnect(
    connectors: Connectors,
    plugins: Plugins,
    configurations: WorkerConfigurations,
    done: Operations,
    tags: Tags,
) -> dict[tuple[str, str], Handler]:
    handlers: dict[str, Handler] = {
        "CreateConnector": connectors.create,
        "DescribeConnector": connectors.describe,
        "ListConnectors": connectors.list,
        "UpdateConnector": connectors.update,
        "DeleteConnector": connectors.delete,
        "RestartConnector": connectors.restart,
        "PauseConnector": connectors.pause,
        "ResumeConnector": connectors.resume_one,
        "DescribeConnectorOperation": done.describe,
        "ListConnectorOperations": done.list,
        "CreateCustomPlugin": plugins.create,
        "DescribeCustomPlugin": plugins.describe,
        "ListCustomPlugins": plugins.list,
        "DeleteCustomPlugin": plugins.delete,
        "CreateWorkerConfiguration": configurations.create,
        "DescribeWorkerConfiguration": configurations.describe,
        "ListWorkerConfigurations": configurations.list,
        "DeleteWorkerConfiguration": configurations.delete,
        **_tagging(tags),
    }
    return _named("kafkaconnect", handlers)


async def serve(request: Request) -> Response:
    """Answer any request of the two services."""
    body = await request.body()
    try:
        operation, path = request.app.state.routes.find(request.method, request.scope["raw_path"].decode("ascii"))
        given = read_input(operation, path, request.url.query, _json(body))
        output = await run_in_threadpool(request.app.state.control_plane.call, operation, given)
    except ApiError as error:
        return _failure(error)
    status = operation.model.http.get("responseCode", 200) if operation.model is not None else 200
    return Response(orjson.dumps(write_output(operation, output)), status, media_type="application/json")


def _json(body: bytes) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"The body is not JSON: {error}") from None


def _failure(error: ApiError) -> Response:
    headers = {"x-amzn-errortype": error.name}
    return Response(orjson.dumps(error.body()), error.status, headers, "application/json")


async def _crashed(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _failure(ApiError("InternalServerErrorException", f"{type(error).__name__}: see the log of the part msk."))


async def health(request: Request) -> Response:
    """``GET /_health``, ours and not AWS's: whether the worker answers."""
    try:
        version = await run_in_threadpool(request.app.state.control_plane.worker.alive)
    except WorkerError as error:
        return Response(
            orjson.dumps({"status": "no worker", "message": str(error)}), 503, media_type="application/json"
        )
    return Response(orjson.dumps({"status": "ok", "worker": version}), media_type="application/json")


def create_app(options: Options) -> Starlette:
    """The server as an application."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        control_plane = await run_in_threadpool(ControlPlane, options)
        app.state.control_plane = control_plane
        control_plane.resume()
        yield
        control_plane.close()

    app = Starlette(
        routes=[Route("/_health", health), Route("/{path:path}", serve, methods=METHODS)],
        exception_handlers={Exception: _crashed},
        lifespan=lifespan,
    )
    app.state.routes = Routes()
    return app
