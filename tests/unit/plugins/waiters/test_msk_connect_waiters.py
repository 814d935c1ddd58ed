"""Each state of each waiter: which end the wait, which fail it, which go on. And the triggers that use them."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from airflow.sdk.module_loading import import_string
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

from pinflow.hooks.msk_connect import WAITERS, MskConnectHook
from pinflow.triggers.msk_connect import MskConnectConnectorTrigger, MskConnectCustomPluginTrigger

MODEL = json.loads(WAITERS.read_text())
STATES = {"DescribeConnector": "ConnectorState", "DescribeCustomPlugin": "CustomPluginState"}
FIELD = {"DescribeConnector": "connectorState", "DescribeCustomPlugin": "customPluginState"}
ENDS = {
    ("connector_running", "RUNNING"): "success",
    ("connector_running", "CREATING"): "retry",
    ("connector_running", "UPDATING"): "retry",
    ("connector_running", "FAILED"): "failure",
    ("connector_running", "DELETING"): "failure",
    ("connector_running", "gone"): "failure",
    ("connector_deleted", "gone"): "success",
    ("connector_deleted", "DELETING"): "retry",
    ("connector_deleted", "RUNNING"): "retry",
    ("connector_deleted", "UPDATING"): "retry",
    ("connector_deleted", "CREATING"): "failure",
    ("connector_deleted", "FAILED"): "failure",
    ("plugin_active", "ACTIVE"): "success",
    ("plugin_active", "CREATING"): "retry",
    ("plugin_active", "UPDATING"): "retry",
    ("plugin_active", "CREATE_FAILED"): "failure",
    ("plugin_active", "UPDATE_FAILED"): "failure",
    ("plugin_active", "DELETING"): "failure",
    ("plugin_active", "gone"): "failure",
    ("plugin_deleted", "gone"): "success",
    ("plugin_deleted", "DELETING"): "retry",
    ("plugin_deleted", "ACTIVE"): "retry",
    ("plugin_deleted", "CREATE_FAILED"): "retry",
    ("plugin_deleted", "UPDATE_FAILED"): "retry",
    ("plugin_deleted", "CREATING"): "failure",
    ("plugin_deleted", "UPDATING"): "failure",
}


@pytest.fixture
def hook(aws: None) -> MskConnectHook:
    return MskConnectHook(region_name="us-east-1")


def answer(stubber: Stubber, operation: str, state: str) -> None:
    method = "describe_connector" if operation == "DescribeConnector" else "describe_custom_plugin"
    if state == "gone":
        stubber.add_client_error(method, "NotFoundException", http_status_code=404)
    else:
        stubber.add_response(method, {FIELD[operation]: state})


@pytest.mark.parametrize(("waiter", "state"), ENDS)
def test_state(hook: MskConnectHook, waiter: str, state: str) -> None:
    operation = MODEL["waiters"][waiter]["operation"]
    argument = "connectorArn" if operation == "DescribeConnector" else "customPluginArn"
    last = next(name for (found, name), end in ENDS.items() if found == waiter and end == "success")
    with Stubber(hook.conn) as stubber:
        answer(stubber, operation, state)
        if ENDS[waiter, state] == "retry":
            answer(stubber, operation, last)

        def wait() -> None:
            hook.get_waiter(waiter).wait(**{argument: "a"}, WaiterConfig={"Delay": 0, "MaxAttempts": 2})

        if ENDS[waiter, state] == "failure":
            with pytest.raises(WaiterError, match="terminal failure"):
                wait()
        else:
            wait()
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize("waiter", MODEL["waiters"])
def test_every_state_of_the_service_is_decided(waiter: str) -> None:
    operation = MODEL["waiters"][waiter]["operation"]
    service = botocore.session.get_session().get_service_model("kafkaconnect")
    known = set(service.shape_for(STATES[operation]).enum)
    decided = {entry["expected"] for entry in MODEL["waiters"][waiter]["acceptors"] if entry["matcher"] == "path"}
    assert decided == known - ({"DELETING"} - decided)
    assert known - decided <= {"DELETING"}


def test_the_hook_finds_the_waiters(hook: MskConnectHook) -> None:
    assert set(hook.list_waiters()) >= set(MODEL["waiters"])


@pytest.mark.parametrize(
    "trigger",
    [
        MskConnectConnectorTrigger("arn", "connector_running", 1, 2, "aws_default", region_name="us-east-1"),
        MskConnectConnectorTrigger("arn", "connector_deleted"),
        MskConnectCustomPluginTrigger("arn", "plugin_active", 1, 2),
        MskConnectCustomPluginTrigger("arn", "plugin_deleted", botocore_config={"read_timeout": 5}),
    ],
    ids=lambda trigger: trigger.waiter_name,
)
class TestTriggers:
    def test_serialize_round_trip(self, trigger: Any) -> None:
        path, arguments = trigger.serialize()
        assert import_string(path)(**arguments).serialize() == (path, arguments)
        assert json.loads(json.dumps(arguments)) == arguments

    def test_the_waiter_exists_and_the_hook_is_ours(self, trigger: Any) -> None:
        assert trigger.waiter_name in MODEL["waiters"]
        assert isinstance(trigger.hook(), MskConnectHook)

    def test_status_queries_read_the_described_thing(self, trigger: Any) -> None:
        operation = MODEL["waiters"][trigger.waiter_name]["operation"]
        service = botocore.session.get_session().get_service_model("kafkaconnect")
        members = service.operation_model(operation).output_shape.members
        assert set(trigger.status_queries) <= set(members)
