"""The bucket of an MWAA environment: what differs from a bundle, and putting it there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sandbox.mwaa.bundle import Bundle
from sandbox.mwaa.errors import DeployError

DIGEST = "pinflow-sha256"
DAGS = "dags/"
GONE = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True)
class Stored:
    """An object of the bucket: the digest that we wrote beside it, if we put it there, and its version."""

    digest: str | None
    version: str | None


@dataclass(frozen=True)
class Difference:
    """What the bucket needs, by name in the bundle.

    ``foreign`` are objects below ``dags/`` that others put there; they are left alone.
    """

    upload: tuple[str, ...]
    remove: tuple[str, ...]
    keep: tuple[str, ...]
    foreign: tuple[str, ...]


class Bucket:
    """A bucket, and where in it the environment looks.

    :param client: boto3's S3 client.
    :param name: the bucket.
    :param prefix: what the keys begin with, such as ``mwaa/``; empty for the root.
    """

    def __init__(self, client: Any, name: str, prefix: str = "") -> None:
        self.client, self.name = client, name
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def key(self, name: str) -> str:
        """The key of a file of the bundle."""
        return f"{self.prefix}{name}"

    def check(self) -> None:
        """See that the bucket can serve an environment.

        :raises DeployError: it does not exist, or keeps no versions.
        """
        try:
            state = self.client.get_bucket_versioning(Bucket=self.name).get("Status")
        except ClientError as error:
            raise DeployError(
                f"The bucket {self.name} cannot be used.",
                f"S3 says: {error.response['Error'].get('Message') or error.response['Error']['Code']}.",
                "Make it with the stack airflow (docs/aws.md) or name another: ./pinflow deploy mwaa --bucket NAME.",
            ) from error
        if state != "Enabled":
            raise DeployError(
                f"The bucket {self.name} keeps no versions.",
                "MWAA names plugins.zip, requirements.txt and startup.sh by version; a roll-back needs the old ones.",
                "Turn on versioning (PutBucketVersioning), then run ./pinflow deploy mwaa again.",
            )

    def difference(self, bundle: Bundle) -> Difference:
        """What an upload of the bundle would change."""
        stored = {name: self.stored(name) for name in bundle.digests}
        same = {name for name, found in stored.items() if found and found.digest == bundle.digests[name]}
        extra = [name for name in self._names_below_dags() if name not in bundle.digests]
        ours = {name for name in extra if (found := self.stored(name)) and found.digest}
        return Difference(
            tuple(sorted(bundle.digests.keys() - same)),
            tuple(sorted(ours)),
            tuple(sorted(same)),
            tuple(sorted(set(extra) - ours)),
        )

    def stored(self, name: str) -> Stored | None:
        """What is there under a name, if anything."""
        try:
            found = self.client.head_object(Bucket=self.name, Key=self.key(name))
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return None
            raise
        return Stored(found.get("Metadata", {}).get(DIGEST), found.get("VersionId"))

    def put(self, name: str, content: bytes, digest: str) -> None:
        """Upload one file with its digest as metadata."""
        self.client.put_object(Bucket=self.name, Key=self.key(name), Body=content, Metadata={DIGEST: digest})

    def remove(self, name: str) -> None:
        """Put a delete marker on one file; its versions stay."""
        self.client.delete_object(Bucket=self.name, Key=self.key(name))

    def version(self, name: str) -> str:
        """The version of a file that was just uploaded or kept.

        :raises DeployError: it has none.
        """
        found = self.stored(name)
        if found is None or found.version in (None, "null"):
            raise DeployError(
                f"s3://{self.name}/{self.key(name)} has no version.",
                "It was put there before versioning was turned on, or removed meanwhile.",
                "Remove it and run ./pinflow deploy mwaa again.",
            )
        return str(found.version)

    def _names_below_dags(self) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.key(DAGS))
        for page in pages:
            for entry in page.get("Contents", []):
                if not entry["Key"].endswith("/"):
                    yield entry["Key"].removeprefix(self.prefix)
