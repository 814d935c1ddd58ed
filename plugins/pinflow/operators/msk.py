"""Clusters of Amazon MSK, and their topics by MSK's own API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import NotFound, Rejected
from pinflow.hooks.kafka_rest import Topic
from pinflow.hooks.msk import TOPIC_MISSING, MskHook, MskTopic, write_configs
from pinflow.links.msk import MskClusterLink
from pinflow.links.persisted import persist
from pinflow.operators.kafka_rest import check_shape
from pinflow.operators.waiting import AwsWaitingOperator
from pinflow.triggers.msk import MskTopicTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

TOPIC_ACTIVE = "topic_active"
TOPIC_DELETED = "topic_deleted"
EXISTS = "TopicExistsException"
PARTITIONS = "partitions"


class MskDescribeClusterOperator(AwsBaseOperator[MskHook]):
    """Find a cluster by its name, and how a client inside its network reaches it.

    :param cluster_name: the cluster's name. (templated)
    :raises NotFound: no cluster of this name can be used, or it offers no way to connect.
    """

    aws_hook_class = MskHook
    ui_color = "#f0d2c2"
    operator_extra_links = (MskClusterLink(),)
    template_fields: Sequence[str] = aws_template_fields("cluster_name")

    def __init__(self, *, cluster_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster_name = cluster_name

    def execute(self, context: Context) -> dict[str, Any]:
        """Look.

        :returns: ``name``, ``arn``, ``bootstrap_servers``, ``authentication``, ``encryption``, ``subnets`` and
            ``security_groups``.
        """
        found = self.hook.cluster(self.cluster_name)
        persist(MskClusterLink, context, self, cluster_arn=found.arn)
        self.log.info("Cluster %s: %s, %s", found.name, found.bootstrap_servers, found.authentication)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(found).items()}


class MskTopicBaseOperator(AwsWaitingOperator[MskHook]):
    """What the operators of topics share.

    They need MSK Provisioned with Kafka 3.6 or later and an active cluster, and no way into its network. MSK shows a
    change about a minute after it was made.

    https://docs.aws.amazon.com/msk/latest/developerguide/msk-topic-operations-information.html

    :param cluster_name: the cluster's name. (templated)
    :param topic: the topic's name, which is its identity. (templated)
    """

    service = "MSK"
    BUSY = (
        "ClusterConnectivityException",
        "ControllerMovedException",
        "NotControllerException",
        "ReassignmentInProgressException",
        "ServiceUnavailableException",
        "TooManyRequestsException",
    )
    MISSING = TOPIC_MISSING
    UNKNOWN = ("KafkaTimeoutException",)
    aws_hook_class = MskHook
    ui_color = "#f0d2c2"
    operator_extra_links = (MskClusterLink(),)
    template_fields: Sequence[str] = aws_template_fields("cluster_name", "topic")

    def __init__(self, *, cluster_name: str, topic: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster_name = cluster_name
        self.topic = topic

    @property
    def target(self) -> str:
        """What is worked on, as errors call it."""
        return f"the topic {self.topic} of {self.cluster_name}"

    @cached_property
    def cluster_arn(self) -> str:
        """The cluster's ARN, asked for once."""
        return self.hook.cluster_arn(self.cluster_name)

    def _look(self) -> MskTopic | None:
        return self.hook.topic(self.cluster_arn, self.topic)

    def _await(self, waiter: str, **resume: Any) -> None:
        trigger = MskTopicTrigger(self.cluster_arn, self.topic, waiter_name=waiter, **self.trigger_arguments)
        self._wait(trigger, **resume)


class MskDescribeTopicOperator(MskTopicBaseOperator):
    """Describe a topic with its configs.

    :param cluster_name: the cluster's name. (templated)
    :param topic: the topic's name. (templated)
    :raises NotFound: there is no such cluster or topic.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Look.

        :returns: ``name``, ``arn``, ``state``, ``partitions``, ``replication_factor`` and ``configs``.
        """
        found = self._look()
        if found is None:
            raise NotFound(
                f"There is no topic {self.topic}.",
                f"MSK does not list it in {self.cluster_name}; a new one appears after about a minute.",
                "Run ./pinflow trigger pinflow_provision.",
                topic=self.topic,
            )
        persist(MskClusterLink, context, self, cluster_arn=self.cluster_arn)
        return asdict(found)


