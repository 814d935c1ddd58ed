"""MSK Connect's record of what was done to a connector after it was made.

https://docs.aws.amazon.com/MSKC/latest/mskc/API_DescribeConnectorOperation.html
"""

from __future__ import annotations

import time
from typing import Any

from sandbox.msk.errors import not_found
from sandbox.msk.names import operation_arn, page
from sandbox.msk.store import Document, Store

Input = dict[str, Any]
ENDED = {"UPDATE_COMPLETE", "UPDATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
SUMMARY = (
    "connectorOperationArn",
    "connectorOperationType",
    "connectorOperationState",
    "creationTime",
    "endTime",
)


def begin(document: Document, connector: Input, kind: str, **details: Any) -> str:
    """Note that an operation begins.

    :returns: its ARN.
    """
    arn = operation_arn(connector["connectorArn"])
    document["operations"][arn] = {
        "connectorArn": connector["connectorArn"],
        "connectorOperationArn": arn,
        "connectorOperationState": "UPDATE_IN_PROGRESS",
        "connectorOperationType": kind,
        "creationTime": time.time(),
        **details,
    }
    connector["operation"] = arn
    return arn


def advance(document: Document, arn: str | None, state: str, error: dict[str, str] | None = None) -> None:
    """Note how an operation goes on, and its end."""
    if arn is None or arn not in document["operations"]:
        return
    operation = document["operations"][arn]
    operation["connectorOperationState"] = state
    if error is not None:
        operation["errorInfo"] = error
    if state in ENDED:
        operation["endTime"] = time.time()


class Operations:
    """The operations on operations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self, given: Input) -> Input:
        """DescribeConnectorOperation."""
        arn = given["connectorOperationArn"]
        with self._store.look() as document:
            found = document["operations"].get(arn)
            if found is None:
                raise not_found(f"The connector operation {arn} does not exist.", "connectorOperationArn")
            return dict(found)

    def list(self, given: Input) -> Input:
        """ListConnectorOperations, the latest first."""
        arn = given["connectorArn"]
        with self._store.look() as document:
            if arn not in document["connectors"]:
                raise not_found(f"The connector {arn} does not exist.", "connectorArn")
            mine = [row for row in document["operations"].values() if row["connectorArn"] == arn]
        mine.sort(key=lambda row: float(row["creationTime"]), reverse=True)
        rows = [{name: row.get(name) for name in SUMMARY} for row in mine]
        listed, token = page(rows, given.get("maxResults"), given.get("nextToken"))
        return {"connectorOperations": listed, "nextToken": token}
