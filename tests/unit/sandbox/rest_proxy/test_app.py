from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sandbox.rest_proxy.__main__ import arguments
from sandbox.rest_proxy.app import create_app
from sandbox.rest_proxy.options import Options
from sandbox.rest_proxy.part import PART

V2_JSON = {"Content-Type": "application/vnd.kafka.json.v2+json"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(brokers: str) -> Iterator[TestClient]:
    options = Options(bootstrap_servers=brokers, max_request_bytes=2000, stream_window=10)
    with TestClient(create_app(options)) as made:
        yield made


class TestLimits:
    def test_a_body_that_says_it_is_too_long(self, client: TestClient) -> None:
        response = client.post("/topics/t", content=b"x" * 2001, headers=V2_JSON)
        assert response.status_code == 413
        assert response.json()["message"].startswith("The request body is larger than 2000 bytes.")

    def test_a_body_that_turns_out_too_long(self, client: TestClient) -> None:
        response = client.post("/topics/t", content=(b"x" * 500 for _ in range(5)), headers=V2_JSON)
        assert (response.status_code, response.json()["error_code"]) == (413, 413)

    def test_a_stream_may_be_longer_than_a_body(self, client: TestClient) -> None:
        pieces = (b'{"partition_id":0}' for _ in range(300))
        response = client.post("/v3/clusters/c/topics/t/records", content=pieces, headers=JSON)
        assert response.text.count('"error_code":200') == 300


class TestErrors:
    @pytest.mark.parametrize(("path", "kind"), [("/x", "application/vnd.kafka.v2+json"), ("/v3/x", "application/json")])
    def test_media_type_follows_the_version(self, client: TestClient, path: str, kind: str) -> None:
        response = client.get(path)
        assert response.json() == {"error_code": 404, "message": "HTTP 404 Not Found"}
        assert response.headers["content-type"] == kind

    def test_auto_creation_is_the_brokers_matter(self, client: TestClient) -> None:
        response = client.post("/topics/made.by.itself", json={"records": [{"value": 1}]}, headers=V2_JSON)
        assert response.json()["offsets"][0]["error_code"] is None


class TestThreads:
    def test_requests_make_no_producers(self, client: TestClient) -> None:
        client.post("/topics/t", json={"records": [{"value": 1}]}, headers=V2_JSON)
        before = threading.active_count()
        for _ in range(20):
            client.post("/topics/t", json={"records": [{"value": 1}]}, headers=V2_JSON)
        assert threading.active_count() <= before


class TestCommandLine:
    def test_arguments(self) -> None:
        given = arguments().parse_args(["--port", "1", "--bootstrap-servers", "a:1"])
        assert (given.port, given.bootstrap_servers, given.max_request_bytes) == (1, "a:1", 32 * 1024 * 1024)

    def test_part(self, tmp_path: Path) -> None:
        from sandbox.supervisor.home import Home

        home = Home(base=tmp_path)
        command = PART.command(home)
        assert (PART.name, PART.requires) == ("rest-proxy", ("kafka",))
        assert command.argv[1:3] == ("-m", "sandbox.rest_proxy")
        assert f"127.0.0.1:{home.port('kafka')}" in command.argv
        assert (PART.check(home) or "").startswith("no answer on port")
