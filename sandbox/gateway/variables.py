"""What a mapping template sees: ``$input``, ``$util``, ``$context`` and ``$stageVariables``.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

from __future__ import annotations

import base64
import json
import time
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from sandbox.gateway.exchange import Request, header
from sandbox.gateway.faults import Fault, Kind
from sandbox.gateway.jsonpath import MISSING, find
from sandbox.gateway.templates import RenderError, Template

API_ID = "pinflow"
ACCOUNT = "000000000000"


def compact(value: object) -> str:
    """JSON without blanks, text as UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Input:
    """``$input``: the payload that is mapped, and the parameters of the method request.

    :param text: the request's body, or in a response template the back end's.
    """

    def __init__(self, text: str, request: Request) -> None:
        self.body = text
        self._request = request
        self._document: Any = MISSING

    @property
    def document(self) -> Any:
        """The payload as parsed JSON; an empty object when it is empty or not JSON."""
        if self._document is MISSING:
            try:
                self._document = json.loads(self.body) if self.body.strip() else {}
            except ValueError:
                self._document = {}
        return self._document

    def path(self, path: str) -> Any:
        """The value that a JSONPath leads to; an empty text when there is none or it is null."""
        value = find(path, self.document)
        return "" if value is MISSING or value is None else value

    def json(self, path: str) -> str:
        """The value as JSON text; two quotes when there is none."""
        value = find(path, self.document)
        return '""' if value is MISSING else compact(value)

    def params(self, name: str | None = None) -> Any:
        """One parameter, looked for in path, query and headers in this order, or the map of all three maps."""
        places = {
            "path": self._request.path_parameters,
            "querystring": self._request.querystring,
            "header": dict(self._request.headers),
        }
        if name is None:
            return places
        for place in ("path", "querystring"):
            if name in places[place]:
                return places[place][name]
        return header(self._request.headers, name) or ""


class Util:
    """``$util``."""

    def escapeJavaScript(self, text: object) -> str:  # noqa: N802 - the names are API Gateway's
        """Escape as a JavaScript text."""
        return json.dumps(_text(text), ensure_ascii=False)[1:-1].replace("'", "\\'").replace("/", "\\/")

    def parseJson(self, text: object) -> Any:  # noqa: N802
        """Parse JSON text."""
        return json.loads(_text(text))

    def urlEncode(self, text: object) -> str:  # noqa: N802
        """Encode as in a form."""
        return quote_plus(_text(text))

    def urlDecode(self, text: object) -> str:  # noqa: N802
        """Decode what ``urlEncode`` made."""
        return unquote_plus(_text(text))

    def base64Encode(self, text: object) -> str:  # noqa: N802
        """Encode the text as UTF-8, then as base64; half a surrogate pair becomes ``?``, as in Java.

        An object of the payload is a Java map, whose text is ``{a=1}`` and not JSON; ``$input.json`` gives its JSON.
        """
        return base64.b64encode(_text(text).encode("utf-8", "replace")).decode()

    def base64Decode(self, text: object) -> str:  # noqa: N802
        """Decode base64 of UTF-8 text."""
        return base64.b64decode(_text(text)).decode("utf-8", "replace")


def _text(value: object) -> str:
    """What Java makes of a value: a map's own text, a list (json-smart's JSONArray) and scalars as JSON."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}={_text(item)}' for name, item in value.items())}}}"
    return value if isinstance(value, str) else compact(value)


def context(request: Request, resource: str) -> dict[str, Any]:
    """``$context`` of a request.

    :param resource: the resource's path in the document; empty before one is found.
    """
    return {
        "accountId": ACCOUNT,
        "apiId": API_ID,
        "extendedRequestId": request.extended_id,
        "httpMethod": request.method,
        "identity": {"sourceIp": request.source_ip, "userAgent": header(request.headers, "user-agent") or ""},
        "path": f"/{request.stage}{request.path}",
        "protocol": "HTTP/1.1",
        "requestId": request.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(request.received)),
        "requestTimeEpoch": int(request.received * 1000),
        "resourcePath": resource,
        "stage": request.stage,
        "requestOverride": {"header": {}, "querystring": {}, "path": {}},
        "responseOverride": {"header": {}},
    }


class Scope:
    """The variables of one request; the context lives on from the request template to the response template."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._resource = ""
        self._util = Util()

    @cached_property
    def context(self) -> dict[str, Any]:
        """``$context``; made when something first asks for it, since most requests never do."""
        return context(self.request, self._resource)

    def enter(self, request: Request, resource: str) -> None:
        """Take the request with its stage and resource known."""
        self.request = request
        self._resource = resource

    def render(self, template: Template, payload: str) -> str:
        """Run a template over a payload.

        :raises Fault: the template fails on this payload (500, as on AWS).
        """
        variables = {
            "input": Input(payload, self.request),
            "util": self._util,
            "context": self.context,
            "stageVariables": dict(self.request.variables),
        }
        try:
            return template.render(variables)
        except RenderError as error:
            raise Fault(Kind.API_CONFIGURATION_ERROR, cause=f"the mapping template failed: {error}") from error
