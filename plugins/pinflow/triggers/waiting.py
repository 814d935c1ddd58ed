"""What triggers share that wait for an AWS service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger


class AwsWaitingTrigger(AwsBaseWaiterTrigger):
    """Waits on a waiter of ``hook_class``, with the connection that the operator or sensor was given.

    :param named: the trigger's own arguments by name; the last one names what is waited for, and is the event's value.
    :param waiter_name: the waiter.
    :param waiter_args: what its operation is called with.
    """

    hook_class: ClassVar[type[AwsBaseHook]]
    told: ClassVar[str]
    """What the log says before the state."""

    shown: ClassVar[Sequence[str]]
    """Where the state is in an answer, as JMESPath."""

    def __init__(
        self, named: Mapping[str, str], waiter_name: str, waiter_args: Mapping[str, str], **kwargs: Any
    ) -> None:
        key, value = list(named.items())[-1]
        super().__init__(
            serialized_fields={**named, "waiter_name": waiter_name},
            waiter_name=waiter_name,
            waiter_args=dict(waiter_args),
            failure_message=f"{waiter_name} was not reached by {value}",
            status_message=self.told,
            status_queries=list(self.shown),
            return_key=key,
            return_value=value,
            **kwargs,
        )

    def hook(self) -> AwsBaseHook:
        """The client that the waiter runs on."""
        return self.hook_class(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )
