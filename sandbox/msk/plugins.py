"""MSK Connect's custom plugins: archives in S3 that are looked into, as MSK Connect does.

https://docs.aws.amazon.com/MSKC/latest/mskc/API_CreateCustomPlugin.html
"""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.msk.errors import bad_request, conflict, not_found
from sandbox.msk.names import new_arn, page
from sandbox.msk.store import Store
from sandbox.msk.tags import put_tags

Input = dict[str, Any]
Schedule = Callable[[Callable[[], None]], None]
BUCKET_ARN = "arn:aws:s3:::"
SERVICES = "META-INF/services/org.apache.kafka.connect."


class Plugins:
    """Operations on custom plugins.

    :param s3: a boto3 client.
    :param schedule: runs a function in the background.
    """

    def __init__(self, store: Store, s3: Any, schedule: Schedule) -> None:
        self._store, self._s3, self._schedule = store, s3, schedule

    def create(self, given: Input) -> Input:
        """CreateCustomPlugin: CREATING, then ACTIVE or CREATE_FAILED."""
        location = given["location"]["s3Location"]
        if not location["bucketArn"].startswith(BUCKET_ARN):
            raise bad_request(f"bucketArn must begin with {BUCKET_ARN}.", "bucketArn")
        arn, now = new_arn("custom-plugin", given["name"]), time.time()
        with self._store.edit() as document:
            if any(plugin["name"] == given["name"] for plugin in document["plugins"].values()):
                raise conflict(f"A custom plugin with the name {given['name']} already exists.", "name")
            document["plugins"][arn] = _record(arn, given, now)
            put_tags(document, arn, given.get("tags"))
        self._schedule(lambda: self.inspect(arn))
        return {"customPluginArn": arn, "customPluginState": "CREATING", "name": given["name"], "revision": 1}

    def describe(self, given: Input) -> Input:
        """DescribeCustomPlugin."""
        return self.record(given["customPluginArn"])

    def list(self, given: Input) -> Input:
        """ListCustomPlugins."""
        with self._store.look() as document:
            rows = sorted((dict(row) for row in document["plugins"].values()), key=lambda row: str(row["name"]))
        wanted = [row for row in rows if row["name"].startswith(given.get("namePrefix", ""))]
        listed, token = page(wanted, given.get("maxResults"), given.get("nextToken"))
        return {"customPlugins": listed, "nextToken": token}

    def delete(self, given: Input) -> Input:
        """DeleteCustomPlugin; one that a connector uses stays."""
        arn = given["customPluginArn"]
        self.record(arn)
        with self._store.edit() as document:
            for connector in document["connectors"].values():
                if any(plugin["customPlugin"]["customPluginArn"] == arn for plugin in connector["plugins"]):
                    name = connector["connectorName"]
                    message = f"The custom plugin is in use by the connector {name}. Delete that first."
                    raise bad_request(message, "customPluginArn")
            del document["plugins"][arn]
            document["tags"].pop(arn, None)
        return {"customPluginArn": arn, "customPluginState": "DELETING"}

    def record(self, arn: str) -> Input:
        """What is known of a plugin.

        :raises ApiError: NotFoundException.
        """
        with self._store.look() as document:
            found = document["plugins"].get(arn)
            if found is None:
                raise not_found(f"The custom plugin {arn} does not exist.", "customPluginArn")
            return dict(found)

    def resume(self) -> None:
        """Look again into the archives that were being looked into when the server stopped."""
        with self._store.look() as document:
            unfinished = [arn for arn, row in document["plugins"].items() if row["customPluginState"] == "CREATING"]
        for arn in unfinished:
            self._schedule(lambda arn=arn: self.inspect(arn))  # type: ignore[misc]

    def inspect(self, arn: str) -> None:
        """Fetch a plugin's archive, look into it, and keep the verdict."""
        revision = self.record(arn)["latestRevision"]
        data, fault = self._fetch(revision["location"]["s3Location"])
        if fault is None:
            fault = check_archive(data, revision["contentType"])
        with self._store.edit() as document:
            row = document["plugins"].get(arn)
            if row is None:
                return
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            row["latestRevision"]["fileDescription"] = {"fileMd5": md5, "fileSize": len(data)}
            row["customPluginState"] = "ACTIVE" if fault is None else "CREATE_FAILED"
            if fault is not None:
                row["stateDescription"] = {"code": fault[0], "message": fault[1]}

    def _fetch(self, location: Input) -> tuple[bytes, tuple[str, str] | None]:
        bucket, key = location["bucketArn"].removeprefix(BUCKET_ARN), location["fileKey"]
        version = {"VersionId": location["objectVersion"]} if location.get("objectVersion") else {}
        try:
            return self._s3.get_object(Bucket=bucket, Key=key, **version)["Body"].read(), None
        except (ClientError, BotoCoreError) as error:
            return b"", ("InvalidInput.S3Object", f"s3://{bucket}/{key} cannot be read: {error}. Upload it first.")


def check_archive(data: bytes, kind: str) -> tuple[str, str] | None:
    """Whether an archive holds a connector.

    :param kind: ``JAR`` or ``ZIP``.
    :returns: ``None``, or code and text of what is wrong.
    """
    try:
        jars = [data] if kind == "JAR" else _jars(data)
        if any(map(_holds_connector, jars)):
            return None
    except zipfile.BadZipFile as error:
        return "InvalidInput.Archive", f"The file is not a {kind} archive: {error}."
    wanted = "a class or service file of a Kafka Connect connector"
    return "InvalidInput.Plugin", f"None of the {len(jars)} jar files in the archive has {wanted}."


def _jars(data: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [archive.read(name) for name in archive.namelist() if name.endswith(".jar")]


def _holds_connector(jar: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(jar)) as archive:
        names = archive.namelist()
    return any(name.startswith(SERVICES) or name.endswith("Connector.class") for name in names)


def _record(arn: str, given: Input, now: float) -> Input:
    revision = {
        "contentType": given["contentType"],
        "creationTime": now,
        "description": given.get("description"),
        "location": given["location"],
        "revision": 1,
    }
    return {
        "customPluginArn": arn,
        "customPluginState": "CREATING",
        "creationTime": now,
        "description": given.get("description"),
        "name": given["name"],
        "latestRevision": revision,
    }
