"""Stacks of AWS CloudFormation, deployed by change set."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import CannotReconcile, Rejected, StackFailed, shortened
from pinflow.hooks.cloudformation import (
    GOOD,
    MAXIMUM_TEMPLATE_BYTES,
    NEVER_MADE,
    REVIEWED,
    ROLLED_BACK,
    CloudFormationStackHook,
    changes_of,
    entries,
    is_empty,
    is_moving,
    outputs_of,
)
from pinflow.hooks.s3 import VersionedBucketHook
from pinflow.links.cloudformation import CloudFormationStackLink
from pinflow.links.persisted import persist
from pinflow.operators.waiting import AwsWaitingOperator
from pinflow.triggers.cloudformation import CloudFormationStackTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

SETTLED = "stack_settled"
DELETED = "stack_deleted"
CREATED = "change_set_settled"
EXECUTED = "change_set_executed"
BUCKET = "AWS::S3::Bucket"
_THERE = "AlreadyExistsException"
_TAKEN = ("InvalidChangeSetStatus", "InvalidChangeSetStatusException", "TokenAlreadyExistsException")


@dataclass
class Intent:
    """The change set of this task, noted before it is made.

    :param name: its name, which is also the token of both calls.
    :param executed: whether the call that carries it out may have gone out.
    """

    name: str
    executed: bool = False


class CloudFormationBaseOperator(AwsWaitingOperator[CloudFormationStackHook]):
    """What the operators of stacks share: the wait trio, the link, and errors of the service.

    :param stack_name: the stack's name, which is its identity. (templated)
    """

    service = "CloudFormation"
    BUSY = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "LimitExceededException")
    aws_hook_class = CloudFormationStackHook
    ui_color = "#e9d8f0"
    operator_extra_links = (CloudFormationStackLink(),)
    template_fields: Sequence[str] = aws_template_fields("stack_name")

    def __init__(self, *, stack_name: str, waiter_max_attempts: int = 360, **kwargs: Any) -> None:
        super().__init__(waiter_max_attempts=waiter_max_attempts, **kwargs)
        self.stack_name = stack_name

    @property
    def target(self) -> str:
        """What is worked on, as errors call it."""
        return f"the stack {self.stack_name}"

    def _call(self, action: str, /, **arguments: Any) -> Any:
        """Call an action on the stack."""
        return super()._call(action, StackName=self.stack_name, **arguments)

    def _await(self, waiter: str, **resume: Any) -> None:
        self._wait(CloudFormationStackTrigger(self.stack_name, waiter_name=waiter, **self.trigger_arguments), **resume)

    def _failed(self, described: Mapping[str, Any], token: str | None = None) -> StackFailed:
        told = self.hook.failures(described["StackId"], token)
        reason = described.get("StackStatusReason") or "no reason"
        return StackFailed(
            f"The stack {self.stack_name} is {described['StackStatus']}.",
            f"{shortened(told, 5) if told else f'CloudFormation gives {reason}'}.",
            f"Correct include/aws/cloudformation or `stacks` in the settings, then clear {self.task_id}.",
            stack_name=self.stack_name,
            status=described["StackStatus"],
            events=told,
        )


class CloudFormationDeployStackOperator(CloudFormationBaseOperator):
    """Create a stack, or adopt the one of this name and bring it to its template by change set.

    The name of the change set is put into the task state store before it is made, and is the token of both calls, so a
    crash, a retry or a restart of the triggerer goes on with the same one. A change set without changes is removed. A
    stack whose first creation failed is deleted and made again, but never by the try in which it failed. Without
    waiting it ends when the change set is under way; the change set itself is always waited for.

    It does not touch a stack that has resources in a failed state: continue or delete it by hand first.

    :param stack_name: the stack's name. (templated)
    :param template_path: the template's file on this machine, at most 51,200 bytes.
    :param template_url: the template in S3 instead, of any size. (templated)
    :param parameters: its parameters; ``${network.VpcId}`` is the output VpcId of the stack ``<stack_prefix>-network``.
        (templated)
    :param stack_prefix: what the names of the stacks begin with that ``parameters`` refer to. (templated)
    :param tags: tags of the stack, which CloudFormation gives to all its resources. (templated)
    :param capabilities: such as ``CAPABILITY_NAMED_IAM``.
    :param role_arn: the role that CloudFormation works with, or the output that holds it, as in ``parameters``; the
        caller's when not given. (templated)
    :raises StackFailed: it was rolled back or failed, with the resources that failed.
    :raises Rejected: CloudFormation refuses the template or a parameter.
    :raises CannotReconcile: the stack is in a state that only a person can end.
    :raises NotFound: a stack or output that a parameter refers to is not there.
    :raises Unavailable: CloudFormation has had too many calls.
    :raises WaitTimedOut: it is not done in time.
    :raises ValueError: not exactly one template is given, or it is too large for a call.
    """

    STATE = "change_set"
    template_fields: Sequence[str] = aws_template_fields(
        "stack_name", "template_url", "parameters", "stack_prefix", "tags", "role_arn"
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json", "tags": "json"}

    def __init__(
        self,
        *,
        stack_name: str,
        template_path: str | Path | None = None,
        template_url: str | None = None,
        parameters: Mapping[str, str] | None = None,
        stack_prefix: str = "",
        tags: Mapping[str, str] | None = None,
        capabilities: Sequence[str] = (),
        role_arn: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(stack_name=stack_name, **kwargs)
        self.template_path = None if template_path is None else str(template_path)
        self.template_url = template_url
        self.parameters = parameters
        self.stack_prefix = stack_prefix
        self.tags = tags
        self.capabilities = list(capabilities)
        self.role_arn = role_arn

    def execute(self, context: Context) -> dict[str, Any]:
        """Deploy.

        :returns: ``stack_name``, ``stack_id``, ``state``, ``changes`` (what the change set did) and ``outputs``.
        """
        return self._converge(context, self._intent(context))

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, intent: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Look again and go on."""
        found = self.hook.stack(self.stack_name)
        if found is not None and is_moving(found["StackStatus"]):
            self._look_at(event)
        return self._converge(context, Intent(**intent) if intent else self._intent(context))

    def _converge(self, context: Context, intent: Intent) -> dict[str, Any]:
        while True:
            found = self.hook.stack(self.stack_name)
            status = None if found is None else found["StackStatus"]
            if found is not None and is_moving(found["StackStatus"]):
                if not self.waits:
                    return self._finished(context, found, [])
                self._await(SETTLED, intent=asdict(intent))
                continue
            if found is not None and status in NEVER_MADE:
                self._remove(context, found, intent)
                continue
            if found is not None and status not in GOOD | ROLLED_BACK | {REVIEWED}:
                raise self._stuck(found)
            if (ended := self._step(context, found, intent)) is not None:
                return ended

    def _step(self, context: Context, found: Mapping[str, Any] | None, intent: Intent) -> dict[str, Any] | None:
        """Take the change set one step on.

        :returns: the result at the end.
        """
        if found is None or (change_set := self.hook.change_set(self.stack_name, intent.name)) is None:
            if found is not None and intent.executed and found["StackStatus"] in ROLLED_BACK:
                raise self._given_up(context, found, intent)
            self._create(context, found, intent)
            return None
        if change_set["Status"] not in ("CREATE_COMPLETE", "FAILED"):
            self._wait_for_change_set(CREATED, intent)
            return None
        if change_set["Status"] == "FAILED":
            return self._not_made(context, found, change_set, intent)
        return self._carry_out(context, found, change_set, intent)

    def _create(self, context: Context, found: Mapping[str, Any] | None, intent: Intent) -> None:
        if intent.executed:  # and gone since: CloudFormation has seen both tokens
            self._renew(context, intent)
        parameters = {
            name: self.hook.resolve(str(value), self.stack_prefix) for name, value in (self.parameters or {}).items()
        }
        role = {"RoleARN": self.hook.resolve(self.role_arn, self.stack_prefix)} if self.role_arn else {}
        try:
            self._call(
                "create_change_set",
                ChangeSetName=intent.name,
                ChangeSetType="CREATE" if found is None or found["StackStatus"] == REVIEWED else "UPDATE",
                ClientToken=intent.name,
                Parameters=entries(parameters, "ParameterKey", "ParameterValue"),
                Tags=entries(dict(self.tags or {}), "Key", "Value"),
                Capabilities=self.capabilities,
                **self._template,
                **role,
            )
        except Rejected as refusal:
            if refusal.data["code"] != _THERE:  # made by a call whose answer was lost
                raise
        self._wait_for_change_set(CREATED, intent)

    def _carry_out(
        self, context: Context, found: Mapping[str, Any], change_set: Mapping[str, Any], intent: Intent
    ) -> dict[str, Any] | None:
        state = change_set["ExecutionStatus"]
        if state == "AVAILABLE":
            return self._execute(context, found, change_set, intent)
        if state == "EXECUTE_IN_PROGRESS":
            self._wait_for_change_set(EXECUTED, intent)
            return None
        if state == "EXECUTE_COMPLETE" and found["StackStatus"] in GOOD:
            self._forget(context)
            return self._finished(context, found, changes_of(change_set))
        if state == "OBSOLETE":  # somebody else has changed the stack since
            self._renew(context, intent)
            return None
        raise self._given_up(context, found, intent)

    def _execute(
        self, context: Context, found: Mapping[str, Any], change_set: Mapping[str, Any], intent: Intent
    ) -> dict[str, Any] | None:
        for change in changes_of(change_set):
            self.log.info("%s: %s", self.stack_name, change)
        intent.executed = True
        self._store(context, intent)
        try:
            self._call("execute_change_set", ChangeSetName=intent.name, ClientRequestToken=intent.name)
        except Rejected as refusal:
            if refusal.data["code"] not in _TAKEN:  # a call whose answer was lost has started it
                raise
        if not self.waits:
            return self._finished(context, found, changes_of(change_set))
        self._await(SETTLED, intent=asdict(intent))
        return None

    def _not_made(
        self, context: Context, found: Mapping[str, Any], change_set: Mapping[str, Any], intent: Intent
    ) -> dict[str, Any]:
        self._call("delete_change_set", ChangeSetName=intent.name)
        self._forget(context)
        if is_empty(change_set):
            return self._finished(context, found, [])
        raise Rejected(
            f"CloudFormation cannot change the stack {self.stack_name} as asked.",
            f"It says: {change_set.get('StatusReason') or 'nothing'}.",
            f"Correct the template or the parameters, then clear {self.task_id}.",
            stack_name=self.stack_name,
        )

    def _remove(self, context: Context, found: Mapping[str, Any], intent: Intent) -> None:
        """Delete a stack whose first creation failed, unless it is this task's own change set that did."""
        if intent.executed:
            raise self._given_up(context, found, intent)
        self.log.warning("%s is %s from before: deleting it", self.stack_name, found["StackStatus"])
        self._call("delete_stack", ClientRequestToken=f"{intent.name}-remove")
        self._wait_here(self._deletion(found["StackId"]))

    def _deletion(self, stack_id: str) -> CloudFormationStackTrigger:
        return CloudFormationStackTrigger(stack_id, waiter_name=DELETED, **self.trigger_arguments)

    def _given_up(self, context: Context, found: Mapping[str, Any], intent: Intent) -> StackFailed:
        self._forget(context)
        return self._failed(found, intent.name)

    def _stuck(self, found: Mapping[str, Any]) -> CannotReconcile:
        told = self.hook.failures(found["StackId"])
        return CannotReconcile(
            f"The stack {self.stack_name} is {found['StackStatus']}, and takes no change.",
            f"{shortened(told, 5) or 'Its events give no reason'}.",
            "Continue its rollback or delete it in the console of CloudFormation, then clear the task.",
            stack_name=self.stack_name,
            status=found["StackStatus"],
            events=told,
        )

    def _wait_for_change_set(self, waiter: str, intent: Intent) -> None:
        """Here even when deferrable: it takes seconds, less than a way to the triggerer and back."""
        from botocore.exceptions import WaiterError

        config = {"Delay": min(self.waiter_delay, 2), "MaxAttempts": 300}
        arguments = {"StackName": self.stack_name, "ChangeSetName": intent.name}
        try:
            self.hook.get_waiter(waiter).wait(**arguments, WaiterConfig=config)
        except WaiterError as error:
            self._wait_ended(str(error))

    def _finished(self, context: Context, found: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
        persist(CloudFormationStackLink, context, self, stack_id=found["StackId"])
        self.log.info("Stack %s: %s, %s", self.stack_name, found["StackStatus"], "; ".join(changes) or "no changes")
        return {
            "stack_name": self.stack_name,
            "stack_id": found["StackId"],
            "state": found["StackStatus"],
            "changes": list(changes),
            "outputs": outputs_of(found),
        }

    @cached_property
    def _template(self) -> dict[str, str]:
        if (self.template_path is None) == (self.template_url is None):
            raise ValueError(f"{self.task_id}: give either template_path or template_url.")
        if self.template_path is None:
            return {"TemplateURL": str(self.template_url)}
        content = Path(self.template_path).read_bytes()
        if len(content) > MAXIMUM_TEMPLATE_BYTES:
            raise ValueError(
                f"{self.template_path} has {len(content)} bytes; a call takes {MAXIMUM_TEMPLATE_BYTES}. "
                "Put it into a bucket and give template_url."
            )
        return {"TemplateBody": content.decode()}

    def _intent(self, context: Context) -> Intent:
        """That of an earlier try, or a new one that is noted at once."""
        store = context.get("task_state_store")
        if store is not None and isinstance(stored := store.get(self.STATE), dict):
            return Intent(str(stored["name"]), bool(stored["executed"]))
        made = Intent(self._name(context, uuid.uuid4().hex if store is not None else str(context["ti"].try_number)))
        self._store(context, made)
        return made

    def _name(self, context: Context, own: str) -> str:
        instance = context["ti"]
        parts = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index), self.stack_name, own)
        return "airflow-" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def _renew(self, context: Context, intent: Intent) -> None:
        intent.name, intent.executed = self._name(context, uuid.uuid4().hex), False
        self._store(context, intent)

    def _store(self, context: Context, intent: Intent) -> None:
        if (store := context.get("task_state_store")) is not None:
            store.set(self.STATE, asdict(intent))

    def _forget(self, context: Context) -> None:
        if (store := context.get("task_state_store")) is not None:
            store.delete(self.STATE)


