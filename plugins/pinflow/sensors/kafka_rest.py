"""Wait for topics of a Kafka REST Proxy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.configuration import conf

from pinflow.exceptions import WaitTimedOut
from pinflow.hooks.kafka_rest import KafkaRestHook
from pinflow.triggers.kafka_rest import KafkaRestTopicTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class KafkaRestTopicSensor(BaseSensorOperator):
    """Wait until a topic exists and has at least some number of partitions.

    :param topic: the topic. (templated)
    :param partitions: the least number of partitions. (templated)
    :param kafka_rest_conn_id: the connection. (templated)
    :param deferrable: wait in the triggerer.
    :raises WaitTimedOut: deferred and not there within ``timeout`` seconds.
    """

    ui_color = "#e6f2e4"
    template_fields: Sequence[str] = ("topic", "partitions", "kafka_rest_conn_id")

    def __init__(
        self,
        *,
        topic: str,
        partitions: int = 1,
        kafka_rest_conn_id: str = KafkaRestHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topic = topic
        self.partitions = partitions
        self.kafka_rest_conn_id = kafka_rest_conn_id
        self.deferrable = deferrable

    @cached_property
    def hook(self) -> KafkaRestHook:
        """The client, made on first use."""
        return KafkaRestHook(self.kafka_rest_conn_id)

    def poke(self, context: Context) -> bool:
        """Look once."""
        found = self.hook.topic(self.topic)
        self.log.info("Topic %s: %s", self.topic, found or "not there")
        return found is not None and found.partitions >= int(self.partitions)

    def execute(self, context: Context) -> None:
        """Wait, here or in the triggerer."""
        if not self.deferrable:
            super().execute(context)
        elif not self.poke(context):
            self.defer(
                trigger=KafkaRestTopicTrigger(
                    topic=self.topic,
                    partitions=int(self.partitions),
                    kafka_rest_conn_id=self.kafka_rest_conn_id,
                    poll_interval=self.poke_interval,
                    timeout=self.timeout,
                ),
                method_name="execute_complete",
            )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """Look again: the event may be old."""
        if not self.poke(context):
            raise WaitTimedOut(
                f"The topic {self.topic} did not appear within {self.timeout:.0f} s.",
                f"The trigger says: {(event or {}).get('message', 'nothing')}.",
                "Run ./pinflow trigger pinflow_provision, then clear the task.",
                topic=self.topic,
            )
