from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from sandbox.rest_proxy.errors import RecordError
from sandbox.rest_proxy.options import Options
from sandbox.rest_proxy.producer import Outgoing, RecordProducer


def make(brokers: str, delivery_timeout: float = 15.0, **settings: Any) -> RecordProducer:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return RecordProducer(Options(bootstrap_servers=brokers, delivery_timeout=delivery_timeout), named)


@pytest.fixture
def producer(brokers: str) -> Iterator[RecordProducer]:
    made = make(brokers)
    yield made
    made.close(5)


def stored(brokers: str, topic: str, partition: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "g", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: list[bytes | None] = []
    while True:
        message = consumer.poll(10)
        assert message is not None
        if message.error() is not None:
            break
        found.append(message.value())
    consumer.close()
    return found


class TestSend:
    def test_outcomes_stand_where_the_records_stood(self, brokers: str, producer: RecordProducer) -> None:
        refused = RecordError(400, "no")
        records: list[Outgoing | RecordError] = [
            Outgoing(b"a", None, 0),
            refused,
            Outgoing(b"b", None, 1),
            Outgoing(b"c", None, 0),
        ]
        outcomes = asyncio.run(producer.send("places", records))
        assert [outcome if isinstance(outcome, RecordError) else outcome[:2] for outcome in outcomes] == [
            (0, 0),
            refused,
            (1, 0),
            (0, 1),
        ]
        assert stored(brokers, "places", 0) == [b"a", b"c"]

    def test_nothing_to_send(self, producer: RecordProducer) -> None:
        assert asyncio.run(producer.send("none", [])) == []
        refused = RecordError(400, "no")
        assert asyncio.run(producer.send("none", [refused])) == [refused]

    def test_a_full_queue_holds_back_and_keeps_the_order(self, brokers: str) -> None:
        producer = make(brokers, queue_buffering_max_messages=10)
        values = [b"%d" % number for number in range(500)]
        outcomes = asyncio.run(producer.send("full", [Outgoing(value, None, 0) for value in values]))
        producer.close(5)
        assert [outcome[1] for outcome in outcomes if isinstance(outcome, tuple)] == list(range(500))
        assert stored(brokers, "full", 0) == values

    def test_other_requests_go_on_while_one_waits_for_room(self, brokers: str) -> None:
        producer = make(brokers, queue_buffering_max_messages=10)

        async def both() -> list[int]:
            sent = [producer.send("both", [Outgoing(b"x", None, 0)] * 200) for _ in range(3)]
            return [len(outcomes) for outcomes in await asyncio.gather(*sent)]

        assert asyncio.run(both()) == [200, 200, 200]
        producer.close(5)

    def test_too_large(self, producer: RecordProducer) -> None:
        outcomes = asyncio.run(producer.send("large", [Outgoing(b"x" * 2_000_000, None), Outgoing(b"y", None)]))
        assert isinstance(outcomes[0], KafkaError)
        assert outcomes[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
        assert isinstance(outcomes[1], tuple)

    def test_no_broker_is_told_in_time(self) -> None:
        producer = make("127.0.0.1:1", delivery_timeout=1.0)
        (outcome,) = asyncio.run(producer.send("t", [Outgoing(b"x", None)]))
        producer.close(0)
        assert isinstance(outcome, KafkaError)
        assert outcome.code() == KafkaError._MSG_TIMED_OUT


class TestFatal:
    def test_a_producer_that_broke_is_replaced(self, brokers: str) -> None:
        producer = make(brokers)
        asyncio.run(producer.send("fatal", [Outgoing(b"1", None, 0)]))
        broken = producer.kafka

        class Fatal:
            def str(self) -> str:
                return "broken on purpose"

            def fatal(self) -> bool:
                return True

        producer._on_error(Fatal())

        async def until_replaced() -> None:
            while producer.kafka is broken:  # noqa: ASYNC110 - another thread replaces it
                await asyncio.sleep(0.01)

        asyncio.run(asyncio.wait_for(until_replaced(), 10))
        (outcome,) = asyncio.run(producer.send("fatal", [Outgoing(b"2", None, 0)]))
        producer.close(5)
        assert isinstance(outcome, tuple)
        assert stored(brokers, "fatal", 0) == [b"1", b"2"]
