"""One Kafka producer for all requests, one thread that collects its delivery reports, one future a request."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from sandbox.rest_proxy.errors import RecordError
from sandbox.rest_proxy.options import Options

log = logging.getLogger(__name__)
POLL_SECONDS = 0.1
QUEUE_FULL_PAUSE = 0.005
ANY_PARTITION, NOW = -1, 0

type Headers = list[tuple[str, bytes | None]]
type Outcome = tuple[int, int, int] | KafkaError | RecordError
"""Partition, offset and timestamp in ms; or why the record was not taken."""


class Outgoing(NamedTuple):
    """A record on its way to a broker.

    ``partition`` -1: chosen by the key. ``timestamp`` in ms, 0: the time of arrival.
    """

    value: bytes | None
    key: bytes | None
    partition: int = ANY_PARTITION
    timestamp: int = NOW
    headers: Headers | None = None


class Delivery:
    """What becomes of the records of one request: ``outcomes``, in the order of the records.

    :param count: how many records there are.
    """

    __slots__ = ("_arrived", "_expected", "_future", "_loop", "outcomes")

    def __init__(self, count: int) -> None:
        self.outcomes: list[Outcome] = [RecordError(50003, "No report arrived.")] * count
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()
        self._arrived, self._expected = 0, -1

    def report(self, index: int, error: KafkaError | None, message: Message) -> None:
        """Take the report of one record; the polling thread calls it."""
        if error is None:
            self.outcomes[index] = (message.partition(), message.offset(), message.timestamp()[1])
        else:
            self.outcomes[index] = error
        self._arrived += 1
        if self._arrived == self._expected:
            self._loop.call_soon_threadsafe(self._finish)

    async def wait(self, sent: int) -> list[Outcome]:
        """Wait until the ``sent`` records that the producer took have been reported."""
        # The polling thread and this one may both see that the last report is there: _finish bears it.
        self._expected = sent
        if self._arrived == sent:
            self._finish()
        await self._future
        return self.outcomes

    def _finish(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


class RecordProducer:
    """The producer: idempotent, acknowledged by all replicas, keys spread as Java's producer spreads them.

    :param options: the proxy's settings.
    :param settings: more settings of librdkafka.
    """

    def __init__(self, options: Options, settings: dict[str, Any] | None = None) -> None:
        self._settings: dict[str, Any] = {
            "bootstrap.servers": options.bootstrap_servers,
            "client.id": "rest-proxy",
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 2,
            "batch.size": 512 * 1024,
            "message.max.bytes": options.max_message_bytes,
            "message.timeout.ms": int(options.delivery_timeout * 1000),
            "queue.buffering.max.kbytes": options.queue_bytes // 1024,
            "topic.metadata.propagation.max.ms": int(options.metadata_timeout * 1000),
            "reconnect.backoff.max.ms": 1000,
            **(settings or {}),
        }
        self._stopping, self._fatal = threading.Event(), threading.Event()
        self._kafka = self._connect()
        self._retired: list[Producer] = []
        self._thread = threading.Thread(target=self._poll, name="delivery-reports", daemon=True)
        self._thread.start()

    @property
    def kafka(self) -> Producer:
        """The producer of the moment."""
        return self._kafka

    async def send(self, topic: str, records: Sequence[Outgoing | RecordError]) -> list[Outcome]:
        """Send records in their order and wait for all reports.

        A record that is an error already keeps its place and is not sent.
        """
        delivery, sent = await self.hand_over(topic, records)
        return await delivery.wait(sent)

    async def hand_over(self, topic: str, records: Sequence[Outgoing | RecordError]) -> tuple[Delivery, int]:
        """Give records to the producer in their order; waits while its queue is full.

        :returns: the delivery, and how many records the producer took.
        """
        delivery, sent = Delivery(len(records)), 0
        for index, record in enumerate(records):
            if isinstance(record, RecordError):
                delivery.outcomes[index] = record
                continue
            while True:
                try:
                    self._produce(topic, record, partial(delivery.report, index))
                    sent += 1
                except BufferError:
                    await asyncio.sleep(QUEUE_FULL_PAUSE)
                    continue
                except KafkaException as error:
                    delivery.outcomes[index] = error.args[0]
                break
        return delivery, sent

    def close(self, seconds: float) -> int:
        """Let waiting records go out, then stop.

        :returns: how many records did not get out in time.
        """
        left: int = self._kafka.flush(seconds)
        self._stopping.set()
        self._thread.join(POLL_SECONDS * 10)
        return left

    def _produce(self, topic: str, record: Outgoing, report: partial[None]) -> None:
        value, key, partition, timestamp, headers = record
        if headers:
            self._kafka.produce(topic, value, key, partition, report, timestamp=timestamp, headers=headers)
        else:
            self._kafka.produce(topic, value, key, partition, report, timestamp=timestamp)

    def _connect(self) -> Producer:
        return Producer({**self._settings, "error_cb": self._on_error}, logger=log)

    def _on_error(self, error: KafkaError) -> None:
        log.warning("producer: %s", error.str())
        if error.fatal():
            self._fatal.set()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._kafka.poll(POLL_SECONDS)
            if self._fatal.is_set():
                self._replace()
            for old in self._retired:
                old.poll(0)
            self._retired = [old for old in self._retired if len(old)]

    def _replace(self) -> None:
        """An idempotent producer that met a fatal error takes no record any more: start a new one."""
        log.error("The producer met a fatal error and is replaced.")
        self._fatal.clear()
        old, self._kafka = self._kafka, self._connect()
        old.purge(in_queue=True, in_flight=True, blocking=False)
        self._retired.append(old)
