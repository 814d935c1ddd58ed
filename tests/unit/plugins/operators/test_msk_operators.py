"""Topics by MSK's own API, against botocore's model of it; MSK shows a change later than it makes it."""

from __future__ import annotations

import base64
import json
from typing import Any, Self

import botocore.session
import pytest
from airflow.sdk.exceptions import TaskDeferred
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

from pinflow.exceptions import CannotReconcile, NotFound, OutcomeUnknown, Rejected, Unavailable, WaitTimedOut
from pinflow.hooks.msk import WAITERS, MskHook, read_configs, write_configs
from pinflow.operators.msk import MskCreateTopicOperator, MskDeleteTopicOperator, MskDescribeTopicOperator
from pinflow.sensors.msk import MskTopicSensor
from pinflow.triggers.msk import MskTopicTrigger
from tests.unit.plugins.conftest import Script

CLUSTER = "arn:aws:kafka:us-east-1:000000000000:cluster/pinflow/1-1"
ARN = "arn:aws:kafka:us-east-1:000000000000:topic/pinflow/1-1/pinflow.pin"
NAME = {"ClusterArn": CLUSTER, "TopicName": "pinflow.pin"}
FAST: dict[str, Any] = {"waiter_delay": 0, "waiter_max_attempts": 3, "region_name": "us-east-1"}
WEEK = {"retention.ms": "604800000"}


pytestmark = pytest.mark.usefixtures("aws")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Calls(Script):
    """What the operators ask of MSK."""

    def cluster(self, state: str = "ACTIVE") -> Self:
        """The search for the cluster."""
        found = {"ClusterInfoList": [{"ClusterName": "pinflow", "ClusterArn": CLUSTER, "State": state}]}
        return self.call("list_clusters_v2", found, ClusterNameFilter="pinflow")

    def look(self, state: str = "ACTIVE", partitions: int = 2, configs: str = "", copies: int = 3) -> Self:
        """A look at the topic."""
        counts = {"PartitionCount": partitions, "ReplicationFactor": copies, "Configs": encoded(configs)}
        return self.call(
            "describe_topic", {"TopicArn": ARN, "TopicName": "pinflow.pin", "Status": state, **counts}, **NAME
        )

    def absent(self, code: str = "NotFoundException") -> Self:
        """A look that finds none."""
        return self.refuse("describe_topic", code, 404)

    def create(self, **more: Any) -> Self:
        """The call that makes it."""
        answer = {"TopicArn": ARN, "TopicName": "pinflow.pin", "Status": "CREATING"}
        return self.call("create_topic", answer, **NAME, PartitionCount=2, ReplicationFactor=3, **more)

    def update(self, **change: Any) -> Self:
        """A change."""
        return self.call(
            "update_topic", {"TopicArn": ARN, "TopicName": "pinflow.pin", "Status": "UPDATING"}, **NAME, **change
        )


def create(**arguments: Any) -> MskCreateTopicOperator:
    given = {"partitions": "2", "replication_factor": 3, **FAST, **arguments}
    return MskCreateTopicOperator(task_id="t", cluster_name="pinflow", topic="pinflow.pin", **given)


def delete(**arguments: Any) -> MskDeleteTopicOperator:
    return MskDeleteTopicOperator(task_id="t", cluster_name="pinflow", topic="pinflow.pin", **{**FAST, **arguments})


def describe() -> MskDescribeTopicOperator:
    return MskDescribeTopicOperator(task_id="t", cluster_name="pinflow", topic="pinflow.pin", region_name="us-east-1")


