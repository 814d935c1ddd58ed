"""Amazon MSK Connect: custom plugins and connectors, found by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

WAITERS = Path(__file__).parents[1] / "waiters" / "msk_connect.json"


@dataclass(frozen=True)
class ConnectorSpec:
    """What a connector should be: the arguments of ``CreateConnector``, without the cluster's.

    :param name: its name, which is its identity.
    :param configuration: Kafka Connect's configuration, keys and values as text.
    :param plugin_arn: the custom plugin.
    :param plugin_revision: the plugin's revision.
    :param service_role_arn: the role that the worker runs as.
    :param mcu_count: MCU per worker: 1, 2, 4 or 8.
    :param worker_count: how many workers.
    :param kafkaconnect_version: the Kafka Connect version of MSK Connect.
    :param log_group: a CloudWatch log group for the worker's log; none when not given.
    """

    name: str
    configuration: Mapping[str, str]
    plugin_arn: str
    plugin_revision: int
    service_role_arn: str
    mcu_count: int
    worker_count: int
    kafkaconnect_version: str
    log_group: str | None = None

    @property
    def capacity(self) -> dict[str, Any]:
        """The capacity as the API takes it."""
        return {"provisionedCapacity": {"mcuCount": self.mcu_count, "workerCount": self.worker_count}}

    def differing(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """What ``UpdateConnector`` has to be told, by argument: ``connectorConfiguration`` and ``capacity``."""
        changes: dict[str, Any] = {}
        existing = {key: value for key, value in described["connectorConfiguration"].items() if key != "name"}
        if existing != {key: value for key, value in self.configuration.items() if key != "name"}:
            changes["connectorConfiguration"] = dict(self.configuration)
        found = described.get("capacity", {}).get("provisionedCapacity", {})
        if (found.get("mcuCount"), found.get("workerCount")) != (self.mcu_count, self.worker_count):
            changes["capacity"] = self.capacity
        return changes

    def fixed(self, described: Mapping[str, Any], bootstrap_servers: str) -> dict[str, tuple[Any, Any]]:
        """What differs and cannot be changed in place: found and wanted by name."""
        plugin = described["plugins"][0]["customPlugin"]
        cluster = described["kafkaCluster"]["apacheKafkaCluster"]
        pairs = {
            "plugin": ((plugin["customPluginArn"], plugin["revision"]), (self.plugin_arn, self.plugin_revision)),
            "bootstrap servers": (_servers(cluster["bootstrapServers"]), _servers(bootstrap_servers)),
            "service role": (described["serviceExecutionRoleArn"], self.service_role_arn),
            "Kafka Connect version": (described["kafkaConnectVersion"], self.kafkaconnect_version),
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


class MskConnectHook(AwsBaseHook):
    """A wrapper around ``boto3.client("kafkaconnect")`` that finds things by name.

    Arguments are those of ``AwsBaseHook``. Names are unique in an account and region, so they are the identity: a
    crash between a create call and its answer is healed by the next look.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "kafkaconnect"
        super().__init__(*args, **kwargs)

    @property
    def waiter_path(self) -> PathLike[str]:
        """Our own waiters: the service has none."""
        return WAITERS

    def connector_arn(self, name: str) -> str | None:
        """The ARN of the connector of this name, or ``None``."""
        pages = self.conn.get_paginator("list_connectors").paginate(connectorNamePrefix=name)
        found = (entry for page in pages for entry in page["connectors"] if entry["connectorName"] == name)
        return next((entry["connectorArn"] for entry in found), None)

    def connectors(self, prefix: str) -> list[str]:
        """The names of all connectors that begin so."""
        pages = self.conn.get_paginator("list_connectors").paginate(connectorNamePrefix=prefix)
        return [entry["connectorName"] for page in pages for entry in page["connectors"]]

    def plugins(self, prefix: str) -> list[str]:
        """The names of all custom plugins that begin so."""
        pages = self.conn.get_paginator("list_custom_plugins").paginate(namePrefix=prefix)
        return [entry["name"] for page in pages for entry in page["customPlugins"]]

    def connector(self, name: str) -> dict[str, Any] | None:
        """``DescribeConnector`` of the connector of this name, or ``None``."""
        arn = self.connector_arn(name)
        if arn is None:
            return None
        try:
            return dict(self.conn.describe_connector(connectorArn=arn))
        except self.conn.exceptions.NotFoundException:
            return None

    def plugin(self, name: str) -> dict[str, Any] | None:
        """``DescribeCustomPlugin`` of the plugin of this name, or ``None``."""
        pages = self.conn.get_paginator("list_custom_plugins").paginate(namePrefix=name)
        found = (entry for page in pages for entry in page["customPlugins"] if entry["name"] == name)
        arn = next((entry["customPluginArn"] for entry in found), None)
        if arn is None:
            return None
        try:
            return dict(self.conn.describe_custom_plugin(customPluginArn=arn))
        except self.conn.exceptions.NotFoundException:
            return None


def _servers(text: str) -> tuple[str, ...]:
    return tuple(sorted(text.replace(" ", "").split(",")))
