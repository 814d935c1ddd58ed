"""Buckets of Amazon S3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from pinflow.hooks.s3 import VersionedBucketHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class S3DeleteVersionedBucketOperator(AwsBaseOperator[VersionedBucketHook]):
    """Delete a bucket with all objects and all their versions; nothing happens when there is none.

    The amazon provider's operator leaves older versions, and then the bucket.

    :param bucket_name: the bucket. (templated)
    :param keep_bucket: only empty it, when the bucket itself belongs to somebody else.
    :raises Rejected: some objects are held back, for instance by a lock.
    """

    aws_hook_class = VersionedBucketHook
    ui_color = "#d8f0e2"
    template_fields: Sequence[str] = aws_template_fields("bucket_name")

    def __init__(self, *, bucket_name: str, keep_bucket: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bucket_name = bucket_name
        self.keep_bucket = keep_bucket

    def execute(self, context: Context) -> bool:
        """Delete.

        :returns: whether there was one.
        """
        existed = self.hook.exists(self.bucket_name)
        if self.keep_bucket:
            self.log.info(
                "Deleted %d objects and versions from %s", self.hook.empty(self.bucket_name), self.bucket_name
            )
        else:
            self.hook.delete(self.bucket_name)
            self.log.info("Bucket %s %s", self.bucket_name, "deleted" if existed else "did not exist")
        return existed
