"""The connections: which failures surely sent nothing, and which may have."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from emulator.exceptions import DeliveryError, NotSent, OutcomeUnknown, Rejected, UnexpectedAnswer
from emulator.post.gateway import Gateway
from emulator.post.requests import Answer, Request

REQUEST = Request("http://gateway/dev/topics/t", "application/vnd.kafka.json.v2+json", b'{"records":[]}')


def gateway(handler: Callable[[httpx.Request], httpx.Response]) -> Gateway:
    return Gateway("http://gateway/dev/", 2, transport=httpx.MockTransport(handler))


class TestSend:
    def test_what_goes_out(self) -> None:
        seen: list[httpx.Request] = []

        def handler(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, content=b"{}")

        with gateway(handler) as made:
            assert made.send(REQUEST) == Answer(200, b"{}", None)
        (request,) = seen
        assert (request.method, str(request.url)) == ("POST", REQUEST.url)
        assert request.headers["Content-Type"] == "application/vnd.kafka.json.v2+json"
        assert request.headers["Content-Length"] == "14"
        assert "Transfer-Encoding" not in request.headers
        assert request.content == REQUEST.body

    @pytest.mark.parametrize("status", [200, 207, 302, 404, 429, 500, 504])
    def test_any_status_is_an_answer(self, status: int) -> None:
        with gateway(lambda _: httpx.Response(status, content=b"x", headers={"Retry-After": "7"})) as made:
            assert made.send(REQUEST) == Answer(status, b"x", "7")

    @pytest.mark.parametrize(
        ("error", "kind", "code"),
        [
            (httpx.ConnectError("refused"), NotSent, "not_connected"),
            (httpx.ConnectTimeout("late"), NotSent, "not_connected"),
            (httpx.PoolTimeout("busy"), NotSent, "not_connected"),
            (httpx.ProxyError("407"), NotSent, "not_connected"),
            (httpx.ReadTimeout("late"), OutcomeUnknown, "timeout"),
            (httpx.WriteTimeout("late"), OutcomeUnknown, "timeout"),
            (httpx.ReadError("reset"), OutcomeUnknown, "connection_lost"),
            (httpx.WriteError("broken pipe"), OutcomeUnknown, "connection_lost"),
            (httpx.CloseError("x"), OutcomeUnknown, "connection_lost"),
            (httpx.RemoteProtocolError("garbage"), OutcomeUnknown, "connection_lost"),
            (httpx.DecodingError("gzip"), OutcomeUnknown, "connection_lost"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
    )
    def test_failures(self, error: Exception, kind: type[DeliveryError], code: str) -> None:
        def handler(_: httpx.Request) -> httpx.Response:
            raise error

        with gateway(handler) as made, pytest.raises(kind) as caught:
            made.send(REQUEST)
        assert caught.value.code == code
        assert type(error).__name__ in caught.value.reason

    def test_an_address_that_is_none(self) -> None:
        with Gateway("http://gateway/dev", 1) as made, pytest.raises(Rejected) as caught:
            made.send(Request("http://[::1/dev", "application/json", b"{}"))
        assert caught.value.code == "bad_url"

    @pytest.mark.parametrize(
        ("url", "trusted"),
        [("http://127.0.0.1:1/dev", False), ("http://localhost/dev", False), ("https://api.example.com/prod", True)],
    )
    def test_only_gateways_elsewhere_are_reached_through_the_environments_proxy(
        self, url: str, trusted: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: dict[str, Any] = {}
        original = httpx.Client

        def client(**options: Any) -> httpx.Client:
            made.update(options)
            return original(**options)

        monkeypatch.setattr(httpx, "Client", client)
        with Gateway(url, 3, 12.0):
            assert made["trust_env"] is trusted
        assert made["limits"].max_connections == 3
        assert made["limits"].max_keepalive_connections == 3
        assert made["timeout"].read == 12.0
        assert made["timeout"].pool is None


class TestClusterId:
    def test_the_one_cluster(self) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            assert str(request.url) == "http://gateway/dev/v3/clusters"
            return httpx.Response(200, json={"kind": "KafkaClusterList", "data": [{"cluster_id": "c-1"}]})

        with gateway(handler) as made:
            assert made.cluster_id() == "c-1"

    @pytest.mark.parametrize(
        "answer",
        [
            httpx.Response(200, content=b"hello"),
            httpx.Response(200, json={"data": []}),
            httpx.Response(200, json=[]),
            httpx.Response(200, json={"data": [{}]}),
            httpx.Response(403, json={"message": "Missing Authentication Token"}),
            httpx.Response(404, json={"error_code": 404, "message": "HTTP 404 Not Found"}),
        ],
    )
    def test_another_answer(self, answer: httpx.Response) -> None:
        with gateway(lambda _: answer) as made, pytest.raises(UnexpectedAnswer, match="check the gateway's address"):
            made.cluster_id()

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_out_of_order(self, status: int) -> None:
        with gateway(lambda _: httpx.Response(status)) as made, pytest.raises(NotSent, match=f"http_{status}"):
            made.cluster_id()

    def test_not_there(self) -> None:
        with Gateway("http://127.0.0.1:1/dev", 1) as made, pytest.raises(NotSent, match="doesn't answer"):
            made.cluster_id()


@contextmanager
def raw_server(*scripts: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of bare sockets: the n-th connection is treated as the n-th script says, and then closed."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for script in scripts:
            connection, _ = listener.accept()
            with connection:
                script(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/dev"
        thread.join(10)
        assert not thread.is_alive()
    finally:
        listener.close()


def read_request(connection: socket.socket) -> None:
    data = b""
    while not data.endswith(REQUEST.body):
        data += connection.recv(65_536)


def answer(connection: socket.socket, text: bytes) -> None:
    read_request(connection)
    connection.sendall(text)


class TestBareSockets:
    """What a proxy in front, or a dying server, does to a connection."""

    def send(self, url: str) -> Answer:
        with Gateway(url, 1, timeout=0.5) as made:
            return made.send(Request(f"{url}/topics/t", REQUEST.content_type, REQUEST.body))

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (b"", "connection_lost"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "connection_lost"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "connection_lost"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "connection_lost"),
        ],
        ids=["nothing", "half a body", "half a chunk", "another protocol"],
    )
    def test_answers_that_break_off_leave_doubt(self, text: bytes, code: str) -> None:
        with raw_server(lambda connection: answer(connection, text)) as url, pytest.raises(OutcomeUnknown) as caught:
            self.send(url)
        assert caught.value.code == code

    def test_silence_leaves_doubt(self) -> None:
        done = threading.Event()

        def silent(connection: socket.socket) -> None:
            read_request(connection)
            done.wait(5)

        with raw_server(silent) as url:
            with pytest.raises(OutcomeUnknown) as caught:
                self.send(url)
            done.set()
        assert caught.value.code == "timeout"

    def test_a_half_closed_connection_is_not_used_again(self) -> None:
        """The server answers, and closes the connection without saying so; the next request takes a new one."""
        good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        with raw_server(*[lambda connection: answer(connection, good)] * 3) as url, Gateway(url, 1) as made:
            request = Request(f"{url}/topics/t", REQUEST.content_type, REQUEST.body)
            for _ in range(3):
                assert made.send(request).status == 200

    def test_a_server_that_says_continue_first(self) -> None:
        text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        with raw_server(lambda connection: answer(connection, text)) as url:
            assert self.send(url) == Answer(200, b"{}", None)
