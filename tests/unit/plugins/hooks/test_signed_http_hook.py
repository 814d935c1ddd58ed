"""Requests to a stage in AWS carry the signature that AWS works out; no other request carries one."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from pinflow.exceptions import NotSent
from pinflow.hooks.kafka_rest import KafkaRestHook
from pinflow.hooks.signed_http import SignedHttpHook
from tests.unit.sigv4 import KEY, SECRET, authorization

API = "abcdefghij.execute-api.eu-west-1.amazonaws.com"


class Recorder(HTTPAdapter):
    """Keeps the requests that would go out, and answers them."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.sent: list[requests.PreparedRequest] = []
        self.body = body

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append(request)
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 200, str(request.url), request
        answer._content = json.dumps(self.body).encode()
        return answer


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another's")
    where = {"conn_type": "aws", "login": KEY, "password": SECRET, "extra": {"aws_session_token": "token"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(where))


def connect(monkeypatch: pytest.MonkeyPatch, **where: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_STAGE", json.dumps({"conn_type": "http", "schema": "https", **where}))


def hook(adapter: Recorder, method: str = "GET", **arguments: Any) -> SignedHttpHook:
    return SignedHttpHook(method, http_conn_id="stage", adapter=adapter, **arguments)


def expected(request: requests.PreparedRequest, host: str, query: str = "") -> str:
    url, body = str(request.url), request.body or b""
    path = "/" + url.split("/", 3)[3].partition("?")[0]
    content = body.encode() if isinstance(body, str) else body
    return authorization(str(request.method), path, {**request.headers, "host": host}, content, "eu-west-1", query)


@pytest.mark.parametrize("host", [API, "abcdefghij.execute-api.eu-west-1.amazonaws.com.cn"])
def test_a_question(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    connect(monkeypatch, host=host)
    adapter = Recorder([])
    hook(adapter).run("/prod/topics", {"b": "2", "a": "1 x"})
    request = adapter.sent[0]
    assert request.url == f"https://{host}/prod/topics?b=2&a=1%20x"
    assert request.headers["X-Amz-Security-Token"] == "token"
    assert request.headers["Authorization"] == expected(request, host, "a=1%20x&b=2")


def test_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host=API)
    adapter = Recorder([])
    hook(adapter, "POST").run("/prod/pin", '{"title":"Ete"}', {"Content-Type": "application/json"})
    request = adapter.sent[0]
    assert "SignedHeaders=content-type;host;" in request.headers["Authorization"]
    assert request.headers["Authorization"] == expected(request, API)


def test_the_rest_proxy_behind_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host=f"https://{API}/prod")
    adapter = Recorder({"data": [{"cluster_id": "c1"}]})
    assert KafkaRestHook("stage", adapter=adapter).cluster_id == "c1"
    assert adapter.sent[0].url == f"https://{API}/prod/v3/clusters"
    assert adapter.sent[0].headers["Authorization"] == expected(adapter.sent[0], API)


@pytest.mark.parametrize("host", ["pins.example.org", f"{API}.example.org", f"x.{API}"])
def test_nobody_else_gets_a_signature(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    connect(monkeypatch, host=host)
    adapter = Recorder([])
    hook(adapter).run("/prod/topics")
    assert not {"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} & set(adapter.sent[0].headers)


def test_a_domain_of_ones_own_when_its_region_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host="pins.example.org")
    adapter = Recorder([])
    hook(adapter, region_name="eu-west-1").run("/prod/topics")
    assert adapter.sent[0].headers["Authorization"] == expected(adapter.sent[0], "pins.example.org")


def test_a_login_of_the_connection_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host=API, login="u", password="p")
    adapter = Recorder([])
    hook(adapter).run("/prod/topics")
    assert adapter.sent[0].headers["Authorization"] == "Basic dTpw"


def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host=API)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    adapter = Recorder([])
    with pytest.raises(NotSent, match=r"was not sent\. It has to be signed, and the connection aws_default"):
        hook(adapter).run("/prod/topics")
    assert not adapter.sent