class CloudFormationDeleteStackOperator(CloudFormationBaseOperator):
    """Delete a stack; nothing happens when there is none.

    :param stack_name: the stack's name. (templated)
    :param empty_buckets: delete all versions of all objects in its buckets first, which CloudFormation does not do.
    :raises StackFailed: a resource cannot be deleted, with the reason.
    :raises Rejected: CloudFormation refuses, for instance because of termination protection.
    :raises Unavailable: CloudFormation has had too many calls.
    :raises WaitTimedOut: it is not gone in time.
    """

    def __init__(self, *, stack_name: str, empty_buckets: bool = False, **kwargs: Any) -> None:
        super().__init__(stack_name=stack_name, **kwargs)
        self.empty_buckets = empty_buckets

    def execute(self, context: Context) -> bool:
        """Delete.

        :returns: whether there was one.
        """
        return self._converge(context, deleted=False)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None, deleted: bool = False) -> bool:
        """Look again and go on."""
        found = self.hook.stack(self.stack_name)
        if found is not None and is_moving(found["StackStatus"]):
            self._look_at(event)
        return self._converge(context, deleted=deleted)

    def _converge(self, context: Context, *, deleted: bool) -> bool:
        while (found := self.hook.stack(self.stack_name)) is not None:
            persist(CloudFormationStackLink, context, self, stack_id=found["StackId"])
            status = found["StackStatus"]
            if is_moving(status) and status != "DELETE_IN_PROGRESS" and self.waits:
                self._await(SETTLED, deleted=deleted)
                continue
            if deleted and status == "DELETE_FAILED":
                raise self._failed(found)
            if status != "DELETE_IN_PROGRESS":
                self._empty()
                self._call("delete_stack")
            deleted = True
            if not self.waits:
                return deleted
            self._await(SETTLED, deleted=deleted)
        return deleted

    def _empty(self) -> None:
        if not self.empty_buckets:
            return
        hook = VersionedBucketHook(**self._hook_parameters)
        for entry in self.hook.resources(self.stack_name):
            if entry["ResourceType"] == BUCKET and entry["ResourceStatus"] != "DELETE_COMPLETE":
                count = hook.empty(entry["PhysicalResourceId"])
                self.log.info("Deleted %d objects and versions from %s", count, entry["PhysicalResourceId"])


class CloudFormationDescribeStackOperator(AwsBaseOperator[CloudFormationStackHook]):
    """Read the outputs of a stack that somebody else keeps.

    :param stack_name: the stack's name. (templated)
    :raises NotFound: there is no such stack.
    """

    aws_hook_class = CloudFormationStackHook
    ui_color = "#e9d8f0"
    template_fields: Sequence[str] = aws_template_fields("stack_name")

    def __init__(self, *, stack_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stack_name = stack_name

    def execute(self, context: Context) -> dict[str, str]:
        """Look.

        :returns: its outputs.
        """
        found = self.hook.outputs(self.stack_name)
        self.log.info("Stack %s has the outputs %s", self.stack_name, ", ".join(sorted(found)) or "none")
        return found
