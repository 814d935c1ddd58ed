"""A worker with its broker and S3, and what a test needs to watch records on their way."""

from __future__ import annotations

import gzip
import json
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from include.aws.connectors import render
from tests.conftest import Platform

Position = tuple[str, int, int]
JSON = {"Content-Type": "application/json"}


class ConnectError(AssertionError):
    """An answer of the worker that a test did not expect."""


def wait_until[T](condition: Callable[[], T], seconds: float = 60, why: str = "") -> T:
    """Ask until the answer is true."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {why or condition}"
        time.sleep(0.1)
    return answer


@dataclass
class Landing:
    """Topics, a bucket and connectors of one test."""

    platform: Platform
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}")
    sent: dict[Position, Message] = field(default_factory=dict)
    connectors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bootstrap = f"127.0.0.1:{self.platform.port('kafka')}"
        self.bucket = self.name
        self.dead_letters = f"{self.name}.dead-letter"
        environment = self.platform.context.client_environment()
        self.s3 = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})
        self.producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5, "message.max.bytes": 2_000_000})

    def topic(self, table: str = "pin", partitions: int = 1) -> str:
        topic = f"{self.name}.{table}"
        made = NewTopic(topic, partitions, 1, config={"retention.ms": "-1"})
        for future in self.admin.create_topics([made]).values():
            future.result(30)
        return topic

    def produce(self, topic: str, values: Sequence[tuple[bytes | None, int]], partition: int = -1) -> None:
        """Send values with their timestamps and remember where each went."""
        for number, (value, timestamp) in enumerate(values):
            self.producer.produce(
                topic, value, str(number), partition=partition, timestamp=timestamp, on_delivery=self._delivered
            )
            self.producer.poll(0)
        assert self.producer.flush(60) == 0

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        self.sent[(message.topic(), message.partition(), message.offset())] = message

    def configuration(self, topics: Sequence[str], overrides: Mapping[str, str] | None = None) -> dict[str, str]:
        values = {
            "topics": ",".join(topics),
            "bucket": self.bucket,
            "region": "us-east-1",
            "topics_dir": "topics",
            "dead_letter_topic": self.dead_letters,
            "replication_factor": "1",
        }
        quick = {"rotate.schedule.interval.ms": "500", "retry.backoff.ms": "500", "tasks.max": "2"}
        return render("s3-sink", values, quick | dict(overrides or {}))

    def connect(self, topics: Sequence[str], overrides: Mapping[str, str] | None = None) -> str:
        """Start a connector; returns its name."""
        name = f"{self.name}-{len(self.connectors)}"
        self.call("PUT", f"/connectors/{name}/config", self.configuration(topics, overrides))
        self.connectors.append(name)
        wait_until(lambda: self._status(name).get("tasks"), why="the worker knows its tasks")
        return name

    def _status(self, connector: str) -> dict[str, Any]:
        """A connector's status, which the worker learns from its own topic a moment after the call that makes it."""
        known = self.call("GET", "/connectors?expand=status")
        status: dict[str, Any] = known.get(connector, {}).get("status", {})
        return status

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One call of the worker's REST interface; repeated while the worker is rebalancing."""
        url = self.platform.url("connect") + path
        data = None if body is None else json.dumps(body).encode()

        def attempt() -> tuple[Any] | None:
            request = urllib.request.Request(url, data, JSON, method=method)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return (json.loads(answer.read() or b"null"),)
            except urllib.error.HTTPError as error:
                if error.code == 409:
                    return None
                raise ConnectError(f"{method} {path}: {error.code} {error.read().decode()}") from None

        return wait_until(attempt, why=f"{method} {path}")[0]

    def tasks(self, connector: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._status(connector)["tasks"]
        return found

    def states(self, connector: str) -> set[str]:
        return {task["state"] for task in self.tasks(connector)}

    def committed(self, connector: str) -> dict[tuple[str, int], int]:
        offsets = self.call("GET", f"/connectors/{connector}/offsets")["offsets"]
        return {
            (one["partition"]["kafka_topic"], one["partition"]["kafka_partition"]): one["offset"]["kafka_offset"]
            for one in offsets
        }

    def objects(self) -> dict[str, list[bytes]]:
        """Every object with its lines."""
        found: dict[str, list[bytes]] = {}
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for entry in page.get("Contents", []):
                body = self.s3.get_object(Bucket=self.bucket, Key=entry["Key"])["Body"].read()
                found[entry["Key"]] = gzip.decompress(body).splitlines()
        return found

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for lines in self.objects().values() for line in lines]

    def positions(self) -> Counter[Position]:
        """How often each position is in S3."""
        return Counter((row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]) for row in self.rows())

    def all_once(self, seconds: float = 90) -> None:
        """Wait until the offsets of everything sent are committed; then each record must be in S3, once."""
        ends: dict[tuple[str, int], int] = {}
        for topic, partition, offset in self.sent:
            ends[topic, partition] = max(offset + 1, ends.get((topic, partition), 0))
        name = self.connectors[-1]
        wait_until(lambda: ends.items() <= self.committed(name).items(), seconds, f"{name} has committed {ends}")
        assert self.positions() == Counter(dict.fromkeys(self.sent, 1))

    def dead(self, count: int) -> list[Message]:
        """The dead letters, once there are that many."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name, "enable.auto.commit": False})
        wait_until(lambda: self.dead_letters in self.admin.list_topics(timeout=10).topics, why="the topic exists")
        consumer.assign([TopicPartition(self.dead_letters, 0, 0)])
        found: list[Message] = []
        try:
            wait_until(lambda: found.extend(consumer.consume(100, 0.2)) or len(found) >= count, why="dead letters")
        finally:
            consumer.close()
        return found

    def close(self) -> None:
        for name in self.connectors:
            self.call("DELETE", f"/connectors/{name}")


@pytest.fixture
def landing(platform: Platform) -> Iterator[Landing]:
    """A bucket and a name space of a test's own on the shared worker."""
    platform.up("connect")
    made = Landing(platform)
    made.s3.create_bucket(Bucket=made.bucket)
    yield made
    made.close()
