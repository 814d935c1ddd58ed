"""What operators share that wait for an AWS service: the wait trio, and the two ways to wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger
from airflow.providers.amazon.aws.utils.mixins import AwsHookType
from airflow.sdk.configuration import conf

from pinflow.exceptions import WaitTimedOut

DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)


class AwsWaitingOperator(AwsBaseOperator[AwsHookType]):
    """Waits on a waiter that a trigger describes, here or in the triggerer.

    ``_wait`` returns when the waiter is satisfied, defers to ``execute_complete``, or raises ``WaitTimedOut``.

    :param wait_for_completion: wait until the service is done.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks.
    :param deferrable: wait in the triggerer; implies waiting.
    """

    service: ClassVar[str]
    """The service's name, as errors call it."""

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        waiter_delay: int = 10,
        waiter_max_attempts: int = 120,
        deferrable: bool = DEFERRABLE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.deferrable = deferrable

    @property
    def waits(self) -> bool:
        """Whether it waits at all."""
        return self.wait_for_completion or self.deferrable

    @property
    def trigger_arguments(self) -> dict[str, Any]:
        """What every trigger of this operator is told."""
        return {
            "waiter_delay": self.waiter_delay,
            "waiter_max_attempts": self.waiter_max_attempts,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    def _wait(self, trigger: AwsBaseWaiterTrigger, **resume: Any) -> None:
        told = f"{trigger.waiter_name}: {trigger.return_value}"
        if self.deferrable:
            self.log.info("Deferring until %s", told)
            self.defer(trigger=trigger, method_name="execute_complete", kwargs=resume or None)
        self.log.info("Waiting until %s", told)
        self._wait_here(trigger)

    def _wait_here(self, trigger: AwsBaseWaiterTrigger) -> None:
        from botocore.exceptions import WaiterError

        config = {"Delay": self.waiter_delay, "MaxAttempts": self.waiter_max_attempts}
        try:
            self.hook.get_waiter(trigger.waiter_name).wait(**trigger.waiter_args, WaiterConfig=config)
        except WaiterError as error:
            self._wait_ended(str(error))

    def _look_at(self, event: Mapping[str, Any] | None) -> None:
        if event is not None and event.get("status") != "success":
            self._wait_ended(str(event.get("message", event)))

    def _wait_ended(self, reason: str) -> None:
        raise WaitTimedOut(
            f"{self.task_id} waited in vain.",
            f"{reason}.",
            f"Look at {self.service}, then clear the task: it goes on where it is.",
            reason=reason,
        )
