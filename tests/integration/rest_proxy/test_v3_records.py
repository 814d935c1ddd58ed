"""v3 produce: streams of records and small batches."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from tests.integration.rest_proxy.conftest import JSON, reports, split_json

pytestmark = pytest.mark.integration
Landed = Callable[[str], list[Message]]
NOT_THERE = "This server does not host this topic-partition."


@pytest.fixture
def produce(proxy: httpx.Client, v3: str, topic: str) -> Callable[..., list[dict[str, Any]]]:
    """Send records, or a text as it is, to the topic."""

    def send(*records: Any, text: str | bytes | None = None, to: str = topic) -> list[dict[str, Any]]:
        body = "".join(map(json.dumps, records)) if text is None else text
        return reports(proxy.post(f"{v3}/topics/{to}/records", content=body, headers=JSON))

    return send


Produce = Callable[..., list[dict[str, Any]]]


class TestReport:
    def test_everything(self, produce: Produce, v3: str, topic: str, landed: Landed) -> None:
        record = {
            "partition_id": 1,
            "headers": [{"name": "h", "value": "SGVhZGVyLTE="}, {"name": "h", "value": None}],
            "key": {"type": "BINARY", "data": "Zm9vYmFy"},
            "value": {"type": "JSON", "data": {"foo": "bar"}},
            "timestamp": "2021-02-05T19:14:42Z",
        }
        assert produce(record) == [
            {
                "error_code": 200,
                "cluster_id": v3.rpartition("/")[2],
                "topic_name": topic,
                "partition_id": 1,
                "offset": 0,
                "timestamp": "2021-02-05T19:14:42Z",
                "key": {"type": "BINARY", "size": 6},
                "value": {"type": "JSON", "size": 13},
            }
        ]
        (message,) = landed(topic)
        assert (message.key(), message.value()) == (b"foobar", b'{"foo":"bar"}')
        assert message.headers() == [("h", b"Header-1"), ("h", None)]
        assert message.timestamp() == (TIMESTAMP_CREATE_TIME, 1612552482000)

    def test_what_does_not_apply_is_left_out(self, produce: Produce) -> None:
        (report,) = produce({"value": {"type": "STRING", "data": "x"}})
        assert "key" not in report
        assert report["value"] == {"type": "STRING", "size": 1}

    def test_nothing_is_a_record_too(self, produce: Produce, topic: str, landed: Landed) -> None:
        (report,) = produce({})
        assert report["error_code"] == 200
        assert not {"key", "value"} & set(report)
        assert [(message.key(), message.value()) for message in landed(topic)] == [(None, None)]

    @pytest.mark.parametrize("timestamp", ["2022-03-01T05:06:07.123Z", "2022-03-01T07:06:07.123+02:00"])
    def test_milliseconds_and_zones(self, produce: Produce, topic: str, landed: Landed, timestamp: str) -> None:
        (report,) = produce({"timestamp": timestamp})
        assert report["timestamp"] == "2022-03-01T05:06:07.123Z"
        assert landed(topic)[0].timestamp()[1] == 1646111167123


class TestData:
    @pytest.mark.parametrize(
        ("kind", "data", "stored"),
        [
            ("BINARY", "Zm9v", b"foo"),
            ("BINARY", "", b""),
            ("STRING", "fü", "fü".encode()),
            ("STRING", "", b""),
            ("JSON", "s", b'"s"'),
            ("JSON", 7528, b"7528"),
            ("JSON", {"a": [1, None, True]}, b'{"a":[1,null,true]}'),
            ("BINARY", None, None),
            ("STRING", None, None),
            ("JSON", None, None),
        ],
    )
    def test_types(self, produce: Produce, topic: str, landed: Landed, kind: str, data: Any, stored: bytes) -> None:
        part = {"type": kind, "data": data}
        records = [{"value": part}, {"key": part}, {"key": part, "value": part}]
        found = produce(*({**record, "partition_id": 0} for record in records))
        assert [report["error_code"] for report in found] == [200, 200, 200]
        assert [report.get("value", {}).get("size") for report in found] == [
            len(stored or b""),
            None,
            len(stored or b""),
        ]
        messages = [(message.key(), message.value()) for message in landed(topic)]
        assert messages == [(None, stored), (stored, None), (stored, stored)]

    @pytest.mark.parametrize(
        ("record", "code", "words"),
        [
            ({"value": {"type": "BINARY", "data": 1}}, 400, "Bad Request: data=1 is not a base64 string."),
            ({"value": {"type": "BINARY", "data": "f?"}}, 400, "Bad Request: data=f? is not a base64 string."),
            ({"key": {"type": "STRING", "data": 1}}, 400, "Bad Request: data=1 is not a string."),
            ({"value": {"type": "XML", "data": "x"}}, 400, "type=XML"),
            ({"value": {"type": "BINARY", "data": "", "schema_id": 1}}, 400, "schema_id"),
            ({"value": {"data": {"a": 1}}}, 42206, "Schema Registry"),
            ({"value": {"type": "AVRO", "data": 1, "schema_id": 1}}, 42206, "Schema Registry"),
            ({"headers": [{"name": "h", "value": "?"}]}, 400, "base64"),
            ({"headers": "h"}, 400, "headers"),
            ({"partition_id": "x"}, 400, "partition_id"),
            ({"partition_id": -1}, 40402, "Partition not found."),
            ({"partition_id": 99}, 50003, "Partition 99"),
            ({"timestamp": "yesterday"}, 400, "yesterday"),
            ({"timestamp": "2021-02-05T19:14:42"}, 400, "RFC 3339"),
            ({"timestamp": "1969-12-31T00:00:00Z"}, 400, "Invalid timestamp"),
            ({"vale": {}}, 400, "Unrecognized field: vale"),
            ([1], 400, "JSON object"),
            ({"value": {"type": "STRING", "data": "x" * 2_000_000}}, 413, "too large"),
        ],
    )
    def test_a_bad_record_leaves_the_others(
        self, produce: Produce, topic: str, landed: Landed, record: Any, code: int, words: str
    ) -> None:
        good = {"value": {"type": "STRING", "data": "good"}}
        found = produce(good, record, good, record)
        assert [report["error_code"] for report in found] == [200, code, 200, code]
        assert words in found[1]["message"]
        assert set(found[1]) == {"error_code", "message"}
        assert [message.value() for message in landed(topic)] == [b"good", b"good"]

    def test_unknown_topic_is_reported_for_each_record_at_once(self, produce: Produce) -> None:
        assert produce({}, {}, to="no.such") == [{"error_code": 40403, "message": NOT_THERE}] * 2


class TestStream:
    @pytest.mark.parametrize("between", ["", "\n", " \r\n\t", "\n\n"])
    def test_order_is_kept_whatever_stands_between(
        self, produce: Produce, topic: str, landed: Landed, between: str
    ) -> None:
        texts = [f"}}{{{number}" for number in range(700)]
        records = [{"partition_id": 2, "value": {"type": "STRING", "data": text}} for text in texts]
        found = produce(text=between.join(map(json.dumps, records)))
        assert [report["offset"] for report in found] == list(range(700))
        assert [message.value().decode() for message in landed(topic)] == texts

    def test_pretty_printed(self, produce: Produce) -> None:
        record = {"value": {"type": "JSON", "data": {"a": [1, 2], "b": "x\ny"}}}
        found = produce(text="\n".join(json.dumps(record, indent=2) for _ in range(500)))
        assert [report["error_code"] for report in found] == [200] * 500

    def test_broken_json_ends_the_stream(self, produce: Produce, topic: str, landed: Landed) -> None:
        found = produce(text='{"partition_id":0}{"partition_id":0} {"partition_id":nope} {"partition_id":0}')
        assert [report["error_code"] for report in found] == [200, 200, 400]
        assert found[2]["message"].startswith("Bad Request: ")
        assert "\n" not in found[2]["message"]
        assert len(landed(topic)) == 2

    @pytest.mark.parametrize("tail", ['{"partition_id"', '{"value":{"type":"STRING","data":"x', "{", "]"])
    def test_an_unfinished_end(self, produce: Produce, tail: str) -> None:
        assert [report["error_code"] for report in produce(text="{}" + tail)] == [200, 400]

    @pytest.mark.parametrize("body", [b"", b" \n"])
    def test_empty_body(self, proxy: httpx.Client, v3: str, topic: str, body: bytes) -> None:
        response = proxy.post(f"{v3}/topics/{topic}/records", content=body, headers=JSON)
        message = "Payload error. Request body is empty. Data is required."
        assert (response.status_code, response.json()) == (422, {"error_code": 422, "message": message})

    @pytest.mark.parametrize("kind", ["text/plain", "application/vnd.kafka.json.v2+json", None])
    def test_content_type(self, proxy: httpx.Client, v3: str, topic: str, kind: str | None) -> None:
        headers = {} if kind is None else {"Content-Type": kind}
        response = proxy.post(f"{v3}/topics/{topic}/records", content=b"{}", headers=headers)
        assert (response.status_code, response.json()["error_code"]) == (415, 415)

    @pytest.mark.parametrize("charset", ["UTF-8", "ISO-8859-1", "utf-16"])
    def test_charset(self, proxy: httpx.Client, v3: str, topic: str, landed: Landed, charset: str) -> None:
        body = '{"value":{"type":"STRING","data":"grün"}}'.encode(charset)
        headers = {"Content-Type": f"application/json; charset={charset}"}
        assert (
            reports(proxy.post(f"{v3}/topics/{topic}/records", content=body, headers=headers))[0]["error_code"] == 200
        )
        assert landed(topic)[0].value() == "grün".encode()

    def test_unknown_charset(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        headers = {"Content-Type": "application/json; charset=klingon"}
        assert proxy.post(f"{v3}/topics/{topic}/records", content=b"{}", headers=headers).status_code == 400

    def test_bytes_that_are_not_utf8(self, produce: Produce) -> None:
        found = produce(text=b'{}{"value":{"type":"STRING","data":"\xff"}}')
        assert [report["error_code"] for report in found] == [200, 400]

    def test_ten_thousand_records_in_chunks(self, proxy: httpx.Client, v3: str, topic: str, landed: Landed) -> None:
        def body() -> Iterator[bytes]:
            text = b"".join(b'{"partition_id":0,"value":{"type":"JSON","data":%d}}' % n for n in range(10_000))
            for start in range(0, len(text), 7919):
                yield text[start : start + 7919]

        found = reports(proxy.post(f"{v3}/topics/{topic}/records", content=body(), headers=JSON))
        assert [report["offset"] for report in found] == list(range(10_000))
        assert [int(message.value()) for message in landed(topic)] == list(range(10_000))

    def test_reports_flow_while_records_go_in(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        with socket.create_connection((proxy.base_url.host, proxy.base_url.port), timeout=10) as connection:
            headers = ("Host: x", "Content-Type: application/json", "Transfer-Encoding: chunked", "", "")
            connection.sendall("\r\n".join((f"POST {v3}/topics/{topic}/records HTTP/1.1", *headers)).encode())
            answer = b""
            for number in range(3):
                record = b'{"partition_id":0}'
                connection.sendall(b"%x\r\n%s\r\n" % (len(record), record))
                # The report is there before the next record is sent.
                while answer.count(b'"offset":') <= number:
                    piece = connection.recv(65536)
                    assert piece, answer
                    answer += piece
            connection.sendall(b"0\r\n\r\n")
            while not answer.endswith(b"0\r\n\r\n"):
                answer += connection.recv(65536)
        assert b"HTTP/1.1 200" in answer
        assert [f'"offset":{number},'.encode() in answer for number in range(3)] == [True] * 3


class TestBatch:
    def send(self, proxy: httpx.Client, v3: str, topic: str, document: Any) -> httpx.Response:
        return proxy.post(f"{v3}/topics/{topic}/records:batch", json=document)

    def test_successes_and_failures(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        good = {"partition_id": 0, "value": {"type": "STRING", "data": "x"}, "timestamp": "2021-02-05T19:14:42Z"}
        bad = {"value": {"type": "BINARY", "data": 1}}
        response = self.send(proxy, v3, topic, {"entries": [{"id": "a-1", **good}, {"id": "b_2", **bad}]})
        assert response.status_code == 207
        assert response.json() == {
            "successes": [
                {
                    "id": "a-1",
                    "cluster_id": v3.rpartition("/")[2],
                    "topic_name": topic,
                    "partition_id": 0,
                    "offset": 0,
                    "timestamp": "2021-02-05T19:14:42Z",
                    "value": {"type": "STRING", "size": 1},
                }
            ],
            "failures": [
                {"id": "b_2", "error_code": 400, "message": "Bad Request: data=1 is not a base64 string."},
            ],
        }

    @pytest.mark.parametrize("identity", [None, "", "a" * 81, "a b", 1, "ü"])
    def test_ids(self, proxy: httpx.Client, v3: str, topic: str, landed: Landed, identity: Any) -> None:
        response = self.send(proxy, v3, topic, {"entries": [{"id": "good"}, {"id": identity}]})
        assert (response.status_code, response.json()["error_code"]) == (422, 42208)
        assert landed(topic) == []

    @pytest.mark.parametrize("entries", [[], [{"id": "1"}, {"id": "1"}], [{"id": str(number)} for number in range(11)]])
    def test_batches(self, proxy: httpx.Client, v3: str, topic: str, entries: list[Any]) -> None:
        response = self.send(proxy, v3, topic, {"entries": entries})
        assert (response.status_code, response.json()["error_code"]) == (422, 42208)

    def test_ten_are_allowed(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        response = self.send(proxy, v3, topic, {"entries": [{"id": str(number)} for number in range(10)]})
        assert [entry["id"] for entry in response.json()["successes"]] == list("0123456789")

    @pytest.mark.parametrize(("body", "status"), [("", 422), ("null", 422), ("{", 400), ("[]", 400)])
    def test_bodies(self, proxy: httpx.Client, v3: str, topic: str, body: str, status: int) -> None:
        response = proxy.post(f"{v3}/topics/{topic}/records:batch", content=body, headers=JSON)
        assert response.status_code == status


def test_half_a_million_bytes_of_headers_come_back(produce: Produce, topic: str, landed: Landed) -> None:
    value = b"v" * 300_000
    (report,) = produce({"headers": [{"name": "big", "value": b64encode(value).decode()}]})
    assert report["error_code"] == 200
    assert landed(topic)[0].headers() == [("big", value)]


def test_reports_are_json_objects_one_after_another(proxy: httpx.Client, v3: str, topic: str) -> None:
    response = proxy.post(f"{v3}/topics/{topic}/records", content="{}{}", headers=JSON)
    assert response.headers["content-type"] == "application/json"
    assert len(split_json(response.text)) == 2
