"""Amazon MSK: clusters, how to reach them, and their topics."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from pinflow.exceptions import NotFound

WAITERS = Path(__file__).parents[1] / "waiters" / "msk.json"
WAYS = (
    ("BootstrapBrokerStringSaslIam", "IAM", "TLS"),
    ("BootstrapBrokerStringTls", "NONE", "TLS"),
    ("BootstrapBrokerString", "NONE", "PLAINTEXT"),
)
"""What GetBootstrapBrokers may answer, safest first, with the client authentication and encryption of MSK Connect."""

UNUSABLE = {"CREATING", "DELETING", "FAILED"}
TOPIC_MISSING = ("NotFoundException", "UnknownTopicOrPartitionException")


@dataclass(frozen=True)
class Cluster:
    """An MSK cluster as a client inside its network reaches it.

    ``authentication`` is ``IAM`` or ``NONE``, ``encryption`` is ``TLS`` or ``PLAINTEXT``.
    """

    name: str
    arn: str
    bootstrap_servers: str
    authentication: str
    encryption: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]


@dataclass(frozen=True)
class MskTopic:
    """A topic as ``DescribeTopic`` tells it, which is how it was about a minute ago.

    ``state`` is ``CREATING``, ``UPDATING``, ``DELETING`` or ``ACTIVE``.
    """

    name: str
    arn: str
    state: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


class MskHook(AwsBaseHook):
    """A thin wrapper around ``boto3.client("kafka")``.

    Arguments are those of ``AwsBaseHook``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "kafka"
        super().__init__(*args, **kwargs)

    @property
    def waiter_path(self) -> PathLike[str]:
        """Our own waiters: the service has none."""
        return WAITERS

    def described(self, name: str) -> dict[str, Any] | None:
        """The cluster of this name as ``ListClustersV2`` tells it, one that can be used first; ``None`` without any."""
        return next(iter(sorted(self._named(name), key=lambda entry: entry["State"] in UNUSABLE)), None)

    def cluster(self, name: str) -> Cluster:
        """Find a cluster by its name.

        Of the ways to reach it the safest that it offers is taken: IAM, then TLS, then plain text.

        :raises NotFound: no cluster of this name can be used, or it offers none of the ways.
        """
        described = self._described(name)
        arn = described["ClusterArn"]
        brokers = self.conn.get_bootstrap_brokers(ClusterArn=arn)
        for key, authentication, encryption in WAYS:
            if servers := brokers.get(key):
                return Cluster(name, arn, servers, authentication, encryption, *_network(described))
        raise NotFound(
            f"The MSK cluster {name} offers no way to connect.",
            f"GetBootstrapBrokers answered only {sorted(set(brokers) - {'ResponseMetadata'})}.",
            "Enable IAM or TLS client access on the cluster, then clear the task.",
            cluster=name,
        )

    def cluster_arn(self, name: str) -> str:
        """The ARN of a cluster that can be used.

        :raises NotFound: no cluster of this name can be used.
        """
        return str(self._described(name)["ClusterArn"])

    def topics(self, cluster_arn: str, prefix: str = "") -> list[str]:
        """The names of a cluster's topics that begin with a prefix, over all pages; MSK Provisioned only."""
        arguments = {"ClusterArn": cluster_arn} | ({"TopicNameFilter": prefix} if prefix else {})
        pages = self.conn.get_paginator("list_topics").paginate(**arguments)
        names = (entry["TopicName"] for page in pages for entry in page["Topics"])
        return [name for name in names if name.startswith(prefix)]

    def topic(self, cluster_arn: str, name: str) -> MskTopic | None:
        """``DescribeTopic``, or ``None`` when there is none: MSK shows a change after about a minute.

        https://docs.aws.amazon.com/msk/latest/developerguide/msk-topic-operations-information.html
        """
        from botocore.exceptions import ClientError

        try:
            found = self.conn.describe_topic(ClusterArn=cluster_arn, TopicName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] in TOPIC_MISSING:
                return None
            raise
        return MskTopic(
            name=name,
            arn=found["TopicArn"],
            state=found["Status"],
            partitions=found.get("PartitionCount", 0),
            replication_factor=found.get("ReplicationFactor", 0),
            configs=read_configs(found.get("Configs", "")),
        )

    def _named(self, name: str) -> list[dict[str, Any]]:
        pages = self.conn.get_paginator("list_clusters_v2").paginate(ClusterNameFilter=name)
        return [dict(entry) for page in pages for entry in page["ClusterInfoList"] if entry["ClusterName"] == name]

    def _described(self, name: str) -> dict[str, Any]:
        found = self._named(name)
        for entry in found:
            if entry["State"] not in UNUSABLE:
                return entry
        states = ", ".join(entry["State"] for entry in found) or "not there"
        raise NotFound(
            f"There is no active MSK cluster {name}.",
            f"MSK in {self.conn.meta.region_name} says: {states}.",
            "Check kafka.cluster_name in the settings and create the cluster, then clear the task.",
            cluster=name,
        )


def _network(described: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    provisioned = described.get("Provisioned", {}).get("BrokerNodeGroupInfo", {})
    vpc: dict[str, Any] = next(iter(described.get("Serverless", {}).get("VpcConfigs", [])), {})
    subnets = provisioned.get("ClientSubnets") or vpc.get("SubnetIds") or ()
    groups = provisioned.get("SecurityGroups") or vpc.get("SecurityGroupIds") or ()
    return tuple(subnets), tuple(groups)


def read_configs(text: str) -> dict[str, str]:
    """Topic configs from Base64 of lines ``name=value``, as MSK gives them."""
    lines = b64decode(text).decode().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write_configs(configs: Mapping[str, str]) -> str:
    """Topic configs as Base64 of lines ``name=value``, as MSK takes them."""
    return b64encode("\n".join(f"{name}={value}" for name, value in sorted(configs.items())).encode()).decode()
