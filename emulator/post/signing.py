"""Signs requests to an API Gateway in AWS, whose methods ask for IAM authentication."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

import httpx

from emulator.exceptions import OptionsError

HOST = re.compile(r"[a-z0-9-]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")
SERVICE = "execute-api"


class Signature(httpx.Auth):
    """Signature Version 4 with the credentials of the AWS default chain, asked anew for each request.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

    :param region: the API's region.
    :raises OptionsError: there are no credentials.
    """

    requires_request_body = True

    def __init__(self, region: str) -> None:
        from botocore.session import get_session

        self._region = region
        self._credentials: Any = get_session().get_credentials()
        if self._credentials is None:
            raise OptionsError(
                "Requests to the gateway can't be signed. It is in AWS, asks who posts, and there are no credentials. "
                "Set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret, or run where a role is given."
            )

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Add the headers of the signature."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        headers = {name: request.headers[name] for name in ("host", "content-type") if name in request.headers}
        signed = AWSRequest(request.method, str(request.url), headers=headers, data=request.content)
        SigV4Auth(self._credentials.get_frozen_credentials(), SERVICE, self._region).add_auth(signed)
        request.headers.update({name: value for name, value in signed.headers.items() if name not in headers})
        yield request


def signature(url: str) -> Signature | None:
    """What signs requests to this address: ``None`` for all but an API Gateway in AWS, such as the sandbox's own."""
    found = HOST.fullmatch(urlsplit(url).hostname or "")
    return Signature(found[1]) if found else None
