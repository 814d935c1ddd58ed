from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
import requests

from tests.unit.sandbox.gateway.conftest import Answer, Backend, Served, as_json, http_method

JSON = "application/json"


def post(base: str, path: str, body: bytes = b"{}", media: str | None = JSON, **headers: str) -> requests.Response:
    sent = {**({"Content-Type": media} if media else {}), **headers}
    return requests.post(f"{base}/dev{path}", data=body, headers=sent, timeout=10)


class TestRequest:
    def test_the_template_makes_the_body_and_only_mapped_parameters_go_along(
        self, serve: Served, backend: Backend
    ) -> None:
        method = http_method(
            "http://${stageVariables.restProxy}/topics/{topic}",
            requestTemplates={JSON: '{"records":[{"value":$input.body}]}'},
            requestParameters={
                "integration.request.path.topic": "method.request.querystring.topic",
                "integration.request.header.Content-Type": "'application/vnd.kafka.json.v2+json'",
                "integration.request.header.X-Id": "method.request.body.index",
                "integration.request.querystring.s": "'fixed value'",
            },
        )
        post(serve({"/made": {"post": method}}), "/made?topic=a/b%20c&other=1", b'{"index": 7}', **{"X-Secret": "s"})
        got = backend.last
        assert (got.method, got.path, got.query) == ("POST", "/topics/a%2Fb%20c", "s=fixed+value")
        assert json.loads(got.body) == {"records": [{"value": {"index": 7}}]}
        assert got.header("content-type") == "application/vnd.kafka.json.v2+json"
        assert got.header("x-id") == "7"
        assert got.header("x-secret") is None
        assert got.header("user-agent") == "AmazonAPIGateway_pinflow"

    def test_an_override_comes_last_and_one_without_a_place_is_dropped(self, serve: Served, backend: Backend) -> None:
        template = """#set($context.requestOverride.header.X-A = "over")
#set($context.requestOverride.querystring.q = $input.path('$.q'))
#set($context.requestOverride.path.id = "a b")
#set($context.requestOverride.path.unused = $input.body)
{}"""
        method = http_method(
            "http://${stageVariables.restProxy}/x/{id}",
            requestTemplates={JSON: template},
            requestParameters={
                "integration.request.path.id": "'1'",
                "integration.request.header.X-A": "'first'",
            },
        )
        post(serve({"/made": {"post": method}}), "/made", b'{"q": 3}')
        assert (backend.last.path, backend.last.query, backend.last.header("x-a")) == ("/x/a%20b", "q=3", "over")

    @pytest.mark.parametrize(
        ("passthrough", "templates", "media", "status"),
        [
            ("never", {JSON: "made"}, "text/plain", 415),
            ("never", {}, JSON, 415),
            ("never", {JSON: "made"}, JSON, 200),
            ("when_no_templates", {JSON: "made"}, "text/plain", 415),
            ("when_no_templates", {}, "text/plain", 200),
            ("when_no_match", {JSON: "made"}, "text/plain", 200),
            ("WHEN_NO_MATCH", {JSON: "made"}, "application/json; charset=utf-8", 200),
            ("never", {JSON: "made"}, None, 200),
        ],
    )
    def test_passthrough(
        self,
        serve: Served,
        backend: Backend,
        passthrough: str,
        templates: dict[str, str],
        media: str | None,
        status: int,
    ) -> None:
        method = http_method(requestTemplates=templates, passthroughBehavior=passthrough)
        answer = post(serve({"/made": {"post": method}}), "/made", b"sent", media)
        assert answer.status_code == status
        if status == 415:
            assert answer.json() == {"message": "Unsupported Media Type"}
            assert answer.headers["x-amzn-ErrorType"] == "UnsupportedMediaTypeException"
            assert backend.received == []
        else:
            applied = bool(templates) and (media or JSON).startswith(JSON)
            assert backend.last.body == (b"made" if applied else b"sent")


