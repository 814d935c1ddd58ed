"""Amazon API Gateway: REST APIs found by name and tag, their resources, deployments and stages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from pinflow.exceptions import CannotReconcile, Rejected

WAITERS = Path(__file__).parents[1] / "waiters" / "api_gateway.json"
DOCUMENT_TAG = "pinflow:document"
"""The tag of an API that holds the digest of the document that was imported last."""

EVERY_METHOD = "*/*"
_PLACEHOLDER = re.compile(r"\$\{(AWS::[A-Za-z]+)\}")

type Patch = dict[str, str]


@dataclass(frozen=True)
class StageSpec:
    """What a stage should be; ``None`` leaves a property as it is.

    :param variables: stage variables; others stay.
    :param rate_limit: requests a second over all methods.
    :param burst_limit: requests at once over all methods.
    :param access_log_arn: the CloudWatch log group (or Firehose) for access logs.
    :param access_log_format: one line of ``$context`` variables.
    :param metrics: detailed CloudWatch metrics a method.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    rate_limit: float | None = None
    burst_limit: int | None = None
    access_log_arn: str | None = None
    access_log_format: str | None = None
    metrics: bool | None = None

    def patches(self, stage: Mapping[str, Any], deployment_id: str) -> list[Patch]:
        """What ``UpdateStage`` has to be told so that the stage becomes this.

        https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
        """
        pairs: list[tuple[str, Any, Any]] = [("/deploymentId", stage.get("deploymentId"), deployment_id)]
        have = stage.get("variables") or {}
        pairs += [(f"/variables/{name}", have.get(name), value) for name, value in self.variables.items()]
        method = (stage.get("methodSettings") or {}).get(EVERY_METHOD, {})
        pairs += [
            ("/*/*/throttling/rateLimit", method.get("throttlingRateLimit"), self.rate_limit),
            ("/*/*/throttling/burstLimit", method.get("throttlingBurstLimit"), self.burst_limit),
            ("/*/*/metrics/enabled", method.get("metricsEnabled"), self.metrics),
        ]
        log = stage.get("accessLogSettings") or {}
        pairs += [
            ("/accessLogSettings/destinationArn", _bare(log.get("destinationArn")), _bare(self.access_log_arn)),
            ("/accessLogSettings/format", log.get("format"), self.access_log_format),
        ]
        return [
            {"op": "replace", "path": path, "value": _text(wanted)}
            for path, found, wanted in pairs
            if wanted is not None and found != wanted
        ]


class ApiGatewayHook(AwsBaseHook):
    """A wrapper around ``boto3.client("apigateway")``, REST APIs only.

    Arguments are those of ``AwsBaseHook``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "apigateway"
        super().__init__(*args, **kwargs)

    @property
    def waiter_path(self) -> PathLike[str]:
        """Our own waiters: the service has none."""
        return WAITERS

    def apis(self) -> list[dict[str, Any]]:
        """All REST APIs of the region, over all pages."""
        pages = self.conn.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 500})
        return [dict(entry) for page in pages for entry in page["items"]]

    def api(self, name: str, tags: Mapping[str, str]) -> dict[str, Any] | None:
        """The API of this name that has these tags, or ``None``.

        :raises CannotReconcile: several have, or one of the name has not: names are not unique, so it may be another's.
        """
        named = [entry for entry in self.apis() if entry.get("name") == name]
        ours = [entry for entry in named if (entry.get("tags") or {}).items() >= tags.items()]
        if len(ours) == 1:
            return ours[0]
        if not named:
            return None
        ids = ", ".join(entry["id"] for entry in ours or named)
        told = " ".join(f"{key}={value}" for key, value in tags.items())
        raise CannotReconcile(
            f"It cannot be told which API {name} is ours.",
            f"{len(ours)} of {len(named)} APIs of this name have the tags {told}: {ids}.",
            "Tag the right one, or delete or rename the others, then clear the task.",
            ids=ids,
        )

    def find(self, api_id: str) -> dict[str, Any] | None:
        """``GetRestApi``, or ``None`` when there is none."""
        try:
            return dict(self.conn.get_rest_api(restApiId=api_id))
        except self.conn.exceptions.NotFoundException:
            return None

    def resources(self, api_id: str) -> dict[str, str]:
        """The id of each resource by its path, over all pages."""
        pages = self.conn.get_paginator("get_resources").paginate(restApiId=api_id, PaginationConfig={"PageSize": 500})
        return {entry["path"]: entry["id"] for page in pages for entry in page["items"]}

    def stage(self, api_id: str, name: str) -> dict[str, Any] | None:
        """``GetStage``, or ``None`` when there is none."""
        try:
            return dict(self.conn.get_stage(restApiId=api_id, stageName=name))
        except self.conn.exceptions.NotFoundException:
            return None

    def deployment(self, api_id: str, description: str) -> str | None:
        """The id of the newest deployment with this description, or ``None``."""
        pages = self.conn.get_paginator("get_deployments").paginate(
            restApiId=api_id, PaginationConfig={"PageSize": 500}
        )
        found = [entry for page in pages for entry in page["items"] if entry.get("description") == description]
        newest = max(found, key=lambda entry: entry["createdDate"], default=None)
        return newest["id"] if newest else None

    def url(self, api_id: str, stage: str) -> str:
        """Where clients call a stage."""
        suffix = "amazonaws.com.cn" if self.conn_partition == "aws-cn" else "amazonaws.com"
        return f"https://{api_id}.execute-api.{self.conn_region_name}.{suffix}/{stage}"

    def arn(self, api_id: str) -> str:
        """The ARN that tags of an API go to."""
        return f"arn:{self.conn_partition}:apigateway:{self.conn_region_name}::/restapis/{api_id}"


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill in the placeholders with CloudFormation's names, such as ``${AWS::Region}``; all other ``${...}`` stay.

    :raises Rejected: one has no value.
    """
    if missing := {name for name in _PLACEHOLDER.findall(text) if name not in values}:
        raise Rejected(
            f"The document names {', '.join(sorted(missing))}, which nothing fills in.",
            f"Only {', '.join(sorted(values))} are known.",
            "Correct the OpenAPI document, then clear the task.",
        )
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def digest(document: str) -> str:
    """What tells two documents apart, short enough for a tag and a description."""
    return hashlib.sha256(document.encode()).hexdigest()[:40]


def missing_variables(document: str, variables: Sequence[str]) -> list[str]:
    """The stage variables that a document uses and that are not given."""
    used = set(re.findall(r"\$\{stageVariables\.(\w+)\}|\$stageVariables\.(\w+)", document))
    return sorted({first or second for first, second in used} - set(variables))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bare(arn: str | None) -> str | None:
    """A log group's ARN without the ``:*`` that CloudFormation's GetAtt gives and API Gateway refuses."""
    return arn.removesuffix(":*") if arn else None
