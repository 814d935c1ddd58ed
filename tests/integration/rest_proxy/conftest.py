"""The running proxy, the cluster behind it, and readers of the broker that do not go through the proxy."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from tests.conftest import Platform

JSON = {"Content-Type": "application/json"}
V2_JSON = {"Content-Type": "application/vnd.kafka.json.v2+json"}
V2_BINARY = {"Content-Type": "application/vnd.kafka.binary.v2+json"}
V2 = {"Content-Type": "application/vnd.kafka.v2+json"}
UNKNOWN_TOPIC = {"error_code": 40403, "message": "This server does not host this topic-partition."}
DEADLINE = 30.0


@pytest.fixture(scope="session")
def proxy(platform: Platform) -> Iterator[httpx.Client]:
    platform.up("rest-proxy")
    with httpx.Client(base_url=platform.url("rest-proxy"), timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def v3(proxy: httpx.Client) -> str:
    """Path of the cluster."""
    return f"/v3/clusters/{proxy.get('/v3/clusters').json()['data'][0]['cluster_id']}"


@pytest.fixture
def topic(proxy: httpx.Client, v3: str) -> str:
    """A fresh topic of three partitions."""
    name = f"t.{uuid.uuid4().hex[:8]}"
    made = proxy.post(f"{v3}/topics", json={"topic_name": name, "partitions_count": 3})
    assert made.status_code == 201, made.text
    return name


@pytest.fixture
def landed(platform: Platform) -> Callable[[str], list[Message]]:
    """Everything in a topic, read straight from the broker, by partition and offset."""

    def read(topic: str) -> list[Message]:
        settings = {"bootstrap.servers": f"127.0.0.1:{platform.port('kafka')}", "group.id": "reader"}
        consumer = Consumer({**settings, "enable.auto.commit": False})
        try:
            return _read(consumer, topic)
        finally:
            consumer.close()

    return read


def _read(consumer: Consumer, topic: str) -> list[Message]:
    numbers = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    left = {number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1] for number in numbers}
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    found: list[Message] = []
    while len(found) < sum(left.values()):
        batch = consumer.consume(500, timeout=10)
        assert batch, f"only {len(found)} of {left} arrived"
        found.extend(batch)
    return sorted(found, key=lambda message: (message.partition(), message.offset()))


def reports(response: httpx.Response) -> list[dict[str, Any]]:
    """The reports of a v3 produce answer."""
    assert response.status_code == 200, response.text
    return split_json(response.text)


def split_json(text: str) -> list[dict[str, Any]]:
    """JSON objects one after another."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while position < len(text.rstrip()):
        value, position = decoder.raw_decode(text, position)
        found.append(value)
        while text[position : position + 1].isspace():
            position += 1
    return found


def wait_until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while True:
        if answer := found():
            return answer
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
