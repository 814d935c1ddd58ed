"""The connections to the gateway."""

from __future__ import annotations

from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from emulator.exceptions import NotSent, OutcomeUnknown, Rejected, UnexpectedAnswer
from emulator.post.codec import loads
from emulator.post.requests import Answer, Request
from emulator.post.signing import signature

CONNECT_SECONDS = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


class Gateway:
    """One pool of kept connections; may be used from several threads.

    :param url: the gateway with its stage.
    :param connections: the most that are open.
    :param timeout: seconds without a byte after which an answer is given up.
    :param transport: what carries the requests, for tests.
    :raises OptionsError: the gateway is in AWS and there are no credentials to sign requests with.
    """

    def __init__(
        self, url: str, connections: int, timeout: float = 60.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS, pool=None),
            auth=signature(url),
            transport=transport,
            trust_env=urlsplit(url).hostname not in LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def send(self, request: Request) -> Answer:
        """Send a request and return the answer, whatever its status.

        :raises NotSent: no connection came about.
        :raises Rejected: the request can't be formed.
        :raises OutcomeUnknown: the connection broke or the time was up after some of the request may have been read.
        """
        headers = {"Content-Type": request.content_type, "Accept": "application/json, */*"}
        try:
            response = self._client.request(request.method, request.url, content=request.body, headers=headers)
        except UNSENT as error:
            raise NotSent("not_connected", _said(error)) from error
        except httpx.InvalidURL as error:
            raise Rejected("bad_url", _said(error)) from error
        except httpx.TimeoutException as error:
            raise OutcomeUnknown("timeout", _said(error)) from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown("connection_lost", _said(error)) from error
        return Answer(response.status_code, response.content, response.headers.get("Retry-After"))

    def cluster_id(self) -> str:
        """The id of the one Kafka cluster behind the gateway, for REST v3.

        :raises NotSent: the gateway can't be reached or is out of order for now.
        :raises UnexpectedAnswer: there is no such answer at that address.
        """
        url = f"{self._url}/v3/clusters"
        try:
            response = self._client.get(url)
        except httpx.HTTPError as error:
            raise NotSent("not_connected", f"{url} doesn't answer: {_said(error)}") from error
        if response.status_code >= 500:
            raise NotSent(f"http_{response.status_code}", f"{url} is out of order: {response.text[:300]}")
        try:
            return str(loads(response.content)["data"][0]["cluster_id"])
        except (ValueError, LookupError, TypeError):
            raise UnexpectedAnswer(
                f"{url} answered {response.status_code} with {response.text[:300]!r}, not with a list of one cluster. "
                "Historic days need REST v3; check the gateway's address and stage, and that it passes /v3 on."
            ) from None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
