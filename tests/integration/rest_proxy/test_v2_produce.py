"""v2 produce: what Confluent's proxy does, one behaviour a test."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from confluent_kafka import Message

from tests.integration.rest_proxy.conftest import V2, V2_BINARY, V2_JSON

pytestmark = pytest.mark.integration
Landed = Callable[[str], list[Message]]


def produce(proxy: httpx.Client, topic: str, *records: dict[str, Any]) -> list[dict[str, Any]]:
    response = proxy.post(f"/topics/{topic}", json={"records": records}, headers=V2_JSON)
    assert response.status_code == 200, response.text
    return list(response.json()["offsets"])


class TestReply:
    def test_shape(self, proxy: httpx.Client, topic: str) -> None:
        response = proxy.post(f"/topics/{topic}", json={"records": [{"value": 1, "partition": 2}]}, headers=V2_JSON)
        assert response.headers["content-type"] == "application/vnd.kafka.v2+json"
        assert response.json() == {
            "offsets": [{"partition": 2, "offset": 0, "error_code": None, "error": None}],
            "key_schema_id": None,
            "value_schema_id": None,
        }

    def test_one_entry_a_record_in_request_order(self, proxy: httpx.Client, topic: str) -> None:
        numbers = [0, 2, 1, 2, 0]
        entries = produce(proxy, topic, *({"value": 1, "partition": number} for number in numbers))
        assert [(entry["partition"], entry["offset"]) for entry in entries] == [(0, 0), (2, 0), (1, 0), (2, 1), (0, 1)]


class TestRecords:
    def test_key_and_value(self, proxy: httpx.Client, topic: str, landed: Landed) -> None:
        produce(proxy, topic, {"key": 7528, "value": {"b": "ü", "a": [1.5, None]}})
        (message,) = landed(topic)
        assert (message.key(), message.value()) == (b"7528", '{"b":"ü","a":[1.5,null]}'.encode())

    def test_no_key(self, proxy: httpx.Client, topic: str, landed: Landed) -> None:
        produce(proxy, topic, {"value": "x"})
        assert [(message.key(), message.value()) for message in landed(topic)] == [(None, b'"x"')]

    def test_null_and_absent_values(self, proxy: httpx.Client, topic: str, landed: Landed) -> None:
        entries = produce(proxy, topic, {"key": 1, "value": None, "partition": 0}, {"key": 2, "partition": 0})
        assert [entry["error_code"] for entry in entries] == [None, None]
        assert [(message.key(), message.value()) for message in landed(topic)] == [(b"1", None), (b"2", None)]

    def test_whole_numbers_of_any_size_are_kept(self, proxy: httpx.Client, topic: str, landed: Landed) -> None:
        body = b'{"records":[{"value":{"n":123456789012345678901234567890}}]}'
        assert proxy.post(f"/topics/{topic}", content=body, headers=V2_JSON).status_code == 200
        assert landed(topic)[0].value() == b'{"n":123456789012345678901234567890}'

    def test_binary(self, proxy: httpx.Client, topic: str, landed: Landed) -> None:
        record = {"key": b64encode(b"\x00k").decode(), "value": b64encode(b"\xff\x00").decode()}
        response = proxy.post(f"/topics/{topic}", json={"records": [record]}, headers=V2_BINARY)
        assert response.json()["offsets"][0]["error_code"] is None
        assert [(message.key(), message.value()) for message in landed(topic)] == [(b"\x00k", b"\xff\x00")]

    def test_partition_route(self, proxy: httpx.Client, topic: str, landed: Landed) -> None:
        response = proxy.post(f"/topics/{topic}/partitions/1", json={"records": [{"value": 1}] * 3}, headers=V2_JSON)
        assert [entry["partition"] for entry in response.json()["offsets"]] == [1, 1, 1]
        assert [message.partition() for message in landed(topic)] == [1, 1, 1]

    def test_keys_are_spread_as_by_the_java_producer(self, proxy: httpx.Client, v3: str) -> None:
        # Java: (murmur2(key) & 0x7fffffff) % partitions, worked out with Kafka's own Utils.murmur2.
        name = "t.murmur2"
        proxy.post(f"{v3}/topics", json={"topic_name": name, "partitions_count": 3})
        entries = produce(proxy, name, *({"key": key, "value": 1} for key in (1, 2, 3, 7528, 11000)))
        assert [entry["partition"] for entry in entries] == [murmur2(str(key)) % 3 for key in (1, 2, 3, 7528, 11000)]

    def test_order_of_a_key_is_kept(self, proxy: httpx.Client, topic: str, landed: Landed) -> None:
        for start in range(0, 3000, 1000):
            produce(proxy, topic, *({"key": number % 7, "value": number} for number in range(start, start + 1000)))
        seen: dict[bytes, list[int]] = {}
        for message in landed(topic):
            seen.setdefault(message.key(), []).append(int(message.value()))
        assert {key: numbers == sorted(numbers) for key, numbers in seen.items()} == dict.fromkeys(seen, True)
        assert sum(map(len, seen.values())) == 3000


class TestRecordErrors:
    def test_unknown_topic_is_an_error_of_each_record_at_once(self, proxy: httpx.Client) -> None:
        response = proxy.post("/topics/no.such", json={"records": [{"value": 1}] * 2}, headers=V2_JSON)
        assert response.status_code == 200
        entry = {"partition": None, "offset": None, "error_code": 50003}
        assert response.json()["offsets"] == [{**entry, "error": "Topic no.such not present in metadata."}] * 2
        assert response.elapsed.total_seconds() < 2

    def test_a_record_that_is_too_large_leaves_the_others(
        self, proxy: httpx.Client, topic: str, landed: Landed
    ) -> None:
        entries = produce(proxy, topic, {"value": "a"}, {"value": "x" * 2_000_000}, {"value": "b"})
        assert [entry["error_code"] for entry in entries] == [None, 50002, None]
        assert entries[1]["offset"] is None
        assert {message.value() for message in landed(topic)} == {b'"a"', b'"b"'}

    def test_a_partition_that_is_not_there_leaves_the_others(self, proxy: httpx.Client, topic: str) -> None:
        entries = produce(proxy, topic, {"value": 1, "partition": 3}, {"value": 1, "partition": 2})
        assert [entry["error_code"] for entry in entries] == [50003, None]


class TestRefused:
    @pytest.mark.parametrize("headers", [V2_JSON, V2_BINARY])
    @pytest.mark.parametrize("body", ["null", "", "{}", '{"records":null}', '{"records":[]}'])
    def test_no_data_is_422(self, proxy: httpx.Client, topic: str, headers: dict[str, str], body: str) -> None:
        response = proxy.post(f"/topics/{topic}", content=body, headers=headers)
        assert (response.status_code, response.json()["error_code"]) == (422, 422)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ('{"records":', 400),
            ('{"records":{}}', 400),
            ('{"records":[1]}', 400),
            ('{"records":[{"value":1,"extra":2}]}', 422),
            ('{"records":[{"value":1,"partition":"x"}]}', 422),
            ('{"records":[{"value":1,"partition":-1}]}', 422),
        ],
    )
    def test_a_wrong_body_stores_nothing(
        self, proxy: httpx.Client, topic: str, landed: Landed, body: str, status: int
    ) -> None:
        response = proxy.post(f"/topics/{topic}", content=body, headers=V2_JSON)
        assert (response.status_code, response.json()["error_code"]) == (status, status)
        assert landed(topic) == []

    def test_one_bad_base64_refuses_the_request(self, proxy: httpx.Client, topic: str, landed: Landed) -> None:
        body = {"records": [{"value": "aGk="}, {"value": "?"}]}
        assert proxy.post(f"/topics/{topic}", json=body, headers=V2_BINARY).status_code == 422
        assert landed(topic) == []

    @pytest.mark.parametrize("kind", ["text/plain", "application/json", V2["Content-Type"]])
    def test_other_content_types_are_415(self, proxy: httpx.Client, topic: str, kind: str) -> None:
        response = proxy.post(f"/topics/{topic}", content='{"records":[{"value":1}]}', headers={"Content-Type": kind})
        assert (response.status_code, response.json()["error_code"]) == (415, 415)

    @pytest.mark.parametrize("kind", ["avro", "jsonschema", "protobuf"])
    def test_schema_formats_are_refused_clearly(self, proxy: httpx.Client, topic: str, kind: str) -> None:
        headers = {"Content-Type": f"application/vnd.kafka.{kind}.v2+json"}
        response = proxy.post(f"/topics/{topic}", json={"records": [{"value": 1}]}, headers=headers)
        assert (response.status_code, response.json()["error_code"]) == (422, 42206)
        assert "Schema Registry" in response.json()["message"]

    def test_wrong_accept_is_406(self, proxy: httpx.Client, topic: str) -> None:
        headers = {**V2_JSON, "Accept": "text/html"}
        assert proxy.post(f"/topics/{topic}", json={"records": [{"value": 1}]}, headers=headers).status_code == 406

    def test_a_body_beyond_the_limit_is_413(self, proxy: httpx.Client, topic: str) -> None:
        response = proxy.post(f"/topics/{topic}", content=b" " * (33 * 1024 * 1024), headers=V2_JSON)
        assert (response.status_code, response.json()["error_code"]) == (413, 413)
        assert "33554432 bytes" in response.json()["message"]


def murmur2(text: str) -> int:
    """Kafka's hash of a key, from its published algorithm (seed 0x9747b28c, m 0x5bd1e995), positive."""
    data, mask = text.encode(), 0xFFFFFFFF
    hashed = 0x9747B28C ^ len(data)
    for at in range(0, len(data) // 4 * 4, 4):
        part = int.from_bytes(data[at : at + 4], "little") * 0x5BD1E995 & mask
        part = (part ^ part >> 24) * 0x5BD1E995 & mask
        hashed = hashed * 0x5BD1E995 & mask ^ part
    tail = data[len(data) // 4 * 4 :]
    if tail:
        hashed = (hashed ^ int.from_bytes(tail, "little")) * 0x5BD1E995 & mask
    hashed = (hashed ^ hashed >> 13) * 0x5BD1E995 & mask
    return (hashed ^ hashed >> 15) & 0x7FFFFFFF
