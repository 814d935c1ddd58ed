"""Wait for an API of Amazon API Gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.exceptions import CannotReconcile, NotFound
from pinflow.hooks.api_gateway import ApiGatewayHook
from pinflow.sensors.waiting import AwsWaitingSensor
from pinflow.triggers.api_gateway import ApiGatewayApiTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class ApiGatewayApiSensor(AwsWaitingSensor[ApiGatewayHook]):
    """Wait until an API is available after its creation or an import.

    :param api_name: the API's name. (templated)
    :param tags: the tags that, with the name, are its identity. (templated)
    :param deferrable: wait in the triggerer.
    :raises NotFound: deferred, and there is no such API.
    :raises CannotReconcile: it is FAILED, or it cannot be told which API it is.
    :raises WaitTimedOut: deferred, and it is not available in time.
    """

    service = "API Gateway"
    INTERMEDIATE_STATES: tuple[str, ...] = ("PENDING", "UPDATING")
    FAILURE_STATES: tuple[str, ...] = ("FAILED",)
    SUCCESS_STATES: tuple[str, ...] = ("AVAILABLE",)

    aws_hook_class = ApiGatewayHook
    ui_color = "#f7eee3"
    template_fields: Sequence[str] = aws_template_fields("api_name", "tags")
    template_fields_renderers: ClassVar[dict[str, str]] = {"tags": "json"}

    def __init__(self, *, api_name: str, tags: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.api_name = api_name
        self.tags = tags

    @property
    def awaited(self) -> str:
        """What is waited for, as errors call it."""
        return f"The API {self.api_name} is not available"

    def poke(self, context: Context) -> bool:
        """Look once; API Gateway tells the state only of APIs that have had another than AVAILABLE."""
        found = self.hook.api(self.api_name, self.tags)
        state = found.get("apiStatus", "AVAILABLE") if found else "not there"
        self.log.info("API %s: %s", self.api_name, state)
        if found is not None and state in self.FAILURE_STATES:
            raise CannotReconcile(
                f"The API {self.api_name} is {state}.",
                f"API Gateway says: {found.get('apiStatusMessage') or 'nothing'}.",
                "Delete it and run ./pinflow trigger pinflow_provision.",
                state=state,
            )
        return state in self.SUCCESS_STATES

    def _trigger(self) -> ApiGatewayApiTrigger:
        found = self.hook.api(self.api_name, self.tags)
        if found is None:
            raise NotFound(
                f"There is no API {self.api_name}.",
                f"API Gateway lists none of this name in {self.hook.conn_region_name}.",
                "Run ./pinflow trigger pinflow_provision.",
            )
        return ApiGatewayApiTrigger(found["id"], **self.trigger_arguments)
