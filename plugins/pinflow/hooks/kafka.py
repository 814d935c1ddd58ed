"""Positions in Kafka: how far topics and consumer groups are, and what lies at a position."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.apache.kafka.hooks.client import KafkaAdminClientHook
from airflow.providers.apache.kafka.hooks.consume import KafkaConsumerHook

from pinflow.exceptions import NotFound, Unavailable

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

TIMEOUT = 20.0
READ_TIMEOUT = 120.0
GROUP = "pinflow-reconcile"
ORIGIN = "__connect.errors."

type Partition = tuple[str, int]
type Position = tuple[str, int, int]


@dataclass(frozen=True)
class Span:
    """The offsets that a partition holds: ``earliest`` inclusive, ``end`` exclusive."""

    earliest: int
    end: int


@dataclass(frozen=True)
class DeadLetter:
    """A record that Kafka Connect could not take, by where it came from."""

    position: Position
    timestamp_ms: int
    reason: str


class KafkaOffsetsHook(KafkaAdminClientHook):
    """Offsets through the admin client of the connection ``kafka_default``.

    :param kafka_config_id: the connection.
    """

    def spans(self, topics: Iterable[str]) -> dict[Partition, Span]:
        """What each partition of the topics holds now.

        :raises NotFound: there is no such topic.
        :raises Unavailable: the cluster does not answer.
        """
        from confluent_kafka.admin import OffsetSpec

        partitions = [pair for topic in topics for pair in self._partitions(topic)]
        earliest = self._offsets(partitions, OffsetSpec.earliest())
        end = self._offsets(partitions, OffsetSpec.latest())
        return {pair: Span(earliest[pair], end[pair]) for pair in partitions}

    def committed(self, group: str) -> dict[Partition, int]:
        """The committed offsets of a consumer group; partitions without one are left out."""
        from confluent_kafka import ConsumerGroupTopicPartitions

        futures = self.get_conn.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        found = _answer(futures[group], f"the offsets of the group {group}")
        return {(entry.topic, entry.partition): entry.offset for entry in found.topic_partitions if entry.offset >= 0}

    def delete_group(self, group: str) -> bool:
        """Delete a consumer group with its committed offsets.

        :returns: whether there was one.
        :raises Unavailable: it has members still, or the cluster does not answer.
        """
        from confluent_kafka import KafkaError, KafkaException

        future = self.get_conn.delete_consumer_groups([group], request_timeout=TIMEOUT)[group]
        try:
            future.result(TIMEOUT)
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.GROUP_ID_NOT_FOUND:
                return False
            why = "it has members still" if code == KafkaError.NON_EMPTY_GROUP else str(error)
            raise Unavailable(
                f"Kafka did not delete the consumer group {group}.",
                f"{why}.",
                "Delete its connector or stop its consumers, then clear the task.",
                group=group,
            ) from error
        return True

    def _get_client(self, config: dict[str, Any]) -> Any:
        """The client, without what the connection says for consumers."""
        return super()._get_client({name: value for name, value in config.items() if name != "group.id"})

    def _partitions(self, topic: str) -> list[Partition]:
        metadata = _call(lambda: self.get_conn.list_topics(topic, timeout=TIMEOUT), f"the partitions of {topic}")
        described = metadata.topics[topic]
        if described.error is not None:
            raise NotFound(
                f"There is no topic {topic}.",
                f"The cluster says: {described.error.str()}.",
                "Run ./pinflow trigger pinflow_provision, then clear the task.",
                topic=topic,
            )
        return [(topic, partition) for partition in sorted(described.partitions)]

    def _offsets(self, partitions: Iterable[Partition], spec: Any) -> dict[Partition, int]:
        from confluent_kafka import TopicPartition

        asked = {TopicPartition(topic, partition): spec for topic, partition in partitions}
        if not asked:
            return {}
        futures = self.get_conn.list_offsets(asked, request_timeout=TIMEOUT)
        return {
            (key.topic, key.partition): _answer(future, f"the offsets of {key.topic}").offset
            for key, future in futures.items()
        }


class KafkaRecordsHook(KafkaConsumerHook):
    """Read records by position, without a consumer group's state.

    :param kafka_config_id: the connection.
    """

    def __init__(self, kafka_config_id: str = KafkaConsumerHook.default_conn_name) -> None:
        super().__init__(topics=[], kafka_config_id=kafka_config_id)

    def dead_letters(self, topic: str, start_ms: int, end_ms: int) -> list[DeadLetter]:
        """What Kafka Connect put into a dead-letter topic, of records whose time is in ``[start_ms, end_ms)``.

        Kafka Connect keeps the record's time and names its origin in headers. No topic means no dead letters.
        """
        found = (_dead_letter(message) for message in self._all(topic))
        return [letter for letter in found if letter is not None and start_ms <= letter.timestamp_ms < end_ms]

    def timestamps(self, positions: Collection[Position]) -> dict[Position, int]:
        """The time (epoch ms) of the records at these positions; positions that hold none are left out."""
        from confluent_kafka import TopicPartition

        consumer = self.get_conn
        found: dict[Position, int] = {}
        for topic, partition, offset in sorted(positions):
            consumer.assign([TopicPartition(topic, partition, offset)])
            message = consumer.poll(TIMEOUT)
            if message is not None and message.error() is None and message.offset() == offset:
                found[(topic, partition, offset)] = message.timestamp()[1]
        consumer.unassign()
        return found

    def _get_client(self, config: dict[str, Any]) -> Consumer:
        own = {"enable.auto.commit": False, "auto.offset.reset": "earliest"}
        return super()._get_client({"group.id": GROUP, **config, **own})

    def _all(self, topic: str) -> Iterator[Message]:
        from confluent_kafka import TopicPartition

        consumer = self.get_conn
        described = _call(lambda: consumer.list_topics(topic, timeout=TIMEOUT), f"the partitions of {topic}").topics[
            topic
        ]
        if described.error is not None:
            return
        left = {}
        for partition in described.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT)
            if high > low:
                left[partition] = high
        consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
        deadline = time.monotonic() + READ_TIMEOUT
        while left:
            if time.monotonic() > deadline:
                raise _unavailable(f"the records of {topic}", f"{len(left)} partitions were not read to their end")
            for message in consumer.consume(500, timeout=1.0):
                if message.error() is not None:
                    raise _unavailable(f"the records of {topic}", str(message.error()))
                if message.offset() + 1 >= left.get(message.partition(), 0):
                    left.pop(message.partition(), None)
                yield message
        consumer.unassign()


def lag(spans: Mapping[Partition, Span], committed: Mapping[Partition, int]) -> dict[Partition, int]:
    """How many records each partition's group is behind; partitions that it has reached are left out.

    Records that retention removed before the group read them do not count: nobody can read them.
    """
    behind = {pair: span.end - max(committed.get(pair, 0), span.earliest) for pair, span in spans.items()}
    return {pair: count for pair, count in behind.items() if count > 0}


def _dead_letter(message: Message) -> DeadLetter | None:
    headers = dict(message.headers() or [])
    found = [headers.get(ORIGIN + name) for name in ("topic", "partition", "offset", "exception.message")]
    topic, partition, offset, reason = (value.decode(errors="replace") if value else "" for value in found)
    if not (topic and partition and offset):
        return None
    return DeadLetter((topic, int(partition), int(offset)), message.timestamp()[1], reason)


def _answer(future: Any, what: str) -> Any:
    return _call(lambda: future.result(TIMEOUT), what)


def _call(function: Any, what: str) -> Any:
    from confluent_kafka import KafkaException

    try:
        return function()
    except (KafkaException, TimeoutError) as error:
        raise _unavailable(what, str(error) or "no answer in time") from error


def _unavailable(what: str, why: str) -> Unavailable:
    return Unavailable(
        f"Kafka did not tell {what}.",
        f"{why}.",
        "Look at the cluster and the connection kafka_default, then clear the task.",
    )
