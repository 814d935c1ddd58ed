"""Wait for a connector of Amazon MSK Connect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk.configuration import conf

from pinflow.exceptions import NotFound, WaitTimedOut
from pinflow.hooks.msk_connect import MskConnectHook
from pinflow.operators.msk_connect import RUNNING, failed, has_failed
from pinflow.triggers.msk_connect import MskConnectConnectorTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class MskConnectConnectorSensor(AwsBaseSensor[MskConnectHook]):
    """Wait until a connector runs.

    :param connector_name: the connector's name. (templated)
    :param deferrable: wait in the triggerer.
    :raises NotFound: deferred, and there is no such connector.
    :raises ConnectorFailed: it is FAILED or has failed tasks, with the reason.
    :raises WaitTimedOut: deferred, and it does not run in time.
    """

    INTERMEDIATE_STATES: tuple[str, ...] = ("CREATING", "UPDATING")
    FAILURE_STATES: tuple[str, ...] = ("FAILED",)
    SUCCESS_STATES: tuple[str, ...] = ("RUNNING",)

    aws_hook_class = MskConnectHook
    ui_color = "#f7ead2"
    template_fields: Sequence[str] = aws_template_fields("connector_name")

    def __init__(
        self,
        *,
        connector_name: str,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.connector_name = connector_name
        self.deferrable = deferrable

    def poke(self, context: Context) -> bool:
        """Look once."""
        described = self.hook.connector(self.connector_name)
        state = described["connectorState"] if described else "not there"
        self.log.info("Connector %s: %s", self.connector_name, state)
        if described is not None and has_failed(described):
            raise failed(described)
        return state in self.SUCCESS_STATES

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
                f"The connector {self.connector_name} does not run after {self.timeout:.0f} s.",
                f"The trigger says: {(event or {}).get('message', 'nothing')}.",
                "Look at MSK Connect, then clear the task.",
            )

    def _trigger(self) -> MskConnectConnectorTrigger:
        arn = self.hook.connector_arn(self.connector_name)
        if arn is None:
            raise NotFound(
                f"There is no connector {self.connector_name}.",
                "MSK Connect does not list it.",
                "Run ./pinflow trigger pinflow_provision.",
            )
        return MskConnectConnectorTrigger(
            arn,
            waiter_name=RUNNING,
            waiter_delay=max(1, round(self.poke_interval)),
            waiter_max_attempts=max(1, round(self.timeout / max(1, self.poke_interval))),
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )
