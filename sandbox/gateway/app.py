"""The ASGI application: stage, resource, method, validation, integration, answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from sandbox.gateway.aws_integration import aws
from sandbox.gateway.backend import Backend
from sandbox.gateway.document import Api, Integration
from sandbox.gateway.exchange import Headers, Request, Response
from sandbox.gateway.faults import Fault, Kind, answer
from sandbox.gateway.http_integrations import http, http_proxy
from sandbox.gateway.router import Router
from sandbox.gateway.stages import Stages
from sandbox.gateway.validation import check
from sandbox.gateway.variables import Scope

MAX_BODY = 10_485_760
HEALTH = "/_health"
"""Outside any stage: it is this runner's own, API Gateway has no such path."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Run = Callable[[Integration, Scope, Backend], Awaitable[Response]]

_INTEGRATIONS: Mapping[str, Run] = {"http_proxy": http_proxy, "http": http, "aws": aws}
_log = logging.getLogger("sandbox.gateway")


class _ClientGoneError(Exception):
    """The client went away before its request was whole; nothing of it may reach a back end."""


class Gateway:
    """One API under its stages.

    :param api: the document.
    :param stages: the stages, all serving the same API.
    """

    def __init__(self, api: Api, stages: Stages) -> None:
        self.api = api
        self.stages = stages
        self._router = Router(api)
        self._backend = Backend()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._backend:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        raw_path = scope["raw_path"].decode("latin-1")
        if raw_path == HEALTH:
            await _reply(send, self._health(), head=False)
            return
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        request = Request(
            method=scope["method"],
            stage="",
            variables=self.stages.variables,
            path=raw_path,
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            source_ip=(scope.get("client") or ("127.0.0.1",))[0],
        )
        try:
            response = await self._answer(request, receive)
        except _ClientGoneError:
            return
        _log.debug("%s %s %s %d %d", request.request_id, request.method, raw_path, response.status, len(response.body))
        await _reply(send, response, head=request.method == "HEAD")

    def _health(self) -> Response:
        body = {"status": "ok", "title": self.api.title, "stages": sorted(self.stages.names)}
        return Response(200, (("Content-Type", "application/json"),), json.dumps(body).encode())

    async def _answer(self, request: Request, receive: Receive) -> Response:
        """Run a request through; whatever happens, the answer carries API Gateway's ids."""
        scope = Scope(request)
        try:
            response = await self._run(scope, receive)
        except _ClientGoneError:
            raise
        except Fault as fault:
            if fault.cause:
                _log.warning("%s %s %s: %s", scope.request.request_id, request.method, request.path, fault.cause)
            response = answer(fault, scope.context, self.api.gateway_responses)
        except Exception:  # noqa: BLE001 - the client gets 500 and the log the trace, as on AWS
            _log.exception("%s %s %s", request.request_id, request.method, request.path)
            response = answer(Fault(Kind.API_CONFIGURATION_ERROR), scope.context, self.api.gateway_responses)
        ids: Headers = (("x-amzn-RequestId", request.request_id), ("x-amz-apigw-id", request.extended_id))
        return Response(response.status, (*ids, *response.headers), response.body)

    async def _run(self, scope: Scope, receive: Receive) -> Response:
        arrived = scope.request
        body = await _body(arrived, receive)
        stage, path = self.stages.split(arrived.path)
        method, values = self._router.match(arrived.method, path)
        request = arrived.below(stage, path, values, body)
        scope.enter(request, method.path)
        check(method, request)
        return await _INTEGRATIONS[method.integration.kind](method.integration, scope, self._backend)


async def _body(request: Request, receive: Receive) -> bytes:
    declared = next((value for name, value in request.headers if name == "content-length"), "0")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise Fault(Kind.REQUEST_TOO_LARGE)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise Fault(Kind.REQUEST_TOO_LARGE)
        if not message.get("more_body"):
            return b"".join(parts)


async def _reply(send: Send, response: Response, *, head: bool) -> None:
    headers = [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in response.headers
    ]
    if response.status not in (204, 304):
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else response.body})
