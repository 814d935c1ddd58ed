from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from typing import Any

import pytest
import requests

from tests.unit.sandbox.gateway.conftest import ANY, Answer, Backend, Served, proxy_method, proxy_paths

KAFKA = "application/vnd.kafka.json.v2+json"


class TestPassing:
    def test_path_query_content_type_headers_and_body(self, serve: Served, backend: Backend) -> None:
        base = serve(proxy_paths())
        body = '{"records":[{"value":{"title":"caf\u00e9 \U0001f600 $x #if(1) \\u00e9"}}]}'.encode()
        requests.post(
            f"{base}/dev/topics/a.pin?x=1&x=2&y", data=body, headers={"Content-Type": KAFKA, "X-Own": "v"}, timeout=10
        )
        got = backend.last
        assert (got.method, got.path, got.query, got.body) == ("POST", "/topics/a.pin", "x=1&x=2&y", body)
        assert (got.header("content-type"), got.header("x-own")) == (KAFKA, "v")
        assert got.header("host") == f"127.0.0.1:{backend.port}"
        assert got.header("x-forwarded-for") == "127.0.0.1"

    @pytest.mark.parametrize(
        "path",
        [
            "topics/a%20b",
            "topics/a%2Fb",
            "v3/clusters/c/topics/t/records:batch",
            "a//b",
            "topics/",
            "consumers/g%C3%A9",
            "x/~y;z=1,2",
        ],
    )
    def test_the_path_is_not_rewritten(self, serve: Served, backend: Backend, path: str) -> None:
        base = serve(proxy_paths())
        connection = http.client.HTTPConnection(base.removeprefix("http://"))
        connection.request("GET", f"/dev/{path}?q=%20a%2Bb&empty=")
        assert connection.getresponse().status == 200
        assert (backend.last.path, backend.last.query) == (f"/{path}", "q=%20a%2Bb&empty=")

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_any_method(self, serve: Served, backend: Backend, method: str) -> None:
        answer = requests.request(method, f"{serve(proxy_paths())}/dev/topics", timeout=10)
        assert (answer.status_code, backend.last.method, backend.last.body) == (200, method, b"")

    def test_nothing_is_added_that_the_client_did_not_send(self, serve: Served, backend: Backend) -> None:
        base = serve(proxy_paths())
        connection = http.client.HTTPConnection(base.removeprefix("http://"))
        connection.putrequest("GET", "/dev/topics", skip_accept_encoding=True)
        connection.endheaders()
        connection.getresponse().read()
        names = {name for name, _ in backend.last.headers}
        assert names == {"host", "x-forwarded-for", "x-amzn-apigateway-api-id"}

    def test_bytes_that_are_not_text(self, serve: Served, backend: Backend) -> None:
        body = bytes(range(256)) * 3
        backend.answer = lambda got: Answer(body=got.body[::-1])
        answer = requests.post(f"{serve(proxy_paths())}/dev/x", data=body, timeout=10)
        assert backend.last.body == body
        assert answer.content == body[::-1]

    def test_a_chunked_body(self, serve: Served, backend: Backend) -> None:
        parts = [b'{"a":1}', b"\n", b'{"b":2}']
        requests.post(f"{serve(proxy_paths())}/dev/v3/records", data=iter(parts), timeout=10)
        assert backend.last.body == b"".join(parts)

    def test_a_chain_of_proxies_is_kept(self, serve: Served, backend: Backend) -> None:
        requests.get(f"{serve(proxy_paths())}/dev/x", headers={"X-Forwarded-For": "10.0.0.1"}, timeout=10)
        assert backend.last.header("x-forwarded-for") == "10.0.0.1, 127.0.0.1"


