"""The gateway with the real REST proxy and broker behind it, seen by clients that people already have."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from typing import Any

import pytest
import requests
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.conftest import Platform

pytestmark = pytest.mark.integration

CLASSIC = {"Content-Type": "application/vnd.kafka.json.v2+json"}
PIN: dict[str, Any] = {
    "index": 7528,
    "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf",
    "title": 'Quotes " and \\ and $input, \U0001f600',
    "description": "two\nlines\u2026\u00a0",
    "follower_count": "User Info Error",
    "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",
    "is_image_or_video": "multi-video(story page format)",
    "image_src": "Image src error.",
    "downloaded": 0,
    "save_location": "Local save in /data/mens-fashion",
    "category": "mens-fashion",
}


@pytest.fixture(scope="module")
def base(platform: Platform) -> str:
    platform.up("gateway")
    return platform.url("gateway")


@pytest.fixture(scope="module")
def bootstrap(base: str, platform: Platform) -> str:
    return f"127.0.0.1:{platform.port('kafka')}"


@pytest.fixture(scope="module")
def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap})


def make(admin: AdminClient, name: str, partitions: int = 1, configs: dict[str, str] | None = None) -> str:
    for future in admin.create_topics([NewTopic(name, partitions, 1, config=configs or {})]).values():
        future.result(30)
    return name


@pytest.fixture
def topic(admin: AdminClient) -> str:
    return make(admin, f"u123.{uuid.uuid4().hex[:8]}.pin")


@pytest.fixture(scope="module")
def pin_topic(admin: AdminClient) -> str:
    """The topic of ``POST /pin``; another test of this session may have made it."""
    if "pinflow.pin" not in admin.list_topics(timeout=30).topics:
        make(admin, "pinflow.pin", 3)
    return "pinflow.pin"


class Reader:
    """Reads what arrives in a topic from the moment it was made, with librdkafka and not with our proxy."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "enable.auto.commit": False}
        )
        partitions = self.consumer.list_topics(topic, 30).topics[topic].partitions
        ends = {
            number: self.consumer.get_watermark_offsets(TopicPartition(topic, number), 30)[1] for number in partitions
        }
        self.consumer.assign([TopicPartition(topic, number, offset) for number, offset in ends.items()])

    def read(self, count: int) -> list[tuple[bytes | None, bytes | None]]:
        found: list[tuple[bytes | None, bytes | None]] = []
        deadline = time.monotonic() + 60
        while len(found) < count and time.monotonic() < deadline:
            found += [
                (message.key(), message.value()) for message in self.consumer.consume(count, 1.0) if not message.error()
            ]
        found += [(message.key(), message.value()) for message in self.consumer.consume(1, 0.5) if not message.error()]
        self.consumer.close()
        assert len(found) == count
        return found


