"""The ``http_proxy`` and ``http`` integrations."""

from __future__ import annotations

from sandbox.gateway.backend import Backend
from sandbox.gateway.document import ANY, Integration
from sandbox.gateway.exchange import Headers, Request, Response, header
from sandbox.gateway.mapping import method_response, request_body
from sandbox.gateway.parameters import Mapped
from sandbox.gateway.variables import API_ID, Scope

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
)
_OWN_ON_REQUEST = _HOP_BY_HOP | {"host", "content-length", "x-forwarded-for"}
_REMAPPED = frozenset({"connection", "content-length", "date", "server", "www-authenticate"})
_DROPPED = _HOP_BY_HOP - {"connection"}


async def http_proxy(integration: Integration, scope: Scope, backend: Backend) -> Response:
    """Pass a request on whole and its answer back whole."""
    request = scope.request
    mapped = Mapped(integration.parameters, scope)
    method = request.method if integration.method == ANY else integration.method
    url = mapped.url(integration.address(request.variables), request.query)
    answer = await backend.send(method, url, _passed(request, mapped.header), request.body, integration.timeout)
    return Response(answer.status, _returned(answer.headers), answer.body)


async def http(integration: Integration, scope: Scope, backend: Backend) -> Response:
    """Make a request of its own from the client's, and an answer from the back end's."""
    request = scope.request
    mapped = Mapped(integration.parameters, scope)
    body = request_body(integration, scope)
    mapped.override(scope)
    method = request.method if integration.method == ANY else integration.method
    url = mapped.url(integration.address(request.variables))
    answer = await backend.send(method, url, _own(request, mapped.header), body, integration.timeout)
    return method_response(integration, scope, answer)


def _passed(request: Request, mapped: dict[str, str]) -> Headers:
    replaced = {name.lower() for name in mapped}
    kept = ((name, value) for name, value in request.headers if name.lower() not in _OWN_ON_REQUEST | replaced)
    chain = ", ".join(part for part in (header(request.headers, "x-forwarded-for"), request.source_ip) if part)
    return (*kept, *mapped.items(), ("X-Forwarded-For", chain), ("x-amzn-apigateway-api-id", API_ID))


def _own(request: Request, mapped: dict[str, str]) -> Headers:
    headers = {
        "content-type": ("Content-Type", request.media_type),
        "accept": ("Accept", "application/json"),
        "user-agent": ("User-Agent", f"AmazonAPIGateway_{API_ID}"),
        "x-amzn-apigateway-api-id": ("x-amzn-apigateway-api-id", API_ID),
    }
    headers.update({name.lower(): (name, value) for name, value in mapped.items()})
    return tuple(headers.values())


def _returned(headers: Headers) -> Headers:
    return tuple(
        (f"x-amzn-Remapped-{name.title()}" if name.lower() in _REMAPPED else name, value)
        for name, value in headers
        if name.lower() not in _DROPPED
    )
