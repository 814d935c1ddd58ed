"""Wait for stacks of AWS CloudFormation in the triggerer."""

from __future__ import annotations

from typing import Any

from pinflow.hooks.cloudformation import CloudFormationStackHook
from pinflow.triggers.waiting import AwsWaitingTrigger


class CloudFormationStackTrigger(AwsWaitingTrigger):
    """Fire when no operation on a stack is under way, when it is complete, or when it is deleted.

    :param stack_name: the stack's name or id.
    :param waiter_name: ``stack_settled`` (whatever the end), ``stack_complete`` (one that is not there yet is waited
        for) or ``stack_deleted``.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks.
    :param aws_conn_id: the AWS connection.
    """

    hook_class = CloudFormationStackHook
    told = "The stack is"
    shown = ("Stacks[0].StackStatus", "Stacks[0].StackStatusReason")

    def __init__(
        self,
        stack_name: str,
        waiter_name: str,
        waiter_delay: int = 10,
        waiter_max_attempts: int = 360,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"stack_name": stack_name},
            waiter_name,
            {"StackName": stack_name},
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
