"""What the integrations that are not proxies share: the request's body on its way in, the answer on its way out."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.gateway.document import Integration, IntegrationResponse
from sandbox.gateway.exchange import DEFAULT_MEDIA_TYPE, Headers, Response, header
from sandbox.gateway.faults import Fault, Kind
from sandbox.gateway.parameters import answered
from sandbox.gateway.templates import Template
from sandbox.gateway.variables import Scope


def request_body(integration: Integration, scope: Scope) -> bytes:
    """The body for the back end: through the template of the request's media type, or unchanged.

    :raises Fault: 415 when there is no template for it and ``passthroughBehavior`` says no.
    """
    template = integration.templates.get(scope.request.media_type)
    if template is not None:
        return scope.render(template, scope.request.text).encode("utf-8", "replace")
    if integration.passthrough == "never" or (integration.passthrough == "when_no_templates" and integration.templates):
        raise Fault(Kind.UNSUPPORTED_MEDIA_TYPE)
    return scope.request.body


def method_response(integration: Integration, scope: Scope, answer: Response) -> Response:
    """The client's answer made of a back end's answer.

    :raises Fault: no response of the document matches the status (500, as on AWS).
    """
    chosen = _choose(integration, answer.status)
    media, template = _template(chosen.templates, scope)
    if template is None:
        body, media = answer.body, header(answer.headers, "content-type") or DEFAULT_MEDIA_TYPE
    else:
        body = scope.render(template, answer.body.decode("utf-8", "replace")).strip().encode()
    override = scope.context["responseOverride"]
    headers = {"content-type": ("Content-Type", media)}
    for name, value in (*answered(chosen.parameters, answer), *_overridden(override)):
        headers[name.lower()] = (name, value)
    return Response(int(override.get("status", chosen.status)), tuple(headers.values()), body)


def _choose(integration: Integration, status: int) -> IntegrationResponse:
    for response in integration.responses:
        if response.pattern is not None and response.pattern.fullmatch(str(status)):
            return response
    for response in integration.responses:
        if response.pattern is None:
            return response
    raise Fault(Kind.API_CONFIGURATION_ERROR, cause=f"no integration response matches the back end's status {status}")


def _template(templates: Mapping[str, Template], scope: Scope) -> tuple[str, Template | None]:
    """The template of the media type that the client accepts, else JSON's, else the first."""
    accepted = (header(scope.request.headers, "accept") or "").lower()
    for media in (accepted, DEFAULT_MEDIA_TYPE, *templates):
        if media in templates:
            return media, templates[media]
    return DEFAULT_MEDIA_TYPE, None


def _overridden(override: Mapping[str, object]) -> Headers:
    headers = override.get("header")
    return tuple((name, str(value)) for name, value in headers.items()) if isinstance(headers, dict) else ()