class TestMskCreateTopicOperator:
    def test_template_fields(self) -> None:
        expected = {"cluster_name", "topic", "partitions", "replication_factor", "configs", "aws_conn_id"}
        operator = create()
        assert set(operator.template_fields) >= expected
        for name in operator.template_fields:
            getattr(operator, name)

    def test_creates_once_although_it_is_shown_late(self, context: Any, script: Any, waiting: Any) -> None:
        operator = create(configs=WEEK, **waiting)
        calls = script(operator).cluster().absent().create(Configs=encoded("retention.ms=604800000"))
        if waiting["wait_for_completion"]:
            calls.absent().look("CREATING").look()  # the waiter's
            calls.look()
            result = operator.execute(context)
        elif waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert isinstance(deferred.value.trigger, MskTopicTrigger)
            assert deferred.value.trigger.serialize()[1]["waiter_name"] == "topic_active"
            resumed = create(configs=WEEK, **waiting)
            script(resumed).cluster().look().look()
            given = json.loads(json.dumps(deferred.value.kwargs))
            result = resumed.execute_complete(context, {"status": "success"}, **given)
        else:
            result = operator.execute(context)
        assert result == {"topic": "pinflow.pin", "cluster_arn": CLUSTER, "created": True, "changed": {}}
        assert context["ti"].xcoms["_msk_cluster"]["cluster_arn"] == CLUSTER

    def test_a_second_run_changes_nothing(self, context: Any, script: Any) -> None:
        operator = create(configs=WEEK)
        script(operator).cluster().look(configs="# by hand\nretention.ms=604800000\ncleanup.policy=delete\n")
        result = operator.execute(context)
        assert (result["created"], result["changed"]) == (False, {})

    def test_one_made_by_a_try_that_was_cut_short_is_adopted(self, context: Any, script: Any) -> None:
        operator = create(configs=WEEK)
        calls = script(operator).cluster().absent().refuse("create_topic", "TopicExistsException", 409)
        calls.absent().look(configs="retention.ms=604800000")
        calls.look(configs="retention.ms=604800000")
        assert operator.execute(context)["created"] is False

    def test_answers_that_are_older_than_the_last_one(self, context: Any, script: Any) -> None:
        """It was shown as active, then not there, then as the one that was deleted before: none is a reason to act."""
        operator = create()
        calls = script(operator).cluster().absent().create().look()
        calls.absent().look().look("DELETING").look().look()
        assert operator.execute(context)["created"] is True

    def test_one_that_exists_is_not_made_when_an_older_answer_comes(self, context: Any, script: Any) -> None:
        operator = create()
        calls = script(operator).cluster().absent().refuse("create_topic", "TopicExistsException", 409).look()
        calls.absent().look().look()
        assert operator.execute(context)["created"] is False

    def test_one_that_somebody_else_changes_is_waited_for(self, context: Any, script: Any) -> None:
        operator = create()
        script(operator).cluster().look("UPDATING").look("UPDATING").look().look()
        assert operator.execute(context)["changed"] == {}

    def test_a_change_is_told_after_a_deferral_too(self, context: Any, script: Any) -> None:
        operator = create(partitions=4, deferrable=True)
        script(operator).cluster().look().update(PartitionCount=4)
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        resumed = create(partitions=4, deferrable=True)
        script(resumed).cluster().look().look()
        given = json.loads(json.dumps(deferred.value.kwargs))
        assert resumed.execute_complete(context, {"status": "success"}, **given)["changed"] == {"partitions": [2, 4]}

    def test_configs_that_are_not_shown_yet_are_not_set_again(self, context: Any, script: Any) -> None:
        operator = create(configs=WEEK)
        script(operator).cluster().look().update(Configs=encoded("retention.ms=604800000")).look().look()
        assert operator.execute(context)["changed"] == {"retention.ms": [None, "604800000"]}

    def test_partitions_then_configs_and_other_configs_stay(self, context: Any, script: Any) -> None:
        operator = create(partitions=4, configs=WEEK)
        old = "cleanup.policy=compact\nretention.ms=1000"
        calls = (
            script(operator).cluster().look(configs=old).update(PartitionCount=4).look("UPDATING").look(partitions=4)
        )
        calls.look(partitions=4, configs=old)
        calls.update(Configs=encoded("cleanup.policy=compact\nretention.ms=604800000")).look(partitions=4)
        calls.look(partitions=4, configs="cleanup.policy=compact\nretention.ms=604800000")
        assert operator.execute(context)["changed"] == {"partitions": [2, 4], "retention.ms": ["1000", "604800000"]}

    def test_a_change_that_is_not_shown_yet_is_not_made_again(self, context: Any, script: Any) -> None:
        operator = create(partitions=4)
        script(operator).cluster().look().update(PartitionCount=4).look().look()
        assert operator.execute(context)["changed"] == {"partitions": [2, 4]}

    def test_without_waiting_only_the_first_change(self, context: Any, script: Any) -> None:
        operator = create(partitions=4, configs=WEEK, wait_for_completion=False)
        script(operator).cluster().look().update(PartitionCount=4)
        assert operator.execute(context)["changed"] == {"partitions": [2, 4]}

    @pytest.mark.parametrize(
        ("have", "told"),
        [
            ({"partitions": 3}, "has 3 partitions and 2 were asked for"),
            ({"copies": 2}, "replication factor is 2 and 3"),
        ],
    )
    def test_what_cannot_be_changed(self, context: Any, script: Any, have: dict[str, int], told: str) -> None:
        operator = create()
        script(operator).cluster().look(**have)
        with pytest.raises(CannotReconcile, match=told):
            operator.execute(context)

    def test_one_that_is_being_deleted_is_waited_for_and_made_anew(self, context: Any, script: Any) -> None:
        operator = create()
        calls = script(operator).cluster().look("DELETING").look("DELETING").absent().absent().create()
        calls.look("DELETING").look().look()  # shown late
        assert operator.execute(context)["created"] is True

    @pytest.mark.parametrize(
        ("code", "status", "kind"),
        [
            ("ClusterConnectivityException", 409, Unavailable),
            ("NotControllerException", 409, Unavailable),
            ("KafkaTimeoutException", 409, OutcomeUnknown),
            ("InternalServerErrorException", 500, OutcomeUnknown),
            ("KafkaRequestException", 400, Rejected),
            ("ForbiddenException", 403, Rejected),
        ],
    )
    def test_refusals(self, context: Any, script: Any, code: str, status: int, kind: type) -> None:
        operator = create()
        operator.hook.conn.meta.events.unregister("needs-retry.kafka", unique_id="retry-config-kafka")
        script(operator).cluster().absent().refuse("create_topic", code, status)
        with pytest.raises(
            kind, match=rf"create_topic for the topic pinflow\.pin of pinflow\. It says: {code}"
        ) as told:
            operator.execute(context)
        assert type(told.value) is kind

    def test_never_shown(self, context: Any, script: Any) -> None:
        operator = create()
        script(operator).cluster().absent().create().absent().absent().absent()
        with pytest.raises(WaitTimedOut, match="Max attempts exceeded"):
            operator.execute(context)

    def test_the_triggers_error_counts_only_while_it_is_not_active(self, context: Any, script: Any) -> None:
        for look in ("absent", "look"):
            late = create()
            calls = script(late).cluster()
            calls.absent() if look == "absent" else calls.look("CREATING")
            with pytest.raises(WaitTimedOut, match="x"):
                late.execute_complete(context, {"status": "error", "message": "x"}, created=True)
        deleted = create(wait_for_completion=False)
        script(deleted).cluster().absent().absent().create()
        assert deleted.execute_complete(context, {"status": "error", "message": "x"})["created"] is True
        there = create()
        script(there).cluster().look().look()
        assert there.execute_complete(context, {"status": "error", "message": "x"}, created=True)["created"] is True

    def test_no_cluster(self, context: Any, script: Any) -> None:
        operator = create()
        script(operator).cluster("DELETING")
        with pytest.raises(NotFound, match="no active MSK cluster pinflow"):
            operator.execute(context)