class MskCreateTopicOperator(MskTopicBaseOperator):
    """Create a topic, or adopt the one that exists and bring it to what is asked for.

    Partitions are raised and configs that differ are set, in two calls; others keep their values. It does not move
    replicas and never lowers anything. Without waiting only the first change is made.

    :param cluster_name: the cluster's name. (templated)
    :param topic: the topic's name. (templated)
    :param partitions: how many partitions. (templated)
    :param replication_factor: how many copies. (templated)
    :param configs: configs and their values as text. (templated)
    :raises NotFound: there is no such cluster.
    :raises CannotReconcile: the topic has more partitions than asked for, or another replication factor.
    :raises Rejected: the cluster refuses the shape or a config.
    :raises Unavailable: the cluster cannot be reached by MSK now.
    :raises OutcomeUnknown: Kafka did not answer MSK in time; a retry adopts what was made.
    :raises WaitTimedOut: MSK does not show it as active in time.
    """

    template_fields: Sequence[str] = aws_template_fields(
        "cluster_name", "topic", PARTITIONS, "replication_factor", "configs"
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"configs": "json"}

    def __init__(
        self,
        *,
        partitions: int | str = 1,
        replication_factor: int | str = 3,
        configs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.partitions = partitions
        self.replication_factor = replication_factor
        self.configs = configs

    @property
    def wanted(self) -> Topic:
        """What the topic should be."""
        return Topic(self.topic, int(self.partitions), int(self.replication_factor))

    def execute(self, context: Context) -> dict[str, Any]:
        """Create or adopt.

        :returns: ``topic``, ``cluster_arn``, ``created`` and ``changed``, old and new by name.
        """
        return self._converge(context, None, {})

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        created: bool | None = None,
        changed: Mapping[str, list[Any]] | None = None,
    ) -> dict[str, Any]:
        """Look again and go on."""
        found = self._look()
        if created is not None and (found is None or found.state != "ACTIVE"):
            self._look_at(event)
        return self._converge(context, created, dict(changed or {}))

    def _converge(self, context: Context, created: bool | None, changed: dict[str, list[Any]]) -> dict[str, Any]:
        """Bring it there. ``created`` is ``None`` as long as it was not asked for."""
        while True:
            found, waiter = self._look(), TOPIC_ACTIVE
            if found is None and created is None:
                created = self._create()
            elif found is not None and found.state == "ACTIVE":
                created = bool(created)
                step = {} if created else self._difference(found, changed)
                if not step:
                    return self._finished(context, created, changed)
                self._update(found, step)
                changed |= step
            elif found is not None and found.state == "DELETING" and created is None:
                waiter = TOPIC_DELETED
            if not self.waits:
                return self._finished(context, bool(created), changed)
            self._await(waiter, created=created, changed=changed)

    def _create(self) -> bool:
        """Ask for it; whether it was not there before."""
        configs = {"Configs": write_configs(self.configs)} if self.configs else {}
        try:
            self._call(
                "create_topic",
                ClusterArn=self.cluster_arn,
                TopicName=self.topic,
                PartitionCount=self.wanted.partitions,
                ReplicationFactor=self.wanted.replication_factor,
                **configs,
            )
        except Rejected as refusal:
            # Made by somebody else, or by a try of this task that was cut short, and not shown yet.
            if refusal.data.get("code") != EXISTS:
                raise
            return False
        return True

    def _difference(self, found: MskTopic, changed: Mapping[str, Any]) -> dict[str, list[Any]]:
        """The next change: the partitions, then all configs. What was changed may be shown later."""
        check_shape(Topic(found.name, found.partitions, found.replication_factor), self.wanted)
        if found.partitions < self.wanted.partitions and PARTITIONS not in changed:
            return {PARTITIONS: [found.partitions, self.wanted.partitions]}
        return {
            name: [found.configs.get(name), value]
            for name, value in (self.configs or {}).items()
            if found.configs.get(name) != value and name not in changed
        }

    def _update(self, found: MskTopic, step: Mapping[str, list[Any]]) -> None:
        if PARTITIONS in step:
            change: dict[str, Any] = {"PartitionCount": self.wanted.partitions}
        else:
            # All of them: the service does not say what becomes of those that are left out.
            change = {"Configs": write_configs({**found.configs, **{name: new for name, (_, new) in step.items()}})}
        self._call("update_topic", ClusterArn=self.cluster_arn, TopicName=self.topic, **change)

    def _finished(self, context: Context, created: bool, changed: Mapping[str, list[Any]]) -> dict[str, Any]:
        persist(MskClusterLink, context, self, cluster_arn=self.cluster_arn)
        self.log.info("Topic %s %s, changed: %s", self.topic, "created" if created else "adopted", changed or "nothing")
        return {"topic": self.topic, "cluster_arn": self.cluster_arn, "created": created, "changed": dict(changed)}


class MskDeleteTopicOperator(MskTopicBaseOperator):
    """Delete a topic with all its records; nothing happens when there is none.

    :param cluster_name: the cluster's name. (templated)
    :param topic: the topic's name. (templated)
    :raises NotFound: there is no such cluster.
    :raises Unavailable: the cluster cannot be reached by MSK now.
    :raises OutcomeUnknown: Kafka did not answer MSK in time.
    :raises WaitTimedOut: MSK shows it still.
    """

    def execute(self, context: Context) -> bool:
        """Delete.

        :returns: whether there was one.
        """
        found = self._look()
        if found is None:
            return False
        there = found.state == "DELETING" or self._delete(
            "delete_topic", ClusterArn=self.cluster_arn, TopicName=self.topic
        )
        if there and self.waits:
            self._await(TOPIC_DELETED)
        return there

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> bool:
        """Look again."""
        if self._look() is not None:
            self._look_at(event)
        return True
