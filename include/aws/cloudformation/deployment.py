"""Deploys a stack from a shell, for those that must be there before Airflow is: by a change set that is seen first.

Airflow deploys the others with ``pinflow.operators.cloudformation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from include.aws.cloudformation import TemplateError, load, path

WAIT = {"Delay": 10, "MaxAttempts": 360}
"""MWAA takes up to half an hour, MSK longer: ten seconds, an hour at most."""
UNMADE = "REVIEW_IN_PROGRESS"
DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
"""States that only a deletion ends."""
NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")


class DeploymentError(RuntimeError):
    """A stack that could not be deployed; the text names the stack, the reason and what to do."""


@dataclass(frozen=True)
class Plan:
    """A change set that was made and not executed.

    :param changes: what it does, one line each; none when the stack is as it should be.
    :param created: whether the stack is new.
    """

    stack: str
    change_set: str
    changes: tuple[str, ...]
    created: bool


class Deployment:
    """The deployment of one template.

    :param client: ``boto3.client("cloudformation")``.
    :param prefix: the start of the stacks' names and the parameter ``Prefix``.
    :param wait: delay in seconds and number of looks of each wait.
    """

    def __init__(self, client: Any, prefix: str, wait: Mapping[str, int] | None = None) -> None:
        self.client = client
        self.prefix = prefix
        self.wait = dict(wait or WAIT)

    def parameters(self, name: str, given: Mapping[str, str]) -> dict[str, str]:
        """All parameters without a default: given, or from the outputs that the template's metadata names.

        :raises DeploymentError: a stack or an output is missing, or nothing tells a parameter.
        :raises TemplateError: there is no such template or parameter.
        """
        template = load(name)
        if unknown := sorted(set(given) - set(template["Parameters"])):
            known = ", ".join(template["Parameters"])
            raise TemplateError(f"{name}.yaml has no parameter {unknown[0]}. It has: {known}.")
        sources = template.get("Metadata", {}).get("From", {})
        found = {key: self.from_outputs(text) for key, text in sources.items() if key not in given}
        found |= {"Prefix": self.prefix, **given}
        for key, entry in template["Parameters"].items():
            if key not in found and "Default" not in entry:
                raise DeploymentError(
                    f"The stack {name} needs the parameter {key}. {entry['Description']} "
                    f"No other stack tells it. Add {key}=<value>."
                )
        return found

    def plan(self, name: str, given: Mapping[str, str]) -> Plan:
        """Make a change set and look at it.

        :raises DeploymentError: CloudFormation refuses it, or the stack must be deleted first.
        """
        template, stack = load(name), f"{self.prefix}-{name}"
        found = described(self.client, stack)
        if found is not None and found["StackStatus"] in DEAD:
            raise DeploymentError(
                f"The stack {stack} is {found['StackStatus']}. Nothing but its deletion leads out of that. "
                f"Run aws cloudformation delete-stack --stack-name {stack}, wait, and try again."
            )
        created = found is None or found["StackStatus"] == UNMADE
        change_set = f"pinflow-{uuid4().hex[:12]}"
        self._call(
            "create_change_set",
            StackName=stack,
            ChangeSetName=change_set,
            ChangeSetType="CREATE" if created else "UPDATE",
            TemplateBody=Path(path(name)).read_text(encoding="utf-8"),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters(name, given).items()
            ],
            Capabilities=template.get("Metadata", {}).get("Capabilities", []),
            Tags=[{"Key": "pinflow", "Value": self.prefix}],
        )
        return Plan(stack, change_set, tuple(self._changes(stack, change_set)), created)

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import ClientError

        try:
            return getattr(self.client, operation)(**arguments)
        except ClientError as error:
            raise DeploymentError(
                f"CloudFormation refuses {operation} for {arguments['StackName']}. "
                f"It says: {error.response['Error'].get('Message', error)} Mend that and try again."
            ) from error

    def drop(self, plan: Plan) -> None:
        """Forget a plan; a stack that was only planned goes with it."""
        self.client.delete_change_set(StackName=plan.stack, ChangeSetName=plan.change_set)
        found = described(self.client, plan.stack)
        if found is not None and found["StackStatus"] == UNMADE:
            self.client.delete_stack(StackName=plan.stack)

    def execute(self, plan: Plan) -> dict[str, str]:
        """Execute a plan and wait for its end.

        :returns: the stack's outputs.
        :raises DeploymentError: the stack did not come about; CloudFormation rolled it back.
        """
        from botocore.exceptions import WaiterError

        self._call("execute_change_set", StackName=plan.stack, ChangeSetName=plan.change_set)
        waiter = self.client.get_waiter("stack_create_complete" if plan.created else "stack_update_complete")
        try:
            waiter.wait(StackName=plan.stack, WaiterConfig=self.wait)
        except WaiterError as error:
            why = " ".join(self._failures(plan.stack)) or str(error)
            raise DeploymentError(
                f"The stack {plan.stack} did not come about. CloudFormation says: {why} "
                "Mend the reason; a new stack that was rolled back must be deleted before the next try."
            ) from error
        return self.outputs(plan.stack)

    def outputs(self, stack: str) -> dict[str, str]:
        """The outputs of a stack.

        :raises DeploymentError: there is no such stack.
        """
        found = described(self.client, stack)
        if found is None or found["StackStatus"] == UNMADE:
            raise DeploymentError(
                f"There is no stack {stack}. Its outputs are parameters of another one. "
                f"Deploy it first: python -m include.aws.cloudformation {stack.removeprefix(self.prefix + '-')} --yes."
            )
        return outputs_of(found)

    def from_outputs(self, text: str) -> str:
        """The outputs that a text such as ``network.VpcId`` names, joined by commas.

        :raises DeploymentError: a stack or an output is missing.
        """
        pairs = [part.strip().partition(".") for part in text.split(",")]
        return ",".join(self._output(stack, output) for stack, _, output in pairs)

    def _output(self, stack: str, output: str) -> str:
        found = self.outputs(f"{self.prefix}-{stack}")
        if output not in found:
            raise DeploymentError(
                f"The stack {self.prefix}-{stack} has no output {output}. It was made from an older template. "
                f"Update it: python -m include.aws.cloudformation {stack} --yes."
            )
        return found[output]

    def _changes(self, stack: str, change_set: str) -> Iterator[str]:
        from botocore.exceptions import WaiterError

        names = {"StackName": stack, "ChangeSetName": change_set}
        try:
            self.client.get_waiter("change_set_create_complete").wait(**names, WaiterConfig={**self.wait, "Delay": 2})
        except WaiterError as error:
            reason = self.client.describe_change_set(**names).get("StatusReason", str(error))
            if any(text in reason for text in NOTHING_TO_DO):
                return
            raise DeploymentError(
                f"CloudFormation refuses the change of {stack}. It says: {reason} Mend the reason and try again."
            ) from error
        for page in self.client.get_paginator("describe_change_set").paginate(**names):
            for entry in page["Changes"]:
                change = entry["ResourceChange"]
                replaced = " (replaced)" if change.get("Replacement") == "True" else ""
                kind = change["ResourceType"]
                yield f"{change['Action']} {change['LogicalResourceId']} {kind}{replaced}"

    def _failures(self, stack: str) -> Iterator[str]:
        for page in self.client.get_paginator("describe_stack_events").paginate(StackName=stack):
            for event in page["StackEvents"]:
                if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason"):
                    yield f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"


def described(client: Any, stack: str) -> dict[str, Any] | None:
    """``DescribeStacks`` of one stack, or ``None`` when there is none."""
    from botocore.exceptions import ClientError

    try:
        return dict(client.describe_stacks(StackName=stack)["Stacks"][0])
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def outputs_of(found: Mapping[str, Any]) -> dict[str, str]:
    """The outputs of a described stack, by name."""
    return {entry["OutputKey"]: entry["OutputValue"] for entry in found.get("Outputs", [])}
