"""Wait for MSK Connect in the triggerer."""

from __future__ import annotations

from typing import Any

from pinflow.hooks.msk_connect import MskConnectHook
from pinflow.triggers.waiting import AwsWaitingTrigger


class MskConnectConnectorTrigger(AwsWaitingTrigger):
    """Fire when a connector is running or deleted, as the waiter says.

    :param connector_arn: the connector.
    :param waiter_name: ``connector_running`` or ``connector_deleted``.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks.
    :param aws_conn_id: the AWS connection.
    """

    hook_class = MskConnectHook
    told = "The connector is"
    shown = ("connectorState", "stateDescription")

    def __init__(
        self,
        connector_arn: str,
        waiter_name: str,
        waiter_delay: int = 10,
        waiter_max_attempts: int = 120,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"connector_arn": connector_arn},
            waiter_name,
            {"connectorArn": connector_arn},
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )


class MskConnectCustomPluginTrigger(AwsWaitingTrigger):
    """Fire when a custom plugin is active or deleted, as the waiter says.

    :param custom_plugin_arn: the plugin.
    :param waiter_name: ``plugin_active`` or ``plugin_deleted``.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks.
    :param aws_conn_id: the AWS connection.
    """

    hook_class = MskConnectHook
    told = "The custom plugin is"
    shown = ("customPluginState", "stateDescription")

    def __init__(
        self,
        custom_plugin_arn: str,
        waiter_name: str,
        waiter_delay: int = 5,
        waiter_max_attempts: int = 60,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"custom_plugin_arn": custom_plugin_arn},
            waiter_name,
            {"customPluginArn": custom_plugin_arn},
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
