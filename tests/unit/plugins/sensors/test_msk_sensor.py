"""Waiting for a cluster of MSK: the sensor, the waiter's states, the trigger; and the operator that describes one."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from airflow.sdk.exceptions import TaskDeferred
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

from pinflow.exceptions import CannotReconcile, NotFound, WaitTimedOut
from pinflow.hooks.msk import WAITERS, MskHook
from pinflow.links.msk import MskClusterLink
from pinflow.operators.msk import MskDescribeClusterOperator
from pinflow.sensors.msk import MskClusterSensor
from pinflow.triggers.msk import MskClusterTrigger

ARN = "arn:aws:kafka:us-east-1:000000000000:cluster/pinflow/1-1"
ENDS = {
    "ACTIVE": "success",
    "HEALING": "success",
    "MAINTENANCE": "success",
    "REBOOTING_BROKER": "success",
    "UPDATING": "success",
    "CREATING": "retry",
    "DELETING": "failure",
    "FAILED": "failure",
    "gone": "failure",
}


pytestmark = pytest.mark.usefixtures("aws")


def clusters(*states: str) -> dict[str, Any]:
    found = [{"ClusterName": "pinflow", "ClusterArn": f"{ARN}-{state}", "State": state} for state in states]
    return {"ClusterInfoList": [{"ClusterName": "pinflow-2", "ClusterArn": "x", "State": "ACTIVE"}, *found]}


def stubbed(made: Any, *answers: dict[str, Any]) -> Any:
    stubber = Stubber(made.hook.conn)
    for answer in answers:
        stubber.add_response("list_clusters_v2", answer, {"ClusterNameFilter": "pinflow"})
    stubber.activate()
    return made


def sensor(*answers: dict[str, Any], **arguments: Any) -> MskClusterSensor:
    given = {"poke_interval": 0.01, "timeout": 1, "region_name": "us-east-1", **arguments}
    return stubbed(MskClusterSensor(task_id="t", cluster_name="pinflow", **given), *answers)  # type: ignore[no-any-return]


class TestMskClusterSensor:
    def test_template_fields(self) -> None:
        assert {"cluster_name", "aws_conn_id"} <= set(MskClusterSensor(task_id="t", cluster_name="c").template_fields)

    @pytest.mark.parametrize("state", [state for state in ENDS if state != "gone"])
    def test_states(self, context: Any, state: str) -> None:
        if ENDS[state] == "failure":
            with pytest.raises(CannotReconcile, match=f"pinflow is {state}"):
                sensor(clusters(state)).poke(context)
        else:
            assert sensor(clusters(state)).poke(context) is (ENDS[state] == "success")

    def test_none_is_waited_for(self, context: Any) -> None:
        sensor(clusters(), clusters("CREATING"), clusters("ACTIVE"), timeout=30).execute(context)

    def test_one_that_can_be_used_counts_more_than_an_old_one(self, context: Any) -> None:
        assert sensor(clusters("DELETING", "ACTIVE")).poke(context) is True

    def test_defers(self, context: Any) -> None:
        with pytest.raises(TaskDeferred) as deferred:
            sensor(clusters("CREATING"), clusters("CREATING"), deferrable=True, poke_interval=2).execute(context)
        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["cluster_arn"], arguments["waiter_delay"]) == (f"{ARN}-CREATING", 2)

    def test_cannot_defer_for_none(self, context: Any) -> None:
        with pytest.raises(NotFound, match="no cluster pinflow"):
            sensor(clusters(), clusters(), deferrable=True).execute(context)

    def test_execute_complete_looks_itself(self, context: Any) -> None:
        sensor(clusters("ACTIVE")).execute_complete(context, {"status": "error"})
        with pytest.raises(WaitTimedOut, match="pinflow cannot be used after 1 s"):
            sensor(clusters("CREATING")).execute_complete(context, {"status": "error"})


@pytest.mark.parametrize("state", ENDS)
def test_waiter(state: str) -> None:
    hook = MskHook(region_name="us-east-1")
    with Stubber(hook.conn) as stubber:
        if state == "gone":
            stubber.add_client_error("describe_cluster_v2", "NotFoundException", http_status_code=404)
        else:
            stubber.add_response("describe_cluster_v2", {"ClusterInfo": {"State": state}})
        if ENDS[state] == "retry":
            stubber.add_response("describe_cluster_v2", {"ClusterInfo": {"State": "ACTIVE"}})

        def wait() -> None:
            hook.get_waiter("cluster_usable").wait(ClusterArn=ARN, WaiterConfig={"Delay": 0, "MaxAttempts": 2})

        if ENDS[state] == "failure":
            with pytest.raises(WaiterError, match="terminal failure"):
                wait()
        else:
            wait()
        stubber.assert_no_pending_responses()


def test_every_state_of_the_service_is_decided() -> None:
    known = botocore.session.get_session().get_service_model("kafka").shape_for("ClusterState").enum
    acceptors = json.loads(WAITERS.read_text())["waiters"]["cluster_usable"]["acceptors"]
    assert {entry["expected"] for entry in acceptors} == {*known, "NotFoundException"}
    kinds = MskClusterSensor
    assert {*kinds.INTERMEDIATE_STATES, *kinds.FAILURE_STATES, *kinds.SUCCESS_STATES} == set(known)


def test_trigger_round_trip() -> None:
    made = MskClusterTrigger(ARN, waiter_delay=7, waiter_max_attempts=9, region_name="eu-west-1")
    path, arguments = made.serialize()
    assert path == "pinflow.triggers.msk.MskClusterTrigger"
    assert MskClusterTrigger(**json.loads(json.dumps(arguments))).serialize() == (path, arguments)
    assert "cluster_usable" in made.hook().list_waiters()


class TestMskDescribeClusterOperator:
    @staticmethod
    def look() -> MskDescribeClusterOperator:
        return MskDescribeClusterOperator(task_id="t", cluster_name="pinflow", region_name="us-east-1")

    def test_template_fields(self) -> None:
        assert {"cluster_name", "aws_conn_id"} <= set(self.look().template_fields)

    def test_how_to_reach_it(self, context: Any) -> None:
        operator = self.look()
        stubber = Stubber(operator.hook.conn)
        nodes = {"ClientSubnets": ["s1"], "SecurityGroups": ["g1"], "InstanceType": "kafka.m7g.large"}
        found = clusters("UPDATING")
        found["ClusterInfoList"][1]["Provisioned"] = {"BrokerNodeGroupInfo": nodes, "NumberOfBrokerNodes": 3}
        stubber.add_response("list_clusters_v2", found)
        brokers = {"BootstrapBrokerStringSaslIam": "b:9098", "BootstrapBrokerStringTls": "b:9094"}
        stubber.add_response("get_bootstrap_brokers", brokers)
        stubber.activate()
        assert operator.execute(context) == {
            "name": "pinflow",
            "arn": f"{ARN}-UPDATING",
            "bootstrap_servers": "b:9098",
            "authentication": "IAM",
            "encryption": "TLS",
            "subnets": ["s1"],
            "security_groups": ["g1"],
        }
        assert context["ti"].xcoms["_msk_cluster"]["cluster_arn"] == f"{ARN}-UPDATING"

    def test_none_that_can_be_used(self, context: Any) -> None:
        with pytest.raises(NotFound, match=r"no active MSK cluster pinflow.*CREATING"):
            stubbed(self.look(), clusters("CREATING")).execute(context)


def test_link() -> None:
    made = MskClusterLink().format_str.format(aws_domain="aws.amazon.com", region_name="r", cluster_arn=ARN)
    assert made == f"https://console.aws.amazon.com/msk/home?region=r#/cluster/{ARN}/view"
