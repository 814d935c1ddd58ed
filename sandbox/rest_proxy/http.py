"""Requests and answers: bodies with a limit, media types, Confluent's error form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from sandbox.rest_proxy.cluster import Cluster
from sandbox.rest_proxy.errors import RestError
from sandbox.rest_proxy.options import Options
from sandbox.rest_proxy.producer import RecordProducer

V2_JSON = "application/vnd.kafka.v2+json"
JSON = "application/json"
V2_MANAGEMENT = (V2_JSON, JSON, "application/octet-stream")
FORMATS = ("json", "binary", "avro", "jsonschema", "protobuf")
EMBEDDED = {f"application/vnd.kafka.{name}.v2+json": name for name in FORMATS}


@dataclass
class Proxy:
    """What all requests share."""

    options: Options
    producer: RecordProducer
    cluster: Cluster


def proxy(request: Request) -> Proxy:
    """The shared things of the application that got this request."""
    found: Proxy = request.app.state.proxy
    return found


def answer(content: Any, status: int = 200, media_type: str = JSON) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(content), status, media_type=media_type)


def failure(error: RestError, path: str) -> Response:
    """Confluent's error body in the media type of the path's version."""
    return answer(error.body(), error.status, JSON if path.startswith("/v3") else V2_JSON)


async def read_body(request: Request) -> bytes:
    """The whole body.

    :raises RestError: 413 when it is longer than the proxy allows.
    """
    limit = proxy(request).options.max_request_bytes
    check_length(request.headers.get("content-length"), limit)
    pieces, size = [], 0
    try:
        async for piece in request.stream():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise too_large(limit)
    except ClientDisconnect:
        raise RestError(400, 400, "The client left before the body was complete.") from None
    return b"".join(pieces)


def check_length(content_length: str | None, limit: int) -> None:
    """Refuse a body that says beforehand that it is too long.

    :raises RestError: 413.
    """
    if content_length is not None and content_length.isdigit() and int(content_length) > limit:
        raise too_large(limit)


def too_large(limit: int) -> RestError:
    """The answer to a body beyond the limit."""
    return RestError(413, 413, f"The request body is larger than {limit} bytes. Send fewer records in one request.")


def media_type(header: str | None) -> str:
    """The type of a ``Content-Type`` header without its parameters."""
    return (header or "").partition(";")[0].strip().lower()


def check_accept(request: Request, *offered: str) -> None:
    """Refuse an ``Accept`` header that asks for nothing the route can give.

    :raises RestError: 406.
    """
    header = request.headers.get("accept")
    if header and not any(_accepts(media_type(entry), offered) for entry in header.split(",")):
        raise RestError(406, 406, "HTTP 406 Not Acceptable")


def _accepts(wanted: str, offered: tuple[str, ...]) -> bool:
    if wanted in ("*/*", *offered):
        return True
    return wanted.endswith("/*") and any(entry.startswith(wanted[:-1]) for entry in offered)


def check_v2(request: Request) -> None:
    """Check the media types of a v2 management request.

    :raises RestError: 406 or 415.
    """
    check_accept(request, *V2_MANAGEMENT)
    declared = request.headers.get("content-type")
    if request.method in ("POST", "PUT") and declared and media_type(declared) not in V2_MANAGEMENT:
        raise unsupported_media_type()


def unsupported_media_type() -> RestError:
    """The answer to a body in a type that the route does not read."""
    return RestError(415, 415, "HTTP 415 Unsupported Media Type")
