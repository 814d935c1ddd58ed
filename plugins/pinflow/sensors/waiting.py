"""What sensors share that wait for an AWS service, here or in the triggerer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger
from airflow.providers.amazon.aws.utils.mixins import AwsHookType
from airflow.sdk.configuration import conf

from pinflow.exceptions import WaitTimedOut

if TYPE_CHECKING:
    from airflow.sdk import Context


class AwsWaitingSensor(AwsBaseSensor[AwsHookType]):
    """Looks by ``poke``; deferred, it waits on its trigger's waiter and looks once more.

    :param deferrable: wait in the triggerer.
    """

    service: ClassVar[str]
    """The service's name, as errors call it."""

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    @property
    @abstractmethod
    def awaited(self) -> str:
        """What is waited for, as errors call it."""

    @abstractmethod
    def _trigger(self) -> AwsBaseWaiterTrigger:
        """What waits in the triggerer."""

    @property
    def trigger_arguments(self) -> dict[str, Any]:
        """What every trigger of this sensor is told."""
        return {
            "waiter_delay": max(1, round(self.poke_interval)),
            "waiter_max_attempts": max(1, round(self.timeout / max(1, self.poke_interval))),
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    def execute(self, context: Context) -> None:
        """Wait, here or in the triggerer."""
        if not self.deferrable:
            super().execute(context)
        elif not self.poke(context):
            self.defer(trigger=self._trigger(), method_name="execute_complete")

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> None:
        """Look again: the event may be old."""
        if not self.poke(context):
            raise WaitTimedOut(
                f"{self.awaited} after {self.timeout:.0f} s.",
                f"The trigger says: {(event or {}).get('message', 'nothing')}.",
                f"Look at {self.service}, then clear the task.",
            )