class TestAnswers:
    @pytest.mark.parametrize("status", [200, 201, 204, 207, 302, 400, 404, 408, 409, 415, 422, 500, 503])
    def test_status_and_body_come_back(self, serve: Served, backend: Backend, status: int) -> None:
        body = b"" if status == 204 else b'{"error_code":40401,\n "message":"Topic not found."}'
        headers = [
            ("content-type", "application/vnd.kafka.v2+json"),
            ("x-two", "a"),
            ("x-two", "b"),
            ("location", "/here"),
        ]
        backend.answer = lambda _: Answer(status, body, headers)
        answer = requests.get(f"{serve(proxy_paths())}/dev/topics/x", timeout=10, allow_redirects=False)
        assert (answer.status_code, answer.content) == (status, body)
        assert answer.headers["content-type"] == "application/vnd.kafka.v2+json"
        assert answer.headers["x-two"] == "a, b"
        assert answer.headers["location"] == "/here"

    def test_compressed_bodies_are_not_opened(self, serve: Served, backend: Backend) -> None:
        import gzip

        packed = gzip.compress(b"many words " * 50)
        backend.answer = lambda _: Answer(200, packed, [("content-type", "text/plain"), ("content-encoding", "gzip")])
        answer = requests.get(f"{serve(proxy_paths())}/dev/x", timeout=10, stream=True)
        assert answer.raw.read(decode_content=False) == packed
        assert answer.headers["content-encoding"] == "gzip"

    def test_api_gateways_own_headers(self, serve: Served, backend: Backend) -> None:
        backend.answer = lambda _: Answer(headers=[("www-authenticate", "Basic"), ("content-type", "text/plain")])
        base = serve(proxy_paths())
        first, second = (requests.get(f"{base}/dev/x", timeout=10) for _ in range(2))
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first.headers["x-amzn-RequestId"])
        assert re.fullmatch(r"[\w-]{15}=", first.headers["x-amz-apigw-id"])
        assert first.headers["x-amzn-RequestId"] != second.headers["x-amzn-RequestId"]
        assert first.headers["x-amzn-Remapped-Www-Authenticate"] == "Basic"
        assert first.headers["x-amzn-Remapped-Content-Length"] == "2"
        assert "x-amzn-ErrorType" not in first.headers

    def test_head_has_no_body(self, serve: Served, backend: Backend) -> None:
        answer = requests.head(f"{serve(proxy_paths())}/dev/topics", timeout=10)
        assert (answer.status_code, answer.content, backend.last.method) == (200, b"", "HEAD")


class TestMappedParameters:
    def test_headers_and_query_are_added_to_what_was_sent(self, serve: Served, backend: Backend) -> None:
        method = proxy_method(
            requestParameters={
                "integration.request.path.proxy": "method.request.path.proxy",
                "integration.request.header.X-Stage": "context.stage",
                "integration.request.header.Accept": "'application/json'",
                "integration.request.querystring.from": "method.request.header.X-From",
                "integration.request.querystring.key": "stageVariables.key",
            }
        )
        base = serve({"/{proxy+}": {ANY: method}}, variables={"key": "a b"})
        requests.get(f"{base}/dev/x?own=1", headers={"X-From": "me&you", "Accept": "text/html"}, timeout=10)
        assert backend.last.query == "own=1&from=me%26you&key=a+b"
        assert backend.last.header("x-stage") == "dev"
        assert [value for name, value in backend.last.headers if name == "accept"] == ["application/json"]


