"""What all REST resources of the workspace share: the token, JSON bodies, typed fields, errors."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.databricks.errors import ApiError, InvalidParameterError, MalformedRequestError, UnauthenticatedError

LOGGER = logging.getLogger(__name__)
Body = Mapping[str, Any]
Handler = Callable[["Call"], Awaitable[Body]]


class Call:
    """One request: its path values and its fields, from the query string or the JSON body.

    :param request: the HTTP request.
    :param fields: the fields.
    """

    def __init__(self, request: Request, fields: Body) -> None:
        self.request = request
        self.fields = fields

    def path(self, name: str) -> str:
        """A value from the address."""
        return str(self.request.path_params[name])

    def text(self, name: str, default: str | None = None) -> str:
        """A text field; required without a default.

        :raises InvalidParameterError: missing, or not a text.
        """
        value = self.fields.get(name, default)
        if value is None:
            raise InvalidParameterError(f"The field {name!r} is missing. It is required. Add it to the request.")
        if not isinstance(value, str):
            raise InvalidParameterError(f"The field {name!r} must be a text, not {value!r}.")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A whole-number field, which may come as a text, as the Airflow provider sends it.

        :raises InvalidParameterError: missing, or not a whole number.
        """
        value = self.fields.get(name)
        return whole_number(default if value in (None, "") else value, name)

    def flag(self, name: str, default: bool = False) -> bool:
        """A true/false field, which may come as a text."""
        value = self.fields.get(name, default)
        return value.lower() == "true" if isinstance(value, str) else bool(value)


def whole_number(value: Any, name: str) -> int:
    """Read a number that may have come as a text.

    :raises InvalidParameterError: missing, or not a whole number.
    """
    if value is None:
        raise InvalidParameterError(f"The field {name!r} is missing. It is required. Add it to the request.")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not re.fullmatch(r"-?\d+", str(value)):
        raise InvalidParameterError(f"The field {name!r} must be a whole number, not {value!r}.")
    return int(value)


def route(method: str, path: str, handler: Handler, versions: tuple[str, ...] = ("2.0",)) -> list[Route]:
    """Serve a handler under ``/api/<version>/<path>`` for each version."""

    async def endpoint(request: Request) -> Response:
        return JSONResponse(await handler(Call(request, await _fields(request))))

    return [Route(f"/api/{version}/{path}", endpoint, methods=[method]) for version in versions]


async def _fields(request: Request) -> Body:
    # The provider's asynchronous hook sends the arguments of a GET as a JSON body, and Databricks takes them.
    query = dict(request.query_params) if request.method == "GET" else {}
    content = await request.body()
    if not content.strip():
        return query
    try:
        document = json.loads(content)
    except ValueError as error:
        raise MalformedRequestError(f"The body is not JSON: {error}. Send one JSON object.") from None
    if not isinstance(document, dict):
        raise MalformedRequestError("The body is JSON but not an object. Send one JSON object.")
    return {**document, **query}


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer every error in Databricks' form; what nobody foresaw is logged and answered as 500."""
    if isinstance(error, ApiError):
        return JSONResponse(error.body(), status_code=error.status)
    if isinstance(error, HTTPException):
        code = "ENDPOINT_NOT_FOUND" if error.status_code == 404 else "BAD_REQUEST"
        message = f"No API found for '{request.method} {request.url.path}'"
        return JSONResponse({"error_code": code, "message": message}, status_code=error.status_code)
    LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    text = f"{type(error).__name__}: {error}"
    return JSONResponse({"error_code": "INTERNAL_ERROR", "message": text}, status_code=500)


class TokenMiddleware(BaseHTTPMiddleware):
    """Asks for the token on everything below ``/api/``; run pages and ``/_health`` are open to this machine.

    :param token: the one token of this workspace.
    """

    def __init__(self, app: Any, token: str) -> None:
        super().__init__(app)
        self._expected = f"Bearer {token}".encode()

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Refuse with 401 what carries no token or a wrong one."""
        given = request.headers.get("authorization", "").encode()
        if request.url.path.startswith("/api/") and not secrets.compare_digest(given, self._expected):
            return await answer_error(request, UnauthenticatedError("The request has no valid bearer token."))
        return await call_next(request)
