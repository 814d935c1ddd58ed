"""The document's templates of Kinesis: what each makes of a request; a row is the same JSON on both put routes."""

from __future__ import annotations

import base64
import json
import logging
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.gateway.__main__ import DOCUMENT
from sandbox.gateway.aws_integration import other_stream
from sandbox.gateway.document import Method, load
from sandbox.gateway.exchange import Request
from sandbox.gateway.faults import Fault, Kind
from sandbox.gateway.mapping import request_body
from sandbox.gateway.router import Router
from sandbox.gateway.templates import Template
from sandbox.gateway.validation import check
from sandbox.gateway.variables import Scope

ROUTER = Router(load(DOCUMENT))
ROW = {"index": 7528, "title": 'it\'s "é" \\ ${input} #if', "none": None, "deep": {"a": [1, 2.5, True, {}]}}


def request(verb: str, path: str, body: Any = None, **more: Any) -> tuple[Method, Request]:
    method, values = ROUTER.match(verb, path)
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return method, Request(verb, "dev", {}, path, body=sent, path_values=values, **more)


def mapped(verb: str, path: str, body: Any = None, **more: Any) -> Any:
    """What Kinesis gets, after the validator."""
    method, made = request(verb, path, body, **more)
    check(method, made)
    return json.loads(request_body(method.integration, Scope(made)))


def stored(entry: dict[str, Any]) -> bytes:
    return base64.b64decode(entry["Data"], validate=True)


def one(data: Any, key: str = "k") -> bytes:
    return stored(mapped("PUT", "/streams/s/record", {"Data": data, "PartitionKey": key}))


def many(*rows: Any) -> list[bytes]:
    entries = [{"data": row, "partition-key": "k"} for row in rows]
    return [stored(entry) for entry in mapped("PUT", "/streams/s/records", {"records": entries})["Records"]]


class TestStreams:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", {"Limit": 100}),
            ("Limit=7", {"Limit": 7}),
            ("ExclusiveStartStreamName=a.b-c", {"ExclusiveStartStreamName": "a.b-c", "Limit": 100}),
            ("Limit=1&ExclusiveStartStreamName=%22%2C%22", {"ExclusiveStartStreamName": '","', "Limit": 1}),
        ],
    )
    def test_list(self, query: str, expected: Any) -> None:
        assert mapped("GET", "/streams", query=query) == expected

    @pytest.mark.parametrize("verb", ["GET", "DELETE"])
    def test_describe_and_delete(self, verb: str) -> None:
        assert mapped(verb, "/streams/streaming-pinflow-pin") == {"StreamName": "streaming-pinflow-pin"}

    @pytest.mark.parametrize(
        ("body", "shards"),
        [
            (None, 5),
            ({}, 5),
            ({"ShardCount": None}, 5),
            ({"ShardCount": ""}, 5),
            ({"ShardCount": 2}, 2),
            ({"ShardCount": "3"}, 3),
            ({"ShardCount": 0}, 0),
        ],
    )
    def test_create(self, body: Any, shards: int) -> None:
        assert mapped("POST", "/streams/s", body) == {"StreamName": "s", "ShardCount": shards}

    def test_a_shard_count_cannot_bring_in_another_stream(self) -> None:
        method, made = request("POST", "/streams/s", {"ShardCount": '1,"StreamName":"other"'})
        with pytest.raises(ValueError, match=r"Expecting|Invalid"):
            json.loads(request_body(method.integration, Scope(made)))

    def test_a_name_cannot_bring_in_arguments(self) -> None:
        assert mapped("GET", "/streams/a%22%2C%22Limit%22%3A%221") == {"StreamName": 'a","Limit":"1'}


class TestReading:
    def test_the_iterator(self) -> None:
        expected = {"StreamName": "s", "ShardId": "shardId-000000000001", "ShardIteratorType": "TRIM_HORIZON"}
        assert mapped("GET", "/streams/s/sharditerator", query="shard-id=shardId-000000000001") == expected

    @pytest.mark.parametrize("name", ["Shard-Iterator", "shard-iterator"])
    def test_the_records(self, name: str) -> None:
        assert mapped("GET", "/streams/s/records", headers=((name, "AAE/+a==" + '"'),)) == {
            "ShardIterator": 'AAE/+a=="'
        }

    @pytest.mark.parametrize(("path", "name"), [("sharditerator", "shard-id"), ("records", "Shard-Iterator")])
    def test_what_must_be_given(self, path: str, name: str) -> None:
        with pytest.raises(Fault, match=rf"Missing required request parameters: \[{name}\]"):
            mapped("GET", f"/streams/s/{path}")


