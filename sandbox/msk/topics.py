"""The ``kafka`` service's topics, on the real broker.

https://docs.aws.amazon.com/msk/1.0/apireference/clusters-clusterarn-topics.html
"""

from __future__ import annotations

import binascii
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    TopicMetadata,
)

from sandbox.msk.clusters import Clusters
from sandbox.msk.errors import ApiError, bad_request
from sandbox.msk.names import page, topic_arn

Input = dict[str, Any]
ADMIN_SECONDS = 10.0
SETTLE_SECONDS = 5.0
SETTLE_PAUSE = 0.05
NAMES = {
    KafkaError.TOPIC_ALREADY_EXISTS: "TopicExistsException",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "UnknownTopicOrPartitionException",
    KafkaError._TIMED_OUT: "KafkaTimeoutException",
    KafkaError.REQUEST_TIMED_OUT: "KafkaTimeoutException",
    KafkaError._TRANSPORT: "ClusterConnectivityException",
    KafkaError._ALL_BROKERS_DOWN: "ClusterConnectivityException",
}


@dataclass
class Topics:
    """Operations on topics."""

    clusters: Clusters

    def create(self, given: Input) -> Input:
        """CreateTopic."""
        self.clusters.check(given["ClusterArn"])
        configs = read_configs(given.get("Configs"))
        topic = NewTopic(given["TopicName"], given["PartitionCount"], given["ReplicationFactor"], config=configs)
        self._ask(self.clusters.admin.create_topics, [topic])
        self._settle(given["TopicName"], there=True)
        return _state(given, "CREATING")

    def update(self, given: Input) -> Input:
        """UpdateTopic: configurations, partitions, or both."""
        name, before = given["TopicName"], self._topic(given)
        if given.get("Configs"):
            self._set_configs(name, read_configs(given["Configs"]))
        count = given.get("PartitionCount")
        if count is not None and count != len(before.partitions):
            self._ask(self.clusters.admin.create_partitions, [NewPartitions(name, count)])
        return _state(given, "UPDATING")

    def delete(self, given: Input) -> Input:
        """DeleteTopic."""
        self._topic(given)
        self._ask(self.clusters.admin.delete_topics, [given["TopicName"]])
        self._settle(given["TopicName"], there=False)
        return _state(given, "DELETING")

    def describe(self, given: Input) -> Input:
        """DescribeTopic; ``Configs`` are those that differ from the broker's defaults."""
        found, configs = self._topic(given), self._own_configs(given["TopicName"])
        counts = {"PartitionCount": len(found.partitions), "ReplicationFactor": _replicas(found)}
        return {**_state(given, "ACTIVE"), **counts, "Configs": write_configs(configs)}

    def partitions(self, given: Input) -> Input:
        """DescribeTopicPartitions."""
        found = self._topic(given).partitions
        rows = [
            {"Partition": number, "Leader": each.leader, "Replicas": list(each.replicas), "Isr": list(each.isrs)}
            for number, each in sorted(found.items())
        ]
        listed, token = page(rows, given.get("MaxResults"), given.get("NextToken"))
        return {"Partitions": listed, "NextToken": token}

    def list(self, given: Input) -> Input:
        """ListTopics."""
        found = self.clusters.check(given["ClusterArn"]).topics
        names = sorted(name for name in found if name.startswith(given.get("TopicNameFilter", "")))
        rows = [_row(given["ClusterArn"], found[name]) for name in names]
        listed, token = page(rows, given.get("MaxResults"), given.get("NextToken"))
        return {"Topics": listed, "NextToken": token}

    def _topic(self, given: Input) -> TopicMetadata:
        found = self.clusters.check(given["ClusterArn"]).topics.get(given["TopicName"])
        if found is None:
            message = f"The topic {given['TopicName']} does not exist. ListTopics shows what there is."
            raise ApiError("UnknownTopicOrPartitionException", message, "topicName")
        return found

    def _own_configs(self, name: str) -> dict[str, str]:
        found = self._ask(self.clusters.admin.describe_configs, [ConfigResource(ConfigResource.Type.TOPIC, name)])
        own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
        return {entry.name: entry.value for entry in found.values() if entry.source == own}

    def _set_configs(self, name: str, configs: dict[str, str]) -> None:
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in configs.items()
        ]
        change = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        self._ask(self.clusters.admin.incremental_alter_configs, [change])

    def _ask(self, call: Callable[..., dict[Any, Future[Any]]], argument: Any) -> Any:
        try:
            (future,) = call(argument, request_timeout=ADMIN_SECONDS).values()
            return future.result(ADMIN_SECONDS)
        except KafkaException as error:
            raise from_kafka(error.args[0]) from error
        except (TypeError, ValueError) as error:
            raise ApiError("KafkaRequestException", str(error)) from error

    def _settle(self, name: str, *, there: bool) -> None:
        """The controller has made the change; wait until the broker shows it."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (name in self.clusters.metadata().topics) != there and time.monotonic() < deadline:
            time.sleep(SETTLE_PAUSE)


def from_kafka(error: KafkaError) -> ApiError:
    """AWS's exception for what a broker said."""
    return ApiError(NAMES.get(error.code(), "KafkaRequestException"), error.str())


def read_configs(encoded: str | None) -> dict[str, str]:
    """Topic configurations from Base64: a JSON object, or lines ``name=value``.

    :raises ApiError: BadRequestException.
    """
    if not encoded:
        return {}
    try:
        text = b64decode(encoded, validate=True).decode()
    except (ValueError, binascii.Error):
        raise bad_request("configs must be text in Base64.", "configs") from None
    if text.lstrip().startswith("{"):
        return _json_configs(text)
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    for name, separator, _ in pairs:
        if not separator or not name.strip():
            raise bad_request(f"configs: the line {name!r} has not the form name=value.", "configs")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _json_configs(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise bad_request(f"configs is not JSON: {error}", "configs") from None
    return {str(name): str(value) for name, value in found.items()}


def write_configs(configs: dict[str, str]) -> str:
    """Topic configurations as Base64 of lines ``name=value``."""
    return b64encode("".join(f"{name}={value}\n" for name, value in sorted(configs.items())).encode()).decode()


def _state(given: Input, status: str) -> Input:
    name = given["TopicName"]
    return {"TopicArn": topic_arn(given["ClusterArn"], name), "TopicName": name, "Status": status}


def _replicas(found: TopicMetadata) -> int:
    return max((len(partition.replicas) for partition in found.partitions.values()), default=0)


def _row(owner: str, found: TopicMetadata) -> Input:
    behind = sum(len(partition.replicas) - len(partition.isrs) for partition in found.partitions.values())
    return {
        "TopicArn": topic_arn(owner, found.topic),
        "TopicName": found.topic,
        "PartitionCount": len(found.partitions),
        "ReplicationFactor": _replicas(found),
        "OutOfSyncReplicaCount": behind,
    }
