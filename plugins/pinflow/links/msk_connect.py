"""Links to the AWS console's pages of MSK Connect."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class MskConnectConnectorLink(BaseAwsLink):
    """The page of a connector."""

    name = "MSK Connect connector"
    key = "_msk_connect_connector"
    format_str = BASE_AWS_CONSOLE_LINK + "/msk/home?region={region_name}#/connector/{connector_arn}/view"
