"""Wait for a stream of Kinesis Data Streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import CannotReconcile
from pinflow.hooks.kinesis import KinesisStreamsHook
from pinflow.operators.kinesis import AVAILABLE
from pinflow.sensors.waiting import AwsWaitingSensor
from pinflow.triggers.kinesis import KinesisStreamTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class KinesisStreamSensor(AwsWaitingSensor[KinesisStreamsHook]):
    """Wait until a stream takes and gives records; one that is not there yet is waited for.

    :param stream_name: the stream's name. (templated)
    :param deferrable: wait in the triggerer.
    :raises CannotReconcile: it is being deleted.
    :raises WaitTimedOut: deferred, and it is not active in time.
    """

    service = "Kinesis"
    INTERMEDIATE_STATES: tuple[str, ...] = ("CREATING", "UPDATING")
    FAILURE_STATES: tuple[str, ...] = ("DELETING",)
    SUCCESS_STATES: tuple[str, ...] = ("ACTIVE",)

    aws_hook_class = KinesisStreamsHook
    ui_color = "#e5e9f7"
    template_fields: Sequence[str] = aws_template_fields("stream_name")

    def __init__(self, *, stream_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stream_name = stream_name

    @property
    def awaited(self) -> str:
        """What is waited for, as errors call it."""
        return f"The stream {self.stream_name} is not active"

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

    def _trigger(self) -> KinesisStreamTrigger:
        return KinesisStreamTrigger(self.stream_name, waiter_name=AVAILABLE, **self.trigger_arguments)
