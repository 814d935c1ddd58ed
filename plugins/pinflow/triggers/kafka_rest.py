"""Wait for topics of a Kafka REST Proxy, in the triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from pinflow.exceptions import NotSent
from pinflow.hooks.kafka_rest import KafkaRestHook


class KafkaRestTopicTrigger(BaseTrigger):
    """Fire when a topic exists with enough partitions, or when the time is over.

    :param topic: the topic.
    :param partitions: the least number of partitions.
    :param kafka_rest_conn_id: the connection.
    :param poll_interval: seconds between two looks.
    :param timeout: seconds until it gives up.
    """

    def __init__(
        self, topic: str, partitions: int, kafka_rest_conn_id: str, poll_interval: float, timeout: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.topic = topic
        self.partitions = partitions
        self.kafka_rest_conn_id = kafka_rest_conn_id
        self.poll_interval = poll_interval
        self.timeout = timeout

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and the arguments."""
        return (
            "pinflow.triggers.kafka_rest.KafkaRestTopicTrigger",
            {
                "topic": self.topic,
                "partitions": self.partitions,
                "kafka_rest_conn_id": self.kafka_rest_conn_id,
                "poll_interval": self.poll_interval,
                "timeout": self.timeout,
            },
        )

    @cached_property
    def hook(self) -> KafkaRestHook:
        """The client, made on first use."""
        return KafkaRestHook(self.kafka_rest_conn_id)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the topic is there; a proxy that is down is waited for as well."""
        deadline = time.monotonic() + self.timeout
        message = "not there"
        while time.monotonic() < deadline:
            try:
                found = await asyncio.to_thread(lambda: self.hook.topic(self.topic))
            except NotSent as error:
                message = str(error)
            else:
                message = f"has {found.partitions} partitions" if found else "not there"
                if found and found.partitions >= self.partitions:
                    yield TriggerEvent({"status": "success", "topic": self.topic})
                    return
            self.log.info("Topic %s: %s", self.topic, message)
            await asyncio.sleep(self.poll_interval)
        yield TriggerEvent({"status": "timeout", "topic": self.topic, "message": message})
