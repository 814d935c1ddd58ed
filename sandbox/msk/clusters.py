"""The ``kafka`` service's clusters: one, the real broker.

https://docs.aws.amazon.com/msk/1.0/apireference/clusters.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata

from sandbox.msk.errors import ApiError, not_found
from sandbox.msk.names import cluster_arn, new_version, page
from sandbox.msk.store import Store

Input = dict[str, Any]
METADATA_SECONDS = 5.0
INSTANCE_TYPE = "kafka.t3.small"
SUBNET = "subnet-00000000000000000"


@dataclass
class Clusters:
    """Operations on the cluster.

    :param name: of the cluster.
    :param bootstrap_servers: of the real broker.
    :param kafka_version: what it runs.
    """

    admin: AdminClient
    store: Store
    name: str
    bootstrap_servers: str
    kafka_version: str

    def metadata(self) -> ClusterMetadata:
        """Brokers and topics as they are now.

        :raises ApiError: ClusterConnectivityException.
        """
        try:
            return self.admin.list_topics(timeout=METADATA_SECONDS)
        except KafkaException as error:
            raise ApiError(
                "ClusterConnectivityException",
                f"The cluster {self.name} does not answer: {error.args[0].str()}. Start the part kafka and try again.",
            ) from error

    def check(self, arn: str) -> ClusterMetadata:
        """The cluster with this ARN.

        :raises ApiError: NotFoundException for any other ARN.
        """
        found = self.metadata()
        if arn != self.arn(found):
            raise not_found(f"The cluster {arn} does not exist. ListClustersV2 shows the one there is.", "clusterArn")
        return found

    def arn(self, found: ClusterMetadata) -> str:
        """The ARN of the cluster that answered."""
        return cluster_arn(self.name, str(found.cluster_id))

    def list_v1(self, given: Input) -> Input:
        """ListClusters."""
        infos, token = self._listed(given)
        return {"ClusterInfoList": [self._v1(info) for info in infos], "NextToken": token}

    def list_v2(self, given: Input) -> Input:
        """ListClustersV2."""
        infos, token = self._listed(given)
        if given.get("ClusterTypeFilter", "PROVISIONED").upper() != "PROVISIONED":
            infos = []
        return {"ClusterInfoList": [self._v2(info) for info in infos], "NextToken": token}

    def describe_v1(self, given: Input) -> Input:
        """DescribeCluster."""
        return {"ClusterInfo": self._v1(self._info(self.check(given["ClusterArn"])))}

    def describe_v2(self, given: Input) -> Input:
        """DescribeClusterV2."""
        return {"ClusterInfo": self._v2(self._info(self.check(given["ClusterArn"])))}

    def bootstrap_brokers(self, given: Input) -> Input:
        """GetBootstrapBrokers: the plaintext listener is the only one."""
        self.check(given["ClusterArn"])
        return {"BootstrapBrokerString": self.bootstrap_servers}

    def nodes(self, given: Input) -> Input:
        """ListNodes: the brokers."""
        found = self.check(given["ClusterArn"])
        arn = self.arn(found)
        brokers = [self._node(arn, broker) for _, broker in sorted(found.brokers.items())]
        listed, token = page(brokers, given.get("MaxResults"), given.get("NextToken"))
        return {"NodeInfoList": listed, "NextToken": token}

    def _node(self, arn: str, broker: Any) -> dict[str, Any]:
        return {
            "InstanceType": INSTANCE_TYPE,
            "NodeARN": f"{arn.replace(':cluster/', ':node/')}/{broker.id}",
            "NodeType": "BROKER",
            "BrokerNodeInfo": {
                "BrokerId": float(broker.id),
                "ClientSubnet": SUBNET,
                "ClientVpcIpAddress": broker.host,
                "CurrentBrokerSoftwareInfo": {"KafkaVersion": self.kafka_version},
                "Endpoints": [broker.host],
            },
        }

    def _listed(self, given: Input) -> tuple[list[dict[str, Any]], str | None]:
        wanted = self.name.startswith(given.get("ClusterNameFilter", ""))
        return page([self._info(self.metadata())] if wanted else [], given.get("MaxResults"), given.get("NextToken"))

    def _info(self, found: ClusterMetadata) -> dict[str, Any]:
        arn = self.arn(found)
        with self.store.edit() as document:
            first_seen = {"CreationTime": time.time(), "CurrentVersion": new_version()}
            known = dict(document["clusters"].setdefault(arn, first_seen))
            tags = dict(document["tags"].get(arn, {}))
        common = {"ClusterArn": arn, "ClusterName": self.name, "State": "ACTIVE", "Tags": tags}
        return {**common, **known, "brokers": len(found.brokers)}

    def _v1(self, info: dict[str, Any]) -> dict[str, Any]:
        return {**info, **self._provisioned(info["brokers"])}

    def _v2(self, info: dict[str, Any]) -> dict[str, Any]:
        return {**info, "ClusterType": "PROVISIONED", "Provisioned": self._provisioned(info["brokers"])}

    def _provisioned(self, brokers: int) -> dict[str, Any]:
        return {
            "BrokerNodeGroupInfo": {"ClientSubnets": [SUBNET], "InstanceType": INSTANCE_TYPE},
            "ClientAuthentication": {"Unauthenticated": {"Enabled": True}},
            "CurrentBrokerSoftwareInfo": {"KafkaVersion": self.kafka_version},
            "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "PLAINTEXT", "InCluster": False}},
            "EnhancedMonitoring": "DEFAULT",
            "NumberOfBrokerNodes": brokers,
            "StorageMode": "LOCAL",
        }
