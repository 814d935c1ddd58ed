"""What triggers share that wait for an AWS service."""

from __future__ import annotations

from typing import ClassVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger


class AwsWaitingTrigger(AwsBaseWaiterTrigger):
    """Waits on a waiter of ``hook_class``, with the connection that the operator or sensor was given."""

    hook_class: ClassVar[type[AwsBaseHook]]

    def hook(self) -> AwsBaseHook:
        """The client that the waiter runs on."""
        return self.hook_class(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )
