"""v2 consumer instances: one librdkafka consumer each, kept until deleted or idle for long."""

from __future__ import annotations

import asyncio
import time
import uuid
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_STORED, Consumer, KafkaError, KafkaException, Message, TopicPartition

from sandbox.rest_proxy.errors import (
    CONSUMER_EXISTS,
    CONSUMER_NOT_FOUND,
    RestError,
    from_kafka,
    unprocessable,
)
from sandbox.rest_proxy.json_text import BrokenJsonError, loads
from sandbox.rest_proxy.options import MIB, Options

FORMATS = ("binary", "json")
RESETS = ("earliest", "latest", "none")
DEFAULT_TIMEOUT_MS = 1000
DEFAULT_MAX_BYTES = 64 * MIB
SWEEP_SECONDS = 10.0
FIRST_WAIT, NEXT_WAIT = 0.1, 0.05
MESSAGES_A_POLL = 500
SETTINGS = frozenset(
    {
        "name",
        "format",
        "auto.offset.reset",
        "auto.commit.enable",
        "fetch.min.bytes",
        "consumer.request.timeout.ms",
    }
)


def invalid_configuration(detail: str) -> RestError:
    """The answer to a consumer that cannot be made as wanted."""
    return RestError(422, 42204, f"Invalid consumer configuration: {detail}")


@dataclass(frozen=True)
class Settings:
    """What a client may choose for its instance.

    :param timeout_ms: the longest that a read waits.
    :param min_bytes: a read answers as soon as it has so many bytes; 0: as soon as no more comes at once.
    """

    name: str
    format: str
    reset: str
    auto_commit: bool
    timeout_ms: int
    min_bytes: int

    @classmethod
    def read(cls, document: dict[str, Any]) -> Settings:
        """Read the body of a create request.

        :raises RestError: 422 / 42204.
        """
        if unknown := sorted(set(document) - SETTINGS):
            raise unprocessable(f"Unrecognized field: {unknown[0]}")
        given = {name: value for name, value in document.items() if value is not None}
        return cls(
            name=str(given.get("name") or f"rest-consumer-{uuid.uuid4()}"),
            format=_one_of(FORMATS, "format", given.get("format", "binary")),
            reset=_one_of(RESETS, "auto.offset.reset", given.get("auto.offset.reset", "latest")),
            auto_commit=_one_of(("true", "false"), "auto.commit.enable", given.get("auto.commit.enable", "true"))
            == "true",
            timeout_ms=_number("consumer.request.timeout.ms", given, DEFAULT_TIMEOUT_MS),
            min_bytes=max(_number("fetch.min.bytes", given, 0), 0),
        )


def _one_of(allowed: tuple[str, ...], name: str, value: Any) -> str:
    text = str(value).lower()
    if text not in allowed:
        raise invalid_configuration(
            f"Invalid value {value} for configuration {name}: must be one of {', '.join(allowed)}."
        )
    return text


def _number(name: str, given: dict[str, Any], otherwise: int) -> int:
    try:
        return int(given.get(name, otherwise))
    except (TypeError, ValueError):
        raise invalid_configuration(f"Invalid value {given[name]} for configuration {name}: not a number.") from None


