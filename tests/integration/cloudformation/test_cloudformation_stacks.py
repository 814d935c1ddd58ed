"""The stacks that ministack can really make: storage, roles, secrets, connect, databricks.

It refuses the types of the others ("Unrecognized resource types"), checks no policy on a call, and of a bucket it
leaves out lifecycle rules and tags: nothing here says anything about those.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from include.aws.cloudformation import path
from include.aws.cloudformation.__main__ import main
from include.aws.cloudformation.deployment import Deployment
from tests.conftest import Platform

pytestmark = pytest.mark.integration

ACCOUNT = "000000000000"
TOPIC = "arn:aws:kafka:us-east-1:{account}:topic/{prefix}/0c1f-7/{prefix}.pin"
STREAM = "arn:aws:kinesis:us-east-1:{account}:stream/streaming-{prefix}-pin"
FOREIGN_STREAM = "arn:aws:kinesis:us-east-1:{account}:stream/payments"
TRIES = {"Delay": 1, "MaxAttempts": 20}


@pytest.fixture(scope="module")
def clients(platform: Platform) -> Any:
    platform.up("aws")
    environment = platform.context.client_environment()

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )

    return client


@pytest.fixture(scope="module")
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


def deploy(clients: Any, prefix: str, name: str, **parameters: str) -> dict[str, str]:
    """Make a stack and wait for it; its outputs."""
    client = clients("cloudformation")
    client.create_stack(
        StackName=f"{prefix}-{name}",
        TemplateBody=path(name).read_text(encoding="utf-8"),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in {"Prefix": prefix, **parameters}.items()
        ],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    client.get_waiter("stack_create_complete").wait(StackName=f"{prefix}-{name}", WaiterConfig=TRIES)
    (described,) = client.describe_stacks(StackName=f"{prefix}-{name}")["Stacks"]
    return {entry["OutputKey"]: entry["OutputValue"] for entry in described["Outputs"]}


def remove(clients: Any, prefix: str, name: str) -> None:
    client = clients("cloudformation")
    client.delete_stack(StackName=f"{prefix}-{name}")
    client.get_waiter("stack_delete_complete").wait(StackName=f"{prefix}-{name}", WaiterConfig=TRIES)


@pytest.fixture(scope="module")
def storage(clients: Any, prefix: str) -> Iterator[dict[str, str]]:
    yield deploy(clients, prefix, "storage")
    remove(clients, prefix, "storage")


class TestStorage:
    def buckets(self, storage: dict[str, str]) -> list[str]:
        return [value for key, value in storage.items() if key.endswith("Bucket")]

    def test_outputs_name_real_buckets(self, clients: Any, prefix: str, storage: dict[str, str]) -> None:
        there = {bucket["Name"] for bucket in clients("s3").list_buckets()["Buckets"]}
        assert set(self.buckets(storage)) < there
        assert storage["LandingBucket"] == f"{ACCOUNT}-{prefix}-landing"
        assert storage["LakeBucketArn"] == f"arn:aws:s3:::{ACCOUNT}-{prefix}-lake"

    def test_they_are_encrypted_and_closed(self, clients: Any, storage: dict[str, str]) -> None:
        s3 = clients("s3")
        for bucket in self.buckets(storage):
            (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
            assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
            block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
            assert block == dict.fromkeys(
                ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
            )

    def test_their_policies_deny_plain_http(self, clients: Any, storage: dict[str, str]) -> None:
        for bucket in self.buckets(storage):
            policy = json.loads(clients("s3").get_bucket_policy(Bucket=bucket)["Policy"])
            plain = [entry for entry in policy["Statement"] if entry["Sid"] == "OnlyOverTls"]
            assert [(entry["Effect"], entry["Condition"]) for entry in plain] == [
                ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
            ]
            assert plain[0]["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]

    def test_versions_are_kept_where_they_are_wanted(self, clients: Any, storage: dict[str, str]) -> None:
        states = {
            key: clients("s3").get_bucket_versioning(Bucket=bucket).get("Status")
            for key, bucket in storage.items()
            if key.endswith("Bucket")
        }
        assert states == {
            "LandingBucket": None,
            "LakeBucket": None,
            "ArtifactsBucket": "Enabled",
            "AirflowBucket": "Enabled",
        }

    def test_the_same_template_again_changes_nothing(self, clients: Any, prefix: str, storage: dict[str, str]) -> None:
        key = "topics/kept.json.gz"
        clients("s3").put_object(Bucket=storage["LandingBucket"], Key=key, Body=b"kept")
        client = clients("cloudformation")
        with pytest.raises(ClientError, match="No updates are to be performed"):
            client.update_stack(
                StackName=f"{prefix}-storage",
                TemplateBody=path("storage").read_text(encoding="utf-8"),
                Parameters=[{"ParameterKey": "Prefix", "ParameterValue": prefix}],
            )
        assert clients("s3").get_object(Bucket=storage["LandingBucket"], Key=key)["Body"].read() == b"kept"
        clients("s3").delete_object(Bucket=storage["LandingBucket"], Key=key)


def test_a_deleted_stack_leaves_no_bucket_and_can_be_made_again(clients: Any, prefix: str) -> None:
    other = f"{prefix}x"
    for _ in range(2):
        outputs = deploy(clients, other, "storage", BucketPrefix=other)
        assert outputs["LandingBucket"] == f"{other}-landing"
        remove(clients, other, "storage")
        assert not [
            name for entry in clients("s3").list_buckets()["Buckets"] if (name := entry["Name"]).startswith(other)
        ]


@pytest.fixture(scope="module")
def made_roles(clients: Any, prefix: str) -> Iterator[dict[str, str]]:
    made = deploy(clients, prefix, "roles") | deploy(
        clients, prefix, "databricks", StorageExternalId="6f1c-22", TrustItself="true"
    )
    yield made
    remove(clients, prefix, "databricks")
    remove(clients, prefix, "roles")


class TestRoles:
    """ministack's own evaluation of the policies, after CloudFormation made the roles."""

    def decision(self, clients: Any, role: str, action: str, resource: str, **context: str) -> str:
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context.items()
        ]
        (result,) = clients("iam").simulate_principal_policy(
            PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource], ContextEntries=entries
        )["EvaluationResults"]
        return str(result["EvalDecision"])

    @pytest.mark.parametrize(
        ("role", "action", "resource", "expected"),
        [
            ("ConnectRoleArn", "s3:PutObject", "arn:aws:s3:::{account}-{prefix}-landing/topics/a", "allowed"),
            ("ConnectRoleArn", "s3:PutObject", "arn:aws:s3:::{account}-{prefix}-lake/a", "implicitDeny"),
            ("ConnectRoleArn", "kafka-cluster:ReadData", TOPIC, "allowed"),
            ("ConnectRoleArn", "kafka-cluster:WriteData", TOPIC, "implicitDeny"),
            ("AirflowRoleArn", "kinesis:CreateStream", STREAM, "allowed"),
            ("AirflowRoleArn", "kinesis:DeleteStream", FOREIGN_STREAM, "implicitDeny"),
            ("AirflowRoleArn", "s3:PutObject", "arn:aws:s3:::{account}-{prefix}-airflow/dags/a.py", "implicitDeny"),
            ("StorageRoleArn", "s3:GetObject", "arn:aws:s3:::{account}-{prefix}-landing/topics/a", "allowed"),
            ("StorageRoleArn", "s3:PutObject", "arn:aws:s3:::{account}-{prefix}-landing/topics/a", "implicitDeny"),
            ("StreamsRoleArn", "kinesis:GetRecords", STREAM, "allowed"),
            ("StreamsRoleArn", "kinesis:PutRecords", STREAM, "implicitDeny"),
        ],
    )  # fmt: skip
    def test_reach(
        self,
        clients: Any,
        prefix: str,
        made_roles: dict[str, str],
        role: str,
        action: str,
        resource: str,
        expected: str,
    ) -> None:
        arn = resource.format(account=ACCOUNT, prefix=prefix)
        assert self.decision(clients, made_roles[role], action, arn) == expected

    def test_databricks_is_trusted_with_its_external_id(
        self, clients: Any, prefix: str, made_roles: dict[str, str]
    ) -> None:
        role = clients("iam").get_role(RoleName=made_roles["StorageRoleArn"].rpartition("/")[2])["Role"]
        conditions = [entry["Condition"] for entry in role["AssumeRolePolicyDocument"]["Statement"]]
        assert conditions == [{"StringEquals": {"sts:ExternalId": "6f1c-22"}}] * 2

    def test_hosts_get_their_role(self, clients: Any, made_roles: dict[str, str]) -> None:
        name = made_roles["RestProxyInstanceProfileArn"].rpartition("/")[2]
        (role,) = clients("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
        assert role["RoleName"] == name


@pytest.fixture(scope="module")
def secrets(clients: Any, prefix: str) -> Iterator[dict[str, str]]:
    yield deploy(clients, prefix, "secrets")
    remove(clients, prefix, "secrets")


class TestSecrets:
    def backend(self, clients: Any, secrets: dict[str, str]) -> Any:
        from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

        made = SecretsManagerBackend(connections_prefix=secrets["ConnectionsPrefix"])
        made.client = clients("secretsmanager")
        return made

    def test_airflow_reads_what_was_put_into_them(self, clients: Any, secrets: dict[str, str]) -> None:
        value = json.dumps({"conn_type": "http", "host": "10.0.0.1", "port": 8082, "schema": "http"})
        name = f"{secrets['ConnectionsPrefix']}/kafka_rest_default"
        clients("secretsmanager").put_secret_value(SecretId=name, SecretString=value)
        found = self.backend(clients, secrets).get_connection("kafka_rest_default")
        assert (found.host, found.port, found.schema) == ("10.0.0.1", 8082, "http")


def test_connect_has_a_log_group_that_forgets(clients: Any, prefix: str) -> None:
    outputs = deploy(clients, prefix, "connect", LogDays="14")
    (group,) = clients("logs").describe_log_groups(logGroupNamePrefix=outputs["LogGroupName"])["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == (f"/{prefix}/connect", 14)
    remove(clients, prefix, "connect")


@pytest.mark.parametrize("name", ["network", "kafka", "budget"])
def test_what_it_cannot_make_it_refuses(clients: Any, prefix: str, name: str) -> None:
    """A stack that were "made" without its resources would prove nothing; when this fails, deploy it here for real."""
    given = {
        "kafka": {"VpcId": "vpc-1", "SubnetIds": "subnet-1", "KafkaClientSecurityGroupId": "sg-1"},
        "budget": {"MonthlyUsd": "1", "Email": "a@b.example"},
    }
    with pytest.raises(ClientError, match="Unrecognized resource types"):
        deploy(clients, prefix, name, **given.get(name, {}))


class TestCommand:
    """``python -m include.aws.cloudformation``: a plan first, and a stack only with ``--yes``."""

    def run(self, clients: Any, prefix: str, *arguments: str) -> int:
        return main(
            [*arguments, "--prefix", prefix], client=clients("cloudformation"), wait={"Delay": 1, "MaxAttempts": 20}
        )

    def stacks(self, clients: Any, prefix: str) -> dict[str, str]:
        found = clients("cloudformation").describe_stacks()["Stacks"]
        return {entry["StackName"]: entry["StackStatus"] for entry in found if entry["StackName"].startswith(prefix)}

    def test_without_yes_it_only_tells(self, clients: Any, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run(clients, "onlyplan", "connect") == 0
        told = capsys.readouterr().out
        assert "Add LogGroup AWS::Logs::LogGroup" in told
        assert "nothing was done; add --yes" in told
        live = {name for name, status in self.stacks(clients, "onlyplan").items() if not status.startswith("DELETE")}
        assert live == set()

    def test_it_deploys_and_then_has_nothing_to_do(self, clients: Any, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run(clients, "trial", "connect", "LogDays=7", "--yes") == 0
        assert "LogGroupName = /trial/connect" in capsys.readouterr().out
        (group,) = clients("logs").describe_log_groups(logGroupNamePrefix="/trial/connect")["logGroups"]
        assert group["retentionInDays"] == 7
        assert self.run(clients, "trial", "connect", "LogDays=7", "--yes") == 0
        assert "trial-connect: nothing to do." in capsys.readouterr().out
        remove(clients, "trial", "connect")

    def test_parameters_come_from_other_stacks(self, clients: Any, prefix: str, storage: dict[str, str]) -> None:
        """``rest-proxy`` takes a bucket of ``storage``; what is not there yet is named with the command to run."""
        deployment = Deployment(clients("cloudformation"), prefix)
        assert deployment.from_outputs("storage.ArtifactsBucket") == storage["ArtifactsBucket"]
        assert deployment.from_outputs("storage.LakeBucket,\n storage.LakeBucketArn").split(",") == [
            storage["LakeBucket"],
            storage["LakeBucketArn"],
        ]

    def test_a_stack_that_is_not_there_yet_is_named(
        self, clients: Any, prefix: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(clients, prefix, "kafka", "--yes") == 1
        told = capsys.readouterr().err
        assert f"There is no stack {prefix}-network." in told
        assert "python -m include.aws.cloudformation network --yes" in told

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("budget", "Email=a@b.example"), "The stack budget needs the parameter MonthlyUsd. The amount, in USD."),
            (("storage", "Bucket=x"), "storage.yaml has no parameter Bucket."),
            (("storage", "Bucket"), "Write Key=Value."),
        ],
    )
    def test_wrong_calls_are_told(
        self, clients: Any, prefix: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
    ) -> None:
        assert self.run(clients, prefix, *arguments) == 1
        assert told in capsys.readouterr().err

    def test_a_stack_that_was_rolled_back_is_told_with_the_reason(
        self, clients: Any, prefix: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = ("VpcId=vpc-1", "SubnetIds=subnet-1", "DatabaseClientSecurityGroupId=sg-1")
        assert self.run(clients, prefix, "database", *given, "--yes") == 1
        told = capsys.readouterr().err
        assert f"The stack {prefix}-database did not come about." in told
        assert "subnet" in told
        assert self.run(clients, prefix, "database", *given, "--yes") == 1
        assert f"aws cloudformation delete-stack --stack-name {prefix}-database" in capsys.readouterr().err

    def test_what_cloudformation_refuses_is_told(
        self, clients: Any, prefix: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(clients, prefix, "gateway", "LoadBalancerArn=none", "LogsRoleArn=none", "--yes") == 1
        told = capsys.readouterr().err
        assert f"CloudFormation refuses create_change_set for {prefix}-gateway." in told
        assert "must match pattern" in told
