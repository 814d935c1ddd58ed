"""Stacks, change sets and events over several pages; the waiters' states; the trigger, the sensor and the link."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from airflow.sdk.exceptions import TaskDeferred
from botocore.exceptions import ClientError, WaiterError
from botocore.stub import Stubber

from pinflow.exceptions import StackFailed, WaitTimedOut
from pinflow.hooks.cloudformation import WAITERS, CloudFormationStackHook, is_moving, named
from pinflow.links.cloudformation import CloudFormationStackLink
from pinflow.sensors.cloudformation import CloudFormationStackSensor
from pinflow.triggers.cloudformation import CloudFormationStackTrigger
from tests.unit.plugins.operators.test_cloudformation_operators import ID, NAME, NOW, described

MODEL = json.loads(WAITERS.read_text())["waiters"]
SERVICE = botocore.session.get_session().get_service_model("cloudformation")
STATES = SERVICE.shape_for("StackStatus").enum
MOVING = {
    "CREATE_IN_PROGRESS",
    "ROLLBACK_IN_PROGRESS",
    "DELETE_IN_PROGRESS",
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "IMPORT_IN_PROGRESS",
    "IMPORT_ROLLBACK_IN_PROGRESS",
}
COMPLETE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "IMPORT_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}


@pytest.fixture
def hook(aws: None) -> CloudFormationStackHook:
    return CloudFormationStackHook(region_name="us-east-1")


def state_of(waiter: str, state: str) -> str:
    """What the waiter must make of a stack's state, worked out from the states' meaning."""
    if waiter == "stack_settled":
        return "retry" if state in MOVING else "success"
    if waiter == "stack_complete":
        waits = MOVING | {"REVIEW_IN_PROGRESS", "gone"}
        return "retry" if state in waits else "success" if state in COMPLETE else "failure"
    return "success" if state in ("gone", "DELETE_COMPLETE") else "failure" if state == "DELETE_FAILED" else "retry"


def answer(stubber: Stubber, state: str) -> None:
    if state == "gone":
        stubber.add_client_error("describe_stacks", "ValidationError", "Stack with id x does not exist", 400)
    else:
        stubber.add_response("describe_stacks", described(state))


@pytest.mark.parametrize("waiter", ["stack_settled", "stack_complete", "stack_deleted"])
@pytest.mark.parametrize("state", [*STATES, "gone"])
def test_stack_waiters(hook: CloudFormationStackHook, waiter: str, state: str) -> None:
    good = {"stack_settled": "CREATE_COMPLETE", "stack_complete": "CREATE_COMPLETE", "stack_deleted": "DELETE_COMPLETE"}
    wanted = state_of(waiter, state)
    with Stubber(hook.conn) as stubber:
        answer(stubber, state)
        if wanted == "retry":
            answer(stubber, good[waiter])

        def wait() -> None:
            hook.get_waiter(waiter).wait(StackName=NAME, WaiterConfig={"Delay": 0, "MaxAttempts": 2})

        if wanted == "failure":
            with pytest.raises(WaiterError, match="terminal failure"):
                wait()
        else:
            wait()
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("waiter", "shape"), [("change_set_settled", "ChangeSetStatus"), ("change_set_executed", "ExecutionStatus")]
)
def test_every_state_of_a_change_set_is_decided(waiter: str, shape: str) -> None:
    acceptors = MODEL[waiter]["acceptors"]
    assert {entry["expected"] for entry in acceptors} == {*SERVICE.shape_for(shape).enum, "ChangeSetNotFound"}
    unfinished = {entry["expected"] for entry in acceptors if entry["state"] == "retry"}
    assert all(name.endswith(("_PENDING", "_IN_PROGRESS")) for name in unfinished)


def test_moving() -> None:
    assert {state for state in STATES if is_moving(state)} == MOVING


class TestHook:
    def test_stack(self, hook: CloudFormationStackHook) -> None:
        with Stubber(hook.conn) as stubber:
            for state in ("CREATE_COMPLETE", "DELETE_COMPLETE", "gone"):
                answer(stubber, state)
            found = hook.stack(NAME)
            assert found is not None
            assert found["StackId"] == ID
            assert hook.stack(ID) is None
            assert hook.stack(NAME) is None

    def test_other_errors_stand(self, hook: CloudFormationStackHook) -> None:
        with Stubber(hook.conn) as stubber:
            stubber.add_client_error("describe_stacks", "ValidationError", "1 validation error detected", 400)
            stubber.add_client_error("describe_change_set", "AccessDenied", "no", 403)
            with pytest.raises(ClientError, match="1 validation error"):
                hook.stack(NAME)
            with pytest.raises(ClientError, match="AccessDenied"):
                hook.change_set(NAME, "c")

    def test_all_stacks_of_a_prefix(self, hook: CloudFormationStackHook) -> None:
        with Stubber(hook.conn) as stubber:
            first = described("CREATE_COMPLETE", "pinflow-network")
            stubber.add_response("describe_stacks", {**first, "NextToken": "n"}, {})
            other = described("CREATE_COMPLETE", "theirs")["Stacks"]
            mine = described("UPDATE_COMPLETE", "pinflow-kafka")["Stacks"]
            stubber.add_response("describe_stacks", {"Stacks": other + mine}, {"NextToken": "n"})
            found = named(hook.stacks("pinflow-"))
        assert found == ["pinflow-network (CREATE_COMPLETE)", "pinflow-kafka (UPDATE_COMPLETE)"]

    def test_a_change_set_over_pages(self, hook: CloudFormationStackHook) -> None:
        changes = [{"Type": "Resource"}, {"Type": "Resource"}, {"Type": "Resource"}]
        ask = {"StackName": NAME, "ChangeSetName": "c"}
        with Stubber(hook.conn) as stubber:
            page = {"Status": "CREATE_COMPLETE", "Changes": changes[:2], "NextToken": "n"}
            stubber.add_response("describe_change_set", page, ask)
            last = {"Status": "CREATE_COMPLETE", "Changes": changes[2:]}
            stubber.add_response("describe_change_set", last, {**ask, "NextToken": "n"})
            found = hook.change_set(NAME, "c")
            stubber.add_client_error("describe_change_set", "ValidationError", "Stack [x] does not exist", 400)
            assert hook.change_set(NAME, "c") is None
        assert found is not None
        assert found["Changes"] == changes

    def test_failures_first_one_first(self, hook: CloudFormationStackHook) -> None:
        def event(name: str, status: str, reason: str | None, token: str) -> dict[str, Any]:
            told = {"ResourceStatusReason": reason} if reason else {}
            ids = {"StackId": ID, "StackName": NAME, "EventId": name, "Timestamp": NOW}
            found = {"LogicalResourceId": name, "ResourceType": "T", "ResourceStatus": status}
            return {**ids, **found, "ClientRequestToken": token, **told}

        events = [
            event("c", "CREATE_FAILED", "cancelled", "now"),
            event("b", "CREATE_COMPLETE", "fine", "now"),
            event("a", "CREATE_FAILED", "taken", "now"),
            event("silent", "UPDATE_FAILED", None, "now"),
            event("old", "DELETE_FAILED", "held", "before"),
        ]
        with Stubber(hook.conn) as stubber:
            for _ in range(2):
                stubber.add_response("describe_stack_events", {"StackEvents": events[:2], "NextToken": "n"})
                stubber.add_response("describe_stack_events", {"StackEvents": events[2:]})
            assert hook.failures(NAME, "now") == ["a (T): taken", "c (T): cancelled"]
            assert hook.failures(NAME) == ["old (T): held", "a (T): taken", "c (T): cancelled"]

    def test_what_is_no_reference_stays(self, hook: CloudFormationStackHook) -> None:
        assert hook.resolve("${AWS::Region} ${Plain} $5", "pinflow") == "${AWS::Region} ${Plain} $5"


class TestTrigger:
    def test_round_trip(self) -> None:
        made = CloudFormationStackTrigger(
            NAME, "stack_settled", 7, 9, "conn", region_name="eu-west-1", verify=False, botocore_config={"a": 1}
        )
        path, arguments = made.serialize()
        assert path == "pinflow.triggers.cloudformation.CloudFormationStackTrigger"
        assert arguments["waiter_delay"] == 7
        again = CloudFormationStackTrigger(**json.loads(json.dumps(arguments)))
        assert again.serialize() == made.serialize()
        assert again.waiter_args == {"StackName": NAME}

    def test_hook(self) -> None:
        made = CloudFormationStackTrigger(NAME, "stack_settled", region_name="eu-west-1").hook()
        assert isinstance(made, CloudFormationStackHook)
        assert set(made.list_waiters()) >= set(MODEL)


class Looks:
    """A hook whose stack a test moves; ``None`` stands for no stack."""

    def __init__(self, *states: str | None) -> None:
        self.states = list(states)

    def stack(self, name: str) -> dict[str, Any] | None:
        """The next state; the last one stays."""
        assert name == NAME
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return None if state is None else {"StackStatus": state, "StackId": ID}

    def failures(self, stack_id: str) -> list[str]:
        """Why it failed."""
        assert stack_id == ID
        return ["Bucket (T): is taken"]


def sensor(looks: Looks, **arguments: Any) -> CloudFormationStackSensor:
    given = {"poke_interval": 0.01, "timeout": 1, **arguments}
    made = CloudFormationStackSensor(task_id="t", stack_name=NAME, **given)
    made.__dict__["hook"] = looks
    return made


class TestCloudFormationStackSensor:
    def test_template_fields(self) -> None:
        made = CloudFormationStackSensor(task_id="t", stack_name=NAME)
        assert {"stack_name", "aws_conn_id", "region_name"} <= set(made.template_fields)

    @pytest.mark.parametrize("state", [*(state for state in STATES if state != "DELETE_COMPLETE"), None])
    def test_states(self, context: Any, state: str | None) -> None:
        wanted = state_of("stack_complete", state or "gone")
        if wanted == "failure":
            with pytest.raises(StackFailed, match="is taken"):
                sensor(Looks(state)).poke(context)
        else:
            assert sensor(Looks(state)).poke(context) is (wanted == "success")

    def test_waits_here(self, context: Any) -> None:
        looks = Looks(None, "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
        sensor(looks, timeout=30).execute(context)
        assert looks.states == ["CREATE_COMPLETE"]

    def test_complete_at_once_does_not_defer(self, context: Any) -> None:
        sensor(Looks("CREATE_COMPLETE"), deferrable=True).execute(context)

    def test_defers(self, context: Any) -> None:
        made = sensor(Looks(None), deferrable=True, poke_interval=2, timeout=60, region_name="us-east-1")
        with pytest.raises(TaskDeferred) as deferred:
            made.execute(context)
        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["stack_name"], arguments["waiter_name"]) == (NAME, "stack_complete")
        assert (arguments["waiter_delay"], arguments["waiter_max_attempts"]) == (2, 30)

    def test_execute_complete_looks_itself(self, context: Any) -> None:
        sensor(Looks("CREATE_COMPLETE")).execute_complete(context, {"status": "error", "message": "old"})
        with pytest.raises(WaitTimedOut, match=r"not complete after 1 s.*max attempts"):
            sensor(Looks("CREATE_IN_PROGRESS")).execute_complete(context, {"message": "max attempts"})


def test_link() -> None:
    made = CloudFormationStackLink().format_str.format(aws_domain="aws.amazon.com", region_name="r", stack_id=ID)
    assert made == f"https://console.aws.amazon.com/cloudformation/home?region=r#/stacks/events?stackId={ID}"
