"""Links to the AWS console's pages of Amazon MSK."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class MskClusterLink(BaseAwsLink):
    """The page of a cluster."""

    name = "MSK cluster"
    key = "_msk_cluster"
    format_str = BASE_AWS_CONSOLE_LINK + "/msk/home?region={region_name}#/cluster/{cluster_arn}/view"
