"""What there is of a platform, by the names and tags that this package gives."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

STACK_TAG = "aws:cloudformation:stack-name"
FREE = ("iam", "kafkaconnect:custom-plugin")
"""Services, or service and kind, whose resources cost nothing while they lie there."""


class TaggedResourcesHook(AwsBaseHook):
    """A wrapper around ``boto3.client("resourcegroupstaggingapi")``.

    Arguments are those of ``AwsBaseHook``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "resourcegroupstaggingapi"
        super().__init__(*args, **kwargs)

    def tagged(self, key: str, value: str, kept_stacks: Collection[str] = ()) -> list[str]:
        """The ARNs of all resources with a tag that may be billed, over all pages.

        The service may list a resource for some time after it was deleted.

        :param kept_stacks: stacks whose resources are left out.
        """
        pages = self.conn.get_paginator("get_resources").paginate(TagFilters=[{"Key": key, "Values": [value]}])
        found = [entry for page in pages for entry in page["ResourceTagMappingList"]]
        return sorted(
            entry["ResourceARN"]
            for entry in found
            if {tag["Key"]: tag["Value"] for tag in entry["Tags"]}.get(STACK_TAG) not in kept_stacks
            and not _is_free(entry["ResourceARN"])
        )


def _is_free(arn: str) -> bool:
    _, _, service, _, _, resource = arn.split(":", 5)
    kind = resource.replace(":", "/").split("/")[0]
    return service in FREE or f"{service}:{kind}" in FREE