class TestMskDeleteTopicOperator:
    def test_template_fields(self) -> None:
        assert {"cluster_name", "topic", "aws_conn_id"} <= set(delete().template_fields)

    def test_deletes(self, context: Any, script: Any, waiting: Any) -> None:
        operator = delete(**waiting)
        calls = script(operator).cluster().look()
        calls.call("delete_topic", {"TopicArn": ARN, "TopicName": "pinflow.pin", "Status": "DELETING"}, **NAME)
        if waiting["wait_for_completion"]:
            calls.look().look("DELETING").absent("UnknownTopicOrPartitionException")
            assert operator.execute(context) is True
        elif waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert deferred.value.trigger.serialize()[1]["waiter_name"] == "topic_deleted"
            calls.absent()
            assert operator.execute_complete(context, {"status": "error"}) is True
        else:
            assert operator.execute(context) is True

    def test_nothing_to_delete(self, context: Any, script: Any) -> None:
        operator = delete()
        script(operator).cluster().absent()
        assert operator.execute(context) is False

    def test_one_that_is_gone_and_still_shown(self, context: Any, script: Any) -> None:
        operator = delete()
        script(operator).cluster().look().refuse("delete_topic", "UnknownTopicOrPartitionException", 404)
        assert operator.execute(context) is False

    def test_a_delete_under_way_is_waited_for_and_not_asked_for_again(self, context: Any, script: Any) -> None:
        operator = delete()
        script(operator).cluster().look("DELETING").look("DELETING").absent()
        assert operator.execute(context) is True

    def test_still_there(self, context: Any, script: Any) -> None:
        operator = delete(deferrable=True)
        script(operator).cluster().look()
        with pytest.raises(WaitTimedOut, match="topic_deleted was not reached"):
            operator.execute_complete(context, {"status": "error", "message": "topic_deleted was not reached"})


