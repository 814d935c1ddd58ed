"""v2 metadata: brokers, topics, partitions, offsets."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.rest_proxy.conftest import V2_JSON

pytestmark = pytest.mark.integration
NO_TOPIC = {"error_code": 40401, "message": "Topic not found."}
NO_PARTITION = {"error_code": 40402, "message": "Partition not found."}


class TestReads:
    def test_root(self, proxy: httpx.Client) -> None:
        assert proxy.get("/").json() == {}

    def test_brokers(self, proxy: httpx.Client) -> None:
        response = proxy.get("/brokers")
        assert response.json() == {"brokers": [1]}
        assert response.headers["content-type"] == "application/vnd.kafka.v2+json"

    def test_topics(self, proxy: httpx.Client, topic: str) -> None:
        names = proxy.get("/topics").json()
        assert topic in names
        assert "__consumer_offsets" not in names

    def test_a_slash_at_the_end_changes_nothing(self, proxy: httpx.Client, topic: str) -> None:
        assert proxy.get("/topics/").json() == proxy.get("/topics").json()

    def test_topic(self, proxy: httpx.Client, topic: str) -> None:
        found = proxy.get(f"/topics/{topic}").json()
        assert found["name"] == topic
        assert found["configs"]["cleanup.policy"] == "delete"
        assert found["partitions"] == [
            {"partition": number, "leader": 1, "replicas": [{"broker": 1, "leader": True, "in_sync": True}]}
            for number in range(3)
        ]

    def test_partitions(self, proxy: httpx.Client, topic: str) -> None:
        found = proxy.get(f"/topics/{topic}/partitions").json()
        assert [entry["partition"] for entry in found] == [0, 1, 2]
        assert proxy.get(f"/topics/{topic}/partitions/2").json() == found[2]

    def test_offsets(self, proxy: httpx.Client, topic: str) -> None:
        proxy.post(f"/topics/{topic}/partitions/1", json={"records": [{"value": 1}] * 4}, headers=V2_JSON)
        assert proxy.get(f"/topics/{topic}/partitions/1/offsets").json() == {"beginning_offset": 0, "end_offset": 4}
        assert proxy.get(f"/topics/{topic}/partitions/0/offsets").json() == {"beginning_offset": 0, "end_offset": 0}


class TestErrors:
    @pytest.mark.parametrize("path", ["", "/partitions", "/partitions/0", "/partitions/0/offsets"])
    def test_unknown_topic(self, proxy: httpx.Client, path: str) -> None:
        response = proxy.get(f"/topics/no.such{path}")
        assert (response.status_code, response.json()) == (404, NO_TOPIC)

    @pytest.mark.parametrize("path", ["/partitions/9", "/partitions/9/offsets"])
    def test_unknown_partition(self, proxy: httpx.Client, topic: str, path: str) -> None:
        response = proxy.get(f"/topics/{topic}{path}")
        assert (response.status_code, response.json()) == (404, NO_PARTITION)

    @pytest.mark.parametrize("path", ["/nothing", "/topics/a/b", "/v3/nothing"])
    def test_unknown_path(self, proxy: httpx.Client, path: str) -> None:
        response = proxy.get(path)
        assert (response.status_code, response.json()) == (404, {"error_code": 404, "message": "HTTP 404 Not Found"})

    def test_method(self, proxy: httpx.Client) -> None:
        response = proxy.put("/topics")
        assert (response.status_code, response.json()["error_code"]) == (405, 405)

    def test_accept(self, proxy: httpx.Client) -> None:
        response = proxy.get("/topics", headers={"Accept": "text/html"})
        assert (response.status_code, response.json()) == (
            406,
            {"error_code": 406, "message": "HTTP 406 Not Acceptable"},
        )

    @pytest.mark.parametrize("accept", ["*/*", "application/*", "application/json", "text/html, */*;q=0.1"])
    def test_accepts_that_fit(self, proxy: httpx.Client, accept: str) -> None:
        assert proxy.get("/topics", headers={"Accept": accept}).status_code == 200

    def test_content_type_of_the_root(self, proxy: httpx.Client) -> None:
        assert proxy.post("/", headers={"Content-Type": "text/plain"}, content="x").status_code == 415
        assert proxy.post("/", headers={"Content-Type": "application/vnd.kafka.v2+json"}).json() == {}


def test_health(proxy: httpx.Client, v3: str) -> None:
    found = proxy.get("/_health").json()
    assert (found["status"], found["brokers"]) == ("ok", [1])
    assert v3.endswith(found["cluster_id"])
