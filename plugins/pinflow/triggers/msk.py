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
            serialized_fields={"cluster_arn": cluster_arn, "waiter_name": waiter_name},
            waiter_name=waiter_name,
            waiter_args={"ClusterArn": cluster_arn},
            failure_message=f"{waiter_name} was not reached by {cluster_arn}",
            status_message="The cluster is",
            status_queries=["ClusterInfo.State", "ClusterInfo.StateInfo"],
            return_key="cluster_arn",
            return_value=cluster_arn,
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
            serialized_fields={"cluster_arn": cluster_arn, "topic": topic, "waiter_name": waiter_name},
            waiter_name=waiter_name,
            waiter_args={"ClusterArn": cluster_arn, "TopicName": topic},
            failure_message=f"{waiter_name} was not reached by {topic}",
            status_message="The topic is",
            status_queries=["Status"],
            return_key="topic",
            return_value=topic,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
