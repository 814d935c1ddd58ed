"""Deployments and stages on a real server. It takes no documents: imports are held to the model of botocore."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from pinflow.exceptions import CannotReconcile, NotFound
from pinflow.hooks.api_gateway import DOCUMENT_TAG
from pinflow.operators.api_gateway import ApiGatewayDeleteApiOperator, ApiGatewayDeployOperator
from pinflow.sensors.api_gateway import ApiGatewayApiSensor
from tests.conftest import Platform

pytestmark = pytest.mark.integration
TAGS = {"pinflow": "tests"}


class TaskInstance:
    """As much of a task instance as links look at."""

    def xcom_push(self, key: str, value: Any) -> None:
        """Links are not looked at here."""


CONTEXT: Any = {"ti": TaskInstance()}


@pytest.fixture
def client(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Any:
    platform.up("aws")
    for name, value in platform.context.client_environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
    return boto3.client("apigateway")


@pytest.fixture
def name(client: Any) -> Iterator[str]:
    """An API as an import leaves it: with our tags and its document's digest."""
    made = f"api-{uuid.uuid4().hex[:8]}"
    found = client.create_rest_api(name=made, tags={**TAGS, DOCUMENT_TAG: "1" * 40})
    resource = client.create_resource(restApiId=found["id"], parentId=found["rootResourceId"], pathPart="{proxy+}")[
        "id"
    ]
    where = {"restApiId": found["id"], "resourceId": resource, "httpMethod": "ANY"}
    client.put_method(**where, authorizationType="NONE")
    client.put_integration(**where, type="HTTP_PROXY", integrationHttpMethod="ANY", uri="http://127.0.0.1:9/{proxy}")
    yield made
    for entry in client.get_rest_apis()["items"]:
        if entry["name"] == made:
            client.delete_rest_api(restApiId=entry["id"])


def deploy(name: str, **arguments: Any) -> dict[str, Any]:
    operator = ApiGatewayDeployOperator(task_id="t", api_name=name, tags=TAGS, stage_name="prod", **arguments)
    return operator.execute(CONTEXT)


def test_a_stage_is_made_kept_and_changed(client: Any, name: str) -> None:
    assert ApiGatewayApiSensor(task_id="t", api_name=name, tags=TAGS).poke(CONTEXT) is True
    first = deploy(name, variables={"restProxy": "h:1"}, rate_limit=50, burst_limit=100)
    assert "/*/*/throttling/rateLimit" in first["changed"]
    second = deploy(name, variables={"restProxy": "h:1"}, rate_limit=50, burst_limit=100)
    assert (second["deployment_id"], second["changed"]) == (first["deployment_id"], [])
    log = "arn:aws:logs:us-east-1:000000000000:log-group:g"
    third = deploy(
        name, variables={"restProxy": "h:2"}, access_log_arn=f"{log}:*", access_log_format="$context.requestId"
    )
    assert third["changed"] == [
        "/variables/restProxy",
        "/accessLogSettings/destinationArn",
        "/accessLogSettings/format",
    ]
    stage = client.get_stage(restApiId=first["api_id"], stageName="prod")
    assert stage["variables"] == {"restProxy": "h:2"}
    assert stage["methodSettings"]["*/*"]["throttlingRateLimit"] == 50
    assert stage["accessLogSettings"]["destinationArn"] == log
    assert len(client.get_deployments(restApiId=first["api_id"])["items"]) == 1


def test_a_crash_between_deployment_and_stage_leaves_one_deployment(client: Any, name: str) -> None:
    api_id = next(entry["id"] for entry in client.get_rest_apis()["items"] if entry["name"] == name)
    client.create_deployment(restApiId=api_id, description=f"document {'1' * 40}")
    deploy(name)
    assert len(client.get_deployments(restApiId=api_id)["items"]) == 1


def test_deleted_once_and_never_anothers(client: Any, name: str) -> None:
    operator = ApiGatewayDeleteApiOperator(task_id="t", api_name=name, tags=TAGS)
    other = ApiGatewayDeleteApiOperator(task_id="t", api_name=name, tags={"pinflow": "theirs"})
    with pytest.raises(CannotReconcile):
        other.execute(CONTEXT)
    assert (operator.execute(CONTEXT), operator.execute(CONTEXT)) == (True, False)
    with pytest.raises(NotFound):
        deploy(name)
