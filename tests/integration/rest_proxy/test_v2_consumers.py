"""v2 consumers: create, subscribe, read, commit, seek, delete."""

from __future__ import annotations

import uuid
from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.integration.rest_proxy.conftest import JSON, V2, V2_BINARY, V2_JSON, wait_until

pytestmark = pytest.mark.integration
READ_JSON = {"Accept": "application/vnd.kafka.json.v2+json"}


class Instance:
    """A consumer instance, as a client in the field uses it."""

    def __init__(self, proxy: httpx.Client, group: str | None = None, **settings: Any) -> None:
        self.proxy, self.group = proxy, group or f"g.{uuid.uuid4().hex[:8]}"
        document = {"format": "json", "auto.offset.reset": "earliest", **settings}
        made = proxy.post(f"/consumers/{self.group}", json=document, headers=V2)
        assert made.status_code == 200, made.text
        self.name, self.uri = made.json()["instance_id"], made.json()["base_uri"]

    def post(self, path: str, document: Any) -> httpx.Response:
        return self.proxy.post(f"{self.uri}/{path}", json=document, headers=V2)

    def subscribe(self, *topics: str) -> Instance:
        assert self.post("subscription", {"topics": topics}).status_code == 204
        return self

    def records(self, **query: Any) -> list[dict[str, Any]]:
        response = self.proxy.get(f"{self.uri}/records", params=query)
        assert response.status_code == 200, response.text
        return list(response.json())

    def all(self, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found.extend(self.records())
            return len(found) >= count

        wait_until(enough)
        return found

    def delete(self) -> None:
        assert self.proxy.delete(self.uri, headers=V2).status_code == 204


def fill(proxy: httpx.Client, topic: str, count: int, partition: int = 0) -> None:
    body = {"records": [{"key": number, "value": {"n": number}} for number in range(count)]}
    assert proxy.post(f"/topics/{topic}/partitions/{partition}", json=body, headers=V2_JSON).status_code == 200


class TestLife:
    def test_create_subscribe_read_delete(self, proxy: httpx.Client, topic: str) -> None:
        fill(proxy, topic, 2)
        instance = Instance(proxy, name="mine")
        assert instance.name == "mine"
        assert instance.uri == f"{str(proxy.base_url).rstrip('/')}/consumers/{instance.group}/instances/mine"
        found = instance.subscribe(topic).all(2)
        assert found == [
            {"topic": topic, "key": number, "value": {"n": number}, "partition": 0, "offset": number}
            for number in range(2)
        ]
        instance.delete()
        response = proxy.get(f"{instance.uri}/records")
        assert (response.status_code, response.json()) == (
            404,
            {"error_code": 40403, "message": "Consumer instance not found."},
        )

    def test_nothing_to_read_is_an_empty_list(self, proxy: httpx.Client, topic: str) -> None:
        instance = Instance(proxy).subscribe(topic)
        assert instance.records(timeout=300) == []
        instance.delete()

    def test_an_empty_body_means_defaults(self, proxy: httpx.Client) -> None:
        made = proxy.post("/consumers/defaults", headers=V2)
        assert made.status_code == 200
        assert made.json()["instance_id"].startswith("rest-consumer-")
        proxy.delete(made.json()["base_uri"])

    def test_binary(self, proxy: httpx.Client, topic: str) -> None:
        value = b64encode(b"\xff\x00").decode()
        proxy.post(f"/topics/{topic}", json={"records": [{"value": value}]}, headers=V2_BINARY)
        instance = Instance(proxy, format="binary").subscribe(topic)
        (found,) = instance.all(1)
        assert (found["key"], found["value"]) == (None, value)
        instance.delete()

    def test_a_pattern_of_topics(self, proxy: httpx.Client, topic: str) -> None:
        fill(proxy, topic, 1)
        instance = Instance(proxy)
        assert instance.post("subscription", {"topic_pattern": topic.replace(".", "[.]")}).status_code == 204
        assert [found["topic"] for found in instance.all(1)] == [topic]
        instance.delete()

    def test_subscription_is_shown_and_ended(self, proxy: httpx.Client, topic: str) -> None:
        instance = Instance(proxy).subscribe(topic)
        assert proxy.get(f"{instance.uri}/subscription").json() == {"topics": [topic]}
        assert proxy.delete(f"{instance.uri}/subscription").status_code == 204
        assert proxy.get(f"{instance.uri}/subscription").json() == {"topics": []}
        instance.delete()


class TestReading:
    def test_max_bytes_bounds_an_answer_and_loses_nothing(self, proxy: httpx.Client, topic: str) -> None:
        fill(proxy, topic, 50)
        instance = Instance(proxy).subscribe(topic)
        sizes: list[int] = []
        found: list[dict[str, Any]] = []
        while len(found) < 50:
            batch = instance.records(max_bytes=100)
            sizes.append(sum(len(f'{each["key"]}{{"n":{each["key"]}}}') for each in batch))
            found.extend(batch)
            assert len(sizes) < 200
        assert [each["offset"] for each in found] == list(range(50))
        assert max(sizes) <= 100
        instance.delete()

    def test_the_first_record_comes_even_when_larger_than_max_bytes(self, proxy: httpx.Client, topic: str) -> None:
        fill(proxy, topic, 2)
        instance = Instance(proxy).subscribe(topic)
        assert len(wait_until(lambda: instance.records(max_bytes=1))) == 1
        instance.delete()

    def test_another_format_is_406(self, proxy: httpx.Client, topic: str) -> None:
        instance = Instance(proxy).subscribe(topic)
        response = proxy.get(f"{instance.uri}/records", headers={"Accept": "application/vnd.kafka.binary.v2+json"})
        assert (response.status_code, response.json()["error_code"]) == (406, 40601)
        assert proxy.get(f"{instance.uri}/records", headers=READ_JSON, params={"timeout": 1}).status_code == 200
        instance.delete()

    def test_what_is_not_json_is_408_and_can_be_passed(self, proxy: httpx.Client, topic: str) -> None:
        bad = {"records": [{"value": b64encode(b"{").decode()}]}
        proxy.post(f"/topics/{topic}/partitions/0", json=bad, headers=V2_BINARY)
        fill(proxy, topic, 1)
        instance = Instance(proxy).subscribe(topic)
        response = wait_until(lambda: (got := proxy.get(f"{instance.uri}/records")).text != "[]" and got)
        assert (response.status_code, response.json()["error_code"]) == (408, 40801)
        place = {"topic": topic, "partition": 0}
        assert instance.post("positions", {"offsets": [{**place, "offset": 1}]}).status_code == 204
        assert [found["offset"] for found in instance.all(1)] == [1]
        instance.delete()

    def test_two_instances_of_a_group_share_the_partitions(self, proxy: httpx.Client, topic: str) -> None:
        one = Instance(proxy).subscribe(topic)
        two = Instance(proxy, group=one.group).subscribe(topic)

        def owned(instance: Instance) -> set[int]:
            found = proxy.get(f"{instance.uri}/assignments").json()["partitions"]
            instance.records(timeout=100)
            return {place["partition"] for place in found}

        def shared() -> tuple[set[int], set[int]] | None:
            parts = owned(one), owned(two)
            return parts if all(parts) and sum(map(len, parts)) == 3 else None

        mine, theirs = wait_until(shared)
        assert mine | theirs == {0, 1, 2}
        one.delete()
        two.delete()

    def test_several_groups_each_see_everything(self, proxy: httpx.Client, topic: str) -> None:
        fill(proxy, topic, 3)
        for _ in range(2):
            instance = Instance(proxy).subscribe(topic)
            assert len(instance.all(3)) == 3
            instance.delete()


class TestPositions:
    @pytest.fixture
    def instance(self, proxy: httpx.Client, topic: str) -> Any:
        """Partition 0 of the topic with offsets 0 to 4, by hand."""
        fill(proxy, topic, 5)
        made = Instance(proxy)
        assert made.post("assignments", {"partitions": [{"topic": topic, "partition": 0}]}).status_code == 204
        yield made
        made.delete()

    def test_assignments(self, proxy: httpx.Client, topic: str, instance: Instance) -> None:
        assert proxy.get(f"{instance.uri}/assignments").json() == {"partitions": [{"topic": topic, "partition": 0}]}

    def test_seek_to_an_offset_the_beginning_and_the_end(self, topic: str, instance: Instance) -> None:
        place = {"topic": topic, "partition": 0}
        assert [found["offset"] for found in instance.all(5)] == [0, 1, 2, 3, 4]
        instance.post("positions", {"offsets": [{**place, "offset": 3}]})
        assert [found["offset"] for found in instance.all(2)] == [3, 4]
        instance.post("positions/beginning", {"partitions": [place]})
        assert [found["offset"] for found in instance.all(5)] == [0, 1, 2, 3, 4]
        instance.post("positions/end", {"partitions": [place]})
        assert instance.records(timeout=500) == []

    def test_seek_to_a_time(self, proxy: httpx.Client, v3: str, topic: str, instance: Instance) -> None:
        late = {"partition_id": 1, "value": {"type": "JSON", "data": 1}}
        for day in (1, 2, 3):
            record = {**late, "timestamp": f"2022-03-0{day}T00:00:00Z"}
            proxy.post(f"{v3}/topics/{topic}/records", json=record, headers=JSON)
        place = {"topic": topic, "partition": 1}
        instance.post("assignments", {"partitions": [place]})
        response = instance.post("positions", {"timestamps": [{**place, "timestamp": "2022-03-02T00:00:00Z"}]})
        assert response.status_code == 204
        assert [found["offset"] for found in instance.all(2)] == [1, 2]

    def test_seek_in_a_partition_of_another_is_409(self, topic: str, instance: Instance) -> None:
        response = instance.post("positions", {"offsets": [{"topic": topic, "partition": 2, "offset": 0}]})
        assert (response.status_code, response.json()["error_code"]) == (409, 40903)

    def test_commit_what_was_read(self, proxy: httpx.Client, topic: str, instance: Instance) -> None:
        asked = {"partitions": [{"topic": topic, "partition": 0}]}
        instance.all(5)
        assert proxy.post(f"{instance.uri}/offsets", headers=V2).status_code == 200
        found = proxy.request("GET", f"{instance.uri}/offsets", json=asked, headers=V2).json()
        assert found == {"offsets": [{"topic": topic, "partition": 0, "offset": 5, "metadata": ""}]}

    def test_commit_of_given_offsets_says_the_last_record_read(
        self, proxy: httpx.Client, topic: str, instance: Instance
    ) -> None:
        place = {"topic": topic, "partition": 0}
        assert instance.post("offsets", {"offsets": [{**place, "offset": 1}]}).status_code == 200
        found = proxy.request("GET", f"{instance.uri}/offsets", json={"partitions": [place]}, headers=V2).json()
        assert found["offsets"][0]["offset"] == 2

    def test_subscribing_as_well_is_409(self, topic: str, instance: Instance) -> None:
        response = instance.post("subscription", {"topics": [topic]})
        assert (response.status_code, response.json()["error_code"]) == (409, 40903)


class TestRefused:
    @pytest.mark.parametrize(
        "settings",
        [{"auto.offset.reset": "middle"}, {"format": "xml"}, {"consumer.request.timeout.ms": "soon"}],
    )
    def test_bad_settings_are_42204(self, proxy: httpx.Client, settings: dict[str, str]) -> None:
        response = proxy.post("/consumers/bad", json=settings, headers=V2)
        assert (response.status_code, response.json()["error_code"]) == (422, 42204)

    def test_schema_formats(self, proxy: httpx.Client) -> None:
        response = proxy.post("/consumers/bad", json={"format": "avro"}, headers=V2)
        assert (response.status_code, response.json()["error_code"]) == (422, 42206)

    def test_a_name_is_used_once(self, proxy: httpx.Client) -> None:
        instance = Instance(proxy, name="twice")
        response = proxy.post(f"/consumers/{instance.group}", json={"name": "twice"}, headers=V2)
        assert (response.status_code, response.json()["error_code"]) == (409, 40902)
        instance.delete()

    def test_topics_and_pattern_together(self, proxy: httpx.Client) -> None:
        instance = Instance(proxy)
        response = instance.post("subscription", {"topics": ["a"], "topic_pattern": "b"})
        assert (response.status_code, response.json()["error_code"]) == (409, 40903)
        instance.delete()

    @pytest.mark.parametrize("path", ["records", "subscription", "assignments"])
    def test_unknown_instance(self, proxy: httpx.Client, path: str) -> None:
        response = proxy.get(f"/consumers/none/instances/none/{path}")
        assert (response.status_code, response.json()["error_code"]) == (404, 40403)