class TestMskDescribeTopicOperator:
    def test_template_fields(self) -> None:
        assert {"cluster_name", "topic", "aws_conn_id"} <= set(describe().template_fields)

    def test_describes(self, context: Any, script: Any) -> None:
        operator = describe()
        script(operator).cluster().look("UPDATING", configs="retention.ms=1000\n")
        assert operator.execute(context) == {
            "name": "pinflow.pin",
            "arn": ARN,
            "state": "UPDATING",
            "partitions": 2,
            "replication_factor": 3,
            "configs": {"retention.ms": "1000"},
        }
        assert context["ti"].xcoms["_msk_cluster"]["cluster_arn"] == CLUSTER

    def test_none(self, context: Any, script: Any) -> None:
        operator = describe()
        script(operator).cluster().absent()
        with pytest.raises(NotFound, match=r"no topic pinflow\.pin.*does not list it in pinflow"):
            operator.execute(context)

    def test_other_errors_are_the_services(self, context: Any, script: Any) -> None:
        operator = describe()
        script(operator).cluster().refuse("describe_topic", "ForbiddenException", 403)
        with pytest.raises(operator.hook.conn.exceptions.ForbiddenException):
            operator.execute(context)


class TestMskTopicSensor:
    def sensor(self, **arguments: Any) -> MskTopicSensor:
        given: dict[str, Any] = {"poke_interval": 0.01, "timeout": 30, "region_name": "us-east-1", **arguments}
        return MskTopicSensor(task_id="t", cluster_name="pinflow", topic="pinflow.pin", **given)

    def test_template_fields(self) -> None:
        assert {"cluster_name", "topic", "aws_conn_id"} <= set(self.sensor().template_fields)

    def test_waits_until_it_is_active(self, context: Any, script: Any) -> None:
        sensor = self.sensor()
        script(sensor).cluster().absent().cluster().look("CREATING").cluster().look()
        sensor.execute(context)

    def test_defers(self, context: Any, script: Any) -> None:
        sensor = self.sensor(deferrable=True, poke_interval=3)
        script(sensor).cluster().absent().cluster()
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        path, arguments = deferred.value.trigger.serialize()
        assert path == "pinflow.triggers.msk.MskTopicTrigger"
        found = (arguments["cluster_arn"], arguments["topic"], arguments["waiter_name"], arguments["waiter_delay"])
        assert found == (CLUSTER, "pinflow.pin", "topic_active", 3)

    def test_execute_complete_looks_itself(self, context: Any, script: Any) -> None:
        sensor = self.sensor()
        script(sensor).cluster().look().cluster().look("CREATING")
        sensor.execute_complete(context, {"status": "error"})
        with pytest.raises(WaitTimedOut, match=r"pinflow\.pin is not active after 30 s"):
            sensor.execute_complete(context, {"status": "error"})


