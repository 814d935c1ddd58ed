"""What operators share that wait for an AWS service: the wait trio, the two ways to wait, and the service's errors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.triggers.base import AwsBaseWaiterTrigger
from airflow.providers.amazon.aws.utils.mixins import AwsHookType
from airflow.sdk.configuration import conf

from pinflow.exceptions import NotFound, NotSent, OutcomeUnknown, PinflowError, Rejected, Unavailable, WaitTimedOut

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError

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

    BUSY: ClassVar[tuple[str, ...]] = ()
    """The service's error codes that say that nothing was done and that it may work later."""

    MISSING: ClassVar[tuple[str, ...]] = ()
    """Those that say that what is named does not exist."""

    UNKNOWN: ClassVar[tuple[str, ...]] = ()
    """Those after which nobody knows whether it was done; so it is after all of 5xx that are not ``BUSY``."""

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

    @property
    @abstractmethod
    def target(self) -> str:
        """What is worked on, as errors call it."""

    def _call(self, action: str, /, **arguments: Any) -> Any:
        """Call an action that changes something, with the service's errors as ours."""
        from botocore import exceptions as errors

        self.log.info("%s of %s", action, self.target)
        try:
            return getattr(self.hook.conn, action)(**arguments)
        except errors.ClientError as error:
            raise self._refused(action, error.response) from error
        except errors.BotoCoreError as error:
            raise self._unanswered(action, error) from error

    def _delete(self, action: str, /, **arguments: Any) -> bool:
        """Call an action that deletes something; whether it was still there."""
        try:
            self._call(action, **arguments)
        except NotFound as error:
            self.log.info("%s", error)
            return False
        return True

    def _refused(self, action: str, response: Mapping[str, Any]) -> PinflowError:
        code, message = response["Error"]["Code"], response["Error"].get("Message") or "nothing"
        kind = self._kind(code, response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
        did = "may or may not have carried" if kind is OutcomeUnknown else "did not carry"
        return kind(
            f"{self.service} {did} out {action} for {self.target}.",
            f"It says: {message} ({code}).",
            "Mend what it says, then clear the task: it goes on where it is.",
            code=code,
            message=message,
        )

    def _kind(self, code: str, status: int) -> type[PinflowError]:
        if code in self.BUSY:
            return Unavailable
        if code in self.UNKNOWN or status >= 500:
            return OutcomeUnknown
        return NotFound if code in self.MISSING else Rejected

    def _unanswered(self, action: str, error: BotoCoreError) -> PinflowError:
        from botocore import exceptions as errors

        kind: type[PinflowError] = NotSent
        if isinstance(error, errors.HTTPClientError):  # the request was out when the connection broke
            kind = OutcomeUnknown
        elif isinstance(error, errors.ParamValidationError):
            kind = Rejected
        return kind(
            f"{self.service} gave no answer to {action} for {self.target}.",
            f"{error}.",
            "Look at the connection and the arguments, then clear the task: it goes on where it is.",
        )

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
