"""The ``aws`` integration: an action of an AWS service, signed with Signature Version 4."""

from __future__ import annotations

import logging
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from sandbox.gateway.backend import Backend
from sandbox.gateway.document import Integration
from sandbox.gateway.exchange import Request, Response
from sandbox.gateway.faults import Fault, Kind
from sandbox.gateway.mapping import method_response, request_body
from sandbox.gateway.parameters import Mapped
from sandbox.gateway.variables import Scope

if TYPE_CHECKING:
    from botocore.session import Session

_log = logging.getLogger("sandbox.gateway")
_ARN = re.compile(r"arn:aws[\w-]*:apigateway:(?P<region>[\w-]+):(?P<service>[\w-]+):action/(?P<action>\w+)")


async def aws(integration: Integration, scope: Scope, backend: Backend) -> Response:
    """Call ``arn:aws:apigateway:REGION:SERVICE:action/ACTION`` with the mapped body."""
    mapped = Mapped(integration.parameters, scope)
    body = request_body(integration, scope)
    if other := other_stream(scope.request):
        _log.warning("%s %s: the body names the stream %r; the path decides", scope.request.method, *other)
    mapped.override(scope)
    match = _ARN.fullmatch(integration.address(scope.request.variables))
    if match is None:
        raise Fault(Kind.API_CONFIGURATION_ERROR, cause=f"{integration.uri} is not the ARN of a service's action")
    region, service, action = match.group("region", "service", "action")
    url = endpoint(service, region)
    headers = {"Content-Type": _content_type(service), **mapped.header, "X-Amz-Target": _target(service, action)}
    signed = _signed(service, region, url, headers, body)
    answer = await backend.send("POST", url, tuple(signed.items()), body, integration.timeout)
    return method_response(integration, scope, answer)


def other_stream(request: Request) -> tuple[str, object] | None:
    """The stream of the path and the one of the body's ``StreamName`` where they differ.

    API Gateway says nothing about it; people look for their records in the stream that the body names.
    """
    named = request.path_parameters.get("stream-name")
    if named is None or not request.body:
        return None
    try:
        document = request.document
    except ValueError:
        return None
    other = document.get("StreamName", named) if isinstance(document, dict) else named
    return None if other == named else (named, other)


def endpoint(service: str, region: str) -> str:
    """The service's address: ``AWS_ENDPOINT_URL_<SERVICE>``, ``AWS_ENDPOINT_URL`` or the public one."""
    own = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}")
    chosen = own or os.environ.get("AWS_ENDPOINT_URL") or f"https://{service}.{region}.amazonaws.com"
    return chosen.rstrip("/") + "/"


@cache
def _session() -> Session:
    import botocore.session

    return botocore.session.get_session()


@cache
def _metadata(service: str) -> dict[str, Any]:
    metadata: dict[str, Any] = _session().get_service_model(service).metadata
    return metadata


def _content_type(service: str) -> str:
    return f"application/x-amz-json-{_metadata(service).get('jsonVersion', '1.1')}"


def _target(service: str, action: str) -> str:
    return f"{_metadata(service)['targetPrefix']}.{action}"


def _signed(service: str, region: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    credentials = _session().get_credentials()
    if credentials is None:
        raise Fault(
            Kind.API_CONFIGURATION_ERROR, cause="there are no AWS credentials; set AWS_ACCESS_KEY_ID and its secret"
        )
    request = AWSRequest("POST", url, data=body, headers=headers)
    SigV4Auth(credentials, _metadata(service).get("signingName", service), region).add_auth(request)
    return dict(request.headers.items())
