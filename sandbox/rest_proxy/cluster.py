"""Questions to the brokers: metadata, with the partition counts remembered, and administration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, OffsetSpec, TopicMetadata

from sandbox.rest_proxy.errors import UNKNOWN_TOPIC, RestError, from_kafka
from sandbox.rest_proxy.options import Options
from sandbox.rest_proxy.producer import RecordProducer

INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})
SETTLE_SECONDS = 5.0
SECOND_LOOK_SECONDS = 0.1
REFRESH_SECONDS = 1.0


class Cluster:
    """The cluster behind the proxy.

    :param options: the proxy's settings.
    :param producer: asked for topics, so that it knows them when records come.
    """

    def __init__(self, options: Options, producer: RecordProducer) -> None:
        self.admin = AdminClient(
            {
                "bootstrap.servers": options.bootstrap_servers,
                "client.id": "rest-proxy-admin",
                "reconnect.backoff.max.ms": 1000,
            }
        )
        self._producer = producer
        self.timeout, self._age = options.metadata_timeout, options.metadata_age
        self._counts: dict[str, tuple[float, int]] = {}
        self._asked: dict[str, asyncio.Future[ClusterMetadata]] = {}
        self._id: str | None = None

    async def cluster_id(self) -> str:
        """The id of the cluster, asked once."""
        if self._id is None:
            self._id = str((await self.metadata()).cluster_id)
        return self._id

    async def metadata(self, within: float | None = None) -> ClusterMetadata:
        """Brokers and topics as they are now.

        :param within: seconds; the proxy's own limit when not given.
        :raises RestError: no broker answered in time.
        """
        try:
            return await asyncio.to_thread(self.admin.list_topics, timeout=within or self.timeout)
        except KafkaException as error:
            raise from_kafka(error.args[0]) from error

    async def describe(self) -> Any:
        """Brokers with their racks, and the controller.

        :raises RestError: no broker answered in time.
        """
        return await self.wait_for(self.admin.describe_cluster(request_timeout=self.timeout))

    async def topic(self, name: str) -> TopicMetadata | None:
        """One topic as it is now, ``None`` when there is none.

        :raises RestError: no broker answered in time.
        """
        deadline = time.monotonic() + self.timeout
        while True:
            found = await self._look_up(name)
            code = found.error.code() if found.error is not None else KafkaError.NO_ERROR
            if code == KafkaError.NO_ERROR:
                self._counts[name] = (time.monotonic(), len(found.partitions))
                return found
            self.forget(name)
            # A broker that makes topics by itself says at first that the new one has no leader.
            if code != KafkaError.LEADER_NOT_AVAILABLE or time.monotonic() > deadline:
                return None
            await asyncio.sleep(SECOND_LOOK_SECONDS)

    async def _look_up(self, name: str) -> TopicMetadata:
        """Ask once for all requests that want to know the same at the same time."""
        asked = self._asked.get(name)
        if asked is None:
            listing = asyncio.to_thread(self._producer.kafka.list_topics, name, timeout=self.timeout)
            asked = self._asked[name] = asyncio.ensure_future(listing)
            asked.add_done_callback(lambda _: self._asked.pop(name, None))
        try:
            return (await asyncio.shield(asked)).topics[name]
        except KafkaException as error:
            raise from_kafka(error.args[0]) from error

    async def partition_count(self, name: str) -> int:
        """How many partitions a topic has, remembered for a while; 0 when there is no such topic.

        :raises RestError: no broker answered in time, and nothing is remembered.
        """
        seen, count = self._counts.get(name, (0.0, 0))
        if count and time.monotonic() - seen < self._age:
            return count
        try:
            found = await self.topic(name)
        except RestError:
            # The producer waits for a broker that is away for a moment, with a bound of its own.
            if count:
                return count
            raise
        if found is None:
            # Another client may have made it a moment ago.
            await asyncio.sleep(SECOND_LOOK_SECONDS)
            found = await self.topic(name)
        return 0 if found is None else len(found.partitions)

    async def has_partition(self, name: str, partition: int) -> bool:
        """Whether a topic has a partition, looking again when a remembered count says no."""
        seen, count = self._counts.get(name, (0.0, 0))
        if partition >= count and time.monotonic() - seen > REFRESH_SECONDS:
            with suppress(RestError):
                found = await self.topic(name)
                count = 0 if found is None else len(found.partitions)
        return 0 <= partition < count

    def forget(self, name: str) -> None:
        """Drop what is remembered of a topic."""
        self._counts.pop(name, None)

    async def settle(self, done: Callable[[], Awaitable[bool]]) -> None:
        """Wait, for a bounded time, until the brokers show a change that the controller has made."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            if await done():
                return
            await asyncio.sleep(SECOND_LOOK_SECONDS / 4)

    async def serves(self, name: str, partitions: int) -> bool:
        """Whether a topic has so many partitions and their leaders answer; a new one is listed before it is led."""
        found = await self.topic(name)
        if found is None or len(found.partitions) < partitions:
            return False
        asked = {TopicPartition(name, number): OffsetSpec.earliest() for number in found.partitions}
        answers = await self.ask(self.admin.list_offsets, asked)
        return not any(isinstance(each, RestError) for each in answers.values())

    async def is_gone(self, name: str) -> bool:
        """Whether the brokers no longer know a topic."""
        return await self.topic(name) is None

    async def ask(self, call: Callable[..., dict[Any, Future[Any]]], *arguments: Any, **options: Any) -> dict[Any, Any]:
        """Call a function of the admin client and wait for all its futures.

        :returns: the results; a failed one is its :class:`RestError`.
        :raises RestError: the arguments were refused at once.
        """
        try:
            futures = await asyncio.to_thread(call, *arguments, request_timeout=self.timeout, **options)
        except KafkaException as error:
            raise from_kafka(error.args[0]) from error
        except (TypeError, ValueError) as error:
            raise RestError(400, 40002, str(error)) from error
        results = await asyncio.gather(*map(asyncio.wrap_future, futures.values()), return_exceptions=True)
        return dict(zip(futures, map(_answer, results), strict=True))

    async def ask_one(self, call: Callable[..., dict[Any, Future[Any]]], *arguments: Any, **options: Any) -> Any:
        """As :meth:`ask` for a call with one future.

        :raises RestError: it failed.
        """
        (result,) = (await self.ask(call, *arguments, **options)).values()
        if isinstance(result, RestError):
            raise result
        return result

    async def wait_for(self, future: Future[Any]) -> Any:
        """Wait for a future of the admin client.

        :raises RestError: it failed.
        """
        result = _answer((await asyncio.gather(asyncio.wrap_future(future), return_exceptions=True))[0])
        if isinstance(result, RestError):
            raise result
        return result


def _answer(result: Any) -> Any:
    if isinstance(result, KafkaException):
        return from_kafka(result.args[0])
    if isinstance(result, BaseException):
        raise result
    return result


def is_unknown_topic(error: object) -> bool:
    """Whether a record failed because its topic is gone."""
    return isinstance(error, KafkaError) and error.code() in UNKNOWN_TOPIC