@dataclass
class Instance:
    """One consumer instance of a group."""

    group: str
    settings: Settings
    kafka: Consumer
    threads: ThreadPoolExecutor
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    used: float = field(default_factory=time.monotonic)
    ahead: deque[Message] = field(default_factory=deque)
    subscription: list[str] = field(default_factory=list)
    pattern: str | None = None
    assigned: bool = False

    async def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Run a blocking call of the consumer in a thread, one at a time.

        :raises RestError: the consumer refused.
        """
        self.used = time.monotonic()
        async with self.lock:
            try:
                return await asyncio.get_running_loop().run_in_executor(self.threads, call, *arguments)
            except KafkaException as error:
                raise from_kafka(error.args[0]) from error
            except RuntimeError:
                raise RestError(*CONSUMER_NOT_FOUND) from None
            finally:
                self.used = time.monotonic()

    def read(self, timeout_ms: int | None, max_bytes: int) -> list[dict[str, Any]]:
        """Records that are there, or come in time.

        :param timeout_ms: ``None``: the instance's own.
        :param max_bytes: of keys and values; the first record is given even when it is larger.
        :raises RestError: 408 / 40801: a record is not in the instance's format.
        """
        deadline = time.monotonic() + (self.settings.timeout_ms if timeout_ms is None else timeout_ms) / 1000
        taken: list[Message] = []
        size = 0
        while True:
            size = self._take(taken, size, max_bytes)
            left = deadline - time.monotonic()
            if self.ahead or left <= 0 or (taken and size >= self.settings.min_bytes and not self._poll(NEXT_WAIT)):
                break
            if not self.ahead:
                self._poll(min(left, FIRST_WAIT))
        try:
            records = [self._record(message) for message in taken]
        except RestError:
            self.ahead.extendleft(reversed(taken))
            raise
        self._consumed(taken)
        return records

    def _take(self, taken: list[Message], size: int, max_bytes: int) -> int:
        while self.ahead:
            weight = len(self.ahead[0].value() or b"") + len(self.ahead[0].key() or b"")
            if taken and size + weight > max_bytes:
                break
            taken.append(self.ahead.popleft())
            size += weight
        return size

    def _poll(self, seconds: float) -> bool:
        for message in self.kafka.consume(MESSAGES_A_POLL, seconds):
            if message.error() is None:
                self.ahead.append(message)
            elif message.error().code() not in (KafkaError._PARTITION_EOF, KafkaError.UNKNOWN_TOPIC_OR_PART):
                raise KafkaException(message.error())
        return bool(self.ahead)

    def _consumed(self, taken: list[Message]) -> None:
        """Only what a client got counts as read; the consumer's own auto-commit takes it from here."""
        ends = {(message.topic(), message.partition()): message.offset() + 1 for message in taken}
        mine = {(place.topic, place.partition) for place in self.kafka.assignment()}
        stored = [TopicPartition(*place, offset) for place, offset in ends.items() if place in mine]
        if stored:
            self.kafka.store_offsets(offsets=stored)

    def _record(self, message: Message) -> dict[str, Any]:
        return {
            "topic": message.topic(),
            "key": self._embedded(message, message.key()),
            "value": self._embedded(message, message.value()),
            "partition": message.partition(),
            "offset": message.offset(),
        }

    def _embedded(self, message: Message, data: bytes | None) -> Any:
        if data is None:
            return None
        if self.settings.format == "binary":
            return b64encode(data).decode("ascii")
        try:
            return loads(data)
        except BrokenJsonError as error:
            place = f"{message.topic()}-{message.partition()} at offset {message.offset()}"
            detail = f"Error deserializing key/value for partition {place}: {error}"
            raise RestError(408, 40801, f"{detail}. If needed, please seek past the record to continue.") from None

    def seek(self, offsets: dict[tuple[str, int], int]) -> None:
        """Go on reading from other offsets.

        :raises RestError: 409 / 40903: a partition is not this instance's.
        """
        mine = {(place.topic, place.partition): place for place in self.kafka.assignment()}
        for topic, partition in offsets:
            if (topic, partition) not in mine:
                raise RestError(409, 40903, f"Illegal state: No current assignment for partition {topic}-{partition}")
        positions = {(place.topic, place.partition): place.offset for place in self._positions(list(mine.values()))}
        self.kafka.assign([TopicPartition(*place, offsets.get(place, positions[place])) for place in mine])

    def _positions(self, places: list[TopicPartition]) -> list[TopicPartition]:
        """Where to go on; what was polled and not yet given to the client is polled again."""
        first: dict[tuple[str, int], int] = {}
        for message in self.ahead:
            first.setdefault((message.topic(), message.partition()), message.offset())
        self.ahead.clear()
        found = self.kafka.position(places)
        for place in found:
            place.offset = first.get((place.topic, place.partition), place.offset)
            if place.offset < 0:
                place.offset = OFFSET_STORED
        return list(found)


class Consumers:
    """All instances of this process."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._instances: dict[tuple[str, str], Instance] = {}
        # Threads of their own: readers that wait must not keep producers from asking for metadata.
        self._threads = ThreadPoolExecutor(options.consumer_maximum, thread_name_prefix="consumer")

    def create(self, group: str, settings: Settings) -> Instance:
        """Make an instance.

        :raises RestError: the name is taken, or there are too many.
        """
        if (group, settings.name) in self._instances:
            raise RestError(*CONSUMER_EXISTS)
        if len(self._instances) >= self._options.consumer_maximum:
            raise RestError(429, 429, f"There are {len(self._instances)} consumer instances already. Delete some.")
        consumer = Consumer(
            {
                "bootstrap.servers": self._options.bootstrap_servers,
                "group.id": group,
                "client.id": settings.name,
                "auto.offset.reset": "error" if settings.reset == "none" else settings.reset,
                "enable.auto.commit": settings.auto_commit,
                "enable.auto.offset.store": False,
                "queued.max.messages.kbytes": 8 * 1024,
                "reconnect.backoff.max.ms": 1000,
            }
        )
        made = Instance(group, settings, consumer, self._threads)
        self._instances[group, settings.name] = made
        return made

    def get(self, group: str, name: str) -> Instance:
        """An instance.

        :raises RestError: 404 / 40403.
        """
        found = self._instances.get((group, name))
        if found is None:
            raise RestError(*CONSUMER_NOT_FOUND)
        return found

    async def delete(self, group: str, name: str) -> None:
        """Close an instance; it leaves its group.

        :raises RestError: 404 / 40403.
        """
        found = self.get(group, name)
        del self._instances[group, name]
        await found.run(found.kafka.close)

    async def sweep(self) -> None:
        """Close idle instances, for ever."""
        while True:
            await asyncio.sleep(min(SWEEP_SECONDS, self._options.consumer_idle / 2))
            oldest = time.monotonic() - self._options.consumer_idle
            idle = [key for key, each in self._instances.items() if each.used < oldest and not each.lock.locked()]
            for key in idle:
                await self.delete(*key)

    async def close(self) -> None:
        """Close all instances."""
        await asyncio.gather(*(self.delete(*key) for key in list(self._instances)))
        self._threads.shutdown(wait=False)
