"""Wait in the triggerer until a sink connector has committed what was in its topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from pinflow.exceptions import NotSent
from pinflow.hooks.kafka import KafkaOffsetsHook, Partition, Span, lag


class KafkaConnectLandingTrigger(BaseTrigger):
    """Fire when a group has reached the offsets that were the ends at the first look, or when the time is over.

    :param group: the connector's consumer group.
    :param targets: lists of topic, partition, earliest offset and end offset.
    :param kafka_config_id: the Kafka connection.
    :param poll_interval: seconds between two looks.
    :param timeout: seconds until it gives up.
    """

    def __init__(
        self,
        group: str,
        targets: list[list[Any]],
        kafka_config_id: str,
        poll_interval: float,
        timeout: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.group = group
        self.targets = targets
        self.kafka_config_id = kafka_config_id
        self.poll_interval = poll_interval
        self.timeout = timeout

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and the arguments."""
        return (
            "pinflow.triggers.landing.KafkaConnectLandingTrigger",
            {
                "group": self.group,
                "targets": self.targets,
                "kafka_config_id": self.kafka_config_id,
                "poll_interval": self.poll_interval,
                "timeout": self.timeout,
            },
        )

    @cached_property
    def hook(self) -> KafkaOffsetsHook:
        """The client, made on first use."""
        return KafkaOffsetsHook(self.kafka_config_id)

    @cached_property
    def spans(self) -> dict[Partition, Span]:
        """The targets by partition."""
        return spans_of(self.targets)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the lag is nothing; a cluster that does not answer is waited for as well."""
        deadline = time.monotonic() + self.timeout
        behind: dict[Partition, int] = lag(self.spans, {})
        while True:
            try:
                behind = await asyncio.to_thread(self._lag)
            except NotSent as error:
                self.log.warning("%s", error)
            else:
                if not behind:
                    yield TriggerEvent({"status": "success"})
                    return
                self.log.info("%s is behind by %d records: %s", self.group, sum(behind.values()), named(behind))
            if time.monotonic() >= deadline:
                yield TriggerEvent({"status": "timeout", "lag": named(behind)})
                return
            await asyncio.sleep(self.poll_interval)

    def _lag(self) -> dict[Partition, int]:
        return lag(self.spans, self.hook.committed(self.group))


def spans_of(targets: list[list[Any]]) -> dict[Partition, Span]:
    """Targets as the trigger carries them, by partition."""
    return {(topic, partition): Span(earliest, end) for topic, partition, earliest, end in targets}


def targets_of(spans: dict[Partition, Span]) -> list[list[Any]]:
    """Targets as the trigger carries them: JSON-able."""
    return [[topic, partition, span.earliest, span.end] for (topic, partition), span in sorted(spans.items())]


def named(behind: dict[Partition, int]) -> dict[str, int]:
    """The lag by ``topic-partition``."""
    return {f"{topic}-{partition}": count for (topic, partition), count in sorted(behind.items())}
