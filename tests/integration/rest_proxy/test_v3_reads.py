"""v3: cluster, brokers, partitions, offsets, groups and lags."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.conftest import Platform
from tests.integration.rest_proxy.conftest import UNKNOWN_TOPIC, V2_JSON, wait_until

pytestmark = pytest.mark.integration


def fill(proxy: httpx.Client, topic: str, partition: int, count: int) -> None:
    proxy.post(f"/topics/{topic}/partitions/{partition}", json={"records": [{"value": 1}] * count}, headers=V2_JSON)


class TestCluster:
    def test_exactly_one(self, proxy: httpx.Client, v3: str) -> None:
        listed = proxy.get("/v3/clusters").json()
        assert listed["kind"] == "KafkaClusterList"
        assert listed["metadata"] == {"self": f"{str(proxy.base_url).rstrip('/')}/v3/clusters", "next": None}
        assert listed["data"] == [proxy.get(v3).json()]
        assert listed["data"][0]["topics"] == {"related": f"{str(proxy.base_url).rstrip('/')}{v3}/topics"}

    def test_links_follow_the_host_that_was_asked(self, proxy: httpx.Client) -> None:
        found = proxy.get("/v3/clusters", headers={"Host": "kafka.example:8082"}).json()
        assert found["metadata"]["self"] == "http://kafka.example:8082/v3/clusters"

    def test_another_id(self, proxy: httpx.Client) -> None:
        response = proxy.get("/v3/clusters/none")
        assert response.json() == {"error_code": 404, "message": "Cluster none cannot be found."}
        assert response.headers["content-type"] == "application/json"

    def test_brokers(self, proxy: httpx.Client, platform: Platform, v3: str) -> None:
        (broker,) = proxy.get(f"{v3}/brokers").json()["data"]
        assert (broker["broker_id"], broker["host"], broker["port"]) == (1, "127.0.0.1", platform.port("kafka"))
        assert proxy.get(f"{v3}/brokers/1").json() == broker
        assert proxy.get(f"{v3}/brokers/9").status_code == 404


class TestPartitions:
    def test_list_and_one(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        listed = proxy.get(f"{v3}/topics/{topic}/partitions").json()["data"]
        assert [entry["partition_id"] for entry in listed] == [0, 1, 2]
        assert proxy.get(f"{v3}/topics/{topic}/partitions/1").json() == listed[1]
        assert listed[1]["leader"]["related"].endswith(f"/topics/{topic}/partitions/1/replicas/1")

    def test_replicas(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        (replica,) = proxy.get(f"{v3}/topics/{topic}/partitions/0/replicas").json()["data"]
        assert (replica["broker_id"], replica["is_leader"], replica["is_in_sync"]) == (1, True, True)
        assert proxy.get(f"{v3}/topics/{topic}/partitions/0/replicas/1").json() == replica

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({}, {"earliest_offset": 0, "latest_offset": 3}),
            ({"offset_type": "earliest_and_latest"}, {"earliest_offset": 0, "latest_offset": 3}),
            ({"offset_type": "earliest"}, {"earliest_offset": 0}),
            ({"offset_type": "latest"}, {"latest_offset": 3}),
        ],
    )
    def test_offsets(
        self, proxy: httpx.Client, v3: str, topic: str, query: dict[str, str], found: dict[str, int]
    ) -> None:
        fill(proxy, topic, 1, 3)
        body = proxy.get(f"{v3}/topics/{topic}/partitions/1/offset", params=query).json()
        assert body["kind"] == "KafkaPartitionWithOffsets"
        assert {name: value for name, value in body.items() if name.endswith("_offset")} == found

    def test_unknown_offset_type(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        response = proxy.get(f"{v3}/topics/{topic}/partitions/1/offset", params={"offset_type": "middle"})
        assert (response.status_code, response.json()["error_code"]) == (400, 400)

    @pytest.mark.parametrize("path", ["partitions/9", "partitions/9/offset", "partitions/9/replicas"])
    def test_unknown_partition(self, proxy: httpx.Client, v3: str, topic: str, path: str) -> None:
        response = proxy.get(f"{v3}/topics/{topic}/{path}")
        assert (response.status_code, response.json()) == (404, UNKNOWN_TOPIC)


class TestGroups:
    @pytest.fixture
    def group(self, proxy: httpx.Client, platform: Platform, topic: str) -> Iterator[str]:
        """A group with one member that has read 1 of 4 records of partition 0 and 2 of 3 of partition 1."""
        fill(proxy, topic, 0, 4)
        fill(proxy, topic, 1, 3)
        name = f"g.{uuid.uuid4().hex[:8]}"
        settings = {"bootstrap.servers": f"127.0.0.1:{platform.port('kafka')}", "group.id": name, "client.id": "me"}
        consumer = Consumer({**settings, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        wait_until(lambda: consumer.poll(0.1) and consumer.assignment())
        wanted = [TopicPartition(topic, 0, 1), TopicPartition(topic, 1, 2)]
        consumer.commit(offsets=wanted, asynchronous=False)
        yield name
        consumer.close()

    def test_group(self, proxy: httpx.Client, v3: str, group: str) -> None:
        found = proxy.get(f"{v3}/consumer-groups/{group}").json()
        assert (found["kind"], found["state"], found["is_simple"]) == ("KafkaConsumerGroup", "STABLE", False)
        assert found["coordinator"]["related"].endswith("/brokers/1")
        assert found in proxy.get(f"{v3}/consumer-groups").json()["data"]

    def test_members(self, proxy: httpx.Client, v3: str, group: str) -> None:
        (member,) = proxy.get(f"{v3}/consumer-groups/{group}/consumers").json()["data"]
        assert (member["client_id"], member["consumer_id"][:3]) == ("me", "me-")

    def test_lags(self, proxy: httpx.Client, v3: str, group: str, topic: str) -> None:
        found = proxy.get(f"{v3}/consumer-groups/{group}/lags").json()["data"]
        facts = [(row["partition_id"], row["current_offset"], row["log_end_offset"], row["lag"]) for row in found]
        assert facts == [(0, 1, 4, 3), (1, 2, 3, 1)]
        assert {row["client_id"] for row in found} == {"me"}
        assert proxy.get(f"{v3}/consumer-groups/{group}/lags/{topic}/partitions/1").json() == found[1]

    def test_lag_summary(self, proxy: httpx.Client, v3: str, group: str, topic: str) -> None:
        found = proxy.get(f"{v3}/consumer-groups/{group}/lag-summary").json()
        assert (found["max_lag"], found["total_lag"]) == (3, 4)
        assert (found["max_lag_topic_name"], found["max_lag_partition_id"]) == (topic, 0)

    @pytest.mark.parametrize("path", ["", "/consumers", "/lags", "/lag-summary", "/lags/t/partitions/0"])
    def test_unknown_group(self, proxy: httpx.Client, v3: str, path: str) -> None:
        response = proxy.get(f"{v3}/consumer-groups/no.such{path}")
        assert (response.status_code, response.json()["error_code"]) == (404, 404), response.text
