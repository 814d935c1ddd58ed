"""Consumer groups of Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from pinflow.hooks.kafka import KafkaOffsetsHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class KafkaDeleteConsumerGroupOperator(BaseOperator):
    """Delete a consumer group with its committed offsets; nothing happens when there is none.

    Offsets that outlive their topic would make a connector skip the first records of a new topic of that name.

    :param group: the group; that of a connector is ``connect-<name>``. (templated)
    :param kafka_config_id: the connection. (templated)
    :raises Unavailable: it has members still, or the cluster does not answer.
    """

    ui_color = "#d3e8d0"
    template_fields: Sequence[str] = ("group", "kafka_config_id")

    def __init__(self, *, group: str, kafka_config_id: str = KafkaOffsetsHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group = group
        self.kafka_config_id = kafka_config_id

    @cached_property
    def hook(self) -> KafkaOffsetsHook:
        """The client, made on first use."""
        return KafkaOffsetsHook(kafka_config_id=self.kafka_config_id)

    def execute(self, context: Context) -> bool:
        """Delete.

        :returns: whether there was one.
        """
        existed = self.hook.delete_group(self.group)
        self.log.info("Group %s %s", self.group, "deleted" if existed else "did not exist")
        return existed
