"""What API Gateway answers when it, and not the back end, decides.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sandbox.gateway.exchange import Response
from sandbox.gateway.jsonpath import MISSING, find


class Kind(Enum):
    """A type of gateway response: its status, its ``x-amzn-ErrorType`` and its message."""

    MISSING_AUTHENTICATION_TOKEN = (403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    FORBIDDEN = (403, "ForbiddenException", "Forbidden")
    BAD_REQUEST_BODY = (400, "BadRequestException", "Invalid request body")
    BAD_REQUEST_PARAMETERS = (400, "BadRequestException", "Missing required request parameters")
    UNSUPPORTED_MEDIA_TYPE = (415, "UnsupportedMediaTypeException", "Unsupported Media Type")
    REQUEST_TOO_LARGE = (413, "RequestTooLargeException", "HTTP content length exceeded 10485760 bytes.")
    API_CONFIGURATION_ERROR = (500, "InternalServerErrorException", "Internal server error")
    INTEGRATION_FAILURE = (504, "InternalServerErrorException", "Network error communicating with endpoint")
    INTEGRATION_TIMEOUT = (504, "InternalServerErrorException", "Endpoint request timed out")
    BAD_GATEWAY = (502, "InternalServerErrorException", "Internal server error")

    @property
    def status(self) -> int:
        """The HTTP status without a customised response."""
        return self.value[0]

    @property
    def error_type(self) -> str:
        """What ``x-amzn-ErrorType`` says."""
        return self.value[1]


class Fault(Exception):  # noqa: N818 - the gateway's own answer, not an error of this program
    """Ends a request with one of the gateway's own answers.

    :param kind: which one.
    :param message: in place of the kind's own message.
    :param detail: what ``$context.error.validationErrorString`` says.
    :param cause: for the log only; the client does not see it.
    """

    def __init__(self, kind: Kind, message: str | None = None, detail: str = "", cause: str = "") -> None:
        self.kind = kind
        self.message = message or kind.value[2]
        self.detail = detail
        self.cause = cause
        super().__init__(cause or self.message)


@dataclass(frozen=True)
class CustomResponse:
    """An entry of ``x-amazon-apigateway-gateway-responses``; its templates know variables only, no directives."""

    status: int | None = None
    templates: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


_VARIABLE = re.compile(
    r"""(?P<quoted>")?\$(?:\{context\.(?P<braced>[\w.]+)\}|context\.(?P<bare>\w+(?:\.\w+)*))(?(quoted)")"""
)


def answer(fault: Fault, context: Mapping[str, Any], custom: Mapping[str, CustomResponse]) -> Response:
    """The response to a fault: the customised one when the document has one for its type or its family."""
    entry = _entry(fault.kind, custom)
    values = {**context, "error": _error(fault)}
    if fault.kind is Kind.REQUEST_TOO_LARGE and not entry.templates:
        media, body = "text/plain", fault.message
    else:
        media, template = next(
            iter(entry.templates.items()), ("application/json", '{"message":$context.error.messageString}')
        )
        body = _VARIABLE.sub(lambda match: _substituted(match, values), template)
    static = tuple(
        (name.removeprefix("gatewayresponse.header."), value.strip("'")) for name, value in entry.parameters.items()
    )
    headers = (("Content-Type", media), ("x-amzn-ErrorType", fault.kind.error_type), *static)
    return Response(entry.status or fault.kind.status, headers, body.encode())


def _entry(kind: Kind, custom: Mapping[str, CustomResponse]) -> CustomResponse:
    if kind is Kind.FORBIDDEN:  # no stage, so no API whose responses could apply
        return CustomResponse()
    return custom.get(kind.name) or custom.get(f"DEFAULT_{kind.status // 100}XX") or CustomResponse()


def _error(fault: Fault) -> dict[str, str]:
    return {
        "message": fault.message,
        "messageString": json.dumps(fault.message),
        "responseType": fault.kind.name,
        "validationErrorString": fault.detail,
    }


def _substituted(match: re.Match[str], values: Mapping[str, Any]) -> str:
    value = find(f"$.{match['braced'] or match['bare']}", values)
    text = "" if value is MISSING else str(value)
    return json.dumps(text, ensure_ascii=False) if match["quoted"] else text
