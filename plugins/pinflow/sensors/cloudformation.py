"""Wait for a stack of AWS CloudFormation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import StackFailed, shortened
from pinflow.hooks.cloudformation import GOOD, REVIEWED, ROLLED_BACK, CloudFormationStackHook, is_moving
from pinflow.sensors.waiting import AwsWaitingSensor
from pinflow.triggers.cloudformation import CloudFormationStackTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class CloudFormationStackSensor(AwsWaitingSensor[CloudFormationStackHook]):
    """Wait until a stack is complete; one that is not there yet is waited for.

    A stack that an update left in its last good state is complete as well.

    :param stack_name: the stack's name. (templated)
    :param deferrable: wait in the triggerer.
    :raises StackFailed: it failed, with the resources that did.
    :raises WaitTimedOut: deferred, and it is not complete in time.
    """

    service = "CloudFormation"
    aws_hook_class = CloudFormationStackHook
    ui_color = "#f3eaf7"
    template_fields: Sequence[str] = aws_template_fields("stack_name")

    def __init__(self, *, stack_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stack_name = stack_name

    @property
    def awaited(self) -> str:
        """What is waited for, as errors call it."""
        return f"The stack {self.stack_name} is not complete"

    def poke(self, context: Context) -> bool:
        """Look once."""
        found = self.hook.stack(self.stack_name)
        state = found["StackStatus"] if found else "not there"
        self.log.info("Stack %s: %s", self.stack_name, state)
        if found is None or is_moving(state) or state == REVIEWED:
            return False
        if state in GOOD | ROLLED_BACK:
            return True
        told = self.hook.failures(found["StackId"])
        raise StackFailed(
            f"The stack {self.stack_name} is {state}.",
            f"{shortened(told, 5) or 'Its events give no reason'}.",
            "Correct the cause and deploy it again, then clear the task.",
            stack_name=self.stack_name,
            status=state,
            events=told,
        )

    def _trigger(self) -> CloudFormationStackTrigger:
        return CloudFormationStackTrigger(self.stack_name, waiter_name="stack_complete", **self.trigger_arguments)
