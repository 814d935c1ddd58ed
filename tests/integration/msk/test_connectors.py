"""boto3's kafkaconnect client against the real worker."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from confluent_kafka import Producer

from tests.conftest import Platform
from tests.integration.msk.conftest import connector_request, sink_configuration, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def topic(kafka: Any, cluster_arn: str) -> str:
    kafka.create_topic(ClusterArn=cluster_arn, TopicName="msk.sink", PartitionCount=2, ReplicationFactor=1)
    return "msk.sink"


@pytest.fixture(scope="module")
def request_for(kafka: Any, cluster_arn: str, bucket: str, plugin: str, topic: str) -> Any:
    servers = kafka.get_bootstrap_brokers(ClusterArn=cluster_arn)["BootstrapBrokerString"]

    def make(name: str, **changes: str) -> dict[str, Any]:
        return connector_request(name, plugin, servers, {**sink_configuration(bucket, topic), **changes})

    return make


def state_after(connect: Any, arn: str, *passing: str) -> dict[str, Any]:
    """The description once the state is none of ``passing``."""

    def found() -> Any:
        now = connect.describe_connector(connectorArn=arn)
        return now["connectorState"] not in passing and now

    return dict(wait_until(found))


def post(platform: Platform, path: str, body: dict[str, Any]) -> Any:
    """An operation that this boto3 does not know yet."""
    request = urllib.request.Request(platform.url("msk") + path, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def produce(platform: Platform, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": f"127.0.0.1:{platform.port('kafka')}"})
    producer.produce(topic, value)
    assert producer.flush(10) == 0


def remove(connect: Any, arn: str) -> None:
    connect.delete_connector(connectorArn=arn)

    def gone() -> bool:
        try:
            connect.describe_connector(connectorArn=arn)
        except connect.exceptions.NotFoundException:
            return True
        return False

    wait_until(gone)


def worker(platform: Platform, path: str) -> Any:
    with urllib.request.urlopen(platform.url("connect") + path, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def arn(connect: Any, request_for: Any) -> Iterator[str]:
    """A connector; its tests follow its life and need their order."""
    made = connect.create_connector(**request_for("life"), connectorDescription="lands", tags={"stage": "test"})
    assert made["connectorState"] == "CREATING"
    yield made["connectorArn"]
    remove(connect, made["connectorArn"])


class TestLife:
    """One connector from its making to its end."""

    def test_runs_on_the_real_worker(self, connect: Any, platform: Platform, arn: str, topic: str) -> None:
        found = state_after(connect, arn, "CREATING")
        assert found["connectorState"] == "RUNNING", found.get("stateDescription")
        assert worker(platform, "/connectors/life/status")["connector"]["state"] == "RUNNING"
        assert worker(platform, "/connectors/life")["config"]["topics"] == topic

    def test_describes_back_what_was_given(self, connect: Any, request_for: Any, arn: str) -> None:
        found, wanted = connect.describe_connector(connectorArn=arn), request_for("life")
        for name in set(wanted) | {"connectorDescription"}:
            assert found[name] == wanted.get(name, "lands"), name
        assert "stateDescription" not in found

    def test_is_listed_by_prefix(self, connect: Any, arn: str) -> None:
        assert [row["connectorArn"] for row in connect.list_connectors(connectorNamePrefix="li")["connectors"]] == [arn]
        assert connect.list_connectors(connectorNamePrefix="x")["connectors"] == []

    def test_a_second_one_of_the_name_is_a_conflict(self, connect: Any, request_for: Any, arn: str) -> None:
        with pytest.raises(connect.exceptions.ConflictException, match="life already exists"):
            connect.create_connector(**request_for("life"))

    def test_tags(self, connect: Any, arn: str) -> None:
        connect.tag_resource(resourceArn=arn, tags={"owner": "me"})
        connect.untag_resource(resourceArn=arn, tagKeys=["stage"])
        assert connect.list_tags_for_resource(resourceArn=arn)["tags"] == {"owner": "me"}

    def test_update_needs_the_current_version(self, connect: Any, arn: str) -> None:
        capacity = {"provisionedCapacity": {"mcuCount": 2, "workerCount": 1}}
        with pytest.raises(connect.exceptions.BadRequestException, match="current version"):
            connect.update_connector(connectorArn=arn, currentVersion="K1", capacity=capacity)

    def test_update_of_the_configuration_reaches_the_worker(self, connect: Any, platform: Platform, arn: str) -> None:
        before = connect.describe_connector(connectorArn=arn)
        wanted = {**before["connectorConfiguration"], "flush.size": "77"}
        made = connect.update_connector(
            connectorArn=arn, currentVersion=before["currentVersion"], connectorConfiguration=wanted
        )
        assert made["connectorState"] == "UPDATING"
        after = state_after(connect, arn, "UPDATING")
        assert after["connectorState"] == "RUNNING"
        assert after["currentVersion"] != before["currentVersion"]
        assert worker(platform, "/connectors/life")["config"]["flush.size"] == "77"
        operation = connect.describe_connector_operation(connectorOperationArn=made["connectorOperationArn"])
        assert operation["connectorOperationState"] == "UPDATE_COMPLETE"
        assert operation["originConnectorConfiguration"]["flush.size"] == "5000"
        assert operation["endTime"] >= operation["creationTime"]

    def test_an_update_that_the_worker_refuses_changes_nothing(
        self, connect: Any, platform: Platform, arn: str
    ) -> None:
        before = connect.describe_connector(connectorArn=arn)
        wanted = {**before["connectorConfiguration"], "tasks.max": "no number"}
        made = connect.update_connector(
            connectorArn=arn, currentVersion=before["currentVersion"], connectorConfiguration=wanted
        )
        state_after(connect, arn, "UPDATING")
        operation = connect.describe_connector_operation(connectorOperationArn=made["connectorOperationArn"])
        assert operation["connectorOperationState"] == "UPDATE_FAILED"
        assert "tasks.max" in operation["errorInfo"]["message"]
        after = connect.describe_connector(connectorArn=arn)
        assert after["connectorConfiguration"] == before["connectorConfiguration"]
        assert (
            worker(platform, "/connectors/life")["config"]["tasks.max"] == before["connectorConfiguration"]["tasks.max"]
        )

    def test_update_of_the_capacity(self, connect: Any, arn: str) -> None:
        before = state_after(connect, arn, "UPDATING")
        capacity = {"provisionedCapacity": {"mcuCount": 2, "workerCount": 1}}
        connect.update_connector(connectorArn=arn, currentVersion=before["currentVersion"], capacity=capacity)
        assert state_after(connect, arn, "UPDATING")["capacity"] == capacity
        kinds = [row["connectorOperationType"] for row in operations(connect, arn)]
        assert kinds == ["UPDATE_WORKER_SETTING", "UPDATE_CONNECTOR_CONFIGURATION", "UPDATE_CONNECTOR_CONFIGURATION"]

    def test_it_is_remembered_after_a_kill(self, connect: Any, platform: Platform, arn: str) -> None:
        before = connect.describe_connector(connectorArn=arn)
        os.kill(platform.leader("msk"), signal.SIGKILL)
        platform.up("msk")
        assert connect.describe_connector(connectorArn=arn)["currentVersion"] == before["currentVersion"]


def operations(connect: Any, arn: str) -> list[dict[str, Any]]:
    return list(connect.list_connector_operations(connectorArn=arn)["connectorOperations"])


class TestFailures:
    def test_a_class_that_the_worker_lacks_fails_the_connector(self, connect: Any, request_for: Any) -> None:
        arn = connect.create_connector(**request_for("lacks", **{"connector.class": "org.example.None"}))[
            "connectorArn"
        ]
        found = state_after(connect, arn, "CREATING")
        remove(connect, arn)
        assert found["connectorState"] == "FAILED"
        assert found["stateDescription"]["code"] == "InvalidInput.InvalidConnectorConfiguration"
        assert "org.example.None" in found["stateDescription"]["message"]

    def test_a_task_that_fails_later_shows_its_trace_and_can_be_restarted(
        self, connect: Any, aws: Any, platform: Platform, request_for: Any, topic: str
    ) -> None:
        made = connect.create_connector(**request_for("nobucket", **{"s3.bucket.name": "made-later"}))
        arn = made["connectorArn"]
        assert state_after(connect, arn, "CREATING")["connectorState"] == "RUNNING"
        produce(platform, topic, b'{"a": 1}')
        failed = wait_until(lambda: "stateDescription" in (now := connect.describe_connector(connectorArn=arn)) and now)
        aws("s3").create_bucket(Bucket="made-later")
        restarted = post(platform, f"/v1/connectors/{quote(arn, safe='')}/restart", {"onlyFailedTasks": True})
        after = state_after(connect, arn, "RESTARTING")
        landed = wait_until(lambda: aws("s3").list_objects_v2(Bucket="made-later").get("Contents"))
        done = connect.describe_connector_operation(connectorOperationArn=restarted["connectorOperationArn"])
        remove(connect, arn)
        assert failed["connectorState"] == "RUNNING"
        assert failed["stateDescription"]["code"] == "UnknownError.TaskFailed"
        assert "made-later" in failed["stateDescription"]["message"]
        assert (after["connectorState"], after.get("stateDescription")) == ("RUNNING", None)
        assert len(landed) == 1
        assert done["connectorOperationState"] == "UPDATE_COMPLETE"

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"plugins": [{"customPlugin": {"customPluginArn": "arn:none", "revision": 1}}]}, "NotFoundException"),
            ({"capacity": {}}, "BadRequestException"),
            ({"connectorConfiguration": {"tasks.max": "1"}}, "BadRequestException"),
            ({"connectorName": "n" * 129}, "BadRequestException"),
            ({"kafkaClusterEncryptionInTransit": {"encryptionType": "ROT13"}}, "BadRequestException"),
        ],
    )
    def test_wrong_input_starts_nothing(
        self, connect: Any, platform: Platform, request_for: Any, changes: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(ClientError) as caught:
            connect.create_connector(**{**request_for("wrong"), **changes})
        assert caught.value.response["Error"]["Code"] == reason
        assert "wrong" not in worker(platform, "/connectors")

    def test_an_unknown_connector(self, connect: Any) -> None:
        arn = "arn:aws:kafkaconnect:us-east-1:000000000000:connector/none/00000000-0000-0000-0000-000000000000-1"
        with pytest.raises(connect.exceptions.NotFoundException):
            connect.describe_connector(connectorArn=arn)
        with pytest.raises(connect.exceptions.NotFoundException):
            connect.delete_connector(connectorArn=arn)
