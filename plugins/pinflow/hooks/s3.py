"""Amazon S3: what the amazon provider's hook leaves out when a bucket goes, its older versions."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from pinflow.exceptions import Rejected

_MISSING = ("404", "NoSuchBucket")


class VersionedBucketHook(AwsBaseHook):
    """Empties and deletes buckets, versioned or not.

    Arguments are those of ``AwsBaseHook``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "s3"
        super().__init__(*args, **kwargs)

    def exists(self, bucket: str) -> bool:
        """Whether there is such a bucket, and it is ours to look at."""
        from botocore.exceptions import ClientError

        try:
            self.conn.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return False
        return True

    def empty(self, bucket: str) -> int:
        """Delete all objects with all their versions and delete markers.

        :returns: how many; 0 when there is no such bucket.
        :raises Rejected: some are held back, for instance by a lock.
        """
        if not self.exists(bucket):
            return 0
        count = 0
        for page in self.conn.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [
                {"Key": entry["Key"], "VersionId": entry["VersionId"]}
                for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
            ]
            if found:
                self._delete(bucket, found)
            count += len(found)
        return count

    def delete(self, bucket: str) -> bool:
        """Empty and delete a bucket.

        :returns: whether there was one.
        """
        if not self.exists(bucket):
            return False
        self.empty(bucket)
        self.conn.delete_bucket(Bucket=bucket)
        return True

    def _delete(self, bucket: str, objects: list[dict[str, str]]) -> None:
        answer = self.conn.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := answer.get("Errors"):
            raise Rejected(
                f"S3 did not delete {len(errors)} of {len(objects)} objects from {bucket}.",
                f"It says of {errors[0]['Key']}: {errors[0]['Message']} ({errors[0]['Code']}).",
                "Lift the lock or correct the role's policy, then clear the task.",
                bucket=bucket,
                errors=errors,
            )