class TestFailures:
    def test_no_back_end_then_it_heals(self, serve: Served, backend: Backend) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        paths = {
            "/{proxy+}": {ANY: proxy_method()},
            "/gone/{proxy+}": {ANY: proxy_method(f"http://127.0.0.1:{port}/{{proxy}}")},
        }
        base = serve(paths)
        answer = requests.get(f"{base}/dev/gone/x", timeout=10)
        assert (answer.status_code, answer.json()) == (504, {"message": "Network error communicating with endpoint"})
        assert answer.headers["x-amzn-ErrorType"] == "InternalServerErrorException"
        assert requests.get(f"{base}/dev/x", timeout=10).status_code == 200

    def test_a_back_end_that_does_not_answer_in_time(self, serve: Served, backend: Backend) -> None:
        with listening() as (port, _):
            method = proxy_method(f"http://127.0.0.1:{port}/{{proxy}}", timeoutInMillis=100)
            began = time.monotonic()
            answer = requests.get(f"{serve({'/{proxy+}': {ANY: method}})}/dev/x", timeout=10)
        assert (answer.status_code, answer.json()) == (504, {"message": "Endpoint request timed out"})
        assert answer.headers["x-amzn-ErrorType"] == "InternalServerErrorException"
        assert 0.1 <= time.monotonic() - began < 5

    @pytest.mark.parametrize(
        ("reply", "status", "message"),
        [
            (b"this is no HTTP\r\n\r\n", 502, "Internal server error"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 504, "Network error communicating with endpoint"),
            (b"", 504, "Network error communicating with endpoint"),
        ],
    )
    def test_a_broken_answer(self, serve: Served, reply: bytes, status: int, message: str) -> None:
        with listening(reply) as (port, _):
            method = proxy_method(f"http://127.0.0.1:{port}/{{proxy}}")
            answer = requests.post(f"{serve({'/{proxy+}': {ANY: method}})}/dev/x", data=b"1", timeout=10)
        assert (answer.status_code, answer.json()) == (status, {"message": message})

    def test_a_post_is_never_sent_twice(self, serve: Served) -> None:
        with listening(b"") as (port, seen):
            method = proxy_method(f"http://127.0.0.1:{port}/{{proxy}}")
            requests.post(f"{serve({'/{proxy+}': {ANY: method}})}/dev/topics/t", data=b"1", timeout=10)
            assert len(seen) == 1

    def test_a_client_that_goes_away_in_mid_body_reaches_no_back_end(self, serve: Served, backend: Backend) -> None:
        base = serve(proxy_paths())
        host, port = base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b'POST /dev/v3/records HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"value":1}')
        assert requests.get(f"{base}/dev/after", timeout=10).status_code == 200
        assert [got.path for got in backend.received] == ["/after"]


class TestConnections:
    def test_connections_are_kept_on_both_sides(self, serve: Served, backend: Backend) -> None:
        base = serve(proxy_paths())
        with requests.Session() as session:
            for number in range(20):
                session.get(f"{base}/dev/{number}", timeout=10)
            assert session.get(f"{base}/dev/x", timeout=10).headers.get("connection") != "close"
        assert len(backend.connections) == 1

    def test_no_tcp_delay(self, serve: Served, backend: Backend) -> None:
        base = serve(proxy_paths())
        with requests.Session() as session:
            session.get(f"{base}/dev/warm", timeout=10)
            times = []
            for _ in range(20):
                began = time.monotonic()
                session.post(f"{base}/dev/x", data=b"y" * 2000, timeout=10)
                times.append(time.monotonic() - began)
        assert sorted(times)[10] < 0.035, "delayed acknowledgements cost 40 ms a request"

    def test_forty_clients_at_once(self, serve: Served, backend: Backend) -> None:
        backend.answer = lambda got: Answer(body=got.body)
        base = serve(proxy_paths())
        wrong: list[Any] = []

        def client(number: int) -> None:
            for turn in range(10):
                body = json.dumps({"client": number, "turn": turn}).encode()
                answer = requests.post(f"{base}/dev/topics/t", data=body, timeout=30)
                if (answer.status_code, answer.content) != (200, body):
                    wrong.append((number, turn, answer.status_code, answer.content))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert wrong == []
        assert len(backend.received) == 400

    def test_a_megabyte_of_a_thousand_records_goes_through_quickly(self, serve: Served, backend: Backend) -> None:
        records = [{"value": {"index": number, "text": "y" * 1000}} for number in range(1000)]
        body = json.dumps({"records": records}).encode()
        assert len(body) > 1_000_000
        base = serve(proxy_paths())
        began = time.monotonic()
        answer = requests.post(f"{base}/dev/topics/t", data=body, timeout=30)
        assert answer.status_code == 200
        assert backend.last.body == body
        assert time.monotonic() - began < 2


class listening:
    """A socket that answers each request with the same bytes and closes, or never answers."""

    def __init__(self, reply: bytes | None = None) -> None:
        self.reply = reply
        self.seen: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []

    def __enter__(self) -> tuple[int, list[bytes]]:
        threading.Thread(target=self._run, daemon=True).start()
        return self.socket.getsockname()[1], self.seen

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        for connection in self.open:
            connection.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.open.append(connection)
            self.seen.append(connection.recv(65536))
            if self.reply is not None:
                connection.sendall(self.reply)
                connection.close()
