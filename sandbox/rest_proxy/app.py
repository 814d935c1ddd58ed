"""The application: routes, error form, start and stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from confluent_kafka import KafkaException
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.rest_proxy import (
    v2_consumers,
    v2_metadata,
    v2_produce,
    v3_batch,
    v3_clusters,
    v3_configs,
    v3_groups,
    v3_partitions,
    v3_topics,
)
from sandbox.rest_proxy.cluster import Cluster
from sandbox.rest_proxy.consumers import Consumers
from sandbox.rest_proxy.errors import RestError, from_kafka
from sandbox.rest_proxy.http import Proxy, answer, failure, proxy
from sandbox.rest_proxy.options import Options
from sandbox.rest_proxy.producer import RecordProducer
from sandbox.rest_proxy.v3_records import Records

log = logging.getLogger(__name__)
HEALTH_SECONDS = 2.0
FLUSH_SECONDS = 5.0
PHRASES = {404: "Not Found", 405: "Method Not Allowed"}


async def health(request: Request) -> Response:
    """``GET /_health``, ours and not Confluent's: whether a broker answers within 2 s."""
    found = await proxy(request).cluster.metadata(HEALTH_SECONDS)
    return answer({"status": "ok", "cluster_id": found.cluster_id, "brokers": sorted(found.brokers)})


async def _failed(request: Request, error: Exception) -> Response:
    return failure(_as_rest_error(request, error), request.url.path)


def _as_rest_error(request: Request, error: Exception) -> RestError:
    if isinstance(error, RestError):
        return error
    if isinstance(error, KafkaException):
        return from_kafka(error.args[0])
    if isinstance(error, HTTPException):
        phrase = PHRASES.get(error.status_code, error.detail)
        return RestError(error.status_code, error.status_code, f"HTTP {error.status_code} {phrase}")
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return RestError(500, 500, "Internal Server Error")


class WithoutTrailingSlash:
    """Treats ``/topics/`` as ``/topics``, as Confluent's proxy does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self.app(scope, receive, send)


def create_app(options: Options) -> Starlette:
    """The proxy for one cluster; it connects when the application starts and needs no broker for that."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        producer = RecordProducer(options)
        app.state.proxy = Proxy(options, producer, Cluster(options, producer))
        app.state.consumers = Consumers(options)
        sweeper = asyncio.create_task(app.state.consumers.sweep())
        try:
            yield
        finally:
            sweeper.cancel()
            await app.state.consumers.close()
            if left := producer.close(FLUSH_SECONDS):
                log.error("%d records had not been taken by a broker when the proxy stopped.", left)

    app = Starlette(
        routes=[
            Route("/_health", health),
            *v2_metadata.ROUTES,
            *v2_produce.ROUTES,
            *v2_consumers.ROUTES,
            *v3_clusters.ROUTES,
            *v3_topics.ROUTES,
            *v3_configs.ROUTES,
            *v3_partitions.ROUTES,
            *v3_groups.ROUTES,
            *v3_batch.ROUTES,
            Route("/v3/clusters/{cluster}/topics/{topic}/records", Records(), methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys((RestError, KafkaException, HTTPException, Exception), _failed),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.add_middleware(WithoutTrailingSlash)
    return app
