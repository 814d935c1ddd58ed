from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from sandbox.gateway.app import Gateway
from sandbox.gateway.document import read
from sandbox.gateway.server import configuration
from sandbox.gateway.stages import Stages


@dataclass
class Received:
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: list[tuple[str, str]] = field(default_factory=lambda: [("content-type", "application/json")])


class Backend:
    """A real HTTP server that notes what it gets and answers what it is told."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Received], Answer] = lambda _: Answer()
        self.connections: set[tuple[str, int]] = set()
        self.port = 0

    @property
    def last(self) -> Received:
        return self.received[-1]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
        got = Received(scope["method"], scope["raw_path"].decode(), scope["query_string"].decode(), headers, body)
        self.received.append(got)
        self.connections.add(tuple(scope["client"]))
        answer = self.answer(got)
        sent = [(name.encode(), value.encode()) for name, value in answer.headers]
        sent.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": sent})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


@contextmanager
def serving(config: uvicorn.Config) -> Iterator[int]:
    """Run a server in a thread; gives its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert server.started
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="session")
def shared_backend() -> Iterator[Backend]:
    made = Backend()
    with serving(
        uvicorn.Config(made, lifespan="off", access_log=False, log_config=None, timeout_keep_alive=60)
    ) as port:
        made.port = port
        yield made


@pytest.fixture
def backend(shared_backend: Backend) -> Backend:
    """The one back end, with an empty memory."""
    shared_backend.received.clear()
    shared_backend.connections.clear()
    shared_backend.answer = lambda _: Answer()
    return shared_backend


Served = Callable[..., str]


@pytest.fixture
def serve(backend: Backend) -> Iterator[Served]:
    """Serve a document's paths; gives the base address without a stage."""
    open_servers: list[Any] = []

    def start(
        paths: dict[str, Any], *, stages: tuple[str, ...] = ("dev",), variables: Any = None, **extras: Any
    ) -> str:
        api = read(document(paths, **extras))
        found = Stages.of(stages, {"restProxy": f"127.0.0.1:{backend.port}", **(variables or {})}, api)
        context = serving(configuration(Gateway(api, found)))
        open_servers.append(context)
        return f"http://127.0.0.1:{context.__enter__()}"

    yield start
    for context in open_servers:
        context.__exit__(None, None, None)


def document(paths: dict[str, Any], **extras: Any) -> dict[str, Any]:
    return {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": paths, **extras}


def proxy_method(uri: str = "http://${stageVariables.restProxy}/{proxy}", **integration: Any) -> dict[str, Any]:
    """An ANY method that passes everything on."""
    return {
        "parameters": [{"name": "proxy", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "ok"}},
        "x-amazon-apigateway-integration": {
            "type": "http_proxy",
            "httpMethod": "ANY",
            "uri": uri,
            "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"},
            "responses": {"default": {"statusCode": "200"}},
            **integration,
        },
    }


def http_method(uri: str = "http://${stageVariables.restProxy}/made", **integration: Any) -> dict[str, Any]:
    """A method that makes a request of its own."""
    return {
        "responses": {"200": {"description": "ok"}},
        "x-amazon-apigateway-integration": {
            "type": "http",
            "httpMethod": "POST",
            "uri": uri,
            "responses": {"default": {"statusCode": "200"}},
            **integration,
        },
    }


ANY = "x-amazon-apigateway-any-method"


def proxy_paths() -> dict[str, Any]:
    return {"/{proxy+}": {ANY: proxy_method()}}


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()
