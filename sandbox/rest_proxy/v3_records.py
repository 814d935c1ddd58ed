"""v3: produce a stream of records, ``POST /v3/clusters/{cluster}/topics/{topic}/records``.

The body is JSON objects one after another; the answer is one report a record, in the same order.
https://docs.confluent.io/platform/current/kafka-rest/api.html#records-v3
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from sandbox.rest_proxy.cluster import is_unknown_topic
from sandbox.rest_proxy.errors import EMPTY_BODY, RecordError, RestError, bad_request
from sandbox.rest_proxy.http import (
    JSON,
    Proxy,
    check_accept,
    check_length,
    failure,
    media_type,
    proxy,
    unsupported_media_type,
)
from sandbox.rest_proxy.json_text import BrokenJsonError, ConcatenatedJson
from sandbox.rest_proxy.producer import Delivery
from sandbox.rest_proxy.records import Decoded, decode, place, report

SEPARATOR = b"\r\n"


@dataclass
class Sent:
    """Records that were handed over together, and where their reports will be."""

    decoded: list[Decoded | RecordError]
    delivery: Delivery
    count: int


class Records:
    """The route as an ASGI application of its own: Starlette cannot answer while a body still comes in."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        try:
            stream = Stream.open(request)
            await stream.answer(receive, send)
        except RestError as error:
            await failure(error, request.url.path)(scope, receive, send)


@dataclass
class Stream:
    """One request: reads, sends and reports side by side.

    A body of known length is read to its end before the answer starts, as ordinary clients expect.
    A chunked body is answered while it comes in.

    :param duplex: the body is chunked.
    """

    shared: Proxy
    topic: str
    cluster: str
    json: ConcatenatedJson
    duplex: bool
    _sent: asyncio.Queue[Sent | None] = field(default_factory=asyncio.Queue)
    _open: int = 0
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _started: bool = False
    _last: dict[str, Any] | None = None
    _left: bool = False

    @classmethod
    def open(cls, request: Request) -> Stream:
        """Check what can be known before the body is read.

        :raises RestError: 406, 413, 415 or, for an unknown charset, 400.
        """
        shared = proxy(request)
        check_accept(request, JSON)
        if media_type(request.headers.get("content-type")) != JSON:
            raise unsupported_media_type()
        length = request.headers.get("content-length")
        check_length(length, shared.options.max_request_bytes)
        try:
            text = ConcatenatedJson(shared.options.max_record_bytes, charset(request))
        except LookupError as error:
            raise bad_request(str(error)) from None
        return cls(shared, request.path_params["topic"], request.path_params["cluster"], text, length is None)

    async def answer(self, receive: Receive, send: Send) -> None:
        """Read the body to its end or its first fault, and write all reports.

        :raises RestError: 422: the body is empty.
        """
        # The pieces go straight out to a client that listens; one that is still writing gets them at the end.
        pieces: list[bytes] = []
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write(send if self.duplex else None, pieces))
            await self._read(receive)
            self._sent.put_nowait(None)
        if self._left:
            return
        if self._last is not None:
            pieces.append(orjson.dumps(self._last) + SEPARATOR)
        if not pieces and not self._started:
            raise RestError(*EMPTY_BODY)
        await self._start(send)
        await send({"type": "http.response.body", "body": b"".join(pieces), "more_body": False})

    async def _read(self, receive: Receive) -> None:
        async for piece, last in body_of(receive):
            if piece is None:
                self._left = True
                return
            documents: list[Any] = []
            fault = self._parse(piece, last, documents)
            if documents:
                await self._hand_over([decode(document) for document in documents])
            if fault is not None:
                self._last = {"error_code": 400, "message": f"Bad Request: Error processing message: {fault}"}
                return

    def _parse(self, piece: bytes, last: bool, documents: list[Any]) -> str | None:
        try:
            documents.extend(self.json.feed(piece, last=last))
        except (BrokenJsonError, UnicodeDecodeError) as error:
            return str(error)
        return None

    async def _hand_over(self, decoded: list[Decoded | RecordError]) -> None:
        while self._open > self.shared.options.stream_window:
            self._room.clear()
            await self._room.wait()
        self._open += len(decoded)
        placed = await place(self.shared, self.topic, decoded)
        delivery, count = await self.shared.producer.hand_over(self.topic, placed)
        self._sent.put_nowait(Sent(decoded, delivery, count))

    async def _write(self, send: Send | None, pieces: list[bytes]) -> None:
        while (sent := await self._sent.get()) is not None:
            reports = await self._reports(sent)
            if send is None:
                pieces.append(reports)
            elif not self._left:
                await self._start(send)
                await send({"type": "http.response.body", "body": reports, "more_body": True})
            self._open -= len(sent.decoded)
            self._room.set()

    async def _reports(self, sent: Sent) -> bytes:
        outcomes = await sent.delivery.wait(sent.count)
        if any(map(is_unknown_topic, outcomes)):
            self.shared.cluster.forget(self.topic)
        made = [
            orjson.dumps(report(decoded, outcome, self.cluster, self.topic))
            for decoded, outcome in zip(sent.decoded, outcomes, strict=True)
        ]
        return SEPARATOR.join(made) + SEPARATOR

    async def _start(self, send: Send) -> None:
        if not self._started:
            self._started = True
            headers = [(b"content-type", JSON.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})


async def body_of(receive: Receive) -> AsyncIterator[tuple[bytes | None, bool]]:
    """The pieces of a body, each with whether it is the last; ``None`` when the client has left."""
    last = False
    while not last:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            yield None, True
            return
        last = not message.get("more_body", False)
        yield message.get("body", b""), last


def charset(request: Request) -> str:
    """The charset of the request's content type; UTF-8 when it says nothing."""
    for parameter in request.headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"')
    return "utf-8"
