"""Parameter mapping: what goes from the method request to the integration request, and back.

https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from sandbox.gateway.exchange import Headers, Request, Response, header
from sandbox.gateway.jsonpath import MISSING, find
from sandbox.gateway.variables import Input, Scope, compact

_PLACES = ("path", "querystring", "header")
_PLACEHOLDER = re.compile(r"\{([^}+]+)\+?\}")


class Mapped:
    """The mapped parameters of an integration request; path values are percent-encoded."""

    def __init__(self, mapping: Mapping[str, str], scope: Scope) -> None:
        self.path: dict[str, str] = {}
        self.querystring: dict[str, str] = {}
        self.header: dict[str, str] = {}
        for target, source in mapping.items():
            place, _, name = target.removeprefix("integration.request.").partition(".")
            value = _requested(source, scope, encoded=place == "path")
            if place in _PLACES and value is not None:
                getattr(self, place)[name] = value

    def override(self, scope: Scope) -> None:
        """Apply what the request template set in ``$context.requestOverride``; this comes last, as on AWS."""
        overrides = scope.context["requestOverride"]
        self.header.update({name: str(value) for name, value in overrides["header"].items()})
        self.querystring.update({name: str(value) for name, value in overrides["querystring"].items()})
        self.path.update({name: quote(str(value), safe="") for name, value in overrides["path"].items()})

    def url(self, address: str, query: str = "") -> str:
        """The address with its placeholders filled in and the query added.

        :param query: a query that was sent, kept as it is before the mapped values.
        """
        filled = _PLACEHOLDER.sub(lambda match: self.path.get(match.group(1), ""), address)
        both = "&".join(part for part in (query, urlencode(self.querystring)) if part)
        if not both:
            return filled
        return f"{filled}{'&' if '?' in filled else '?'}{both}"


def _requested(source: str, scope: Scope, *, encoded: bool) -> str | None:
    if source.startswith("'") and source.endswith("'"):
        return quote(source[1:-1], safe="") if encoded else source[1:-1]
    if source.startswith("method.request.path.") and encoded:
        return scope.request.path_values.get(source.removeprefix("method.request.path."))
    value = _plain(source, scope)
    return quote(value, safe="") if encoded and value is not None else value


def _plain(source: str, scope: Scope) -> str | None:
    request = scope.request
    kind, _, name = source.removeprefix("method.request.").partition(".")
    if source.startswith("stageVariables."):
        return request.variables.get(source.removeprefix("stageVariables."))
    if source.startswith("context."):
        value = find(f"$.{source.removeprefix('context.')}", scope.context)
        return None if value is MISSING else str(value)
    if kind in ("querystring", "multivaluequerystring"):
        return request.querystring.get(name)
    if kind in ("header", "multivalueheader"):
        return header(request.headers, name)
    if kind == "path":
        return request.path_parameters.get(name)
    if kind == "body":
        return _of_body(request, name)
    return None


def _of_body(request: Request, name: str) -> str | None:
    if not name:
        return request.text
    return _text(find(f"$.{name}", Input(request.text, request).document))


def answered(mapping: Mapping[str, str], response: Response) -> Headers:
    """The method response's headers that a mapping makes of a back end's answer."""
    pairs = ((target.removeprefix("method.response.header."), source) for target, source in mapping.items())
    found = ((name, _of_response(source, response)) for name, source in pairs)
    return tuple((name, value) for name, value in found if value is not None)


def _of_response(source: str, response: Response) -> str | None:
    if source.startswith("'") and source.endswith("'"):
        return source[1:-1]
    kind, _, name = source.removeprefix("integration.response.").partition(".")
    if kind == "header":
        return header(response.headers, name)
    text = response.body.decode("utf-8", "replace")
    if not name:
        return text
    return _text(find(f"$.{name}", Input(text, Request("GET", "", {}, "/")).document))


def _text(value: object) -> str | None:
    if value is MISSING:
        return None
    return value if isinstance(value, str) else compact(value)


def missing(required: tuple[tuple[str, str], ...], request: Request) -> list[str]:
    """The names of required parameters that a request lacks or leaves blank."""
    return [name for place, name in required if not (_sent(request, place, name) or "").strip()]


def _sent(request: Request, place: str, name: str) -> str | None:
    if place == "header":
        return header(request.headers, name)
    return (request.path_parameters if place == "path" else request.querystring).get(name)
