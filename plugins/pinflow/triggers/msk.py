"""Wait for clusters of Amazon MSK and their topics in the triggerer."""

from __future__ import annotations

from typing import Any

from pinflow.hooks.msk import MskHook
from pinflow.triggers.waiting import AwsWaitingTrigger

USABLE = "cluster_usable"


class MskClusterTrigger(AwsWaitingTrigger):
    """Fire when a cluster can be used, also while it is updated or healed.

    :param cluster_arn: the cluster.
    :param waiter_name: ``cluster_usable``.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks.
    :param aws_conn_id: the AWS connection.
    """

    hook_class = MskHook
    told = "The cluster is"
    shown = ("ClusterInfo.State", "ClusterInfo.StateInfo")

    def __init__(
        self,
        cluster_arn: str,
        waiter_name: str = USABLE,
        waiter_delay: int = 30,
        waiter_max_attempts: int = 120,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"cluster_arn": cluster_arn},
            waiter_name,
            {"ClusterArn": cluster_arn},
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )


class MskTopicTrigger(AwsWaitingTrigger):
    """Fire when MSK shows a topic as active, or no more.

    :param cluster_arn: the cluster.
    :param topic: the topic's name.
    :param waiter_name: ``topic_active`` (one that is not there yet is waited for) or ``topic_deleted``.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks.
    :param aws_conn_id: the AWS connection.
    """

    hook_class = MskHook
    told = "The topic is"
    shown = ("Status",)

    def __init__(
        self,
        cluster_arn: str,
        topic: str,
        waiter_name: str,
        waiter_delay: int = 10,
        waiter_max_attempts: int = 120,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"cluster_arn": cluster_arn, "topic": topic},
            waiter_name,
            {"ClusterArn": cluster_arn, "TopicName": topic},
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
