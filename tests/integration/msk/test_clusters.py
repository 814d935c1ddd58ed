"""boto3's kafka client against the real broker."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest

from tests.conftest import Platform

pytestmark = pytest.mark.integration


class TestClusters:
    def test_there_is_one_and_it_is_active(self, kafka: Any, cluster_arn: str) -> None:
        (listed,) = kafka.list_clusters()["ClusterInfoList"]
        described = kafka.describe_cluster(ClusterArn=cluster_arn)["ClusterInfo"]
        assert (listed["ClusterArn"], listed["State"]) == (cluster_arn, "ACTIVE")
        assert described["NumberOfBrokerNodes"] == 1
        assert described["CreationTime"] == listed["CreationTime"]

    def test_arn(self, cluster_arn: str) -> None:
        prefix, _, end = cluster_arn.rpartition("/")
        assert prefix == "arn:aws:kafka:us-east-1:000000000000:cluster/pinflow"
        assert end.endswith("-1")

    def test_v2(self, kafka: Any, cluster_arn: str) -> None:
        found = kafka.describe_cluster_v2(ClusterArn=cluster_arn)["ClusterInfo"]
        assert found["ClusterType"] == "PROVISIONED"
        assert found["Provisioned"]["CurrentBrokerSoftwareInfo"]["KafkaVersion"] == "4.3.1"

    def test_a_filter_that_fits_nothing(self, kafka: Any) -> None:
        assert kafka.list_clusters(ClusterNameFilter="other")["ClusterInfoList"] == []

    def test_bootstrap_brokers_are_the_real_ones(self, kafka: Any, platform: Platform, cluster_arn: str) -> None:
        found = kafka.get_bootstrap_brokers(ClusterArn=cluster_arn)
        assert found["BootstrapBrokerString"] == f"127.0.0.1:{platform.port('kafka')}"

    def test_nodes(self, kafka: Any, cluster_arn: str) -> None:
        (node,) = kafka.list_nodes(ClusterArn=cluster_arn)["NodeInfoList"]
        assert node["BrokerNodeInfo"]["BrokerId"] == 1.0

    def test_tags(self, kafka: Any, cluster_arn: str) -> None:
        kafka.tag_resource(ResourceArn=cluster_arn, Tags={"a": "1", "b": "2"})
        kafka.untag_resource(ResourceArn=cluster_arn, TagKeys=["a"])
        assert kafka.list_tags_for_resource(ResourceArn=cluster_arn)["Tags"] == {"b": "2"}

    def test_another_arn_is_not_found(self, kafka: Any, cluster_arn: str) -> None:
        with pytest.raises(kafka.exceptions.NotFoundException):
            kafka.describe_cluster(ClusterArn=cluster_arn.replace("pinflow", "other"))

    def test_what_is_not_served_says_so(self, kafka: Any) -> None:
        with pytest.raises(kafka.exceptions.ClientError) as caught:
            kafka.list_configurations()
        assert caught.value.response["Error"]["Code"] == "NotImplementedException"


class TestTopics:
    def test_life(self, kafka: Any, cluster_arn: str) -> None:
        configs = b64encode(b"retention.ms=60000\ncleanup.policy=compact\n").decode()
        at = {"ClusterArn": cluster_arn, "TopicName": "msk.topic"}
        made = kafka.create_topic(**at, PartitionCount=2, ReplicationFactor=1, Configs=configs)
        assert made["TopicArn"] == cluster_arn.replace(":cluster/", ":topic/") + "/msk.topic"
        found = kafka.describe_topic(**at)
        assert (found["Status"], found["PartitionCount"], found["ReplicationFactor"]) == ("ACTIVE", 2, 1)
        assert b64decode(found["Configs"]).decode().splitlines() == ["cleanup.policy=compact", "retention.ms=60000"]
        kafka.update_topic(**at, PartitionCount=3, Configs=b64encode(b'{"retention.ms": 70000}').decode())
        numbers = [row["Partition"] for row in kafka.describe_topic_partitions(**at)["Partitions"]]
        assert numbers == [0, 1, 2]
        assert b"retention.ms=70000" in b64decode(kafka.describe_topic(**at)["Configs"])
        kafka.delete_topic(**at)
        with pytest.raises(kafka.exceptions.UnknownTopicOrPartitionException):
            kafka.describe_topic(**at)

    def test_pages(self, kafka: Any, cluster_arn: str) -> None:
        for number in range(3):
            name = f"msk.page.{number}"
            kafka.create_topic(ClusterArn=cluster_arn, TopicName=name, PartitionCount=1, ReplicationFactor=1)
        pages = kafka.get_paginator("list_topics").paginate(
            ClusterArn=cluster_arn, TopicNameFilter="msk.page.", PaginationConfig={"PageSize": 2}
        )
        names = [[row["TopicName"] for row in page["Topics"]] for page in pages]
        assert names == [["msk.page.0", "msk.page.1"], ["msk.page.2"]]

    def test_a_second_one_of_the_name(self, kafka: Any, cluster_arn: str) -> None:
        wanted = {"ClusterArn": cluster_arn, "TopicName": "msk.twice", "PartitionCount": 1, "ReplicationFactor": 1}
        kafka.create_topic(**wanted)
        with pytest.raises(kafka.exceptions.TopicExistsException):
            kafka.create_topic(**wanted)

    def test_more_replicas_than_brokers(self, kafka: Any, cluster_arn: str) -> None:
        with pytest.raises(kafka.exceptions.KafkaRequestException, match="replication factor"):
            kafka.create_topic(ClusterArn=cluster_arn, TopicName="msk.rf", PartitionCount=1, ReplicationFactor=3)

    def test_configs_that_are_not_base64(self, kafka: Any, cluster_arn: str) -> None:
        with pytest.raises(kafka.exceptions.BadRequestException, match="Base64"):
            kafka.create_topic(
                ClusterArn=cluster_arn, TopicName="msk.b", PartitionCount=1, ReplicationFactor=1, Configs="{"
            )
