"""Stacks by change set as tasks, against botocore's own model of the service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from airflow.sdk.exceptions import TaskDeferred
from botocore.stub import ANY

from pinflow.exceptions import (
    CannotReconcile,
    NotFound,
    OutcomeUnknown,
    Rejected,
    StackFailed,
    Unavailable,
    WaitTimedOut,
)
from pinflow.operators import cloudformation
from pinflow.operators.cloudformation import (
    CloudFormationDeleteStackOperator,
    CloudFormationDeployStackOperator,
    CloudFormationDescribeStackOperator,
)
from pinflow.triggers.cloudformation import CloudFormationStackTrigger
from tests.unit.plugins.conftest import Script

NAME = "pinflow-storage"
ID = f"arn:aws:cloudformation:us-east-1:000000000000:stack/{NAME}/1"
CHANGE = "arn:aws:cloudformation:us-east-1:000000000000:changeSet/c/1"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAST = {"waiter_delay": 0, "waiter_max_attempts": 3, "region_name": "us-east-1"}
EMPTY = "The submitted information didn't contain changes. Submit different information to create a change set."
TEMPLATE = "Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n"


pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "storage.yaml"
    path.write_text(TEMPLATE)
    return path


def described(status: str, name: str = NAME, **outputs: str) -> dict[str, Any]:
    found = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    stack = {"StackName": name, "StackId": ID, "StackStatus": status, "CreationTime": NOW, "Outputs": found}
    return {"Stacks": [stack]}


class Calls(Script):
    """What the operators ask of CloudFormation."""

    def look(self, status: str, name: str = NAME, **outputs: str) -> Self:
        """A look at the stack."""
        return self.call("describe_stacks", described(status, name, **outputs), StackName=name)

    def absent(self, name: str = NAME) -> Self:
        """A look that finds nothing, in the service's own words."""
        text = f"Stack with id {name} does not exist"
        self.stubber.add_client_error("describe_stacks", "ValidationError", text, http_status_code=400)
        return self

    def no_change_set(self) -> Self:
        """A look at a change set that is not there."""
        return self.refuse("describe_change_set", "ChangeSetNotFound", 404)

    def change_set(
        self, status: str = "CREATE_COMPLETE", execution: str = "AVAILABLE", reason: str = "", **more: Any
    ) -> Self:
        """A look at the change set."""
        change = {"LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket", "Action": "Add"}
        answer = {
            "Status": status,
            "ExecutionStatus": execution,
            "StatusReason": reason,
            "Changes": [{"Type": "Resource", "ResourceChange": {**change, **more}}],
        }
        return self.call("describe_change_set", answer, StackName=NAME, ChangeSetName=ANY)

    def create(self, kind: str = "CREATE", **more: Any) -> Self:
        """The call that makes the change set, and the wait for it."""
        expected = {
            "StackName": NAME,
            "ChangeSetName": ANY,
            "ClientToken": ANY,
            "ChangeSetType": kind,
            "TemplateBody": TEMPLATE,
            "Parameters": [],
            "Tags": [],
            "Capabilities": [],
        }
        return self.call("create_change_set", {"Id": CHANGE, "StackId": ID}, **{**expected, **more})

    def execute(self) -> Self:
        """The call that carries the change set out."""
        return self.call("execute_change_set", StackName=NAME, ChangeSetName=ANY, ClientRequestToken=ANY)

    def events(self, *failed: tuple[str, str], token: str | None = None) -> Self:
        """The stack's events, the newest first."""
        made = [
            {
                "StackId": ID,
                "EventId": name,
                "StackName": NAME,
                "LogicalResourceId": name,
                "ResourceType": "AWS::S3::Bucket",
                "Timestamp": NOW,
                "ResourceStatus": "CREATE_FAILED",
                "ResourceStatusReason": reason,
                **({"ClientRequestToken": token} if token else {}),
            }
            for name, reason in failed
        ]
        return self.call("describe_stack_events", {"StackEvents": made}, StackName=ID)


