"""Wait for a cluster of Amazon MSK, or for a topic of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import CannotReconcile, NotFound
from pinflow.hooks.msk import MskHook
from pinflow.sensors.waiting import AwsWaitingSensor
from pinflow.triggers.msk import MskClusterTrigger, MskTopicTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class MskClusterSensor(AwsWaitingSensor[MskHook]):
    """Wait until a cluster can be used, also while it is updated or healed.

    :param cluster_name: the cluster's name. (templated)
    :param deferrable: wait in the triggerer.
    :raises NotFound: deferred, and there is no such cluster.
    :raises CannotReconcile: it is FAILED or being deleted.
    :raises WaitTimedOut: deferred, and it cannot be used in time.
    """

    service = "MSK"
    INTERMEDIATE_STATES: tuple[str, ...] = ("CREATING",)
    FAILURE_STATES: tuple[str, ...] = ("FAILED", "DELETING")
    SUCCESS_STATES: tuple[str, ...] = ("ACTIVE", "HEALING", "MAINTENANCE", "REBOOTING_BROKER", "UPDATING")

    aws_hook_class = MskHook
    ui_color = "#f7e3d9"
    template_fields: Sequence[str] = aws_template_fields("cluster_name")

    def __init__(self, *, cluster_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster_name = cluster_name

    @property
    def awaited(self) -> str:
        """What is waited for, as errors call it."""
        return f"The cluster {self.cluster_name} cannot be used"

    def poke(self, context: Context) -> bool:
        """Look once."""
        found = self.hook.described(self.cluster_name)
        state = found["State"] if found else "not there"
        self.log.info("Cluster %s: %s", self.cluster_name, state)
        if state in self.FAILURE_STATES:
            raise CannotReconcile(
                f"The cluster {self.cluster_name} is {state}.",
                "It will not take records any more.",
                "Look at it in MSK and deploy its stack again, then clear the task.",
                state=state,
            )
        return state in self.SUCCESS_STATES

    def _trigger(self) -> MskClusterTrigger:
        found = self.hook.described(self.cluster_name)
        if found is None:
            raise NotFound(
                f"There is no cluster {self.cluster_name}.",
                "MSK does not list it.",
                "Run ./pinflow trigger pinflow_provision.",
            )
        return MskClusterTrigger(found["ClusterArn"], **self.trigger_arguments)


class MskTopicSensor(AwsWaitingSensor[MskHook]):
    """Wait until MSK shows a topic as active; one that is not there yet is waited for.

    :param cluster_name: the cluster's name. (templated)
    :param topic: the topic's name. (templated)
    :param deferrable: wait in the triggerer.
    :raises NotFound: there is no cluster of this name that can be used.
    :raises WaitTimedOut: deferred, and it is not active in time.
    """

    service = "MSK"
    INTERMEDIATE_STATES: tuple[str, ...] = ("CREATING", "DELETING", "UPDATING")
    SUCCESS_STATES: tuple[str, ...] = ("ACTIVE",)

    aws_hook_class = MskHook
    ui_color = "#f7e3d9"
    template_fields: Sequence[str] = aws_template_fields("cluster_name", "topic")

    def __init__(self, *, cluster_name: str, topic: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster_name = cluster_name
        self.topic = topic

    @property
    def awaited(self) -> str:
        """What is waited for, as errors call it."""
        return f"The topic {self.topic} is not active"

    def poke(self, context: Context) -> bool:
        """Look once."""
        found = self.hook.topic(self.hook.cluster_arn(self.cluster_name), self.topic)
        state = found.state if found else "not there"
        self.log.info("Topic %s: %s", self.topic, state)
        return state in self.SUCCESS_STATES

    def _trigger(self) -> MskTopicTrigger:
        arn = self.hook.cluster_arn(self.cluster_name)
        return MskTopicTrigger(arn, self.topic, waiter_name="topic_active", **self.trigger_arguments)
