"""The pooled keep-alive client that reaches back ends."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from sandbox.gateway.exchange import Headers, Response
from sandbox.gateway.faults import Fault, Kind

_CONNECTIONS = 256
_IDLE_SECONDS = 4.0  # below uvicorn's 5 s and Jetty's 30 s, so that a request does not meet a connection that closes
_ONCE_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Backend:
    """Sends requests and returns whole answers; bodies and headers are not touched."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_IDLE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_ONCE_ADDED,
        )
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._session:
            await self._session.close()

    async def send(self, method: str, url: str, headers: Headers, body: bytes, timeout: float) -> Response:  # noqa: ASYNC109
        """Send one request.

        :param url: absolute, percent-encoded; sent as it stands.
        :param timeout: seconds for the whole exchange, waiting for a connection included.
        :raises Fault: no connection or a broken one (504), no answer in time (504), an answer that is not HTTP (502).
        """
        if self._session is None:
            raise RuntimeError("The back-end client is not open. Use it as `async with Backend() as backend`.")
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as answer:
                found = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_headers)
                return Response(answer.status, found, await answer.read())
        except TimeoutError as error:
            raise Fault(Kind.INTEGRATION_TIMEOUT, cause=f"{method} {url}: no answer in {timeout:g} s") from error
        except aiohttp.ClientResponseError as error:
            raise Fault(Kind.BAD_GATEWAY, cause=f"{method} {url}: {error.message}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Fault(Kind.INTEGRATION_FAILURE, cause=f"{method} {url}: {error!r}") from error
