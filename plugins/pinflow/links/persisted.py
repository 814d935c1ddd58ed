"""Links to AWS's consoles are kept with what an operator knows of its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink
    from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
    from airflow.sdk import Context


def persist(link: type[BaseAwsLink], context: Context, operator: AwsBaseOperator[Any], **values: str) -> None:
    """Keep what a link needs, with the region and partition of the operator's connection.

    :param values: what the link's address names beside them.
    """
    link.persist(
        context=context,
        operator=operator,
        region_name=operator.hook.conn_region_name,
        aws_partition=operator.hook.conn_partition,
        **values,
    )