class TestData:
    @pytest.mark.parametrize(
        "given", [ROW, json.dumps(ROW), json.dumps(ROW, indent=1)], ids=["object", "text", "blanks"]
    )
    def test_a_row_is_the_same_json_on_both_routes(self, given: Any) -> None:
        assert json.loads(one(given)) == ROW
        assert many(given, given) == [one(given)] * 2

    def test_an_object_is_compact_utf8(self) -> None:
        assert one({"a": "é\U0001f600", "b": [1, None]}) == '{"a":"é\U0001f600","b":[1,null]}'.encode()

    @pytest.mark.parametrize("value", ["plain", "", "5", '"quoted"', " x{", None, 5, 2.5, True, [], [{"a": 1}]])
    def test_what_is_no_object_is_json_too(self, value: Any) -> None:
        assert json.loads(one(value)) == value
        assert many(value) == [one(value)]

    @pytest.mark.parametrize("text", ["[1,2]", '\n {"a":1}'])
    def test_a_text_that_holds_json_is_stored_as_it_stands(self, text: str) -> None:
        assert one(text) == text.encode()
        assert many(text) == [text.encode()]

    def test_the_usual_wording_of_the_list_route_would_store_no_json(self) -> None:
        """Why the document asks for each record by its number."""
        usual = Template("#foreach($record in $input.path('$.records'))$util.base64Encode($record.data)#end")
        body = json.dumps({"records": [{"data": {"a": 1, "b": "c"}}]})
        text = Scope(Request("PUT", "dev", {}, "/x")).render(usual, body)
        assert base64.b64decode(text) == b"{a=1, b=c}"

    def test_half_a_surrogate_pair_does_not_fail_the_request(self) -> None:
        body = b'{"records":[{"data":{"a":"\\ud800"},"partition-key":"\\ud800"},{"data":{"b":1},"partition-key":"k"}]}'
        entries = mapped("PUT", "/streams/s/records", body)["Records"]
        assert [stored(entry) for entry in entries] == [b'{"a":"?"}', b'{"b":1}']

    @given(
        st.lists(
            st.dictionaries(
                st.text(max_size=8),
                st.recursive(
                    st.none()
                    | st.booleans()
                    | st.integers()
                    | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(max_size=20),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                    max_leaves=6,
                ),
                max_size=4,
            ),
            min_size=1,
            max_size=4,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_any_objects_come_through_on_both_routes(self, rows: list[dict[str, Any]]) -> None:
        assert [json.loads(data) for data in many(*rows)] == rows
        assert [json.loads(data) for data in many(*(json.dumps(row) for row in rows))] == rows
        assert json.loads(one(rows[0])) == rows[0]


class TestPartitionKey:
    @given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4))
    @settings(max_examples=60, deadline=None)
    def test_any_text_comes_through(self, keys: list[str]) -> None:
        entries = [{"data": {"n": number}, "partition-key": key} for number, key in enumerate(keys)]
        made = mapped("PUT", "/streams/s/records", {"records": entries})["Records"]
        assert [entry["PartitionKey"] for entry in made] == keys
        assert [json.loads(stored(entry)) for entry in made] == [entry["data"] for entry in entries]
        single = mapped("PUT", "/streams/s/record", {"Data": {}, "PartitionKey": keys[0]})
        assert single["PartitionKey"] == keys[0]


class TestValidation:
    @pytest.mark.parametrize(
        ("path", "body", "part"),
        [
            ("record", {"PartitionKey": "k"}, "'Data' is a required property"),
            ("record", {"Data": {}}, "'PartitionKey' is a required property"),
            ("record", {"Data": {}, "PartitionKey": 5}, "PartitionKey: 5 is not of type 'string'"),
            ("records", {}, "'records' is a required property"),
            ("records", {"records": {}}, "records: {} is not of type 'array'"),
            ("records", {"records": [{"data": 1}]}, "records.0: 'partition-key' is a required property"),
            ("records", {"records": [{"Data": 1, "PartitionKey": "k"}]}, "records.0: 'data' is a required property"),
            ("records", {"records": [{"data": 1, "partition-key": 1}]}, "1 is not of type 'string'"),
            ("record", None, "the body is not JSON"),
        ],
    )
    def test_refused(self, path: str, body: Any, part: str) -> None:
        method, made = request("PUT", f"/streams/s/{path}", body)
        with pytest.raises(Fault) as caught:
            check(method, made)
        assert caught.value.kind is Kind.BAD_REQUEST_BODY
        assert part in caught.value.detail

    @pytest.mark.parametrize("path", ["record", "records"])
    def test_another_media_type_is_refused(self, path: str) -> None:
        method, made = request("PUT", f"/streams/s/{path}", {}, headers=(("Content-Type", "text/plain"),))
        with pytest.raises(Fault) as caught:
            request_body(method.integration, Scope(made))
        assert caught.value.kind is Kind.UNSUPPORTED_MEDIA_TYPE


class TestStreamNameOfTheBody:
    @pytest.mark.parametrize("path", ["record", "records"])
    def test_the_path_decides(self, path: str) -> None:
        body = {"StreamName": "other", "Data": 1, "PartitionKey": "k", "records": [{"data": 1, "partition-key": "k"}]}
        made = mapped("PUT", f"/streams/mine/{path}", body)
        assert made["StreamName"] == "mine"
        assert "other" not in json.dumps(made)

    @pytest.mark.parametrize(
        ("path", "body", "expected"),
        [
            ("/streams/mine/record", {"StreamName": "other"}, ("mine", "other")),
            ("/streams/mine/record", {"StreamName": "mine"}, None),
            ("/streams/mine/record", {}, None),
            ("/streams/mine/record", None, None),
            ("/streams/mine/record", b"[1]", None),
            ("/streams/mine/record", b"{", None),
            ("/streams/mine/record", {"StreamName": None}, ("mine", None)),
        ],
    )
    def test_a_difference_is_seen(self, path: str, body: Any, expected: Any) -> None:
        assert other_stream(request("PUT", path, body)[1]) == expected

    def test_a_request_without_a_stream_in_its_path(self) -> None:
        assert other_stream(Request("PUT", "dev", {}, "/x", body=b'{"StreamName":"s"}')) is None


def test_five_hundred_records_are_mapped_quickly(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    rows = [{"data": {**ROW, "description": "x" * 600}, "partition-key": f"k{number}"} for number in range(500)]
    body = json.dumps({"records": rows}).encode()
    spent = []
    for _ in range(5):
        began = time.thread_time()
        made = mapped("PUT", "/streams/s/records", body)["Records"]
        spent.append(time.thread_time() - began)
    assert [entry["PartitionKey"] for entry in made] == [f"k{number}" for number in range(500)]
    assert min(spent) < 0.1, "100 ms of this thread's processor time for validating and mapping"