ENDS = {
    ("topic_active", "ACTIVE"): "success",
    ("topic_active", "CREATING"): "retry",
    ("topic_active", "UPDATING"): "retry",
    ("topic_active", "DELETING"): "retry",
    ("topic_active", "NotFoundException"): "retry",
    ("topic_active", "UnknownTopicOrPartitionException"): "retry",
    ("topic_deleted", "NotFoundException"): "success",
    ("topic_deleted", "UnknownTopicOrPartitionException"): "success",
    ("topic_deleted", "ACTIVE"): "retry",
    ("topic_deleted", "CREATING"): "retry",
    ("topic_deleted", "UPDATING"): "retry",
    ("topic_deleted", "DELETING"): "retry",
}


@pytest.mark.parametrize(("waiter", "state"), ENDS)
def test_waiter(waiter: str, state: str) -> None:
    hook = MskHook(region_name="us-east-1")
    with Stubber(hook.conn) as stubber:
        if state.endswith("Exception"):
            stubber.add_client_error("describe_topic", state, http_status_code=404)
        else:
            stubber.add_response("describe_topic", {"Status": state})
        wait = hook.get_waiter(waiter).wait
        if ENDS[waiter, state] == "retry":
            with pytest.raises(WaiterError, match="Max attempts exceeded"):
                wait(**NAME, WaiterConfig={"Delay": 0, "MaxAttempts": 1})
        else:
            wait(**NAME, WaiterConfig={"Delay": 0, "MaxAttempts": 1})
        stubber.assert_no_pending_responses()


def test_every_state_of_the_service_is_decided() -> None:
    known = botocore.session.get_session().get_service_model("kafka").shape_for("TopicState").enum
    for name in ("topic_active", "topic_deleted"):
        acceptors = json.loads(WAITERS.read_text())["waiters"][name]["acceptors"]
        expected = {entry["expected"] for entry in acceptors}
        assert expected == {*known, "NotFoundException", "UnknownTopicOrPartitionException"}
        assert {state for waiter, state in ENDS if waiter == name} == expected


def test_trigger_round_trip() -> None:
    made = MskTopicTrigger(CLUSTER, "pinflow.pin", "topic_deleted", waiter_delay=7, region_name="eu-west-1")
    path, arguments = made.serialize()
    assert path == "pinflow.triggers.msk.MskTopicTrigger"
    assert MskTopicTrigger(**json.loads(json.dumps(arguments))).serialize() == (path, arguments)
    assert {"topic_active", "topic_deleted"} <= set(made.hook().list_waiters())


def test_topics_of_all_pages_that_begin_with_a_prefix() -> None:
    hook = MskHook(region_name="us-east-1")
    with Stubber(hook.conn) as stubber:
        first = {"Topics": [{"TopicName": "pinflow.pin"}, {"TopicName": "x.pinflow."}], "NextToken": "n"}
        stubber.add_response("list_topics", first, {"ClusterArn": CLUSTER, "TopicNameFilter": "pinflow."})
        second = {"ClusterArn": CLUSTER, "TopicNameFilter": "pinflow.", "NextToken": "n"}
        stubber.add_response("list_topics", {"Topics": [{"TopicName": "pinflow.geo"}]}, second)
        assert hook.topics(CLUSTER, "pinflow.") == ["pinflow.pin", "pinflow.geo"]
        stubber.add_response("list_topics", {"Topics": [{"TopicName": "a"}]}, {"ClusterArn": CLUSTER})
        assert hook.topics(CLUSTER) == ["a"]


def test_configs_are_lines_in_base64() -> None:
    assert write_configs({"cleanup.policy": "compact"}) == "Y2xlYW51cC5wb2xpY3k9Y29tcGFjdA=="
    assert read_configs("Y2xlYW51cC5wb2xpY3k9Y29tcGFjdA==") == {"cleanup.policy": "compact"}
    assert read_configs(encoded("# a = b\n a = 1=2 \n\nb=")) == {"a": "1=2", "b": ""}
