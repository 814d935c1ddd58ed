"""Wait for a stream of Kinesis Data Streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk.configuration import conf

from pinflow.exceptions import CannotReconcile, WaitTimedOut
from pinflow.hooks.kinesis import KinesisStreamsHook
from pinflow.operators.kinesis import AVAILABLE
from pinflow.triggers.kinesis import KinesisStreamTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class KinesisStreamSensor(AwsBaseSensor[KinesisStreamsHook]):
    """Wait until a stream takes and gives records; one that is not there yet is waited for.

    :param stream_name: the stream's name. (templated)
    :param deferrable: wait in the triggerer.
    :raises CannotReconcile: it is being deleted.
    :raises WaitTimedOut: deferred, and it is not active in time.
    """

    INTERMEDIATE_STATES: tuple[str, ...] = ("CREATING", "UPDATING")
    FAILURE_STATES: tuple[str, ...] = ("DELETING",)
    SUCCESS_STATES: tuple[str, ...] = ("ACTIVE",)

    aws_hook_class = KinesisStreamsHook
    ui_color = "#e5e9f7"
    template_fields: Sequence[str] = aws_template_fields("stream_name")

    def __init__(
        self,
        *,
        stream_name: str,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.stream_name = stream_name
        self.deferrable = deferrable

    def poke(self, context: Context) -> bool:
        """Look once."""
        found = self.hook.summary(self.stream_name)
        state = found["StreamStatus"] if found else "not there"
        self.log.info("Stream %s: %s", self.stream_name, state)
        if state in self.FAILURE_STATES:
            raise CannotReconcile(
                f"The stream {self.stream_name} is {state}.",
                "It will not take records any more.",
                "Run ./pinflow trigger pinflow_provision once it is gone.",
                state=state,
            )
        return state in self.SUCCESS_STATES

    def execute(self, context: Context) -> None:
        """Wait, here or in the triggerer."""
        if not self.deferrable:
            super().execute(context)
        elif not self.poke(context):
            self.defer(trigger=self._trigger(), method_name="execute_complete")

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> None:
        """Look again: the event may be old."""
        if not self.poke(context):
            raise WaitTimedOut(
                f"The stream {self.stream_name} is not active after {self.timeout:.0f} s.",
                f"The trigger says: {(event or {}).get('message', 'nothing')}.",
                "Look at Kinesis, then clear the task.",
            )

    def _trigger(self) -> KinesisStreamTrigger:
        return KinesisStreamTrigger(
            self.stream_name,
            waiter_name=AVAILABLE,
            waiter_delay=max(1, round(self.poke_interval)),
            waiter_max_attempts=max(1, round(self.timeout / max(1, self.poke_interval))),
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )
