"""Topics of the real broker, a source of one's own, and what Kafka holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from emulator.ledger import Ledger
from emulator.post import EmulatorOptions
from emulator.source import engine, seed
from tests.conftest import Platform

TABLES = ("pin", "geo", "user")
PARTITIONS = 3


@dataclass
class Held:
    """A record of a topic."""

    table: str
    partition: int
    offset: int
    key: bytes
    value: dict[str, Any]
    timestamp_ms: int

    @property
    def ind(self) -> int:
        return int(self.key)


class Lane:
    """Three topics of their own, the source, and the ledger."""

    def __init__(self, platform: Platform, source: str) -> None:
        self.platform, self.source = platform, source
        self.prefix = f"t{uuid4().hex[:8]}"
        self.bootstrap = f"127.0.0.1:{platform.port('kafka')}"
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        topics = [NewTopic(f"{self.prefix}.{table}", PARTITIONS, 1) for table in TABLES]
        for made in admin.create_topics(topics).values():
            made.result(30)

    @property
    def gateway(self) -> str:
        return f"{self.platform.url('gateway')}/dev"

    @property
    def ledger(self) -> Ledger:
        return Ledger(engine(self.source))

    def options(self, **changes: Any) -> EmulatorOptions:
        return EmulatorOptions(self.source, self.gateway, self.prefix, **changes)

    def held(self) -> list[Held]:
        """All that the broker has of the three topics, read straight from it."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": uuid4().hex, "enable.auto.commit": False})
        try:
            return [record for table in TABLES for n in range(PARTITIONS) for record in self._read(consumer, table, n)]
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, table: str, partition: int) -> Iterator[Held]:
        place = TopicPartition(f"{self.prefix}.{table}", partition)
        low, high = consumer.get_watermark_offsets(place, timeout=30)
        consumer.assign([TopicPartition(place.topic, partition, low)])
        at = low
        while at < high:
            message = consumer.poll(30)
            assert message is not None
            assert message.error() is None
            offset, key, value = message.offset(), message.key(), message.value()
            assert offset is not None
            assert key is not None
            assert value is not None
            at = offset + 1
            yield Held(table, partition, offset, key, json.loads(value), message.timestamp()[1])

    def in_kafka(self) -> Counter[tuple[str, int, int, int]]:
        return Counter((one.table, one.ind, one.partition, one.offset) for one in self.held())

    def in_ledger(self) -> Counter[tuple[str, int, int, int]]:
        return Counter((table, *row) for table in TABLES for row in self.ledger.accepted(table))


@pytest.fixture(scope="module")
def running(platform: Platform) -> Platform:
    """The sandbox as far as Kafka."""
    platform.up("gateway")
    return platform


@pytest.fixture
def lane(running: Platform, tmp_path: Path) -> Lane:
    """A lane with a source of 2,000 posts."""
    source = f"sqlite:///{tmp_path}/source.db"
    seed(source, 2_000)
    return Lane(running, source)