class TestClassicClient:
    """One new connection a record, the body as text, no time-out, the status printed: as published clients do it."""

    @pytest.mark.parametrize("stage", ["test", "dev", "prod", "production", "Production", "staging"])
    def test_works_unchanged_in_every_stage(self, base: str, bootstrap: str, topic: str, stage: str) -> None:
        rows = [
            {"ind": 7528 + number, "timestamp": "2020-08-28T03:52:47", "country": "Cote d'Ivoire"}
            for number in range(3)
        ]
        for row in rows:
            payload = json.dumps({"records": [{"value": row}]})
            answer = requests.request("POST", f"{base}/{stage}/topics/{topic}", headers=CLASSIC, data=payload)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/vnd.kafka.v2+json"
            assert answer.json()["offsets"][0]["error_code"] is None
        reader = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
        )
        reader.assign([TopicPartition(topic, 0, 0)])
        messages = reader.consume(3, 30)
        reader.close()
        assert [(message.key(), json.loads(message.value() or b"")) for message in messages] == [
            (None, row) for row in rows
        ]

    def test_keys_and_order(self, base: str, bootstrap: str, topic: str) -> None:
        reader = Reader(bootstrap, topic)
        records = [{"key": number, "value": {"index": number, "t": "é"}} for number in range(1000)]
        body = json.dumps({"records": records}, ensure_ascii=False).encode()
        answer = requests.post(f"{base}/dev/topics/{topic}", data=body, headers=CLASSIC, timeout=60)
        assert [entry["offset"] for entry in answer.json()["offsets"]] == list(range(1000))
        found = reader.read(1000)
        assert [key for key, _ in found] == [str(number).encode() for number in range(1000)]
        assert [json.loads(value or b"") for _, value in found] == [record["value"] for record in records]

    def test_the_list_of_topics(self, base: str, topic: str) -> None:
        names = requests.get(f"{base}/dev/topics", timeout=30).json()
        assert topic in names

    @pytest.mark.parametrize(
        ("path", "body", "media"),
        [
            ("topics/{topic}", b"no json", "application/vnd.kafka.json.v2+json"),
            ("topics/{topic}", b"{}", "application/vnd.kafka.json.v2+json"),
            ("topics/{topic}", b'{"records":[]}', "text/csv"),
            ("v3/clusters", None, None),
            ("v3/nowhere?x=%20y", None, None),
        ],
    )
    def test_answers_are_the_proxys_own(
        self, base: str, platform: Platform, topic: str, path: str, body: bytes | None, media: str | None
    ) -> None:
        headers = {"Content-Type": media} if media else {}
        method = "GET" if body is None else "POST"
        target = path.format(topic=topic)
        # The proxy builds its links from the Host header, which the gateway replaces by the proxy's own address.
        through = requests.request(method, f"{base}/dev/{target}", data=body, headers=headers, timeout=30)
        straight = requests.request(
            method, f"{platform.url('rest-proxy')}/{target}", data=body, headers=headers, timeout=30
        )
        assert (through.status_code, through.content) == (straight.status_code, straight.content)
        assert through.headers["content-type"] == straight.headers["content-type"]

    def test_the_root_reaches_the_proxy(self, base: str, platform: Platform) -> None:
        through, straight = (requests.get(f"{url}/", timeout=30) for url in (f"{base}/dev", platform.url("rest-proxy")))
        assert (through.status_code, through.content) == (straight.status_code, straight.content)

    def test_a_batch_of_v3_answers_207(self, base: str, bootstrap: str, topic: str) -> None:
        cluster = requests.get(f"{base}/dev/v3/clusters", timeout=30).json()["data"][0]["cluster_id"]
        reader = Reader(bootstrap, topic)
        entries = [
            {
                "id": str(number),
                "key": {"type": "JSON", "data": number},
                "value": {"type": "JSON", "data": {"n": number}},
                "timestamp": "2022-03-01T05:00:00Z",
            }
            for number in range(3)
        ]
        url = f"{base}/dev/v3/clusters/{cluster}/topics/{topic}/records:batch"
        answer = requests.post(url, json={"entries": entries}, timeout=30)
        assert answer.status_code == 207
        assert {entry["id"] for entry in answer.json()["successes"]} == {"0", "1", "2"}
        assert sorted(value or b"" for _, value in reader.read(3)) == [b'{"n":0}', b'{"n":1}', b'{"n":2}']


class TestPin:
    @pytest.mark.parametrize("path", ["/pin/", "/pin"])
    def test_a_row_reaches_the_topic_and_comes_back(self, base: str, bootstrap: str, pin_topic: str, path: str) -> None:
        reader = Reader(bootstrap, pin_topic)
        answer = requests.post(f"{base}/dev{path}", json=PIN, timeout=30)
        assert (answer.status_code, answer.json()) == (200, PIN)
        [(key, value)] = reader.read(1)
        assert key == b"7528"
        assert json.loads(value or b"") == PIN

    def test_a_bad_row_reaches_nothing(self, base: str, bootstrap: str, pin_topic: str) -> None:
        reader = Reader(bootstrap, pin_topic)
        bad = requests.post(f"{base}/dev/pin/", json={"index": 1, "name": "x", "age": 2, "role": "y"}, timeout=30)
        assert (bad.status_code, bad.json()["message"]) == (400, "Invalid request body")
        good = requests.post(f"{base}/dev/pin/", json={**PIN, "index": 9}, timeout=30)
        assert good.status_code == 200
        [(key, _)] = reader.read(1)
        assert key == b"9"


