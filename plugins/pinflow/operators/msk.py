"""Clusters of Amazon MSK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.hooks.msk import MskHook
from pinflow.links.msk import MskClusterLink

if TYPE_CHECKING:
    from airflow.sdk import Context


class MskDescribeClusterOperator(AwsBaseOperator[MskHook]):
    """Find a cluster by its name, and how a client inside its network reaches it.

    :param cluster_name: the cluster's name. (templated)
    :raises NotFound: no cluster of this name can be used, or it offers no way to connect.
    """

    aws_hook_class = MskHook
    ui_color = "#f0d2c2"
    operator_extra_links = (MskClusterLink(),)
    template_fields: Sequence[str] = aws_template_fields("cluster_name")

    def __init__(self, *, cluster_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster_name = cluster_name

    def execute(self, context: Context) -> dict[str, Any]:
        """Look.

        :returns: ``name``, ``arn``, ``bootstrap_servers``, ``authentication``, ``encryption``, ``subnets`` and
            ``security_groups``.
        """
        found = self.hook.cluster(self.cluster_name)
        MskClusterLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            cluster_arn=found.arn,
        )
        self.log.info("Cluster %s: %s, %s", found.name, found.bootstrap_servers, found.authentication)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(found).items()}
