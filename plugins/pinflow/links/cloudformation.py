"""Links to the AWS console's pages of CloudFormation."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class CloudFormationStackLink(BaseAwsLink):
    """The page of a stack, with its events."""

    name = "CloudFormation stack"
    key = "_cloudformation_stack"
    format_str = BASE_AWS_CONSOLE_LINK + "/cloudformation/home?region={region_name}#/stacks/events?stackId={stack_id}"
