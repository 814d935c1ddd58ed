"""Wait for a connector of Amazon MSK Connect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import NotFound
from pinflow.hooks.msk_connect import MskConnectHook
from pinflow.operators.msk_connect import RUNNING, failed, has_failed
from pinflow.sensors.waiting import AwsWaitingSensor
from pinflow.triggers.msk_connect import MskConnectConnectorTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class MskConnectConnectorSensor(AwsWaitingSensor[MskConnectHook]):
    """Wait until a connector runs.

    :param connector_name: the connector's name. (templated)
    :param deferrable: wait in the triggerer.
    :raises NotFound: deferred, and there is no such connector.
    :raises ConnectorFailed: it is FAILED or has failed tasks, with the reason.
    :raises WaitTimedOut: deferred, and it does not run in time.
    """

    service = "MSK Connect"
    INTERMEDIATE_STATES: tuple[str, ...] = ("CREATING", "UPDATING")
    FAILURE_STATES: tuple[str, ...] = ("FAILED",)
    SUCCESS_STATES: tuple[str, ...] = ("RUNNING",)

    aws_hook_class = MskConnectHook
    ui_color = "#f7ead2"
    template_fields: Sequence[str] = aws_template_fields("connector_name")

    def __init__(self, *, connector_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connector_name = connector_name

    @property
    def awaited(self) -> str:
        """What is waited for, as errors call it."""
        return f"The connector {self.connector_name} does not run"

    def poke(self, context: Context) -> bool:
        """Look once."""
        described = self.hook.connector(self.connector_name)
        state = described["connectorState"] if described else "not there"
        self.log.info("Connector %s: %s", self.connector_name, state)
        if described is not None and has_failed(described):
            raise failed(described)
        return state in self.SUCCESS_STATES

    def _trigger(self) -> MskConnectConnectorTrigger:
        arn = self.hook.connector_arn(self.connector_name)
        if arn is None:
            raise NotFound(
                f"There is no connector {self.connector_name}.",
                "MSK Connect does not list it.",
                "Run ./pinflow trigger pinflow_provision.",
            )
        return MskConnectConnectorTrigger(arn, waiter_name=RUNNING, **self.trigger_arguments)
