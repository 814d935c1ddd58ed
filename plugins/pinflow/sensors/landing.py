"""Wait until what was posted has landed in S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException

from pinflow.exceptions import LandingLate
from pinflow.hooks.kafka import KafkaOffsetsHook, Partition, Span, lag
from pinflow.hooks.msk_connect import MskConnectHook
from pinflow.triggers.landing import KafkaConnectLandingTrigger, named, targets_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class KafkaConnectLandingSensor(BaseSensorOperator):
    """Wait until a sink connector has committed all that its topics held when this task first looked.

    The offsets are fixed at the first look, so records that arrive later do not keep it waiting. It does not use
    ``offsetsForTimes`` with the interval's end: records of historic days are produced out of their order in time, and
    an earlier time may follow a later one. A connector commits an offset only when its object is safely in S3.

    :param topics: the topics.
    :param connector_name: the connector; its group is ``connect-<name>``, in MSK Connect too. (templated)
    :param kafka_config_id: the Kafka connection. (templated)
    :param aws_conn_id: the AWS connection, to tell the connector's state when it is late. (templated)
    :param deferrable: wait in the triggerer.
    :raises LandingLate: not reached within ``timeout`` seconds.
    """

    ui_color = "#cfe0f5"
    template_fields: Sequence[str] = ("topics", "connector_name", "kafka_config_id", "aws_conn_id")

    def __init__(
        self,
        *,
        topics: Sequence[str],
        connector_name: str,
        kafka_config_id: str = "kafka_default",
        aws_conn_id: str | None = "aws_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topics = topics
        self.connector_name = connector_name
        self.kafka_config_id = kafka_config_id
        self.aws_conn_id = aws_conn_id
        self.deferrable = deferrable

    @property
    def group(self) -> str:
        """The connector's consumer group."""
        return f"connect-{self.connector_name}"

    @cached_property
    def hook(self) -> KafkaOffsetsHook:
        """The client, made on first use."""
        return KafkaOffsetsHook(self.kafka_config_id)

    @cached_property
    def targets(self) -> dict[Partition, Span]:
        """What the topics held at the first look."""
        return self.hook.spans(self.topics)

    def poke(self, context: Context) -> bool:
        """Look once."""
        behind = lag(self.targets, self.hook.committed(self.group))
        self.log.info("%s is behind by %d records: %s", self.group, sum(behind.values()), named(behind))
        return not behind

    def execute(self, context: Context) -> dict[str, int]:
        """Wait, here or in the triggerer.

        :returns: the offset that was waited for, by ``topic-partition``.
        """
        if self.deferrable:
            if not self.poke(context):
                self._defer()
        else:
            self._wait(context)
        return self._reached()

    def execute_complete(self, context: Context, event: Mapping[str, Any], targets: list[list[Any]]) -> dict[str, int]:
        """End, or tell how far the connector is and what state it is in."""
        if event["status"] != "success":
            raise self._late(event["lag"])
        return {f"{topic}-{partition}": end for topic, partition, _, end in targets}

    def _defer(self) -> None:
        targets = targets_of(self.targets)
        trigger = KafkaConnectLandingTrigger(
            self.group, targets, self.kafka_config_id, poll_interval=self.poke_interval, timeout=self.timeout
        )
        self.defer(trigger=trigger, method_name="execute_complete", kwargs={"targets": targets})

    def _wait(self, context: Context) -> None:
        from airflow.sdk.exceptions import AirflowSensorTimeout

        try:
            super().execute(context)
        except AirflowSensorTimeout as error:
            raise self._late(named(lag(self.targets, self.hook.committed(self.group)))) from error

    def _reached(self) -> dict[str, int]:
        return {f"{topic}-{partition}": span.end for (topic, partition), span in sorted(self.targets.items())}

    def _late(self, behind: Mapping[str, int]) -> LandingLate:
        state = self._connector_state()
        total = sum(behind.values())
        return LandingLate(
            f"The connector {self.connector_name} has not landed {total} records in {self.timeout:.0f} s.",
            f"It is {state} and behind by: {', '.join(f'{name} {count}' for name, count in behind.items())}.",
            "Look at its log (./pinflow logs connect); a FAILED one is mended by ./pinflow trigger pinflow_provision "
            """--conf '{"on_failed": "restart"}'; then clear the task.""",
            lag=dict(behind),
            connector_state=state,
        )

    def _connector_state(self) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            described = MskConnectHook(aws_conn_id=self.aws_conn_id).connector(self.connector_name)
        except (BotoCoreError, ClientError, AirflowException) as error:
            return f"in an unknown state ({error})"
        if described is None:
            return "not there"
        reason = described.get("stateDescription", {}).get("message", "")
        return f"{described['connectorState']}{f' ({reason})' if reason else ''}"
