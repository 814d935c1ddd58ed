"""Wait for APIs of Amazon API Gateway in the triggerer."""

from __future__ import annotations

from typing import Any

from pinflow.hooks.api_gateway import ApiGatewayHook
from pinflow.triggers.waiting import AwsWaitingTrigger

AVAILABLE = "rest_api_available"


class ApiGatewayApiTrigger(AwsWaitingTrigger):
    """Fire when a REST API is available, after its creation or an import.

    :param api_id: the API.
    :param waiter_name: ``rest_api_available``.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks.
    :param aws_conn_id: the AWS connection.
    """

    hook_class = ApiGatewayHook
    told = "The API is"
    shown = ("apiStatus", "apiStatusMessage")

    def __init__(
        self,
        api_id: str,
        waiter_name: str = AVAILABLE,
        waiter_delay: int = 5,
        waiter_max_attempts: int = 120,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"api_id": api_id},
            waiter_name,
            {"restApiId": api_id},
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
