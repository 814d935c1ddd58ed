"""Links to the AWS console's pages of API Gateway."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class ApiGatewayApiLink(BaseAwsLink):
    """The page of an API with its resources."""

    name = "API Gateway API"
    key = "_api_gateway_api"
    format_str = BASE_AWS_CONSOLE_LINK + "/apigateway/main/apis/{api_id}/resources?api={api_id}&region={region_name}"


class ApiGatewayStageLink(BaseAwsLink):
    """The page of a stage."""

    name = "API Gateway stage"
    key = "_api_gateway_stage"
    format_str = (
        BASE_AWS_CONSOLE_LINK
        + "/apigateway/main/apis/{api_id}/stages?api={api_id}&region={region_name}&stage={stage_name}"
    )
