"""v3: topics and their configurations."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from tests.integration.rest_proxy.conftest import JSON, UNKNOWN_TOPIC, V2_JSON

pytestmark = pytest.mark.integration


@pytest.fixture
def name() -> str:
    """A name that no topic has."""
    return f"n.{uuid.uuid4().hex[:8]}"


def create(proxy: httpx.Client, v3: str, **wanted: Any) -> httpx.Response:
    return proxy.post(f"{v3}/topics", json=wanted)


class TestCreate:
    def test_resource(self, proxy: httpx.Client, v3: str, name: str) -> None:
        response = create(proxy, v3, topic_name=name, partitions_count=2, replication_factor=1)
        here, cluster = f"{str(proxy.base_url).rstrip('/')}{v3}/topics/{name}", v3.rpartition("/")[2]
        assert response.status_code == 201
        assert response.json() == {
            "kind": "KafkaTopic",
            "metadata": {"self": here, "resource_name": f"crn:///kafka={cluster}/topic={name}"},
            "cluster_id": cluster,
            "topic_name": name,
            "is_internal": False,
            "replication_factor": 1,
            "partitions_count": 2,
            "partitions": {"related": f"{here}/partitions"},
            "configs": {"related": f"{here}/configs"},
            "partition_reassignments": {"related": f"{here}/partitions/-/reassignment"},
            "authorized_operations": [],
        }
        assert proxy.get(f"{v3}/topics/{name}").json() == response.json()
        assert response.json() in proxy.get(f"{v3}/topics").json()["data"]

    def test_defaults_are_the_brokers(self, proxy: httpx.Client, v3: str, name: str) -> None:
        made = create(proxy, v3, topic_name=name).json()
        assert made["partitions_count"] >= 1
        assert made["replication_factor"] == 1

    def test_assignments_by_hand(self, proxy: httpx.Client, v3: str, name: str) -> None:
        made = create(proxy, v3, topic_name=name, replicas_assignments={"0": [1], "1": [1]}).json()
        assert (made["partitions_count"], made["replication_factor"]) == (2, 1)

    def test_configs(self, proxy: httpx.Client, v3: str, name: str) -> None:
        create(proxy, v3, topic_name=name, configs=[{"name": "cleanup.policy", "value": "compact"}])
        found = proxy.get(f"{v3}/topics/{name}/configs/cleanup.policy").json()
        assert (found["value"], found["is_default"], found["source"]) == ("compact", False, "DYNAMIC_TOPIC_CONFIG")

    def test_only_checked(self, proxy: httpx.Client, v3: str, name: str) -> None:
        response = create(proxy, v3, topic_name=name, partitions_count=2, validate_only=True)
        assert (response.status_code, response.json()["partitions_count"]) == (200, 2)
        assert proxy.get(f"{v3}/topics/{name}").status_code == 404

    @pytest.mark.parametrize("only_check", [False, True])
    def test_existing(self, proxy: httpx.Client, v3: str, topic: str, only_check: bool) -> None:
        response = create(proxy, v3, topic_name=topic, validate_only=only_check)
        wanted = {"error_code": 40002, "message": f"Topic '{topic}' already exists."}
        assert (response.status_code, response.json()) == (400, wanted)

    @pytest.mark.parametrize(
        "wanted",
        [
            {"topic_name": "n.rf", "replication_factor": 2},
            {"topic_name": "bad name"},
            {"topic_name": "n.zero", "partitions_count": 0},
            {"topic_name": "n.conf", "configs": [{"name": "no.such", "value": "1"}]},
            {"topic_name": "n.broker", "replicas_assignments": {"0": [9]}},
        ],
    )
    def test_what_the_broker_refuses_is_40002(self, proxy: httpx.Client, v3: str, wanted: dict[str, Any]) -> None:
        response = create(proxy, v3, **wanted)
        assert (response.status_code, response.json()["error_code"]) == (400, 40002), response.text

    @pytest.mark.parametrize(
        ("body", "status"),
        [("", 422), ("{", 400), ("{}", 400), ("[]", 400), ('{"topic_name":1}', 400), ('{"topic_name":"a","x":1}', 400)],
    )
    def test_wrong_bodies(self, proxy: httpx.Client, v3: str, body: str, status: int) -> None:
        response = proxy.post(f"{v3}/topics", content=body, headers=JSON)
        assert (response.status_code, response.json()["error_code"]) == (status, status)

    def test_wrong_content_type(self, proxy: httpx.Client, v3: str) -> None:
        assert proxy.post(f"{v3}/topics", content="{}", headers={"Content-Type": "text/plain"}).status_code == 415


class TestPartitions:
    def test_more(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        response = proxy.patch(f"{v3}/topics/{topic}", json={"partitions_count": 5})
        assert (response.status_code, response.json()["partitions_count"]) == (200, 5)
        produced = proxy.post(f"/topics/{topic}/partitions/4", json={"records": [{"value": 1}]}, headers=V2_JSON)
        assert produced.json()["offsets"][0]["error_code"] is None

    @pytest.mark.parametrize("count", [3, 2])
    def test_not_more(self, proxy: httpx.Client, v3: str, topic: str, count: int) -> None:
        response = proxy.patch(f"{v3}/topics/{topic}", json={"partitions_count": count})
        wanted = {"error_code": 40002, "message": "Topic already has 3 partitions."}
        assert (response.status_code, response.json()) == (400, wanted)


class TestDelete:
    @pytest.mark.parametrize("headers", [{}, JSON])
    def test_delete(self, proxy: httpx.Client, v3: str, topic: str, headers: dict[str, str]) -> None:
        response = proxy.delete(f"{v3}/topics/{topic}", headers=headers)
        assert (response.status_code, response.content) == (204, b"")
        assert proxy.get(f"{v3}/topics/{topic}").status_code == 404
        assert topic not in proxy.get("/topics").json()

    def test_create_delete_create_with_records(self, proxy: httpx.Client, v3: str, name: str) -> None:
        for count in (1, 2, 1):
            assert create(proxy, v3, topic_name=name, partitions_count=count).status_code == 201
            records = {"records": [{"value": 1, "partition": number} for number in range(count)]}
            entries = proxy.post(f"/topics/{name}", json=records, headers=V2_JSON).json()["offsets"]
            assert [(entry["error_code"], entry["offset"]) for entry in entries] == [(None, 0)] * count
            assert proxy.delete(f"{v3}/topics/{name}").status_code == 204
            again = proxy.post(f"/topics/{name}", json=records, headers=V2_JSON).json()["offsets"]
            assert [entry["error_code"] for entry in again] == [50003] * count


class TestConfigs:
    def test_list(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        found = proxy.get(f"{v3}/topics/{topic}/configs").json()
        names = [entry["name"] for entry in found["data"]]
        assert (found["kind"], found["metadata"]["next"]) == ("KafkaTopicConfigList", None)
        assert names == sorted(names)
        assert {"retention.ms", "max.message.bytes"} <= set(names)

    def test_of_all_topics(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        found = proxy.get(f"{v3}/topics/-/configs").json()["data"]
        assert topic in {entry["topic_name"] for entry in found}

    def test_set_and_reset(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        path = f"{v3}/topics/{topic}/configs/retention.ms"
        before = proxy.get(path).json()
        assert proxy.put(path, json={"value": "12345"}).status_code == 204
        assert (proxy.get(path).json()["value"], proxy.get(path).json()["is_default"]) == ("12345", False)
        assert proxy.delete(path).status_code == 204
        assert proxy.get(path).json() == before

    def test_several_at_once(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        path = f"{v3}/topics/{topic}/configs"
        before = proxy.get(f"{path}/retention.ms").json()
        proxy.put(f"{path}/retention.ms", json={"value": "12345"})
        changes = [{"name": "retention.ms", "operation": "DELETE"}, {"name": "cleanup.policy", "value": "compact"}]
        assert proxy.post(f"{path}:alter", json={"data": changes}).status_code == 204
        assert proxy.get(f"{path}/retention.ms").json() == before
        assert proxy.get(f"{path}/cleanup.policy").json()["value"] == "compact"

    def test_only_checked(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        path = f"{v3}/topics/{topic}/configs"
        wanted = {"data": [{"name": "cleanup.policy", "value": "compact"}], "validate_only": True}
        assert proxy.post(f"{path}:alter", json=wanted).status_code == 204
        assert proxy.get(f"{path}/cleanup.policy").json()["value"] == "delete"

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"name": "retention.ms", "value": "many"}, 400, 40002),
            ({"name": "no.such", "value": "1"}, 404, 404),
            ({"name": "retention.ms", "value": "1", "operation": "APPEND"}, 400, 400),
            ({"name": "retention.ms"}, 400, 400),
        ],
    )
    def test_a_wrong_one_changes_nothing(
        self, proxy: httpx.Client, v3: str, topic: str, change: dict[str, str], status: int, code: int
    ) -> None:
        path = f"{v3}/topics/{topic}/configs"
        changes = [{"name": "cleanup.policy", "value": "compact"}, change]
        response = proxy.post(f"{path}:alter", json={"data": changes})
        assert (response.status_code, response.json()["error_code"]) == (status, code), response.text
        assert proxy.get(f"{path}/cleanup.policy").json()["value"] == "delete"

    def test_unknown_config(self, proxy: httpx.Client, v3: str, topic: str) -> None:
        assert proxy.get(f"{v3}/topics/{topic}/configs/no.such").status_code == 404


BODIES: dict[str, dict[str, Any]] = {"PATCH": {"partitions_count": 2}, "PUT": {"value": "1"}, "POST": {"data": []}}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("PATCH", ""),
        ("GET", "/configs"),
        ("PUT", "/configs/retention.ms"),
        ("POST", "/configs:alter"),
        ("GET", "/partitions"),
    ],
)
class TestUnknown:
    def test_topic(self, proxy: httpx.Client, v3: str, method: str, path: str) -> None:
        response = proxy.request(method, f"{v3}/topics/no.such{path}", json=BODIES.get(method))
        assert (response.status_code, response.json()) == (404, UNKNOWN_TOPIC)

    def test_cluster(self, proxy: httpx.Client, topic: str, method: str, path: str) -> None:
        response = proxy.request(method, f"/v3/clusters/none/topics/{topic}{path}", json=BODIES.get(method))
        wanted = {"error_code": 404, "message": "Cluster none cannot be found."}
        assert (response.status_code, response.json()) == (404, wanted)
