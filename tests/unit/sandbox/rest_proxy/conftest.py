"""librdkafka's own mock cluster: a broker in this process that speaks Kafka's protocol."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """The address of a mock cluster that makes topics by itself."""
    owner = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    found = owner.list_topics(timeout=10).brokers
    yield ",".join(f"{broker.host}:{broker.port}" for broker in found.values())
    owner.flush(1)
