"""AWS CloudFormation: stacks, their change sets, outputs and the events that say why one failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from pinflow.exceptions import NotFound

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

WAITERS = Path(__file__).parents[1] / "waiters" / "cloudformation.json"
MAXIMUM_TEMPLATE_BYTES = 51_200
"""The most that a call takes as ``TemplateBody``; a larger template is given by URL.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
ROLLED_BACK = frozenset({"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"})
NEVER_MADE = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
"""A first creation that failed: such a stack takes no change set, it can only be deleted."""

REVIEWED = "REVIEW_IN_PROGRESS"
_REFERENCE = re.compile(r"\$\{([A-Za-z][A-Za-z0-9-]*)\.([A-Za-z0-9]+)\}")
_EMPTY = ("didn't contain changes", "No updates are to be performed")


class CloudFormationStackHook(AwsBaseHook):
    """A wrapper around ``boto3.client("cloudformation")`` for stacks that are changed by change set.

    Arguments are those of ``AwsBaseHook``. The amazon provider's hook knows neither change sets nor outputs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "cloudformation"
        super().__init__(*args, **kwargs)

    @property
    def waiter_path(self) -> PathLike[str]:
        """Our own waiters: those of boto know one good state each."""
        return WAITERS

    def stack(self, name: str) -> dict[str, Any] | None:
        """``DescribeStacks`` of a stack by name or id, or ``None`` when there is none or it is deleted."""
        from botocore.exceptions import ClientError

        try:
            found = dict(self.conn.describe_stacks(StackName=name)["Stacks"][0])
        except ClientError as error:
            if not _is_missing(error):
                raise
            return None
        return None if found["StackStatus"] == "DELETE_COMPLETE" else found

    def stacks(self, prefix: str = "") -> list[dict[str, Any]]:
        """All stacks whose names begin so, over all pages; deleted ones are left out."""
        pages = self.conn.get_paginator("describe_stacks").paginate()
        found = (dict(stack) for page in pages for stack in page["Stacks"])
        return [entry for entry in found if entry["StackName"].startswith(prefix)]

    def outputs(self, name: str) -> dict[str, str]:
        """The outputs of a stack.

        :raises NotFound: there is no such stack.
        """
        found = self.stack(name)
        if found is None:
            raise NotFound(
                f"There is no stack {name}.",
                "CloudFormation does not know the name in this account and region.",
                "Deploy it, or correct `stacks` in the settings, then clear the task.",
                stack_name=name,
            )
        return outputs_of(found)

    def resolve(self, text: str, prefix: str) -> str:
        """Fill in outputs of other stacks: ``${network.VpcId}`` is the output VpcId of the stack ``<prefix>-network``.

        :raises NotFound: there is no such stack or no such output.
        """
        return _REFERENCE.sub(lambda found: self._output(f"{prefix}-{found[1]}", found[2]), text)

    def change_set(self, stack_name: str, name: str) -> dict[str, Any] | None:
        """``DescribeChangeSet`` with the changes of all pages, or ``None`` when there is none."""
        from botocore.exceptions import ClientError

        changes: list[Any] = []
        after: dict[str, str] = {}
        while True:
            try:
                page = self.conn.describe_change_set(StackName=stack_name, ChangeSetName=name, **after)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ChangeSetNotFound" and not _is_missing(error):
                    raise
                return None
            changes += page.get("Changes", [])
            if not page.get("NextToken"):
                return {**page, "Changes": changes}
            after = {"NextToken": page["NextToken"]}

    def failures(self, name: str, token: str | None = None) -> list[str]:
        """The resources that failed, with the reason, the first one first.

        :param name: the stack's name, or its id, which also finds the events of a stack that is deleted.
        :param token: only events of the operation with this ``ClientRequestToken``.
        """
        failed = [
            f"{event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
            for event in self._events(name)
            if event["ResourceStatus"].endswith("_FAILED")
            and event.get("ResourceStatusReason")
            and (token is None or event.get("ClientRequestToken") == token)
        ]
        return failed[::-1]

    def resources(self, name: str) -> list[dict[str, Any]]:
        """``ListStackResources`` over all pages."""
        pages = self.conn.get_paginator("list_stack_resources").paginate(StackName=name)
        return [dict(entry) for page in pages for entry in page["StackResourceSummaries"]]

    def _events(self, name: str) -> Iterator[Mapping[str, Any]]:
        for page in self.conn.get_paginator("describe_stack_events").paginate(StackName=name):
            yield from page["StackEvents"]

    def _output(self, stack_name: str, output: str) -> str:
        found = self.outputs(stack_name)
        if output not in found:
            raise NotFound(
                f"The stack {stack_name} has no output {output}.",
                f"It has: {', '.join(sorted(found)) or 'none'}.",
                "Correct the reference in `stacks` of the settings, then clear the task.",
                stack_name=stack_name,
                output=output,
            )
        return found[output]


def outputs_of(described: Mapping[str, Any]) -> dict[str, str]:
    """The outputs of a described stack by name."""
    return {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", [])}


def is_empty(change_set: Mapping[str, Any]) -> bool:
    """Whether a change set FAILED because there is nothing to change; CloudFormation says so only in words."""
    reason = change_set.get("StatusReason", "")
    return change_set["Status"] == "FAILED" and any(words in reason for words in _EMPTY)


def is_moving(status: str) -> bool:
    """Whether an operation on the stack is under way; a stack that only has a change set is not."""
    return status.endswith("_IN_PROGRESS") and status != REVIEWED


def changes_of(change_set: Mapping[str, Any]) -> list[str]:
    """What a change set does, such as ``Modify Bucket (AWS::S3::Bucket), replaced``."""
    return [_told(entry["ResourceChange"]) for entry in change_set["Changes"] if "ResourceChange" in entry]


def entries(pairs: Mapping[str, str], key: str, value: str) -> list[dict[str, str]]:
    """A map in the form of the API's lists."""
    return [{key: name, value: content} for name, content in pairs.items()]


def named(stacks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name and state of described stacks."""
    return [f"{entry['StackName']} ({entry['StackStatus']})" for entry in stacks]


def _told(change: Mapping[str, Any]) -> str:
    replaced = ", replaced" if change.get("Replacement") == "True" else ""
    return f"{change['Action']} {change['LogicalResourceId']} ({change['ResourceType']}){replaced}"


def _is_missing(error: ClientError) -> bool:
    found = error.response["Error"]
    return found["Code"] == "ValidationError" and "does not exist" in found.get("Message", "")
