"""Stacks on a real server: made, changed, adopted, rolled back, made again and deleted with full buckets."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from pinflow.exceptions import NotFound, StackFailed
from pinflow.hooks.s3 import VersionedBucketHook
from pinflow.operators.cloudformation import (
    CloudFormationDeleteStackOperator,
    CloudFormationDeployStackOperator,
    CloudFormationDescribeStackOperator,
)
from pinflow.operators.s3 import S3DeleteVersionedBucketOperator
from pinflow.sensors.cloudformation import CloudFormationStackSensor
from tests.conftest import Platform

pytestmark = pytest.mark.integration


class Store(dict[str, Any]):
    """A task state store."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        """Forget a value."""
        self.pop(key, None)


class TaskInstance:
    """As much of a task instance as operators look at."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "manual__1", "task", -1, 1

    def xcom_push(self, key: str, value: Any) -> None:
        """Links are not looked at here."""


@pytest.fixture
def context() -> dict[str, Any]:
    return {"ti": TaskInstance(), "task_state_store": Store()}


@pytest.fixture
def prefix(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A prefix that no stack has, with the operators led to the server."""
    platform.up("aws")
    for name, value in platform.context.client_environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
    made = f"p{uuid.uuid4().hex[:8]}"
    yield made
    client = boto3.client("cloudformation")
    for stack in client.describe_stacks()["Stacks"]:
        if stack["StackName"].startswith(made):
            client.delete_stack(StackName=stack["StackName"])


def template(path: Path, bucket: Any, **more: Any) -> Path:
    """A stack like that of the storage: a versioned bucket, named by a parameter."""
    properties = {"BucketName": bucket, "VersioningConfiguration": {"Status": "Enabled"}}
    document = {
        "Parameters": {"Prefix": {"Type": "String"}},
        "Resources": {"Landing": {"Type": "AWS::S3::Bucket", "Properties": properties}, **more},
        "Outputs": {"LandingBucket": {"Value": {"Ref": "Landing"}}},
    }
    path.write_text(json.dumps(document))
    return path


def deploy(prefix: str, path: Path, name: str = "storage", **arguments: Any) -> CloudFormationDeployStackOperator:
    given = {"parameters": {"Prefix": prefix}, "stack_prefix": prefix, "tags": {"pinflow": prefix}, **arguments}
    return CloudFormationDeployStackOperator(
        task_id="t", stack_name=f"{prefix}-{name}", template_path=path, waiter_delay=1, **given
    )


def delete(prefix: str, name: str = "storage", **arguments: Any) -> CloudFormationDeleteStackOperator:
    return CloudFormationDeleteStackOperator(
        task_id="t", stack_name=f"{prefix}-{name}", empty_buckets=True, waiter_delay=1, **arguments
    )


NAMED = {"Fn::Sub": "${Prefix}-landing"}
QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${Prefix}-later"}}}


def test_made_adopted_changed_and_deleted(prefix: str, context: Any, tmp_path: Path) -> None:
    path = template(tmp_path / "storage.json", NAMED)
    first = deploy(prefix, path).execute(context)
    assert first["state"] == "CREATE_COMPLETE"
    assert first["changes"] == ["Add Landing (AWS::S3::Bucket)"]
    assert first["outputs"] == {"LandingBucket": f"{prefix}-landing"}
    assert deploy(prefix, path).execute(context)["changes"] == [], "a second run changes nothing"

    changed = deploy(prefix, template(path, NAMED, Later=QUEUE)).execute(context)
    assert changed["state"] == "UPDATE_COMPLETE"
    assert changed["changes"] == ["Add Later (AWS::SQS::Queue)"]
    assert changed["stack_id"] == first["stack_id"]
    assert context["task_state_store"] == {}
    assert CloudFormationStackSensor(task_id="t", stack_name=f"{prefix}-storage").poke(context) is True

    described = CloudFormationDescribeStackOperator(task_id="t", stack_name=f"{prefix}-storage")
    assert described.execute(context) == first["outputs"]
    assert delete(prefix).execute(context) is True
    assert delete(prefix).execute(context) is False
    with pytest.raises(NotFound):
        described.execute(context)
    assert not VersionedBucketHook().exists(f"{prefix}-landing")


def test_outputs_of_one_stack_are_parameters_of_another(prefix: str, context: Any, tmp_path: Path) -> None:
    deploy(prefix, template(tmp_path / "storage.json", NAMED)).execute(context)
    consumer = tmp_path / "consumer.json"
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Bucket"}}}
    consumer.write_text(json.dumps({"Parameters": {"Bucket": {"Type": "String"}}, "Resources": {"Queue": queue}}))
    deploy(prefix, consumer, "consumer", parameters={"Bucket": "${storage.LandingBucket}"}).execute(context)
    queues = boto3.client("sqs").list_queues(QueueNamePrefix=f"{prefix}-landing")["QueueUrls"]
    assert [url.rpartition("/")[2] for url in queues] == [f"{prefix}-landing"]


def test_a_full_bucket_goes_with_all_versions(prefix: str, context: Any, tmp_path: Path) -> None:
    deploy(prefix, template(tmp_path / "storage.json", NAMED)).execute(context)
    client, bucket = boto3.client("s3"), f"{prefix}-landing"
    for body in (b"1", b"2"):
        client.put_object(Bucket=bucket, Key="topics/pin/0.json.gz", Body=body)
    client.delete_object(Bucket=bucket, Key="topics/pin/0.json.gz")
    found = client.list_object_versions(Bucket=bucket)
    assert (len(found["Versions"]), len(found["DeleteMarkers"])) == (2, 1)
    assert VersionedBucketHook().empty(bucket) == 3
    assert delete(prefix).execute(context) is True


def test_a_bucket_of_no_stack(prefix: str, context: Any) -> None:
    client, bucket = boto3.client("s3"), f"{prefix}-plain"
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    operator = S3DeleteVersionedBucketOperator(task_id="t", bucket_name=bucket)
    assert (operator.execute(context), operator.execute(context)) == (True, False)


def test_a_first_creation_that_fails_is_told_and_the_next_try_makes_it(
    prefix: str, context: Any, tmp_path: Path
) -> None:
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    never = {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "1"}}
    path = template(tmp_path / "storage.json", NAMED, Handle=handle, Signal=never)
    with pytest.raises(StackFailed, match=r"ROLLBACK_COMPLETE.*Signal") as failed:
        deploy(prefix, path).execute(context)
    assert failed.value.data["events"]
    again = deploy(prefix, template(path, NAMED)).execute(context)
    assert (again["state"], again["outputs"]["LandingBucket"]) == ("CREATE_COMPLETE", f"{prefix}-landing")


def test_a_crash_between_the_change_set_and_its_execution(prefix: str, context: Any, tmp_path: Path) -> None:
    operator = deploy(prefix, template(tmp_path / "storage.json", NAMED))

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    operator._execute = crash  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        operator.execute(context)
    noted = context["task_state_store"]["change_set"]
    client = boto3.client("cloudformation")
    assert client.describe_stacks(StackName=f"{prefix}-storage")["Stacks"][0]["StackStatus"] == "REVIEW_IN_PROGRESS"
    again = deploy(prefix, tmp_path / "storage.json").execute(context)
    assert again["state"] == "CREATE_COMPLETE"
    made = client.list_change_sets(StackName=f"{prefix}-storage")["Summaries"]
    assert {entry["ChangeSetName"] for entry in made} <= {noted["name"]}, "no second change set"
    events = client.describe_stack_events(StackName=f"{prefix}-storage")["StackEvents"]
    assert {event.get("ClientRequestToken") for event in events if event["ResourceStatus"] != "REVIEW_IN_PROGRESS"} == {
        noted["name"]
    }