class TestResponse:
    RESPONSES: ClassVar[dict[str, Any]] = {
        "default": {"statusCode": "200", "responseTemplates": {JSON: "{\"got\":$input.json('$.a')}"}},
        "4\\d{2}": {"statusCode": "400", "responseTemplates": {JSON: "{\"message\":$input.json('$.message')}"}},
        "5\\d{2}": {"statusCode": "502"},
    }

    @pytest.mark.parametrize(
        ("status", "body", "expected", "answer"),
        [
            (200, {"a": [1, "é"]}, 200, {"got": [1, "é"]}),
            (207, {"a": 1}, 200, {"got": 1}),
            (404, {"message": "Topic not found."}, 400, {"message": "Topic not found."}),
            (404, "no object", 400, {"message": ""}),
            (503, {"raw": True}, 502, {"raw": True}),
        ],
    )
    def test_pattern_and_template(
        self, serve: Served, backend: Backend, status: int, body: Any, expected: int, answer: Any
    ) -> None:
        backend.answer = lambda _: Answer(status, as_json(body), [("content-type", "application/vnd.kafka.v2+json")])
        got = post(serve({"/made": {"post": http_method(responses=self.RESPONSES)}}), "/made")
        assert (got.status_code, got.json()) == (expected, answer)
        assert got.headers["content-type"] == (JSON if expected < 500 else "application/vnd.kafka.v2+json")

    def test_nothing_matches(self, serve: Served, backend: Backend) -> None:
        method = http_method(responses={"404": {"statusCode": "404"}})
        got = post(serve({"/made": {"post": method}}), "/made")
        assert (got.status_code, got.json()) == (500, {"message": "Internal server error"})
        assert got.headers["x-amzn-ErrorType"] == "InternalServerErrorException"

    def test_the_template_of_the_media_type_that_the_client_accepts(self, serve: Served, backend: Backend) -> None:
        responses = {"default": {"statusCode": "200", "responseTemplates": {"text/plain": "plain", JSON: '"json"'}}}
        base = serve({"/made": {"post": http_method(responses=responses)}})
        plain = post(base, "/made", Accept="text/plain")
        other = post(base, "/made", Accept="*/*")
        assert (plain.text, plain.headers["content-type"]) == ("plain", "text/plain")
        assert (other.text, other.headers["content-type"]) == ('"json"', JSON)

    def test_headers_are_mapped_and_others_stay_behind(self, serve: Served, backend: Backend) -> None:
        backend.answer = lambda _: Answer(
            200, as_json({"where": {"url": "/next"}}), [("x-back", "b"), ("x-other", "o")]
        )
        response = {
            "statusCode": "201",
            "responseParameters": {
                "method.response.header.Location": "integration.response.body.where.url",
                "method.response.header.X-Front": "integration.response.header.X-Back",
                "method.response.header.X-Static": "'s'",
                "method.response.header.X-None": "integration.response.header.Nope",
            },
        }
        got = post(serve({"/made": {"post": http_method(responses={"default": response})}}), "/made")
        assert got.status_code == 201
        assert (got.headers["location"], got.headers["x-front"], got.headers["x-static"]) == ("/next", "b", "s")
        assert "x-none" not in got.headers
        assert "x-other" not in got.headers

    def test_the_template_may_override_status_and_headers(self, serve: Served, backend: Backend) -> None:
        template = (
            "#set($context.responseOverride.status = 409)#set($context.responseOverride.header.X-Why = 'taken'){}"
        )
        responses = {"default": {"statusCode": "200", "responseTemplates": {JSON: template}}}
        got = post(serve({"/made": {"post": http_method(responses=responses)}}), "/made")
        assert (got.status_code, got.headers["x-why"]) == (409, "taken")

    def test_a_failing_template_is_our_error_and_the_next_request_works(self, serve: Served, backend: Backend) -> None:
        method = http_method(requestTemplates={JSON: "$util.parseJson($input.body).a"})
        base = serve({"/made": {"post": method}})
        assert post(base, "/made", b"{").json() == {"message": "Internal server error"}
        assert post(base, "/made", b'{"a":1}').status_code == 200
        assert backend.last.body == b"1"
