from __future__ import annotations

import http.client
from typing import Any

import pytest
import requests

from sandbox.gateway.app import MAX_BODY
from tests.unit.sandbox.gateway.conftest import Backend, Served, http_method, proxy_paths

JSON = "application/json"
SCHEMA = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"type": "integer"}},
    "anyOf": [{"required": ["x"]}, {"required": ["y"]}],
}


def validated(name: str = "all") -> dict[str, Any]:
    method = http_method()
    method["x-amazon-apigateway-request-validator"] = name
    method["parameters"] = [
        {"name": "topic", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "X-Need", "in": "header", "required": True, "schema": {"type": "string"}},
        {"name": "maybe", "in": "query", "required": False, "schema": {"type": "string"}},
    ]
    method["requestBody"] = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/M"}}}}
    return method


EXTRAS: dict[str, Any] = {
    "components": {"schemas": {"M": SCHEMA}},
    "x-amazon-apigateway-request-validators": {
        "all": {"validateRequestBody": True, "validateRequestParameters": True},
        "body": {"validateRequestBody": True, "validateRequestParameters": False},
    },
}
DETAIL = {
    "BAD_REQUEST_BODY": {
        "responseTemplates": {
            JSON: '{"message":$context.error.messageString,"detail":"$context.error.validationErrorString"}'
        }
    }
}


class TestBody:
    @pytest.mark.parametrize(
        ("body", "part"),
        [
            ("{}", "'a' is a required property"),
            ('{"a": "1", "x": 1}', "a: '1' is not of type 'integer'"),
            ('{"a": 1}', "'x' is a required property or 'y' is a required property"),
            ("[]", "[] is not of type 'object'"),
            ("nothing", "the body is not JSON"),
            ("", "the body is not JSON"),
            ('{"a": 1', "the body is not JSON"),
        ],
    )
    def test_refused(self, serve: Served, backend: Backend, body: str, part: str) -> None:
        extras = {**EXTRAS, "x-amazon-apigateway-gateway-responses": DETAIL}
        base = serve({"/m": {"post": validated("body")}}, **extras)
        answer = requests.post(f"{base}/dev/m", data=body.encode(), headers={"Content-Type": JSON}, timeout=10)
        assert answer.status_code == 400
        assert answer.json()["message"] == "Invalid request body"
        assert part in answer.json()["detail"]
        assert answer.headers["x-amzn-ErrorType"] == "BadRequestException"
        assert backend.received == []

    def test_without_a_customised_response_the_body_is_api_gateways(self, serve: Served, backend: Backend) -> None:
        base = serve({"/m": {"post": validated("body")}}, **EXTRAS)
        answer = requests.post(f"{base}/dev/m", data=b"{}", headers={"Content-Type": JSON}, timeout=10)
        assert answer.content == b'{"message":"Invalid request body"}'

    @pytest.mark.parametrize("media", [JSON, "application/json; charset=utf-8", "Application/JSON"])
    def test_accepted(self, serve: Served, backend: Backend, media: str) -> None:
        base = serve({"/m": {"post": validated("body")}}, **EXTRAS)
        answer = requests.post(f"{base}/dev/m", data=b'{"a":1,"y":0}', headers={"Content-Type": media}, timeout=10)
        assert answer.status_code == 200
        assert backend.last.body == b'{"a":1,"y":0}'

    def test_a_media_type_without_a_model_is_not_looked_at(self, serve: Served, backend: Backend) -> None:
        base = serve({"/m": {"post": validated("body")}}, **EXTRAS)
        answer = requests.post(f"{base}/dev/m", data=b"free", headers={"Content-Type": "text/plain"}, timeout=10)
        assert (answer.status_code, backend.last.body) == (200, b"free")


class TestParameters:
    @pytest.mark.parametrize(
        ("query", "headers", "names"),
        [
            ("", {}, "topic, X-Need"),
            ("?topic=t", {}, "X-Need"),
            ("?topic=", {"x-need": "1"}, "topic"),
            ("?Topic=t", {"x-need": "1"}, "topic"),
        ],
    )
    def test_missing_or_blank(
        self, serve: Served, backend: Backend, query: str, headers: dict[str, str], names: str
    ) -> None:
        base = serve({"/m": {"post": validated()}}, **EXTRAS)
        answer = requests.post(f"{base}/dev/m{query}", data=b'{"a":1,"x":1}', headers=headers, timeout=10)
        assert answer.status_code == 400
        assert answer.json() == {"message": f"Missing required request parameters: [{names}]"}
        assert answer.headers["x-amzn-ErrorType"] == "BadRequestException"
        assert backend.received == []

    def test_given(self, serve: Served, backend: Backend) -> None:
        base = serve({"/m": {"post": validated()}}, **EXTRAS)
        sent = {"X-NEED": "1", "Content-Type": JSON}
        assert (
            requests.post(f"{base}/dev/m?topic=t", data=b'{"a":1,"x":1}', headers=sent, timeout=10).status_code == 200
        )


class TestSize:
    def test_ten_megabytes_pass(self, serve: Served, backend: Backend) -> None:
        body = b"x" * MAX_BODY
        assert MAX_BODY == 10 * 1024 * 1024
        assert requests.post(f"{serve(proxy_paths())}/dev/x", data=body, timeout=30).status_code == 200
        assert len(backend.last.body) == MAX_BODY

    def test_one_byte_more_is_refused_before_it_is_read(self, serve: Served, backend: Backend) -> None:
        connection = http.client.HTTPConnection(serve(proxy_paths()).removeprefix("http://"), timeout=10)
        connection.putrequest("POST", "/dev/x")
        connection.putheader("Content-Length", str(MAX_BODY + 1))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413
        assert answer.getheader("x-amzn-ErrorType") == "RequestTooLargeException"
        assert answer.read() == b"HTTP content length exceeded 10485760 bytes."
        assert backend.received == []

    def test_a_chunked_body_is_counted(self, serve: Served, backend: Backend) -> None:
        parts = (b"x" * 1_048_576 for _ in range(11))
        answer = requests.post(f"{serve(proxy_paths())}/dev/x", data=parts, timeout=30)
        assert answer.status_code == 413
        assert backend.received == []
