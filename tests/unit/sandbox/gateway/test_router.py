from __future__ import annotations

from typing import Any

import pytest

from sandbox.gateway.document import read
from sandbox.gateway.faults import Fault, Kind
from sandbox.gateway.router import Router
from tests.unit.sandbox.gateway.conftest import ANY, document, http_method, proxy_method


def method(*names: str) -> dict[str, Any]:
    declared = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {**http_method(), "parameters": declared}


ROUTER = Router(
    read(
        document(
            {
                "/": {"get": http_method()},
                "/{proxy+}": {ANY: proxy_method()},
                "/pin": {"post": http_method()},
                "/streams": {"get": http_method()},
                "/streams/{stream-name}": {"get": method("stream-name"), "post": method("stream-name")},
                "/streams/{stream-name}/record": {"put": method("stream-name")},
                "/streams/special/record": {"put": http_method()},
                "/files/{path+}": {"get": method("path")},
                "/both": {"get": http_method(), ANY: http_method()},
            }
        )
    )
)


class TestMatching:
    @pytest.mark.parametrize(
        ("verb", "path", "resource", "values"),
        [
            ("GET", "/", "/", {}),
            ("POST", "/pin", "/pin", {}),
            ("POST", "/pin/", "/pin", {}),
            ("GET", "/pin/more", "/{proxy+}", {"proxy": "pin/more"}),
            ("GET", "/topics", "/{proxy+}", {"proxy": "topics"}),
            ("DELETE", "/topics/", "/{proxy+}", {"proxy": "topics/"}),
            ("POST", "/topics/a%2Fb/x", "/{proxy+}", {"proxy": "topics/a%2Fb/x"}),
            ("GET", "/pins", "/{proxy+}", {"proxy": "pins"}),
            ("GET", "/streams", "/streams", {}),
            ("GET", "/streams/", "/streams", {}),
            ("GET", "/streams/a%20b", "/streams/{stream-name}", {"stream-name": "a%20b"}),
            ("PUT", "/streams/a/record", "/streams/{stream-name}/record", {"stream-name": "a"}),
            ("PUT", "/streams/special/record", "/streams/special/record", {}),
            ("GET", "/streams/special", "/streams/{stream-name}", {"stream-name": "special"}),
            ("GET", "/streams/a/b/c", "/{proxy+}", {"proxy": "streams/a/b/c"}),
            ("GET", "/files/a/b", "/files/{path+}", {"path": "a/b"}),
            ("GET", "//x", "/{proxy+}", {"proxy": "/x"}),
        ],
    )
    def test_the_most_specific_resource(self, verb: str, path: str, resource: str, values: dict[str, str]) -> None:
        found, parameters = ROUTER.match(verb, path)
        assert (found.path, parameters) == (resource, values)

    @pytest.mark.parametrize(
        ("verb", "path"),
        [
            ("POST", "/"),
            ("GET", "/pin"),
            ("PATCH", "/streams"),
            ("DELETE", "/streams/a"),
            ("GET", "/streams/a/record"),
            ("PUT", "/files/a"),
            ("PUT", "/streams/"),
        ],
    )
    def test_a_resource_without_the_method_does_not_fall_through(self, verb: str, path: str) -> None:
        with pytest.raises(Fault) as caught:
            ROUTER.match(verb, path)
        assert caught.value.kind is Kind.MISSING_AUTHENTICATION_TOKEN

    def test_a_named_method_wins_over_any(self) -> None:
        assert ROUTER.match("GET", "/both")[0].verb == "GET"
        assert ROUTER.match("PUT", "/both")[0].verb == "ANY"

    def test_no_resource(self) -> None:
        router = Router(read(document({"/a/b": {"get": http_method()}})))
        for path in ("/", "/a", "/a/b/c", "/c"):
            with pytest.raises(Fault, match="Missing Authentication Token"):
                router.match("GET", path)
