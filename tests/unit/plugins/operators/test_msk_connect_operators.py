"""Custom plugins and connectors as tasks, against botocore's own model of the service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import botocore.session
import pytest
from airflow.sdk.exceptions import TaskDeferred
from botocore.stub import ANY

from pinflow.exceptions import CannotReconcile, ConnectorFailed, NotFound, PluginFailed, Unavailable, WaitTimedOut
from pinflow.hooks.msk import Cluster
from pinflow.operators.msk_connect import (
    MskConnectCreateConnectorOperator,
    MskConnectCreateCustomPluginOperator,
    MskConnectDeleteConnectorOperator,
    MskConnectDeleteCustomPluginOperator,
    MskConnectRestartConnectorOperator,
    definition,
)
from pinflow.sensors.msk_connect import MskConnectConnectorSensor
from pinflow.triggers.msk_connect import MskConnectConnectorTrigger, MskConnectCustomPluginTrigger
from tests.unit.plugins.conftest import Script

ARN = "arn:aws:kafkaconnect:us-east-1:000000000000:connector/sink/1-1"
PLUGIN = "arn:aws:kafkaconnect:us-east-1:000000000000:custom-plugin/p/2-1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = {"connector.class": "S3", "tasks.max": "1"}
CLUSTER = Cluster("pinflow", "arn:c", "b2:9092,b1:9092", "NONE", "PLAINTEXT", ("subnet-1",), ("sg-1",))
FAST = {"waiter_delay": 0, "waiter_max_attempts": 3, "region_name": "us-east-1"}


pytestmark = pytest.mark.usefixtures("aws")


def listed(*names: str) -> dict[str, Any]:
    return {"connectors": [{"connectorName": name, "connectorArn": ARN} for name in names]}


def connector(state: str = "RUNNING", **changes: Any) -> dict[str, Any]:
    described = {
        "connectorArn": ARN,
        "connectorName": "sink",
        "connectorState": state,
        "currentVersion": "K1",
        "connectorConfiguration": CONFIG,
        "capacity": {"provisionedCapacity": {"mcuCount": 1, "workerCount": 1}},
        "kafkaCluster": {
            "apacheKafkaCluster": {"bootstrapServers": "b1:9092,b2:9092", "vpc": {"subnets": ["subnet-1"]}}
        },
        "kafkaClusterClientAuthentication": {"authenticationType": "NONE"},
        "kafkaClusterEncryptionInTransit": {"encryptionType": "PLAINTEXT"},
        "plugins": [{"customPlugin": {"customPluginArn": PLUGIN, "revision": 1}}],
        "serviceExecutionRoleArn": "arn:role",
        "kafkaConnectVersion": "3.7.x",
        "creationTime": NOW,
    }
    return described | changes


def plugin(state: str = "ACTIVE", key: str = "sink.zip", **changes: Any) -> dict[str, Any]:
    location = {"s3Location": {"bucketArn": "arn:aws:s3:::artifacts", "fileKey": key}}
    revision = {"revision": 1, "contentType": "ZIP", "location": location, "creationTime": NOW}
    described = {"customPluginArn": PLUGIN, "name": "p", "customPluginState": state, "latestRevision": revision}
    return described | changes


class Calls(Script):
    """What the operators ask of MSK Connect."""

    def connector(self, described: dict[str, Any] | None) -> Self:
        """A look at the connector by its name."""
        names = ["sink-2", "sink"] if described is not None else ["sink-2"]
        self.stubber.add_response("list_connectors", listed(*names), {"connectorNamePrefix": "sink"})
        return self if described is None else self.describe(described)

    def describe(self, described: dict[str, Any]) -> Self:
        """A look at the connector by its ARN, as waiters do it."""
        self.stubber.add_response("describe_connector", described, {"connectorArn": ARN})
        return self

    def gone(self) -> Self:
        """The connector is not there any more."""
        self.refuse("describe_connector", "NotFoundException", 404)
        return self

    def plugin(self, described: dict[str, Any] | None) -> Self:
        """A look at the plugin by its name."""
        found = [] if described is None else [{"name": "p", "customPluginArn": PLUGIN}]
        self.stubber.add_response("list_custom_plugins", {"customPlugins": found}, {"namePrefix": "p"})
        if described is not None:
            self.stubber.add_response("describe_custom_plugin", described, {"customPluginArn": PLUGIN})
        return self


def create(**arguments: Any) -> MskConnectCreateConnectorOperator:
    given: dict[str, Any] = {"configuration": CONFIG, "service_role_arn": "arn:role", **FAST, **arguments}
    operator = MskConnectCreateConnectorOperator(
        task_id="t", connector_name="sink", cluster_name="pinflow", plugin_name="p", **given
    )
    operator.__dict__["cluster"] = CLUSTER
    return operator


CREATED = {"connectorArn": ARN, "connectorName": "sink", "connectorState": "CREATING"}


class TestMskConnectCreateConnectorOperator:
    def test_template_fields(self) -> None:
        operator = create()
        assert set(operator.template_fields) >= {"connector_name", "configuration", "on_failed", "aws_conn_id"}
        for name in operator.template_fields:
            getattr(operator, name)

    def test_creates_in_the_clusters_network(self, context: Any, script: Any, waiting: Any) -> None:
        operator = create(log_group="/pinflow", **waiting)
        expected = {
            "connectorName": "sink",
            "connectorConfiguration": CONFIG,
            "capacity": {"provisionedCapacity": {"mcuCount": 1, "workerCount": 1}},
            "plugins": [{"customPlugin": {"customPluginArn": PLUGIN, "revision": 1}}],
            "serviceExecutionRoleArn": "arn:role",
            "kafkaConnectVersion": "3.7.x",
            "kafkaCluster": {
                "apacheKafkaCluster": {
                    "bootstrapServers": "b2:9092,b1:9092",
                    "vpc": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]},
                }
            },
            "kafkaClusterClientAuthentication": {"authenticationType": "NONE"},
            "kafkaClusterEncryptionInTransit": {"encryptionType": "PLAINTEXT"},
            "logDelivery": {"workerLogDelivery": {"cloudWatchLogs": {"enabled": True, "logGroup": "/pinflow"}}},
        }
        calls = script(operator).connector(None).plugin(plugin()).call("create_connector", CREATED, **expected)
        if waiting["wait_for_completion"]:
            calls.describe(connector("CREATING")).describe(connector()).connector(connector())
            assert operator.execute(context) == {"connector_arn": ARN, "state": "RUNNING", "changed": ["create"]}
        elif waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert isinstance(deferred.value.trigger, MskConnectConnectorTrigger)
            assert deferred.value.kwargs == {"done": ["create"]}
            calls.connector(connector()).connector(connector())
            result = operator.execute_complete(context, {"status": "success"}, done=["create"])
            assert result["state"] == "RUNNING"
        else:
            assert operator.execute(context) == {"connector_arn": ARN, "state": "CREATING", "changed": ["create"]}

    def test_adopts_what_is_the_same(self, context: Any, script: Any) -> None:
        operator = create()
        script(operator).connector(connector()).plugin(plugin())
        assert operator.execute(context)["changed"] == []
        assert context["ti"].xcoms["_msk_connect_connector"]["connector_arn"] == ARN

    @pytest.mark.parametrize("state", ["CREATING", "UPDATING", "DELETING"])
    def test_without_waiting_it_tells_the_state_of_one_that_is_moving(
        self, context: Any, script: Any, state: str
    ) -> None:
        operator = create(wait_for_completion=False)
        script(operator).connector(connector(state))
        assert operator.execute(context) == {"connector_arn": ARN, "state": state, "changed": []}

    def test_without_waiting_it_makes_one_change(self, context: Any, script: Any) -> None:
        operator = create(wait_for_completion=False, mcu_count=2, on_failed="restart")
        calls = script(operator).connector(connector()).plugin(plugin())
        capacity = {"provisionedCapacity": {"mcuCount": 2, "workerCount": 1}}
        calls.call("update_connector", connectorArn=ARN, currentVersion="K1", capacity=capacity)
        assert operator.execute(context) == {"connector_arn": ARN, "state": "UPDATING", "changed": ["capacity"]}
        calls.connector(connector("FAILED")).call("delete_connector", connectorArn=ARN)
        assert operator.execute(context) == {"connector_arn": ARN, "state": "DELETING", "changed": ["restart"]}

    def test_order_of_bootstrap_servers_and_the_name_key_do_not_matter(self, context: Any, script: Any) -> None:
        operator = create()
        script(operator).connector(connector(connectorConfiguration=CONFIG | {"name": "sink"})).plugin(plugin())
        assert operator.execute(context)["changed"] == []

    def test_waits_for_one_that_is_being_made(self, context: Any, script: Any) -> None:
        operator = create()
        calls = script(operator).connector(connector("CREATING")).describe(connector("CREATING"))
        calls.describe(connector()).connector(connector()).plugin(plugin())
        assert operator.execute(context)["changed"] == []

    def test_changes_configuration_then_capacity_each_with_its_own_version(self, context: Any, script: Any) -> None:
        operator = create(configuration=CONFIG | {"tasks.max": "2"}, mcu_count=2)
        old = connector()
        new_config = connector(currentVersion="K2", connectorConfiguration=CONFIG | {"tasks.max": "2"})
        capacity = {"provisionedCapacity": {"mcuCount": 2, "workerCount": 1}}
        both = new_config | {"currentVersion": "K3", "capacity": capacity}
        wanted = CONFIG | {"tasks.max": "2"}
        calls = script(operator).connector(old).plugin(plugin())
        calls.call("update_connector", connectorArn=ARN, currentVersion="K1", connectorConfiguration=wanted)
        calls.describe(connector("UPDATING")).describe(new_config).connector(new_config)
        calls.call("update_connector", connectorArn=ARN, currentVersion="K2", capacity=capacity)
        calls.describe(both).connector(both)
        assert operator.execute(context)["changed"] == ["connectorConfiguration", "capacity"]

    def test_a_change_that_is_rolled_back_is_an_error_and_not_a_loop(self, context: Any, script: Any) -> None:
        operator = create(configuration=CONFIG | {"tasks.max": "2"})
        calls = script(operator).connector(connector()).plugin(plugin())
        calls.call("update_connector", connectorArn=ARN, currentVersion="K1", connectorConfiguration=ANY)
        calls.describe(connector()).connector(connector())
        with pytest.raises(CannotReconcile, match="did not take the change of connectorConfiguration"):
            operator.execute(context)

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"serviceExecutionRoleArn": "arn:other"}, "service role is arn:other and should be arn:role"),
            ({"kafkaConnectVersion": "2.7.1"}, "Kafka Connect version is 2.7.1"),
            ({"plugins": [{"customPlugin": {"customPluginArn": PLUGIN, "revision": 9}}]}, "plugin is"),
            (
                {"kafkaCluster": {"apacheKafkaCluster": {"bootstrapServers": "x:1", "vpc": {"subnets": []}}}},
                "bootstrap servers is",
            ),
        ],
    )
    def test_what_cannot_be_changed_in_place(self, context: Any, script: Any, changes: Any, told: str) -> None:
        operator = create()
        script(operator).connector(connector(**changes)).plugin(plugin())
        with pytest.raises(CannotReconcile, match=told):
            operator.execute(context)

    def test_failed_is_told_with_code_and_trace(self, context: Any, script: Any) -> None:
        why = {"code": "TaskFailed", "message": "task 0: org.apache.kafka.connect.errors.ConnectException: 403"}
        operator = create()
        script(operator).connector(connector("FAILED", stateDescription=why))
        with pytest.raises(ConnectorFailed, match=r"TaskFailed.*ConnectException: 403.*on_failed") as caught:
            operator.execute(context)
        assert caught.value.data == {"name": "sink", "code": "TaskFailed", "reason": why["message"]}

    def test_failed_tasks_of_a_running_connector_are_told_too(self, context: Any, script: Any) -> None:
        why = {"code": "UnknownError.TaskFailed", "message": "1 of 3 tasks failed. S3Exception: 403"}
        operator = create()
        script(operator).connector(connector(stateDescription=why))
        with pytest.raises(ConnectorFailed, match=r"1 of 3 tasks failed\. S3Exception: 403"):
            operator.execute(context)

    def test_failed_is_made_anew_on_request(self, context: Any, script: Any) -> None:
        operator = create(on_failed="restart")
        calls = script(operator).connector(connector("FAILED")).call("delete_connector", connectorArn=ARN)
        calls.describe(connector("DELETING")).gone().connector(None).plugin(plugin())
        calls.call("create_connector", CREATED, connectorName="sink", **dict.fromkeys(_CREATE, ANY))
        calls.describe(connector()).connector(connector())
        assert operator.execute(context)["changed"] == ["restart", "create"]

    def test_it_is_made_anew_only_once(self, context: Any, script: Any) -> None:
        operator = create(on_failed="restart")
        calls = script(operator).connector(connector("FAILED")).call("delete_connector", connectorArn=ARN)
        calls.gone().connector(None).plugin(plugin())
        calls.call("create_connector", CREATED, connectorName="sink", **dict.fromkeys(_CREATE, ANY))
        calls.describe(connector("FAILED")).connector(connector("FAILED")).connector(connector("FAILED"))
        with pytest.raises(ConnectorFailed):
            operator.execute(context)

    @pytest.mark.parametrize("done", [["restart"], ["create"]], ids=["not deleted", "made by this task"])
    def test_it_is_not_made_anew_after(self, context: Any, script: Any, done: list[str]) -> None:
        operator = create(deferrable=True, on_failed="restart")
        script(operator).connector(connector("FAILED")).connector(connector("FAILED"))
        with pytest.raises(ConnectorFailed):
            operator.execute_complete(context, {"status": "error", "message": "x"}, done=done)

    def test_one_that_fails_while_it_is_made(self, context: Any, script: Any) -> None:
        operator = create()
        why = {"code": "Worker", "message": "no such bucket"}
        calls = script(operator).connector(None).plugin(plugin())
        calls.call("create_connector", CREATED, connectorName="sink", **dict.fromkeys(_CREATE, ANY))
        failed = connector("FAILED", stateDescription=why)
        calls.describe(failed).connector(failed).connector(failed)
        with pytest.raises(ConnectorFailed, match="no such bucket"):
            operator.execute(context)

    @pytest.mark.parametrize("found", [None, connector("CREATING")], ids=["gone", "creating"])
    def test_waits_in_vain(self, context: Any, script: Any, found: Any) -> None:
        operator = create()
        calls = script(operator).connector(connector("CREATING"))
        for _ in range(3):
            calls.describe(connector("CREATING"))
        calls.connector(found)
        with pytest.raises(WaitTimedOut, match="Max attempts exceeded"):
            operator.execute(context)

    @pytest.mark.parametrize(
        "why", [{}, {"code": "TaskFailed", "message": "why it is deleted"}], ids=["well", "failed"]
    )
    def test_waits_for_a_delete_before_it_makes_a_new_one(self, context: Any, script: Any, why: Any) -> None:
        operator = create(deferrable=True)
        script(operator).connector(connector("DELETING", stateDescription=why))
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        assert deferred.value.trigger.serialize()[1]["waiter_name"] == "connector_deleted"

    def test_execute_complete_does_not_trust_an_error_event_of_a_failed_connector(
        self, context: Any, script: Any
    ) -> None:
        operator = create(deferrable=True)
        failed = connector("FAILED", stateDescription={"code": "c", "message": "the real reason"})
        script(operator).connector(failed).connector(failed)
        with pytest.raises(ConnectorFailed, match="the real reason"):
            operator.execute_complete(context, {"status": "error", "message": "terminal failure"}, done=["create"])

    def test_execute_complete_makes_it_when_the_failed_one_is_gone_whatever_the_event_says(
        self, context: Any, script: Any
    ) -> None:
        operator = create(deferrable=True, on_failed="restart")
        calls = script(operator).connector(None).connector(None).plugin(plugin())
        calls.call("create_connector", CREATED, connectorName="sink", **dict.fromkeys(_CREATE, ANY))
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute_complete(context, {"status": "error", "message": "late"}, done=["restart"])
        assert deferred.value.kwargs == {"done": ["restart", "create"]}

    def test_execute_complete_with_an_error_event(self, context: Any, script: Any) -> None:
        operator = create(deferrable=True)
        script(operator).connector(connector("CREATING"))
        with pytest.raises(WaitTimedOut, match="max attempts reached"):
            operator.execute_complete(context, {"status": "error", "message": "Waiter error: max attempts reached"})

    @pytest.mark.parametrize("found", [None, plugin("CREATING")], ids=["absent", "creating"])
    def test_needs_an_active_plugin(self, context: Any, script: Any, found: Any) -> None:
        operator = create()
        script(operator).connector(None).plugin(found)
        with pytest.raises(NotFound, match="no active custom plugin p"):
            operator.execute(context)


_CREATE = (
    "connectorConfiguration",
    "capacity",
    "plugins",
    "serviceExecutionRoleArn",
    "kafkaConnectVersion",
    "kafkaCluster",
    "kafkaClusterClientAuthentication",
    "kafkaClusterEncryptionInTransit",
)


class TestMskConnectCreateCustomPluginOperator:
    def operator(self, **arguments: Any) -> MskConnectCreateCustomPluginOperator:
        given: dict[str, Any] = {"key": "sink.zip", **FAST, **arguments}
        return MskConnectCreateCustomPluginOperator(task_id="t", plugin_name="p", bucket="artifacts", **given)

    created: ClassVar = {"customPluginArn": PLUGIN, "customPluginState": "CREATING", "name": "p", "revision": 1}

    def expected(self, key: str = "sink.zip", kind: str = "ZIP") -> dict[str, Any]:
        location = {"s3Location": {"bucketArn": "arn:aws:s3:::artifacts", "fileKey": key}}
        return {"name": "p", "contentType": kind, "location": location}

    def test_creates(self, context: Any, script: Any, waiting: Any) -> None:
        operator = self.operator(**waiting)
        calls = script(operator).plugin(None).call("create_custom_plugin", self.created, **self.expected())
        if waiting["wait_for_completion"]:
            calls.call("describe_custom_plugin", plugin("CREATING"), customPluginArn=PLUGIN)
            calls.call("describe_custom_plugin", plugin(), customPluginArn=PLUGIN).plugin(plugin())
            assert operator.execute(context) == {"custom_plugin_arn": PLUGIN, "revision": 1, "state": "ACTIVE"}
        elif waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert isinstance(deferred.value.trigger, MskConnectCustomPluginTrigger)
            assert deferred.value.kwargs == {"done": ["create"]}
            calls.plugin(plugin()).plugin(plugin())
            assert operator.execute_complete(context, {"status": "success"}, done=["create"])["state"] == "ACTIVE"
        else:
            assert operator.execute(context) == {"custom_plugin_arn": PLUGIN, "revision": 1, "state": "CREATING"}

    @pytest.mark.parametrize("state", ["CREATING", "DELETING", "CREATE_FAILED"])
    def test_without_waiting_it_tells_the_state_of_one_that_is_moving(
        self, context: Any, script: Any, state: str
    ) -> None:
        operator = self.operator(wait_for_completion=False)
        calls = script(operator).plugin(plugin(state))
        if state == "CREATE_FAILED":
            calls.call("delete_custom_plugin", customPluginArn=PLUGIN)
        told = {"CREATE_FAILED": "DELETING"}.get(state, state)
        assert operator.execute(context) == {"custom_plugin_arn": PLUGIN, "revision": 1, "state": told}

    def test_one_that_is_being_made_is_waited_for(self, context: Any, script: Any) -> None:
        operator = self.operator()
        calls = script(operator).plugin(plugin("CREATING"))
        calls.call("describe_custom_plugin", plugin("CREATING"), customPluginArn=PLUGIN)
        calls.call("describe_custom_plugin", plugin(), customPluginArn=PLUGIN).plugin(plugin())
        assert operator.execute(context)["state"] == "ACTIVE"

    def test_a_jar(self, context: Any, script: Any) -> None:
        operator = self.operator(key="sink.jar", wait_for_completion=False)
        calls = script(operator).plugin(None)
        calls.call("create_custom_plugin", self.created, **self.expected("sink.jar", "JAR"))
        operator.execute(context)

    def test_adopts(self, context: Any, script: Any) -> None:
        operator = self.operator()
        script(operator).plugin(plugin())
        assert operator.execute(context)["revision"] == 1

    def test_another_file_cannot_be_reconciled(self, context: Any, script: Any) -> None:
        operator = self.operator()
        script(operator).plugin(plugin(key="old.zip"))
        with pytest.raises(CannotReconcile, match=r"s3://artifacts/old.zip, and s3://artifacts/sink.zip"):
            operator.execute(context)

    def test_one_that_failed_before_is_made_again(self, context: Any, script: Any) -> None:
        operator = self.operator()
        calls = script(operator).plugin(plugin("CREATE_FAILED"))
        calls.call("delete_custom_plugin", customPluginArn=PLUGIN)
        calls.refuse("describe_custom_plugin", "NotFoundException", 404)
        calls.plugin(None).call("create_custom_plugin", self.created, **self.expected())
        calls.call("describe_custom_plugin", plugin(), customPluginArn=PLUGIN).plugin(plugin())
        assert operator.execute(context)["state"] == "ACTIVE"

    @pytest.mark.parametrize(
        ("why", "told"),
        [({"code": "Bad", "message": "not a zip"}, r"not a zip \(Bad\)"), ({}, r"nothing \(no code\)")],
        ids=["told", "untold"],
    )
    def test_one_that_fails_now_is_told_with_its_reason(
        self, context: Any, script: Any, why: dict[str, str], told: str
    ) -> None:
        operator = self.operator(deferrable=True)
        failed = plugin("CREATE_FAILED", stateDescription=why)
        script(operator).plugin(failed).plugin(failed)
        with pytest.raises(PluginFailed, match=f"It says: {told}"):
            operator.execute_complete(context, {"status": "error", "message": "x"}, done=["create"])

    def test_one_that_is_being_deleted_is_waited_for_and_made_again(self, context: Any, script: Any) -> None:
        operator = self.operator()
        calls = script(operator).plugin(plugin("DELETING")).refuse("describe_custom_plugin", "NotFoundException", 404)
        calls.plugin(None).call("create_custom_plugin", self.created, **self.expected())
        calls.call("describe_custom_plugin", plugin(), customPluginArn=PLUGIN).plugin(plugin())
        assert operator.execute(context)["state"] == "ACTIVE"

    def test_one_that_fails_while_it_is_waited_for_here(self, context: Any, script: Any) -> None:
        operator = self.operator()
        failed = plugin("CREATE_FAILED", stateDescription={"code": "Bad", "message": "not a zip"})
        calls = script(operator).plugin(None).call("create_custom_plugin", self.created, **self.expected())
        calls.call("describe_custom_plugin", failed, customPluginArn=PLUGIN).plugin(failed).plugin(failed)
        with pytest.raises(PluginFailed, match="not a zip"):
            operator.execute(context)

    @pytest.mark.parametrize("found", [None, plugin("CREATING")], ids=["absent", "creating"])
    def test_one_that_is_not_made_in_time_here(self, context: Any, script: Any, found: Any) -> None:
        operator = self.operator()
        calls = script(operator).plugin(None).call("create_custom_plugin", self.created, **self.expected())
        for _ in range(3):
            calls.call("describe_custom_plugin", plugin("CREATING"), customPluginArn=PLUGIN)
        calls.plugin(found)
        with pytest.raises(WaitTimedOut, match="Max attempts exceeded"):
            operator.execute(context)

    def test_a_failed_one_that_is_not_deleted_in_time_is_not_asked_for_for_ever(
        self, context: Any, script: Any
    ) -> None:
        operator = self.operator()
        failed = plugin("CREATE_FAILED")
        calls = script(operator).plugin(failed).call("delete_custom_plugin", customPluginArn=PLUGIN)
        for _ in range(3):
            calls.call("describe_custom_plugin", plugin("DELETING"), customPluginArn=PLUGIN)
        calls.plugin(failed)
        with pytest.raises(WaitTimedOut, match="Max attempts exceeded"):
            operator.execute(context)

    @pytest.mark.parametrize("found", [None, plugin("CREATING")], ids=["absent", "creating"])
    def test_a_wait_that_ended_in_vain(self, context: Any, script: Any, found: Any) -> None:
        operator = self.operator(deferrable=True)
        script(operator).plugin(found)
        with pytest.raises(WaitTimedOut, match="too many looks"):
            operator.execute_complete(context, {"status": "error", "message": "too many looks"}, done=["create"])


class TestDeletes:
    def test_connector(self, context: Any, script: Any, waiting: Any) -> None:
        operator = MskConnectDeleteConnectorOperator(task_id="t", connector_name="sink", **FAST, **waiting)
        calls = script(operator).connector(connector()).call("delete_connector", connectorArn=ARN)
        if waiting["wait_for_completion"]:
            calls.describe(connector("DELETING")).gone()
            assert operator.execute(context) is True
        elif waiting["deferrable"]:
            with pytest.raises(TaskDeferred):
                operator.execute(context)
            calls.connector(None)
            assert operator.execute_complete(context, {"status": "success"}) is True
        else:
            assert operator.execute(context) is True

    def test_no_connector(self, context: Any, script: Any) -> None:
        operator = MskConnectDeleteConnectorOperator(task_id="t", connector_name="sink", **FAST)
        script(operator).connector(None)
        assert operator.execute(context) is False

    def test_a_delete_under_way_is_not_asked_for_again(self, context: Any, script: Any) -> None:
        operator = MskConnectDeleteConnectorOperator(task_id="t", connector_name="sink", **FAST)
        script(operator).connector(connector("DELETING")).gone()
        assert operator.execute(context) is True

    def test_a_connector_that_stays(self, context: Any, script: Any) -> None:
        operator = MskConnectDeleteConnectorOperator(task_id="t", connector_name="sink", deferrable=True, **FAST)
        script(operator).connector(connector("FAILED"))
        with pytest.raises(WaitTimedOut):
            operator.execute_complete(context, {"status": "error", "message": "terminal failure"})

    def test_plugin(self, context: Any, script: Any, waiting: Any) -> None:
        operator = MskConnectDeleteCustomPluginOperator(task_id="t", plugin_name="p", **FAST, **waiting)
        calls = script(operator).plugin(plugin()).call("delete_custom_plugin", customPluginArn=PLUGIN)
        if waiting["wait_for_completion"]:
            calls.refuse("describe_custom_plugin", "NotFoundException", 404)
        if waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert isinstance(deferred.value.trigger, MskConnectCustomPluginTrigger)
            calls.plugin(None)
            assert operator.execute_complete(context, {"status": "success"}) is True
        else:
            assert operator.execute(context) is True

    def test_a_plugin_that_is_being_deleted(self, context: Any, script: Any) -> None:
        operator = MskConnectDeleteCustomPluginOperator(task_id="t", plugin_name="p", **FAST)
        calls = script(operator).plugin(plugin("DELETING"))
        calls.refuse("describe_custom_plugin", "NotFoundException", 404)
        assert operator.execute(context) is True

    def test_a_plugin_that_stays(self, context: Any, script: Any) -> None:
        operator = MskConnectDeleteCustomPluginOperator(task_id="t", plugin_name="p", deferrable=True, **FAST)
        script(operator).plugin(plugin("DELETING"))
        with pytest.raises(WaitTimedOut, match="held by a connector"):
            operator.execute_complete(context, {"status": "error", "message": "held by a connector"})

    def test_gone_between_the_list_and_the_look(self, context: Any, script: Any) -> None:
        connectors = MskConnectDeleteConnectorOperator(task_id="t", connector_name="sink", **FAST)
        script(connectors).call("list_connectors", listed("sink"), connectorNamePrefix="sink").gone()
        assert connectors.execute(context) is False
        plugins = MskConnectDeleteCustomPluginOperator(task_id="t", plugin_name="p", **FAST)
        found = {"customPlugins": [{"name": "p", "customPluginArn": PLUGIN}]}
        calls = script(plugins).call("list_custom_plugins", found, namePrefix="p")
        calls.refuse("describe_custom_plugin", "NotFoundException", 404)
        assert plugins.execute(context) is False

    def test_no_plugin(self, context: Any, script: Any) -> None:
        operator = MskConnectDeleteCustomPluginOperator(task_id="t", plugin_name="p", **FAST)
        script(operator).plugin(None)
        assert operator.execute(context) is False


class TestMskConnectRestartConnectorOperator:
    def operator(self, **arguments: Any) -> MskConnectRestartConnectorOperator:
        return MskConnectRestartConnectorOperator(task_id="t", connector_name="sink", **FAST, **arguments)

    same: ClassVar = {"connectorName": "sink", **dict.fromkeys(_CREATE, ANY), "connectorConfiguration": CONFIG}

    def test_makes_it_anew_from_its_own_definition(self, context: Any, script: Any) -> None:
        operator = self.operator()
        calls = script(operator).connector(connector("FAILED")).call("delete_connector", connectorArn=ARN).gone()
        calls.call("list_connectors", listed(), connectorNamePrefix="sink")
        calls.call("create_connector", CREATED, **self.same).describe(connector()).connector(connector())
        assert operator.execute(context) == {"connector_arn": ARN, "state": "RUNNING"}
        assert context["task_state_store"] == {}

    def test_all_that_it_was_made_with_and_that_the_service_tells_comes_back(self) -> None:
        model = botocore.session.get_session().get_service_model("kafkaconnect")
        told = set(model.operation_model("DescribeConnector").output_shape.members)
        taken = set(model.operation_model("CreateConnector").input_shape.members)
        assert definition(dict.fromkeys(told, "x")) == dict.fromkeys(taken & told, "x")
        assert definition({**connector(), "workerConfiguration": {}}) == definition(connector())

    def test_the_definition_is_stored_before_the_delete(self, context: Any, script: Any) -> None:
        operator = self.operator()
        calls = script(operator).connector(connector())
        calls.refuse("delete_connector", "ServiceUnavailableException", 503)
        with pytest.raises(Unavailable, match="delete_connector for the connector sink"):
            operator.execute(context)
        assert context["task_state_store"]["connector_definition"]["connectorConfiguration"] == CONFIG

    def test_a_retry_after_the_delete_makes_it_from_the_store(self, context: Any, script: Any) -> None:
        stored = {name: value for name, value in connector().items() if name in self.same}
        context["task_state_store"].set("connector_definition", stored)
        operator = self.operator()
        calls = script(operator).connector(None).call("list_connectors", listed(), connectorNamePrefix="sink")
        calls.call("create_connector", CREATED, **self.same).describe(connector()).connector(connector())
        assert operator.execute(context)["state"] == "RUNNING"

    @pytest.mark.parametrize("state", ["RUNNING", "DELETING"])
    def test_a_retry_after_a_crash_before_the_delete_deletes_it(self, context: Any, script: Any, state: str) -> None:
        first = self.operator()
        calls = script(first).connector(connector())
        calls.refuse("delete_connector", "ServiceUnavailableException", 503)
        with pytest.raises(Unavailable, match="delete_connector for the connector sink"):
            first.execute(context)
        again = self.operator()
        calls = script(again).connector(connector(state))
        if state == "RUNNING":
            calls.call("delete_connector", connectorArn=ARN)
        calls.gone().call("list_connectors", listed(), connectorNamePrefix="sink")
        calls.call("create_connector", CREATED, **self.same).describe(connector()).connector(connector())
        assert again.execute(context)["state"] == "RUNNING"
        assert context["task_state_store"] == {}

    def test_what_was_stored_comes_back_and_not_what_a_connector_tells_that_is_being_deleted(
        self, context: Any, script: Any
    ) -> None:
        stored = {name: value for name, value in connector().items() if name in self.same}
        context["task_state_store"].set("connector_definition", stored)
        context["task_state_store"].set("connector_arn", ARN)
        operator = self.operator()
        calls = script(operator).connector(connector("DELETING", connectorConfiguration={})).gone()
        calls.call("list_connectors", listed(), connectorNamePrefix="sink")
        calls.call("create_connector", CREATED, **self.same).describe(connector()).connector(connector())
        assert operator.execute(context)["state"] == "RUNNING"

    def test_a_retry_after_the_create_does_not_delete_the_new_one(self, context: Any, script: Any) -> None:
        stored = {name: value for name, value in connector().items() if name in self.same}
        context["task_state_store"].set("connector_definition", stored)
        context["task_state_store"].set("connector_arn", ARN.replace("/1-1", "/0-1"))
        operator = self.operator()
        calls = script(operator).connector(connector("CREATING"))
        calls.call("list_connectors", listed("sink"), connectorNamePrefix="sink")
        calls.describe(connector()).connector(connector())
        assert operator.execute(context)["state"] == "RUNNING"

    def test_without_waiting_or_a_state_store(self, context: Any, script: Any) -> None:
        del context["task_state_store"]
        operator = self.operator()
        calls = script(operator).connector(connector()).call("delete_connector", connectorArn=ARN).gone()
        operator.wait_for_completion = False  # the delete is waited for nevertheless
        calls.call("list_connectors", listed(), connectorNamePrefix="sink")
        calls.call("create_connector", CREATED, **self.same).connector(connector("CREATING"))
        assert operator.execute(context)["state"] == "CREATING"

    def test_one_that_is_gone_at_the_end_is_no_success(self, context: Any, script: Any) -> None:
        context["task_state_store"].set("connector_definition", {"connectorName": "sink"})
        operator = self.operator(deferrable=True)
        script(operator).connector(None).connector(None)
        with pytest.raises(NotFound, match=r"no connector sink.*though this task has made it.*stored definition"):
            operator.execute_complete(context, {"status": "success"})
        assert "connector_definition" in context["task_state_store"]

    @pytest.mark.parametrize(
        ("state", "kind"), [("FAILED", ConnectorFailed), ("CREATING", WaitTimedOut), ("gone", WaitTimedOut)]
    )
    def test_one_that_does_not_come_back(self, context: Any, script: Any, state: str, kind: type[Exception]) -> None:
        operator = self.operator()
        calls = script(operator).connector(connector()).call("delete_connector", connectorArn=ARN).gone()
        calls.call("list_connectors", listed(), connectorNamePrefix="sink")
        calls.call("create_connector", CREATED, **self.same)
        for _ in range(1 if state == "FAILED" else 3):
            calls.describe(connector("CREATING" if state == "gone" else state))
        calls.connector(None if state == "gone" else connector(state))
        with pytest.raises(kind):
            operator.execute(context)

    def test_a_delete_that_does_not_end(self, context: Any, script: Any) -> None:
        operator = self.operator(deferrable=True)
        script(operator).connector(connector("DELETING"))
        with pytest.raises(WaitTimedOut, match="late"):
            operator.execute_complete(context, {"status": "error", "message": "late"}, stored={"a": 1})

    @pytest.mark.parametrize("found", [None, connector("CREATING")], ids=["gone", "creating"])
    def test_one_that_is_not_back_in_time(self, context: Any, script: Any, found: Any) -> None:
        context["task_state_store"].set("connector_definition", {"connectorName": "sink"})
        operator = self.operator(deferrable=True)
        script(operator).connector(found)
        with pytest.raises(WaitTimedOut, match="late"):
            operator.execute_complete(context, {"status": "error", "message": "late"})
        assert "connector_definition" in context["task_state_store"], "the next try goes on with it"

    def test_nothing_to_restart(self, context: Any, script: Any) -> None:
        operator = self.operator()
        script(operator).connector(None)
        with pytest.raises(NotFound, match="pinflow_provision"):
            operator.execute(context)

    def test_deferred(self, context: Any, script: Any) -> None:
        operator = self.operator(deferrable=True)
        calls = script(operator).connector(connector()).call("delete_connector", connectorArn=ARN)
        with pytest.raises(TaskDeferred) as first:
            operator.execute(context)
        calls.connector(None).call("list_connectors", listed(), connectorNamePrefix="sink")
        calls.call("create_connector", CREATED, **self.same)
        with pytest.raises(TaskDeferred) as second:
            operator.execute_complete(context, {"status": "success"}, **first.value.kwargs)
        assert second.value.trigger.serialize()[1]["waiter_name"] == "connector_running"
        calls.connector(connector()).connector(connector())
        assert (
            operator.execute_complete(context, {"status": "success"}, **second.value.kwargs or {})["state"] == "RUNNING"
        )

    def test_failed_again(self, context: Any, script: Any) -> None:
        operator = self.operator(deferrable=True)
        script(operator).connector(connector("FAILED"))
        with pytest.raises(ConnectorFailed):
            operator.execute_complete(context, {"status": "error", "message": "x"})

    @pytest.mark.parametrize("deferrable", [False, True], ids=["wait", "defer"])
    def test_the_try_after_one_that_failed_again_makes_it_anew_once_more(
        self, context: Any, script: Any, deferrable: bool
    ) -> None:
        operator = self.operator(deferrable=deferrable)
        stored = {"connectorName": "sink"}
        context["task_state_store"].update(connector_definition=stored, connector_arn=f"{ARN}-old")
        calls = script(operator).connector(connector("FAILED"))
        if deferrable:
            with pytest.raises(ConnectorFailed):
                operator.execute_complete(context, {"status": "error", "message": "x"})
        else:
            calls.call("list_connectors", listed("sink"), connectorNamePrefix="sink")
            calls.describe(connector("FAILED")).connector(connector("FAILED"))
            with pytest.raises(ConnectorFailed):
                operator.execute(context)
        again = self.operator(deferrable=True)
        script(again).connector(connector("FAILED")).call("delete_connector", connectorArn=ARN)
        with pytest.raises(TaskDeferred) as deferred:
            again.execute(context)
        assert deferred.value.trigger.serialize()[1]["waiter_name"] == "connector_deleted"


class TestMskConnectConnectorSensor:
    def sensor(self, **arguments: Any) -> MskConnectConnectorSensor:
        return MskConnectConnectorSensor(task_id="t", connector_name="sink", region_name="us-east-1", **arguments)

    @pytest.mark.parametrize(("state", "done"), [("RUNNING", True), ("CREATING", False), ("UPDATING", False)])
    def test_states(self, context: Any, script: Any, state: str, done: bool) -> None:
        sensor = self.sensor()
        script(sensor).connector(connector(state))
        assert sensor.poke(context) is done

    def test_failed(self, context: Any, script: Any) -> None:
        sensor = self.sensor()
        script(sensor).connector(connector("FAILED", stateDescription={"message": "why"}))
        with pytest.raises(ConnectorFailed, match="why"):
            sensor.poke(context)

    def test_defers(self, context: Any, script: Any) -> None:
        sensor = self.sensor(deferrable=True, poke_interval=2, timeout=60)
        calls = script(sensor).connector(connector("CREATING"))
        calls.call("list_connectors", listed("sink"), connectorNamePrefix="sink")
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["waiter_delay"], arguments["waiter_max_attempts"]) == (2, 30)

    def test_deferred_without_connector(self, context: Any, script: Any) -> None:
        sensor = self.sensor(deferrable=True)
        script(sensor).connector(None).call("list_connectors", listed(), connectorNamePrefix="sink")
        with pytest.raises(NotFound):
            sensor.execute(context)

    def test_late(self, context: Any, script: Any) -> None:
        sensor = self.sensor(deferrable=True)
        script(sensor).connector(connector("CREATING"))
        with pytest.raises(WaitTimedOut):
            sensor.execute_complete(context, {"status": "error", "message": "x"})