class TestSendData:
    def test_any_object_reaches_the_named_topic(self, base: str, bootstrap: str, topic: str) -> None:
        reader = Reader(bootstrap, topic)
        row = {"idx": 4, "country": "Åland", "deep": [1, None]}
        answer = requests.post(f"{base}/dev/send_data", params={"topic": topic}, json=row, timeout=30)
        assert (answer.status_code, answer.json()) == (200, {"status": "success", "topic": topic})
        [(key, value)] = reader.read(1)
        assert (key, json.loads(value or b"")) == (b"4", row)

    def test_a_row_that_the_topic_does_not_take_is_no_success(self, base: str, admin: AdminClient) -> None:
        small = make(admin, f"small.{uuid.uuid4().hex[:8]}", configs={"max.message.bytes": "1000"})
        answer = requests.post(f"{base}/dev/send_data?topic={small}", json={"idx": 1, "text": "x" * 5000}, timeout=30)
        assert answer.status_code in {413, 502}
        assert answer.json()["message"]


class TestMany:
    def test_forty_clients_at_once_lose_and_double_nothing(self, base: str, bootstrap: str, topic: str) -> None:
        reader = Reader(bootstrap, topic)
        failed: list[Any] = []

        def client(number: int) -> None:
            for turn in range(10):
                body = json.dumps({"records": [{"key": number, "value": {"client": number, "turn": turn}}]})
                answer = requests.post(f"{base}/dev/topics/{topic}", data=body, headers=CLASSIC, timeout=60)
                if answer.status_code != 200 or answer.json()["offsets"][0]["error_code"]:
                    failed.append((number, turn, answer.text))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert failed == []
        values = [json.loads(value or b"") for _, value in reader.read(400)]
        assert sorted((value["client"], value["turn"]) for value in values) == [
            (c, t) for c in range(40) for t in range(10)
        ]

    def test_a_megabyte_of_a_thousand_records_goes_through_quickly(self, base: str, topic: str) -> None:
        records = [{"key": number, "value": {"index": number, "text": "y" * 1000}} for number in range(1000)]
        body = json.dumps({"records": records}).encode()
        began = time.monotonic()
        answer = requests.post(f"{base}/dev/topics/{topic}", data=body, headers=CLASSIC, timeout=60)
        assert answer.status_code == 200
        assert {entry["error_code"] for entry in answer.json()["offsets"]} == {None}
        assert time.monotonic() - began < 5


class TestBackEndDown:
    def test_a_killed_proxy_is_told_and_heals(self, base: str, platform: Platform, topic: str) -> None:
        body = json.dumps({"records": [{"value": {"a": 1}}]})
        gateway = platform.leader("gateway")
        with requests.Session() as session:
            session.headers.update(CLASSIC)
            assert session.post(f"{base}/dev/topics/{topic}", data=body, timeout=60).status_code == 200
            os.kill(platform.leader("rest-proxy"), signal.SIGKILL)
            down = session.post(f"{base}/dev/topics/{topic}", data=body, timeout=60)
            assert (down.status_code, down.json()) == (504, {"message": "Network error communicating with endpoint"})
            assert down.headers["x-amzn-ErrorType"] == "InternalServerErrorException"
            assert down.headers["x-amzn-RequestId"]
            old = requests.post(f"{base}/dev/pin/", json=PIN, timeout=60)
            assert (old.status_code, old.json()) == (504, {"message": "Network error communicating with endpoint"})
            platform.up("gateway")
            assert session.post(f"{base}/dev/topics/{topic}", data=body, timeout=60).status_code == 200
        assert platform.leader("gateway") == gateway, "the gateway healed without a restart"

    def test_a_killed_gateway_comes_back(self, base: str, platform: Platform, topic: str) -> None:
        os.kill(platform.leader("gateway"), signal.SIGKILL)
        platform.up("gateway")
        assert requests.get(f"{base}/dev/topics/{topic}", timeout=60).json()["name"] == topic
