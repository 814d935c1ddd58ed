"""Requests to a gateway in AWS: signed as AWS checks it."""

from __future__ import annotations

import httpx
import pytest

from emulator.exceptions import OptionsError
from emulator.post.gateway import Gateway
from emulator.post.requests import ProxyV2, Record, Request
from emulator.post.signing import signature
from emulator.post.streams import Streams
from tests.unit.sigv4 import KEY, SECRET, authorization

BASE = "https://abcdefghij.execute-api.eu-west-1.amazonaws.com/prod"
RECORDS = (Record(7528, '{"index":7528,"title":"Été"}'.encode(), 0),)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")


def expected(request: httpx.Request) -> str:
    return authorization(request.method, request.url.path, request.headers, request.content, "eu-west-1")


def posted(request: Request, base: str = BASE) -> httpx.Request:
    seen: list[httpx.Request] = []

    def handler(got: httpx.Request) -> httpx.Response:
        seen.append(got)
        return httpx.Response(200, content=b"{}")

    with Gateway(base, 1, transport=httpx.MockTransport(handler)) as gateway:
        gateway.send(request)
    return seen[0]


@pytest.mark.parametrize(
    "request_",
    [ProxyV2(BASE).request("pinflow.pin", RECORDS), Streams(BASE).request("streaming-pinflow-pin", RECORDS)],
    ids=["topics", "streams"],
)
def test_posts_carry_the_signature_that_aws_works_out(request_: Request) -> None:
    got = posted(request_)
    assert got.headers["authorization"] == expected(got)
    assert got.headers["x-amz-security-token"] == "token"
    assert got.content == request_.body


def test_the_question_for_the_cluster_is_signed_too() -> None:
    seen: list[httpx.Request] = []

    def handler(got: httpx.Request) -> httpx.Response:
        seen.append(got)
        return httpx.Response(200, content=b'{"data":[{"cluster_id":"c1"}]}')

    with Gateway(BASE, 1, transport=httpx.MockTransport(handler)) as gateway:
        assert gateway.cluster_id() == "c1"
    assert seen[0].headers["authorization"] == expected(seen[0])


@pytest.mark.parametrize(
    "base",
    [
        "http://127.0.0.1:8090/dev",
        "https://pins.example.org/prod",
        "https://abcdefghij.execute-api.eu-west-1.amazonaws.com.example.org/prod",
    ],
)
def test_nobody_else_gets_a_signature(base: str) -> None:
    got = posted(ProxyV2(base).request("pinflow.pin", RECORDS), base)
    assert not {"authorization", "x-amz-date", "x-amz-security-token"} & set(got.headers)


def test_without_credentials_nothing_is_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(OptionsError, match=r"can't be signed\. It is in AWS, .* Set AWS_PROFILE"):
        signature(BASE)
