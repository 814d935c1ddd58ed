"""A real HTTP server that stands where gateway, REST proxy and Kafka are, and does what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PARTITIONS = 3


@dataclass
class Taken:
    """A record that the fake Kafka holds."""

    topic: str
    partition: int
    offset: int
    key: Any
    value: dict[str, Any]
    timestamp: str | None


@dataclass
class Call:
    """A request as it came in, and its number, from 1."""

    number: int
    path: str
    headers: dict[str, str]
    records: list[dict[str, Any]]
    client: tuple[str, int]

    @property
    def topic(self) -> str:
        parts = self.path.split("/")
        return parts[-2] if parts[-1] == "records" else parts[-1]

    @property
    def v3(self) -> bool:
        return "/v3/" in self.path

    @property
    def stream(self) -> bool:
        return self.path.startswith("/streams/")


@dataclass
class Reply:
    """What to answer.

    :param body: None takes all records and answers as the REST proxy does.
    :param take: take the records although the answer says otherwise.
    :param close: break the connection instead of an answer, ``before`` or ``after`` taking the records.
    :param hang_up: answer, and close the connection without having said so.
    :param errors: entries of single records that are not taken, by position.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    take: bool = False
    close: str | None = None
    hang_up: bool = False
    errors: dict[int, dict[str, Any]] = field(default_factory=dict)
    cut_at: int | None = None


class FakeGateway:
    """Keeps what it took; ``script`` decides the answer to each call."""

    def __init__(self, script: Callable[[Call], Reply]) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.taken: list[Taken] = []
        self._next: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._lock = threading.Lock()
        self.clusters: Any = {"data": [{"cluster_id": "abc-1"}]}
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_GET(self) -> None:
                self.answer(200, json.dumps(gateway.clusters).encode(), {})

            def do_PUT(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                gateway.handle(self, body)

            def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/dev"

    def handle(self, handler: Any, body: bytes) -> None:
        with self._lock:
            path = handler.path.removeprefix("/dev")
            records = read_v3(body) if "/v3/" in path else json.loads(body)["records"]
            call = Call(len(self.calls) + 1, path, dict(handler.headers), records, handler.client_address)
            self.calls.append(call)
        reply = self.script(call)
        with self._lock:
            content = self.produce(call, reply)
        if reply.close:
            handler.close_connection = True
            handler.connection.close()
            return
        handler.answer(reply.status, content, reply.headers)
        if reply.hang_up:
            handler.close_connection = True

    def produce(self, call: Call, reply: Reply) -> bytes:
        if reply.close == "before" or (reply.body is not None and not reply.take):
            return _text(reply.body)
        entries = [
            reply.errors.get(at) or self.take(call, record) for at, record in enumerate(call.records[: reply.cut_at])
        ]
        if reply.body is not None:
            return _text(reply.body)
        if call.stream:
            failed = sum("ErrorCode" in entry for entry in entries)
            return json.dumps({"FailedRecordCount": failed, "Records": entries, "EncryptionType": "NONE"}).encode()
        if call.v3:
            return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
        return json.dumps({"offsets": entries, "key_schema_id": None, "value_schema_id": None}).encode()

    def take(self, call: Call, record: dict[str, Any]) -> dict[str, Any]:
        if call.stream:
            record = {"key": int(record["partition-key"]), "value": record["data"]}
        key, value = record["key"], record["value"]
        if call.v3:
            key, value = key["data"], value["data"]
        partition = key % PARTITIONS
        offset = self._next[call.topic, partition]
        self._next[call.topic, partition] += 1
        self.taken.append(Taken(call.topic, partition, offset, key, value, record.get("timestamp")))
        if call.stream:
            return {"ShardId": f"shardId-{partition:012d}", "SequenceNumber": sequence(partition, offset)}
        if call.v3:
            return {"error_code": 200, "cluster_id": "abc-1", "partition_id": partition, "offset": offset}
        return {"partition": partition, "offset": offset, "error_code": None, "error": None}


def sequence(shard: int, number: int) -> str:
    """A sequence number as long as those of Kinesis: 56 digits."""
    return f"49{shard:04d}{number:050d}"


def read_v3(body: bytes) -> list[dict[str, Any]]:
    """Concatenated JSON objects, read by the standard library alone."""
    text, at, found = body.decode(), 0, []
    while at < len(text):
        value, at = json.JSONDecoder().raw_decode(text, at)
        found.append(value)
        while at < len(text) and text[at].isspace():
            at += 1
    return found


def _text(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def accept(_: Call) -> Reply:
    """The script of a gateway that works."""
    return Reply()


@contextmanager
def fake_gateway(script: Callable[[Call], Reply] = accept) -> Iterator[FakeGateway]:
    """A running fake; it is gone at the end."""
    gateway = FakeGateway(script)
    thread = threading.Thread(target=gateway.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield gateway
    finally:
        gateway.server.shutdown()
        thread.join()
        gateway.server.server_close()
