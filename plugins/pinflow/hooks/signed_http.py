"""HTTP through a connection, signed where the other side is a stage of Amazon API Gateway that asks for it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.http.hooks.http import HttpHook
from requests import PreparedRequest, Session
from requests.auth import AuthBase

from pinflow.exceptions import NotSent

STAGE = re.compile(r"[a-z0-9-]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")
SERVICE = "execute-api"


class StageSignature(AuthBase):
    """Signature Version 4 for requests to a stage in AWS; requests to any other address are left as they are.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

    :param aws_conn_id: the connection whose credentials sign, asked anew for each request.
    :param region_name: the API's region when its address does not tell it: an API with a domain of its own.
    """

    def __init__(self, aws_conn_id: str | None = "aws_default", region_name: str | None = None) -> None:
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the headers of the signature.

        :raises NotSent: the connection has no credentials.
        """
        found = STAGE.fullmatch(urlsplit(str(request.url)).hostname or "")
        region = found[1] if found else self.region_name
        if region is not None:
            self._sign(request, region)
        return request

    def _sign(self, request: PreparedRequest, region: str) -> None:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        # AWS encodes a blank as %20 when it works out the signature.
        path, mark, query = str(request.url).partition("?")
        request.url = path + mark + query.replace("+", "%20")
        # A proxy on the way may change other headers; botocore adds the host by itself.
        given = {name: value for name, value in request.headers.items() if name.lower() == "content-type"}
        signed = AWSRequest(request.method, request.url, headers=given, data=request.body)
        SigV4Auth(self._credentials(request.url), SERVICE, region).add_auth(signed)
        request.headers.update(signed.headers.items())

    def _credentials(self, url: str) -> Any:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

        found = AwsGenericHook(aws_conn_id=self.aws_conn_id).get_session().get_credentials()
        if found is None:
            raise NotSent(
                f"The request to {url} was not sent.",
                f"It has to be signed, and the connection {self.aws_conn_id} has no credentials.",
                "Give the connection a key or a role, then clear the task.",
                url=url,
            )
        return found.get_frozen_credentials()


class SignedHttpHook(HttpHook):
    """An ``HttpHook`` that signs requests to stages in AWS, unless the connection has a login.

    Arguments are those of ``HttpHook``, and

    :param aws_conn_id: the connection whose credentials sign.
    :param region_name: the API's region, for an API with a domain of its own, whose requests are signed only then.
    """

    def __init__(
        self, *args: Any, aws_conn_id: str | None = "aws_default", region_name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def get_conn(self, *args: Any, **kwargs: Any) -> Session:
        """A session that signs."""
        session = super().get_conn(*args, **kwargs)
        session.auth = session.auth or StageSignature(self.aws_conn_id, self.region_name)
        return session