def stored(context: Any, executed: bool = False) -> str:
    context["task_state_store"]["change_set"] = {"name": "airflow-old", "executed": executed}
    return "airflow-old"


class TestCloudFormationDeployStackOperator:
    @pytest.fixture
    def deploy(self, template: Path) -> Callable[..., CloudFormationDeployStackOperator]:
        def make(**arguments: Any) -> CloudFormationDeployStackOperator:
            given = {"template_path": template, **FAST, **arguments}
            return CloudFormationDeployStackOperator(task_id="t", stack_name=NAME, **given)

        return make

    def test_template_fields(self, deploy: Any) -> None:
        operator = deploy()
        expected = {"stack_name", "template_url", "parameters", "stack_prefix", "tags", "role_arn", "aws_conn_id"}
        assert set(operator.template_fields) >= expected
        for name in operator.template_fields:
            getattr(operator, name)

    def test_defaults(self, template: Path) -> None:
        operator = CloudFormationDeployStackOperator(task_id="t", stack_name=NAME, template_path=template)
        assert (operator.waiter_delay, operator.waiter_max_attempts) == (10, 360)
        assert (operator.wait_for_completion, operator.deferrable) == (True, False)

    def test_creates(self, context: Any, script: Any, deploy: Any, waiting: Any) -> None:
        operator = deploy(**waiting)
        calls = script(operator).absent().create().change_set()
        calls.look("REVIEW_IN_PROGRESS").change_set().execute()
        if waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert isinstance(deferred.value.trigger, CloudFormationStackTrigger)
            intent = deferred.value.kwargs["intent"]
            assert intent == context["task_state_store"]["change_set"]
            assert intent["executed"] is True
            calls.look("CREATE_COMPLETE").look("CREATE_COMPLETE", Bucket="b").change_set(execution="EXECUTE_COMPLETE")
            done = operator.execute_complete(context, {"status": "success"}, intent=intent)
        else:
            if waiting["wait_for_completion"]:
                calls.look("CREATE_IN_PROGRESS").look("CREATE_COMPLETE")
                calls.look("CREATE_COMPLETE", Bucket="b").change_set(execution="EXECUTE_COMPLETE")
            done = operator.execute(context)
        finished = waiting["wait_for_completion"] or waiting["deferrable"]
        assert done["changes"] == ["Add Bucket (AWS::S3::Bucket)"]
        assert (done["stack_name"], done["stack_id"]) == (NAME, ID)
        assert done["state"] == ("CREATE_COMPLETE" if finished else "REVIEW_IN_PROGRESS")
        assert done["outputs"] == ({"Bucket": "b"} if finished else {})
        assert ("change_set" in context["task_state_store"]) is not finished
        assert context["ti"].xcoms["_cloudformation_stack"]["stack_id"] == ID

    def test_the_name_is_noted_before_the_change_set_is_made(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy()
        script(operator).absent().refuse("create_change_set", "InternalFailure", 500)
        with pytest.raises(OutcomeUnknown, match=r"may or may not have carried out create_change_set.*InternalFailure"):
            operator.execute(context)
        first = context["task_state_store"]["change_set"]["name"]
        again = deploy()
        expected = {"ChangeSetName": first, "ClientToken": first}
        script(again).absent().create(**expected).refuse("describe_change_set", "Other")
        with pytest.raises(WaitTimedOut):
            again.execute(context)

    def test_a_retry_goes_on_with_a_change_set_that_was_made(self, context: Any, script: Any, deploy: Any) -> None:
        stored(context)
        operator = deploy()
        calls = script(operator).look("REVIEW_IN_PROGRESS").change_set().execute().look("CREATE_COMPLETE")
        calls.look("CREATE_COMPLETE").change_set(execution="EXECUTE_COMPLETE")
        assert operator.execute(context)["state"] == "CREATE_COMPLETE"

    def test_a_lost_answer_of_both_calls_starts_nothing_twice(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy()
        calls = script(operator).absent().refuse("create_change_set", "AlreadyExistsException")
        calls.change_set().look("REVIEW_IN_PROGRESS").change_set()
        calls.refuse("execute_change_set", "InvalidChangeSetStatus").look("CREATE_COMPLETE")
        calls.look("CREATE_COMPLETE").change_set(execution="EXECUTE_COMPLETE")
        assert operator.execute(context)["state"] == "CREATE_COMPLETE"

    def test_other_refusals_of_both_calls_stand(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy()
        script(operator).absent().refuse("create_change_set", "ValidationError")
        with pytest.raises(Rejected, match="create_change_set for the stack pinflow-storage"):
            operator.execute(context)
        operator = deploy()
        script(operator).look("REVIEW_IN_PROGRESS").change_set().refuse("execute_change_set", "AccessDenied")
        with pytest.raises(Rejected, match="AccessDenied"):
            operator.execute(context)

    def test_adopts_and_changes_nothing(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy()
        calls = (
            script(operator).look("CREATE_COMPLETE").no_change_set().create("UPDATE").change_set("FAILED", reason=EMPTY)
        )
        calls.look("CREATE_COMPLETE", Bucket="b").change_set("FAILED", "UNAVAILABLE", EMPTY)
        calls.call("delete_change_set", StackName=NAME, ChangeSetName=ANY)
        done = operator.execute(context)
        assert (done["changes"], done["outputs"]) == ([], {"Bucket": "b"})
        assert context["task_state_store"] == {}

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (None, "CREATE"),
            ("REVIEW_IN_PROGRESS", "CREATE"),
            ("CREATE_COMPLETE", "UPDATE"),
            ("IMPORT_COMPLETE", "UPDATE"),
            ("UPDATE_ROLLBACK_COMPLETE", "UPDATE"),
        ],
    )
    def test_a_stack_that_has_no_resources_yet_is_created_any_other_updated(
        self, context: Any, script: Any, deploy: Any, status: str | None, kind: str
    ) -> None:
        operator = deploy()
        calls = script(operator).absent() if status is None else script(operator).look(status).no_change_set()
        calls.create(kind).refuse("describe_change_set", "Other")
        with pytest.raises(WaitTimedOut):
            operator.execute(context)

    @pytest.mark.parametrize(
        ("reason", "told"), [("Parameter Prefix has no value",) * 2, ("", "It says: nothing")], ids=["told", "untold"]
    )
    def test_a_change_set_that_cannot_be_made(
        self, context: Any, script: Any, deploy: Any, reason: str, told: str
    ) -> None:
        operator = deploy()
        calls = script(operator).look("CREATE_COMPLETE").no_change_set().create("UPDATE").change_set("FAILED")
        calls.look("CREATE_COMPLETE").change_set("FAILED", "UNAVAILABLE", reason)
        calls.call("delete_change_set", StackName=NAME, ChangeSetName=ANY)
        with pytest.raises(Rejected, match=told):
            operator.execute(context)
        assert context["task_state_store"] == {}, "the next try makes another"

    def test_one_that_is_being_made_is_waited_for(self, context: Any, script: Any, deploy: Any) -> None:
        stored(context)
        operator = deploy()
        calls = script(operator).look("CREATE_COMPLETE").change_set("CREATE_IN_PROGRESS", "UNAVAILABLE")
        calls.change_set("CREATE_PENDING").change_set().look("CREATE_COMPLETE").change_set(execution="EXECUTE_COMPLETE")
        assert operator.execute(context)["state"] == "CREATE_COMPLETE"

    def test_one_that_is_being_carried_out_is_waited_for(self, context: Any, script: Any, deploy: Any) -> None:
        stored(context, executed=True)
        operator = deploy()
        calls = script(operator).look("UPDATE_COMPLETE").change_set(execution="EXECUTE_IN_PROGRESS")
        calls.change_set(execution="EXECUTE_IN_PROGRESS").change_set(execution="EXECUTE_COMPLETE")
        calls.look("UPDATE_COMPLETE").change_set(execution="EXECUTE_COMPLETE", Replacement="True", Action="Modify")
        assert operator.execute(context)["changes"] == ["Modify Bucket (AWS::S3::Bucket), replaced"]

    def test_one_that_somebody_else_overtook_is_made_again(self, context: Any, script: Any, deploy: Any) -> None:
        old = stored(context)
        operator = deploy()
        calls = script(operator).look("UPDATE_COMPLETE").change_set(execution="OBSOLETE")
        calls.look("UPDATE_COMPLETE").no_change_set().create("UPDATE").refuse("describe_change_set", "Other")
        with pytest.raises(WaitTimedOut):
            operator.execute(context)
        assert context["task_state_store"]["change_set"]["name"] != old

    def test_one_that_is_gone_after_it_was_carried_out(self, context: Any, script: Any, deploy: Any) -> None:
        stored(context, executed=True)
        operator = deploy()
        calls = (
            script(operator).look("UPDATE_COMPLETE").no_change_set().create("UPDATE").change_set("FAILED", reason=EMPTY)
        )
        calls.look("UPDATE_COMPLETE").change_set("FAILED", "UNAVAILABLE", EMPTY)
        calls.call("delete_change_set", StackName=NAME, ChangeSetName=ANY)
        assert operator.execute(context)["changes"] == []

    @pytest.mark.parametrize("status", [None, "UPDATE_COMPLETE"], ids=["its stack too", "only it"])
    def test_one_that_was_carried_out_and_is_gone_is_made_again_under_a_new_name(
        self, context: Any, script: Any, deploy: Any, status: str | None
    ) -> None:
        old = stored(context, executed=True)
        operator = deploy()
        calls = script(operator).absent() if status is None else script(operator).look(status).no_change_set()
        calls.refuse("create_change_set", "InternalFailure", 500)
        with pytest.raises(OutcomeUnknown):
            operator.execute(context)
        noted = context["task_state_store"]["change_set"]
        assert noted["executed"] is False
        assert noted["name"] not in (old, ""), "CloudFormation has seen the tokens of the old name"
        again = deploy()
        calls = script(again).absent() if status is None else script(again).look(status).no_change_set()
        kind = "CREATE" if status is None else "UPDATE"
        calls.create(kind, ChangeSetName=noted["name"], ClientToken=noted["name"]).refuse(
            "describe_change_set", "Other"
        )
        with pytest.raises(WaitTimedOut):
            again.execute(context)

    @pytest.mark.parametrize("answers", ["EXECUTE_FAILED", "EXECUTE_COMPLETE", None])
    def test_an_update_that_was_rolled_back(self, context: Any, script: Any, deploy: Any, answers: str | None) -> None:
        token = stored(context, executed=True)
        operator = deploy()
        calls = script(operator).look("UPDATE_ROLLBACK_COMPLETE")
        calls = calls.no_change_set() if answers is None else calls.change_set(execution=answers)
        calls.events(("Second", "cancelled"), ("First", "Bucket name is taken"), token=token)
        with pytest.raises(StackFailed, match=r"First .*: Bucket name is taken, Second") as failed:
            operator.execute(context)
        assert failed.value.data["status"] == "UPDATE_ROLLBACK_COMPLETE"
        assert "change_set" not in context["task_state_store"], "the next try submits anew"

    def test_events_of_other_operations_are_not_told(self, context: Any, script: Any, deploy: Any) -> None:
        stored(context, executed=True)
        operator = deploy()
        calls = script(operator).look("UPDATE_ROLLBACK_COMPLETE").change_set(execution="EXECUTE_FAILED")
        calls.events(("Old", "long ago"), token="another")
        with pytest.raises(StackFailed, match="no reason"):
            operator.execute(context)

    def test_a_first_creation_that_failed(self, context: Any, script: Any, deploy: Any) -> None:
        token = stored(context, executed=True)
        operator = deploy()
        script(operator).look("ROLLBACK_COMPLETE").events(("Bucket", "is taken"), token=token)
        with pytest.raises(StackFailed, match=r"ROLLBACK_COMPLETE.*is taken"):
            operator.execute(context)

    @pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
    def test_one_that_failed_before_is_removed_and_made(
        self, context: Any, script: Any, deploy: Any, status: str
    ) -> None:
        operator = deploy(wait_for_completion=False)
        calls = script(operator).look(status).call("delete_stack", StackName=NAME, ClientRequestToken=ANY)
        calls.look("DELETE_IN_PROGRESS", name=ID).look("DELETE_COMPLETE", name=ID)
        calls.absent().create().change_set().look("REVIEW_IN_PROGRESS").change_set().execute()
        assert operator.execute(context)["changes"]

    @pytest.mark.parametrize("status", ["CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED"])
    def test_a_state_that_only_a_person_can_end(self, context: Any, script: Any, deploy: Any, status: str) -> None:
        operator = deploy()
        script(operator).look(status).events(("Bucket", "not empty"))
        with pytest.raises(CannotReconcile, match=f"{status}.*not empty"):
            operator.execute(context)

    def test_an_operation_of_others_is_waited_for(self, context: Any, script: Any, deploy: Any, waiting: Any) -> None:
        operator = deploy(**waiting)
        calls = script(operator).look("UPDATE_IN_PROGRESS")
        if waiting["deferrable"]:
            with pytest.raises(TaskDeferred):
                operator.execute(context)
            return
        if waiting["wait_for_completion"]:
            calls.look("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS").look("UPDATE_COMPLETE").look("CREATE_FAILED").events()
            with pytest.raises(CannotReconcile):
                operator.execute(context)
        else:
            assert operator.execute(context)["state"] == "UPDATE_IN_PROGRESS"

    def test_a_wait_that_ends_too_early(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy()
        calls = script(operator).look("UPDATE_IN_PROGRESS")
        for _ in range(3):
            calls.look("UPDATE_IN_PROGRESS")
        with pytest.raises(WaitTimedOut, match="Max attempts exceeded"):
            operator.execute(context)

    def test_an_old_event_is_not_believed(self, context: Any, script: Any, deploy: Any) -> None:
        stored(context, executed=True)
        operator = deploy(deferrable=True)
        calls = (
            script(operator).look("CREATE_COMPLETE").look("CREATE_COMPLETE").change_set(execution="EXECUTE_COMPLETE")
        )
        done = operator.execute_complete(context, {"status": "error", "message": "timed out"})
        assert done["state"] == "CREATE_COMPLETE"
        calls.look("CREATE_IN_PROGRESS")
        with pytest.raises(WaitTimedOut, match="timed out"):
            operator.execute_complete(context, {"status": "error", "message": "timed out"})

    def test_parameters_tags_and_role(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy(
            parameters={"Prefix": "pinflow", "Subnets": "${network.PrivateSubnets}", "Size": 2},
            stack_prefix="pinflow",
            tags={"pinflow": "pinflow"},
            capabilities=["CAPABILITY_NAMED_IAM"],
            role_arn="${roles.DeployRoleArn}",
        )
        calls = script(operator).absent()
        calls.look("CREATE_COMPLETE", name="pinflow-network", PrivateSubnets="s-1,s-2")
        calls.look("CREATE_COMPLETE", name="pinflow-roles", DeployRoleArn="arn:aws:iam::000000000000:role/deploy")
        calls.create(
            Parameters=[
                {"ParameterKey": "Prefix", "ParameterValue": "pinflow"},
                {"ParameterKey": "Subnets", "ParameterValue": "s-1,s-2"},
                {"ParameterKey": "Size", "ParameterValue": "2"},
            ],
            Tags=[{"Key": "pinflow", "Value": "pinflow"}],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            RoleARN="arn:aws:iam::000000000000:role/deploy",
        ).refuse("describe_change_set", "Other")
        with pytest.raises(WaitTimedOut):
            operator.execute(context)

    def test_references_that_lead_nowhere(self, context: Any, script: Any, deploy: Any) -> None:
        operator = deploy(parameters={"Vpc": "${network.VpcId}"}, stack_prefix="pinflow")
        script(operator).absent().absent("pinflow-network")
        with pytest.raises(NotFound, match="no stack pinflow-network"):
            operator.execute(context)
        operator = deploy(parameters={"Vpc": "${network.VpcId}"}, stack_prefix="pinflow")
        script(operator).absent().look("CREATE_COMPLETE", name="pinflow-network", Other="1")
        with pytest.raises(NotFound, match=r"no output VpcId\. It has: Other"):
            operator.execute(context)

    def test_a_template_by_url(self, context: Any, script: Any) -> None:
        operator = CloudFormationDeployStackOperator(task_id="t", stack_name=NAME, template_url="https://s3/x", **FAST)
        calls = script(operator).absent()
        calls.call(
            "create_change_set",
            {"Id": CHANGE, "StackId": ID},
            **dict.fromkeys(("ChangeSetName", "ClientToken"), ANY),
            StackName=NAME,
            ChangeSetType="CREATE",
            TemplateURL="https://s3/x",
            Parameters=[],
            Tags=[],
            Capabilities=[],
        ).refuse("describe_change_set", "Other")
        with pytest.raises(WaitTimedOut):
            operator.execute(context)

    def test_templates_that_cannot_be_sent(self, context: Any, script: Any, template: Path) -> None:
        template.write_text("x" * 51_201)
        operator = CloudFormationDeployStackOperator(task_id="t", stack_name=NAME, template_path=template, **FAST)
        script(operator).absent()
        with pytest.raises(ValueError, match="51201 bytes; a call takes 51200"):
            operator.execute(context)
        operator = CloudFormationDeployStackOperator(task_id="t", stack_name=NAME, **FAST)
        script(operator).absent()
        with pytest.raises(ValueError, match="either template_path or template_url"):
            operator.execute(context)

    def test_without_a_state_store_the_name_is_the_same_in_a_try(self, context: Any, deploy: Any) -> None:
        del context["task_state_store"]
        operator = deploy()
        first = operator._intent(context).name
        assert operator._intent(context).name == first
        context["ti"].try_number = 2
        assert operator._intent(context).name != first
        operator._forget(context)

    @pytest.mark.parametrize(("code", "kind"), [("Throttling", Unavailable), ("AccessDenied", Rejected)])
    def test_refusals(self, context: Any, script: Any, deploy: Any, code: str, kind: type[Exception]) -> None:
        operator = deploy()
        script(operator).absent().refuse("create_change_set", code)
        with pytest.raises(kind, match=code):
            operator.execute(context)


class TestCloudFormationDeleteStackOperator:
    @staticmethod
    def delete(**arguments: Any) -> CloudFormationDeleteStackOperator:
        return CloudFormationDeleteStackOperator(task_id="t", stack_name=NAME, **{**FAST, **arguments})

    def test_template_fields(self) -> None:
        assert {"stack_name", "aws_conn_id", "region_name"} <= set(self.delete().template_fields)

    def test_deletes(self, context: Any, script: Any, waiting: Any) -> None:
        operator = self.delete(**waiting)
        calls = script(operator).look("CREATE_COMPLETE").call("delete_stack", StackName=NAME)
        if waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert deferred.value.kwargs == {"deleted": True}
            calls.absent().absent()
            assert operator.execute_complete(context, {"status": "success"}, deleted=True) is True
            return
        if waiting["wait_for_completion"]:
            calls.look("DELETE_IN_PROGRESS").absent().absent()
        assert operator.execute(context) is True

    def test_none_there(self, context: Any, script: Any) -> None:
        operator = self.delete()
        script(operator).absent()
        assert operator.execute(context) is False

    def test_one_that_is_being_deleted_is_waited_for(self, context: Any, script: Any) -> None:
        operator = self.delete()
        script(operator).look("DELETE_IN_PROGRESS").absent().absent()
        assert operator.execute(context) is True

    def test_one_that_is_being_changed_is_waited_for(self, context: Any, script: Any) -> None:
        operator = self.delete()
        calls = script(operator).look("UPDATE_IN_PROGRESS").look("UPDATE_COMPLETE").look("UPDATE_COMPLETE")
        calls.call("delete_stack", StackName=NAME).absent().absent()
        assert operator.execute(context) is True

    def test_one_that_cannot_be_deleted(self, context: Any, script: Any) -> None:
        operator = self.delete()
        calls = script(operator).look("DELETE_FAILED").call("delete_stack", StackName=NAME)
        calls.look("DELETE_FAILED").look("DELETE_FAILED").events(("Bucket", "is not empty"))
        with pytest.raises(StackFailed, match="is not empty"):
            operator.execute(context)

    def test_a_refusal(self, context: Any, script: Any) -> None:
        operator = self.delete()
        script(operator).look("CREATE_COMPLETE").refuse("delete_stack", "ValidationError")
        with pytest.raises(Rejected, match="delete_stack"):
            operator.execute(context)

    def test_its_buckets_are_emptied_first(self, context: Any, script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        emptied: list[str] = []
        monkeypatch.setattr(cloudformation.VersionedBucketHook, "empty", lambda _, name: emptied.append(name) or 3)
        operator = self.delete(empty_buckets=True, wait_for_completion=False)
        found = [("b-1", "AWS::S3::Bucket", "CREATE_COMPLETE"), ("b-2", "AWS::S3::Bucket", "DELETE_COMPLETE")]
        summaries = [
            {
                "LogicalResourceId": name,
                "PhysicalResourceId": name,
                "ResourceType": kind,
                "ResourceStatus": status,
                "LastUpdatedTimestamp": NOW,
            }
            for name, kind, status in [*found, ("r", "AWS::IAM::Role", "CREATE_COMPLETE")]
        ]
        calls = script(operator).look("CREATE_COMPLETE")
        calls.call("list_stack_resources", {"StackResourceSummaries": summaries}, StackName=NAME)
        calls.call("delete_stack", StackName=NAME)
        assert operator.execute(context) is True
        assert emptied == ["b-1"]

    def test_an_old_event_is_not_believed(self, context: Any, script: Any) -> None:
        operator = self.delete(deferrable=True)
        calls = script(operator).absent().absent()
        assert operator.execute_complete(context, {"status": "error", "message": "late"}, deleted=True) is True
        calls.look("DELETE_IN_PROGRESS")
        with pytest.raises(WaitTimedOut, match="late"):
            operator.execute_complete(context, {"status": "error", "message": "late"}, deleted=True)


class TestCloudFormationDescribeStackOperator:
    def test_outputs(self, context: Any, script: Any) -> None:
        operator = CloudFormationDescribeStackOperator(task_id="t", stack_name=NAME, region_name="us-east-1")
        script(operator).look("CREATE_COMPLETE", Bucket="b", Key="k")
        assert operator.execute(context) == {"Bucket": "b", "Key": "k"}

    def test_none_there(self, context: Any, script: Any) -> None:
        operator = CloudFormationDescribeStackOperator(task_id="t", stack_name=NAME, region_name="us-east-1")
        script(operator).absent()
        with pytest.raises(NotFound, match="no stack pinflow-storage"):
            operator.execute(context)
