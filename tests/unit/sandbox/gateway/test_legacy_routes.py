"""``/pin`` and ``/send_data`` of the document itself, against a back end that answers as the REST proxy does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
import yaml

from sandbox.gateway.__main__ import DOCUMENT
from tests.unit.sandbox.gateway.conftest import Answer, Backend, Served, as_json

ROW: dict[str, Any] = {
    "index": 7528,
    "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf",
    "title": 'A "title" with $input.path and #set(\\n), é \U0001f600',
    "description": "two\nlines\u2026\u00a0",
    "follower_count": "12.3k",
    "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",
    "is_image_or_video": "multi-video(story page format)",
    "image_src": "Image src error.",
    "downloaded": 0,
    "save_location": "Local save in /data/mens-fashion",
    "category": "mens-fashion",
}
JSON = {"Content-Type": "application/json"}
KAFKA = [("content-type", "application/vnd.kafka.v2+json")]
Post = Callable[..., requests.Response]


def produced(code: int | None = None, error: str | None = None) -> Answer:
    entry = {"partition": None if code else 0, "offset": None if code else 5, "error_code": code, "error": error}
    return Answer(200, as_json({"offsets": [entry], "key_schema_id": None, "value_schema_id": None}), KAFKA)


@pytest.fixture
def post(serve: Served, backend: Backend) -> Post:
    content = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    paths = content.pop("paths")
    extras = {name: value for name, value in content.items() if name not in ("openapi", "info")}
    base = serve(paths, stages=("dev",), variables={"topicPrefix": "pinflow"}, **extras)
    backend.answer = lambda _: produced()

    def send(path: str, body: Any, headers: dict[str, str] | None = JSON) -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return requests.post(f"{base}/dev{path}", data=data, headers=headers, timeout=10)

    return send


class TestPin:
    @pytest.mark.parametrize("path", ["/pin", "/pin/"])
    def test_the_row_reaches_the_topic_and_comes_back(self, post: Post, backend: Backend, path: str) -> None:
        answer = post(path, ROW)
        assert (answer.status_code, answer.json()) == (200, ROW)
        assert answer.headers["content-type"] == "application/json"
        assert (backend.last.method, backend.last.path) == ("POST", "/topics/pinflow.pin")
        assert backend.last.header("content-type") == "application/vnd.kafka.json.v2+json"
        assert json.loads(backend.last.body) == {"records": [{"key": 7528, "value": ROW}]}

    def test_the_row_is_not_rewritten(self, post: Post, backend: Backend) -> None:
        text = json.dumps(ROW, indent=3).replace('"downloaded": 0', '"downloaded": 0,"extra":1.50e3')
        answer = post("/pin/", text.encode())
        assert answer.text == text
        assert text.encode() in backend.last.body

    @pytest.mark.parametrize(("key", "value"), [("index", 3), ("ind", 4), ("idx", 5), ("index", "6"), ("idx", "0")])
    def test_any_name_and_form_of_the_key(self, post: Post, backend: Backend, key: str, value: object) -> None:
        row = {name: item for name, item in ROW.items() if name != "index"}
        assert post("/pin/", {**row, key: value}).status_code == 200
        assert json.loads(backend.last.body)["records"][0]["key"] == int(str(value))

    def test_clients_that_send_no_content_type(self, post: Post, backend: Backend) -> None:
        assert post("/pin/", ROW, headers=None).status_code == 200

    def test_with_a_poster(self, post: Post, backend: Backend) -> None:
        row = {**ROW, "poster_name": "User Info Error"}
        assert post("/pin/", row).json() == row

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"index": None}, "index"),
            ({"index": "x"}, "index"),
            ({"category": 4}, "category"),
            ({"index": "007"}, "index"),
        ],
    )
    def test_a_row_that_breaks_the_contract(
        self, post: Post, backend: Backend, change: dict[str, Any], word: str
    ) -> None:
        answer = post("/pin/", {**ROW, **change})
        assert answer.status_code == 400
        assert answer.json()["message"] == "Invalid request body"
        assert word in answer.json()["detail"]
        assert backend.received == []

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe"])
    def test_what_is_no_row(self, post: Post, backend: Backend, body: bytes) -> None:
        assert post("/pin/", body).status_code == 400
        assert backend.received == []

    def test_another_media_type(self, post: Post, backend: Backend) -> None:
        assert post("/pin/", ROW, headers={"Content-Type": "text/csv"}).status_code == 415

    @pytest.mark.parametrize(
        ("answer", "status", "message"),
        [
            (produced(50003, "timed out"), 503, "timed out"),
            (produced(50002, 'too "large"'), 502, 'too "large"'),
            (Answer(404, b'{"error_code":40401,"message":"Topic not found."}', KAFKA), 404, "Topic not found."),
            (Answer(422, b'{"error_code":422,"message":"bad"}', KAFKA), 400, "bad"),
            (Answer(413, b'{"error_code":413,"message":"big"}', KAFKA), 413, "big"),
            (Answer(500, b'{"error_code":50002,"message":"broken"}', KAFKA), 502, "broken"),
            (Answer(503, b"<html>no</html>", [("content-type", "text/html")]), 502, ""),
        ],
    )
    def test_kafka_did_not_take_it(
        self, post: Post, backend: Backend, answer: Answer, status: int, message: str
    ) -> None:
        backend.answer = lambda _: answer
        got = post("/pin/", ROW)
        assert (got.status_code, got.json()) == (status, {"message": message})

    def test_other_methods(self, post: Post, backend: Backend) -> None:
        base = post("/pin", ROW).url
        answer = requests.get(base, timeout=10)
        assert (answer.status_code, answer.json()) == (403, {"message": "Missing Authentication Token"})


class TestSendData:
    @pytest.mark.parametrize(
        ("row", "key"),
        [
            ({"idx": 7, "a": None}, {"key": 7}),
            ({"ind": 8}, {"key": 8}),
            ({"index": 0}, {"key": 0}),
            ({"idx": 1, "ind": 2}, {"key": 1}),
            ({"idx": "text"}, {"key": "text"}),
            ({"other": [1]}, {}),
            ({}, {}),
        ],
    )
    def test_any_object_to_the_named_topic(self, post: Post, backend: Backend, row: Any, key: dict[str, Any]) -> None:
        answer = post("/send_data?topic=pin_data.pin", row)
        assert (answer.status_code, answer.json()) == (200, {"status": "success", "topic": "pin_data.pin"})
        assert (backend.last.path, backend.last.query) == ("/topics/pin_data.pin", "")
        assert json.loads(backend.last.body) == {"records": [{**key, "value": row}]}

    def test_no_topic(self, post: Post, backend: Backend) -> None:
        answer = post("/send_data", {"idx": 1})
        assert (answer.status_code, answer.json()) == (400, {"message": "Missing required request parameters: [topic]"})

    @pytest.mark.parametrize("body", [b"[]", b"3", b"{"])
    def test_no_object(self, post: Post, backend: Backend, body: bytes) -> None:
        assert post("/send_data?topic=t", body).status_code == 400
        assert backend.received == []

    def test_a_topic_cannot_lead_to_another_path(self, post: Post, backend: Backend) -> None:
        post("/send_data?topic=..%2Fv3%2Fclusters%3Fx", {"idx": 1})
        assert (backend.last.path, backend.last.query) == ("/topics/..%2Fv3%2Fclusters%3Fx", "")

    @pytest.mark.parametrize(
        ("answer", "status"),
        [(produced(50002, "no"), 502), (produced(50003, "no"), 503), (Answer(404, b'{"message":"no"}'), 404)],
    )
    def test_failure_is_not_200(self, post: Post, backend: Backend, answer: Answer, status: int) -> None:
        backend.answer = lambda _: answer
        got = post("/send_data?topic=t", {"idx": 1})
        assert (got.status_code, got.json()) == (status, {"message": "no"})
