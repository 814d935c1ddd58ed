"""The real broker: what it takes, what it refuses, and that a kill harms nothing."""

from __future__ import annotations

import os
import signal
import uuid
from contextlib import suppress
from datetime import UTC, datetime

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.conftest import Platform

pytestmark = pytest.mark.integration
PAST = int(datetime(2017, 10, 28, 4, tzinfo=UTC).timestamp() * 1000)
RECENT = int(datetime(2022, 9, 3, 21, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def bootstrap(platform: Platform) -> str:
    platform.up("kafka")
    return f"127.0.0.1:{platform.port('kafka')}"


@pytest.fixture
def topic(bootstrap: str) -> str:
    name = f"k{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


def produce(bootstrap: str, topic: str, records: list[tuple[bytes, int]]) -> list[KafkaError | None]:
    """Send records with their timestamps; returns what the broker said of each."""
    said: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "message.timeout.ms": 10_000, "log_level": 0})
    for value, timestamp in records:
        producer.produce(topic, value, timestamp=timestamp, on_delivery=lambda error, _: said.append(error))
    producer.flush(30)
    return said


def read(bootstrap: str, topic: str, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[Message] = []
    while len(found) < count and (more := consumer.consume(count - len(found), 20)):
        found.extend(more)
    consumer.close()
    return found


def cluster(bootstrap: str) -> str:
    """The cluster's id; a client that connects while a broker restarts may have to ask again."""
    for _ in range(20):
        with suppress(KafkaException):
            return str(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=20).cluster_id)
    raise AssertionError("the broker gives no metadata")


def test_keeps_record_times_of_past_years_in_any_order(bootstrap: str, topic: str) -> None:
    times = [RECENT, PAST, RECENT - 1, PAST + 1]
    assert produce(bootstrap, topic, [(b"x", time) for time in times]) == [None] * 4
    assert [message.timestamp() for message in read(bootstrap, topic, 4)] == [(1, time) for time in times]


def test_years_share_one_segment(bootstrap: str, topic: str, platform: Platform) -> None:
    produce(bootstrap, topic, [(b"x", PAST + month * 30 * 86_400_000) for month in range(60)])
    folder = platform.context.data("kafka") / "log" / f"{topic}-0"
    assert len(list(folder.glob("*.log"))) == 1


def test_makes_no_topic_by_accident(bootstrap: str) -> None:
    name = f"never{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    metadata = admin.list_topics(name, timeout=20).topics[name]
    assert metadata.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    (refusal,) = produce(bootstrap, name, [(b"x", RECENT)])
    assert refusal is not None
    assert name not in admin.list_topics(timeout=20).topics


def test_a_killed_broker_comes_back_as_the_same_with_its_records(
    bootstrap: str, topic: str, platform: Platform
) -> None:
    values = [str(number).encode() for number in range(500)]
    assert set(produce(bootstrap, topic, [(value, PAST) for value in values])) == {None}
    before = cluster(bootstrap)
    os.kill(platform.leader("kafka"), signal.SIGKILL)
    platform.up("kafka")
    assert platform.port("kafka") == int(bootstrap.partition(":")[2]), "clients know the old port"
    assert cluster(bootstrap) == before
    assert [message.value() for message in read(bootstrap, topic, 500)] == values


def test_a_stopped_broker_comes_back_with_its_records(bootstrap: str, topic: str, platform: Platform) -> None:
    produce(bootstrap, topic, [(b"kept", PAST)])
    platform.down("kafka")
    platform.up("kafka")
    assert [message.value() for message in read(bootstrap, topic, 1)] == [b"kept"]


@pytest.mark.parametrize("part", ["kafka", "connect", "aws"])
def test_listens_on_loopback_only(platform: Platform, part: str) -> None:
    platform.up(part)
    process = psutil.Process(platform.leader(part))
    family = [process, *process.children(recursive=True)]
    listening = [one.laddr.ip for member in family for one in member.net_connections() if one.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}
