"""MSK Connect's worker configurations.

The sandbox has one worker for all connectors. Of a worker configuration, the converters (keys that begin with
``key.converter`` or ``value.converter``) become defaults of the connectors that use it; the rest is kept and shown.
https://docs.aws.amazon.com/MSKC/latest/mskc/API_CreateWorkerConfiguration.html
"""

from __future__ import annotations

import binascii
import time
from base64 import b64decode
from typing import Any

from sandbox.msk.errors import bad_request, conflict, not_found
from sandbox.msk.names import new_arn, page
from sandbox.msk.store import Store
from sandbox.msk.tags import put_tags

Input = dict[str, Any]
INHERITED = ("key.converter", "value.converter")


class WorkerConfigurations:
    """Operations on worker configurations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, given: Input) -> Input:
        """CreateWorkerConfiguration."""
        properties = read_properties(given["propertiesFileContent"])
        for name in INHERITED:
            if name not in properties:
                raise bad_request(f"The properties file must set {name}.", "propertiesFileContent")
        arn, now = new_arn("worker-configuration", given["name"]), time.time()
        revision = {
            "creationTime": now,
            "description": given.get("description"),
            "propertiesFileContent": given["propertiesFileContent"],
            "revision": 1,
        }
        record = {
            "workerConfigurationArn": arn,
            "workerConfigurationState": "ACTIVE",
            "creationTime": now,
            "description": given.get("description"),
            "name": given["name"],
            "latestRevision": revision,
        }
        with self._store.edit() as document:
            if any(row["name"] == given["name"] for row in document["worker_configurations"].values()):
                raise conflict(f"A worker configuration with the name {given['name']} already exists.", "name")
            document["worker_configurations"][arn] = record
            put_tags(document, arn, given.get("tags"))
        return record

    def describe(self, given: Input) -> Input:
        """DescribeWorkerConfiguration."""
        return self.record(given["workerConfigurationArn"])

    def list(self, given: Input) -> Input:
        """ListWorkerConfigurations."""
        with self._store.look() as document:
            rows = sorted(document["worker_configurations"].values(), key=lambda row: str(row["name"]))
        wanted = [row for row in rows if row["name"].startswith(given.get("namePrefix", ""))]
        listed, token = page(wanted, given.get("maxResults"), given.get("nextToken"))
        return {"workerConfigurations": listed, "nextToken": token}

    def delete(self, given: Input) -> Input:
        """DeleteWorkerConfiguration; one that a connector uses stays."""
        arn = given["workerConfigurationArn"]
        self.record(arn)
        with self._store.edit() as document:
            for connector in document["connectors"].values():
                used = connector.get("workerConfiguration") or {}
                if used.get("workerConfigurationArn") == arn:
                    name = connector["connectorName"]
                    raise bad_request(f"The worker configuration is in use by the connector {name}. Delete that first.")
            del document["worker_configurations"][arn]
            document["tags"].pop(arn, None)
        return {"workerConfigurationArn": arn, "workerConfigurationState": "DELETING"}

    def record(self, arn: str) -> Input:
        """What is known of a worker configuration.

        :raises ApiError: NotFoundException.
        """
        with self._store.look() as document:
            found = document["worker_configurations"].get(arn)
            if found is None:
                raise not_found(f"The worker configuration {arn} does not exist.", "workerConfigurationArn")
            return dict(found)

    def defaults(self, used: Input | None) -> dict[str, str]:
        """What a connector inherits from the worker configuration that it uses."""
        if not used:
            return {}
        content = self.record(used["workerConfigurationArn"])["latestRevision"]["propertiesFileContent"]
        return {name: value for name, value in read_properties(content).items() if name.startswith(INHERITED)}


def read_properties(encoded: str) -> dict[str, str]:
    """A properties file from Base64.

    :raises ApiError: BadRequestException.
    """
    try:
        text = b64decode(encoded, validate=True).decode()
    except (ValueError, binascii.Error):
        raise bad_request(
            "propertiesFileContent must be a properties file in Base64.", "propertiesFileContent"
        ) from None
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.partition("=") for line in lines if line and line[0] not in "#!"]
    return {name.strip(): value.strip() for name, _, value in pairs}
