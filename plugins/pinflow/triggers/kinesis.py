"""Wait for Kinesis Data Streams in the triggerer."""

from __future__ import annotations

from typing import Any

from pinflow.hooks.kinesis import KinesisStreamsHook
from pinflow.triggers.waiting import AwsWaitingTrigger


class KinesisStreamTrigger(AwsWaitingTrigger):
    """Fire when a stream is active or deleted, as the waiter says.

    :param stream_name: the stream.
    :param waiter_name: ``stream_active``, ``stream_available`` (one that is not there yet is waited for) or
        ``stream_deleted``.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks.
    :param aws_conn_id: the AWS connection.
    """

    hook_class = KinesisStreamsHook
    told = "The stream is"
    shown = ("StreamDescriptionSummary.StreamStatus",)

    def __init__(
        self,
        stream_name: str,
        waiter_name: str,
        waiter_delay: int = 5,
        waiter_max_attempts: int = 120,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"stream_name": stream_name},
            waiter_name,
            {"StreamName": stream_name},
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
