"""Topics and records through the Kafka REST Proxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from pinflow.exceptions import CannotReconcile, NotFound, RecordsNotAccepted, Rejected, shortened
from pinflow.hooks.kafka_rest import KafkaRestHook, Outcome, Record, Topic

if TYPE_CHECKING:
    from airflow.sdk import Context

EXISTS = 40002


class KafkaRestBaseOperator(BaseOperator):
    """What all operators of this service share.

    :param topic: the topic. (templated)
    :param kafka_rest_conn_id: the connection of type ``http``. (templated)
    """

    ui_color = "#d7e8d4"
    template_fields: Sequence[str] = ("topic", "kafka_rest_conn_id")

    def __init__(self, *, topic: str, kafka_rest_conn_id: str = KafkaRestHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.topic = topic
        self.kafka_rest_conn_id = kafka_rest_conn_id

    @cached_property
    def hook(self) -> KafkaRestHook:
        """The client, made on first use."""
        return KafkaRestHook(self.kafka_rest_conn_id)


class KafkaRestCreateTopicOperator(KafkaRestBaseOperator):
    """Create a topic, or adopt the one that exists and bring it to what is asked for.

    Partitions are raised and configs that differ are set. It does not move replicas and never lowers anything.

    :param topic: the topic. (templated)
    :param partitions: how many partitions. (templated)
    :param replication_factor: how many copies. (templated)
    :param configs: configs and their values as text; others are left alone. (templated)
    :param kafka_rest_conn_id: the connection. (templated)
    :raises CannotReconcile: the topic has more partitions than asked for, or another replication factor.
    :raises Rejected: the cluster refuses the shape or a config.
    """

    template_fields: Sequence[str] = (
        *KafkaRestBaseOperator.template_fields,
        "partitions",
        "replication_factor",
        "configs",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"configs": "json"}

    def __init__(
        self,
        *,
        partitions: int = 1,
        replication_factor: int = 1,
        configs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.partitions = partitions
        self.replication_factor = replication_factor
        self.configs = dict(configs or {})

    def execute(self, context: Context) -> dict[str, Any]:
        """Create or adopt.

        :returns: ``topic``, ``created``, ``partitions``, ``replication_factor`` and ``changed``, old and new by name.
        """
        wanted = Topic(self.topic, int(self.partitions), int(self.replication_factor))
        created = self.hook.topic(self.topic) is None and self._create(wanted)
        changed = {} if created else self._adopt(wanted)
        self.log.info("Topic %s %s, changed: %s", self.topic, "created" if created else "adopted", changed or "nothing")
        return {
            "topic": wanted.name,
            "created": created,
            "partitions": wanted.partitions,
            "replication_factor": wanted.replication_factor,
            "changed": changed,
        }

    def _create(self, wanted: Topic) -> bool:
        try:
            self.hook.create_topic(wanted.name, wanted.partitions, wanted.replication_factor, self.configs)
        except Rejected as refusal:
            # Another task may have made it since the look; any other refusal stands.
            if refusal.data.get("code") != EXISTS or self.hook.topic(wanted.name) is None:
                raise
            return False
        return True

    def _adopt(self, wanted: Topic) -> dict[str, list[Any]]:
        found = self.hook.topic(wanted.name)
        if found is None:
            raise NotFound(
                f"The topic {wanted.name} vanished while it was adopted.",
                "Another client deleted it.",
                "Find out who, then clear the task.",
            )
        check_shape(found, wanted)
        changed: dict[str, list[Any]] = {}
        if found.partitions < wanted.partitions:
            self.hook.grow_partitions(wanted.name, wanted.partitions)
            changed["partitions"] = [found.partitions, wanted.partitions]
        return changed | set_configs(self.hook, wanted.name, self.configs)


class KafkaRestUpdateTopicConfigsOperator(KafkaRestBaseOperator):
    """Set configs of a topic where they differ.

    :param topic: the topic. (templated)
    :param configs: configs and their values as text; ``None`` puts one back to the default. (templated)
    :param kafka_rest_conn_id: the connection. (templated)
    :raises NotFound: there is no such topic.
    :raises Rejected: the cluster does not know a config or refuses its value.
    """

    template_fields: Sequence[str] = (*KafkaRestBaseOperator.template_fields, "configs")
    template_fields_renderers: ClassVar[dict[str, str]] = {"configs": "json"}

    def __init__(self, *, configs: Mapping[str, str | None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configs = configs

    def execute(self, context: Context) -> dict[str, list[Any]]:
        """Set what differs.

        :returns: old and new value of each config that was changed.
        """
        changed = set_configs(self.hook, self.topic, self.configs)
        self.log.info("Configs of %s changed: %s", self.topic, changed or "nothing")
        return changed


class KafkaRestDescribeTopicOperator(KafkaRestBaseOperator):
    """Describe a topic with its configs.

    :param topic: the topic. (templated)
    :param kafka_rest_conn_id: the connection. (templated)
    :raises NotFound: there is no such topic.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Look.

        :returns: ``name``, ``partitions``, ``replication_factor``, ``internal`` and ``configs``.
        """
        found = self.hook.topic(self.topic)
        if found is None:
            raise NotFound(
                f"There is no topic {self.topic}.",
                "The cluster does not list it.",
                "Run ./pinflow trigger pinflow_provision.",
                topic=self.topic,
            )
        return asdict(found) | {"configs": self.hook.configs(self.topic)}


class KafkaRestDeleteTopicOperator(KafkaRestBaseOperator):
    """Delete a topic with all its records; nothing happens when there is none.

    :param topic: the topic. (templated)
    :param kafka_rest_conn_id: the connection. (templated)
    """

    def execute(self, context: Context) -> bool:
        """Delete.

        :returns: whether there was one.
        """
        existed = self.hook.delete_topic(self.topic)
        self.log.info("Topic %s %s", self.topic, "deleted" if existed else "did not exist")
        return existed


class KafkaRestProduceOperator(KafkaRestBaseOperator):
    """Produce records to a topic and look at the outcome of each.

    It does not send again what was rejected or is unknown: that is the caller's decision.

    :param topic: the topic. (templated)
    :param records: mappings with ``value`` and optionally ``key``, ``timestamp`` (ISO 8601), ``partition`` and
        ``headers``. (templated)
    :param kafka_rest_conn_id: the connection. (templated)
    :raises RecordsNotAccepted: at least one record was rejected or is unknown; ``data["outcomes"]`` has all outcomes.
    """

    template_fields: Sequence[str] = (*KafkaRestBaseOperator.template_fields, "records")
    template_fields_renderers: ClassVar[dict[str, str]] = {"records": "json"}

    def __init__(self, *, records: Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.records = records

    def execute(self, context: Context) -> list[dict[str, int | None]]:
        """Produce.

        :returns: ``partition`` and ``offset`` of each record, in order.
        """
        outcomes = self.hook.produce(self.topic, [_record(entry) for entry in self.records])
        failed = [outcome for outcome in outcomes if outcome.outcome != Outcome.ACCEPTED]
        if failed:
            told = [f"record {outcome.index} {outcome.outcome}: {outcome.message}" for outcome in failed]
            raise RecordsNotAccepted(
                f"{len(failed)} of {len(outcomes)} records were not accepted by {self.topic}.",
                f"{shortened(told)}.",
                "Correct rejected records; send unknown ones again under the same key, then clear the task.",
                outcomes=outcomes,
            )
        return [{"partition": outcome.partition, "offset": outcome.offset} for outcome in outcomes]


def set_configs(hook: KafkaRestHook, topic: str, configs: Mapping[str, str | None]) -> dict[str, list[Any]]:
    """Set the configs that differ.

    :returns: old and new value of each config that was changed.
    """
    if not configs:
        return {}
    found = hook.configs(topic)
    changed = {key: value for key, value in configs.items() if found.get(key) != value}
    if changed:
        hook.alter_configs(topic, changed)
    return {key: [found.get(key), value] for key, value in changed.items()}


def check_shape(found: Topic, wanted: Topic) -> None:
    """Whether a topic can be brought to what is wanted.

    :raises CannotReconcile: it has more partitions, or another replication factor.
    """
    if found.partitions > wanted.partitions:
        difference = (
            f"It has {found.partitions} partitions and {wanted.partitions} were asked for; Kafka cannot lower it."
        )
    elif found.replication_factor != wanted.replication_factor:
        difference = (
            f"Its replication factor is {found.replication_factor} and {wanted.replication_factor} was asked for; "
            "that needs a reassignment of its partitions."
        )
    else:
        return
    raise CannotReconcile(
        f"The topic {wanted.name} cannot be brought to what was asked for.",
        difference,
        "Set kafka.partitions and kafka.replication_factor in the settings to what exists, "
        "or delete the topic, then clear the task.",
        found=found,
        wanted=wanted,
    )


def _record(entry: Mapping[str, Any]) -> Record:
    from datetime import datetime

    timestamp = entry.get("timestamp")
    return Record(
        value=entry.get("value"),
        key=entry.get("key"),
        timestamp=datetime.fromisoformat(timestamp) if timestamp else None,
        partition=entry.get("partition"),
        headers=entry.get("headers") or {},
    )
