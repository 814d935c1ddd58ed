"""The policies: linted, without wildcards where names can be had, and of use to nobody else's deputy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from include.aws.iam import Role, Statement, roles
from include.aws.iam.__main__ import main
from tests.unit.include.aws.evaluation import allows

ROLES = roles()
ACCOUNT = "123456789012"
HERE = f"us-east-1:{ACCOUNT}"
POLICIES = [(role.logical_id, name) for role in ROLES.values() for name in role.policies]


ELSEWHERE = {"s3": "", "apigateway": "", "sqs": "*", "ssm": "*"}
"""The account in ARNs of services: S3 and API Gateway have none; MWAA's queue and the image's parameter are AWS'."""


def statements() -> Iterator[tuple[Role, Statement]]:
    for role in ROLES.values():
        for entry in role.statements:
            yield role, entry


@pytest.fixture(scope="module")
def reference() -> dict[str, list[str]]:
    """AWS' service authorization reference, as the policy linter carries it: the resource types of each action."""
    from pathlib import Path

    import parliament

    path = Path(parliament.__file__).parent / "iam_definition.json"
    return {
        f"{service['prefix']}:{entry['privilege']}": [
            kind for found in entry["resource_types"] if (kind := found["resource_type"])
        ]
        for service in json.loads(path.read_text(encoding="utf-8"))
        for entry in service["privileges"]
    }


@pytest.mark.parametrize(("role", "policy"), POLICIES)
def test_policy_linter_finds_nothing(role: str, policy: str) -> None:
    from parliament import analyze_policy_string

    found = analyze_policy_string(json.dumps(ROLES[role].policies[policy])).findings
    assert [f"{entry.issue} {entry.detail}" for entry in found] == []


def test_policy_linter_finds_what_is_wrong() -> None:
    """Otherwise its silence would prove nothing: a topic's action on a bucket, and an action that does not exist."""
    from parliament import analyze_policy_string

    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "kinesis:PutRecords", "Resource": "arn:aws:s3:::bucket"},
            {"Effect": "Allow", "Action": "kinesis:PutEverything", "Resource": "*"},
        ],
    }
    assert {entry.issue for entry in analyze_policy_string(json.dumps(document)).findings} == {
        "RESOURCE_MISMATCH",
        "UNKNOWN_ACTION",
    }


def test_no_action_has_a_wildcard() -> None:
    assert [(role.name, action) for role, entry in statements() for action in entry.actions if "*" in action] == []


def test_every_action_that_can_name_its_resource_does(reference: dict[str, list[str]]) -> None:
    nameless = {
        (role.logical_id, action): reference[action]
        for role, entry in statements()
        if "*" in entry.resources
        for action in entry.actions
    }
    assert {key: kinds for key, kinds in nameless.items() if kinds} == {}


def test_resources_are_of_this_account_or_say_why_not() -> None:
    for role, entry in statements():
        for pattern in entry.resources:
            if pattern == "*" or entry.inverted:
                continue
            _, partition, service, _, account, rest = pattern.split(":", 5)
            assert partition == "aws"
            assert rest not in ("*", "/*"), (role.name, pattern)
            expected = ELSEWHERE.get(service, ACCOUNT)
            expected = "" if rest.startswith("image/") else expected
            assert account == expected, (role.name, pattern)


def test_no_policy_is_larger_than_iam_takes() -> None:
    """Inline policies of a role: 10,240 characters together; a managed policy: 6,144; ten managed ones a role.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    for role in ROLES.values():
        sizes = {name: len(json.dumps(document, separators=(",", ":"))) for name, document in role.policies.items()}
        assert all(size <= 6144 for size in sizes.values()), (role.name, sizes)
        assert sum(sizes.values()) <= 10_240, (role.name, sizes)
        assert len(role.policies) <= 10


class TestTrust:
    """Who may take the roles."""

    def entries(self, role: str) -> list[dict[str, Any]]:
        return list(ROLES[role].trust["Statement"])

    @pytest.mark.parametrize("role", ROLES)
    def test_services_act_for_this_account_only(self, role: str) -> None:
        for entry in self.entries(role):
            services = entry["Principal"].get("Service", [])
            if not services or services == "ec2.amazonaws.com":
                continue
            # API Gateway does not document these keys for roles; where it sends them they must fit.
            operator = "StringEqualsIfExists" if services == "apigateway.amazonaws.com" else "StringEquals"
            assert entry["Condition"][operator]["aws:SourceAccount"] == ACCOUNT

    @pytest.mark.parametrize(
        ("role", "source"),
        [
            ("ConnectRole", f"arn:aws:kafkaconnect:{HERE}:connector/pinflow-*/*"),
            ("AirflowRole", f"arn:aws:airflow:{HERE}:environment/pinflow"),
            ("CloudFormationRole", f"arn:aws:cloudformation:{HERE}:stack/pinflow-*/*"),
        ],
    )
    def test_and_for_our_own_resources(self, role: str, source: str) -> None:
        assert [entry["Condition"]["ArnLike"]["aws:SourceArn"] for entry in self.entries(role)] == [source]

    def test_gateway_is_held_to_the_stage(self) -> None:
        (entry,) = self.entries("GatewayRole")
        assert entry["Condition"]["ArnLikeIfExists"] == {"aws:SourceArn": f"arn:aws:execute-api:{HERE}:*/prod/*"}

    @pytest.mark.parametrize(("role", "given"), [("StorageRole", "Storage"), ("StreamsRole", "Streams")])
    def test_databricks_needs_its_external_id(self, role: str, given: str) -> None:
        made = roles({f"{given}ExternalId": "6f1c-22", "TrustItself": "true"})[role]
        first, itself = made.trust["Statement"]
        assert first["Principal"] == {
            "AWS": "arn:aws:iam::414351767826:role/unity-catalog-prod-UCMasterRole-14S5ZJVKOTYTL"
        }
        assert itself["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{made.name}"}
        for entry in (first, itself):
            assert entry["Condition"] == {"StringEquals": {"sts:ExternalId": "6f1c-22"}}

    def test_roles_do_not_trust_themselves_before_they_exist(self) -> None:
        assert len(ROLES["StorageRole"].trust["Statement"]) == 1

    def test_producers_are_airflow_and_who_is_named(self) -> None:
        assert self.entries("ProducerRole")[0]["Principal"]["AWS"] == [f"arn:aws:iam::{ACCOUNT}:role/pinflow-airflow"]
        other = "arn:aws:iam::123456789012:role/site"
        made = roles({"ProducerPrincipalArn": other})["ProducerRole"]
        assert made.trust["Statement"][0]["Principal"]["AWS"] == [f"arn:aws:iam::{ACCOUNT}:role/pinflow-airflow", other]

    @pytest.mark.parametrize("role", ROLES)
    def test_nobody_is_trusted_by_a_wildcard(self, role: str) -> None:
        assert "*" not in json.dumps([entry["Principal"] for entry in self.entries(role)])


class TestReach:
    """What the roles reach and what they do not, by name. The names are those of include/config/aws.yaml."""

    CLUSTER = f"arn:aws:kafka:{HERE}:cluster/pinflow/0c1f-7"
    TOPIC = f"arn:aws:kafka:{HERE}:topic/pinflow/0c1f-7"
    STREAM = f"arn:aws:kinesis:{HERE}:stream"
    GROUP = f"arn:aws:kafka:{HERE}:group/pinflow/0c1f-7"
    CONNECTOR = f"arn:aws:kafkaconnect:{HERE}:connector"
    SECRET = f"arn:aws:secretsmanager:{HERE}:secret:pinflow"
    S3 = f"arn:aws:s3:::{ACCOUNT}-pinflow"

    @pytest.mark.parametrize(
        ("role", "action", "resource"),
        [
            ("ConnectRole", "kafka-cluster:ReadData", f"{TOPIC}/pinflow.pin"),
            ("ConnectRole", "kafka-cluster:WriteData", f"{TOPIC}/pinflow.dead-letter"),
            ("ConnectRole", "kafka-cluster:WriteData", f"{TOPIC}/__amazon_msk_connect_offsets_pinflow-s3-sink_1"),
            ("ConnectRole", "kafka-cluster:AlterGroup", f"{GROUP}/connect-pinflow-s3-sink"),
            ("ConnectRole", "s3:PutObject", f"{S3}-landing/topics/pinflow.pin/year=2026/a.json.gz"),
            ("RestProxyRole", "kafka-cluster:WriteData", f"{TOPIC}/pinflow.user"),
            ("RestProxyRole", "kafka-cluster:WriteDataIdempotently", CLUSTER),
            ("RestProxyRole", "s3:GetObject", f"{S3}-artifacts/rest-proxy/aws-msk-iam-auth-2.3.9-all.jar"),
            ("GatewayRole", "kinesis:PutRecords", f"{STREAM}/streaming-pinflow-geo"),
            ("AirflowRole", "kinesis:CreateStream", f"{STREAM}/streaming-pinflow-pin"),
            ("AirflowRole", "secretsmanager:GetSecretValue", f"{SECRET}/airflow/connections/kafka_default-AbCdEf"),
            ("AirflowRole", "kafkaconnect:DeleteConnector", f"{CONNECTOR}/pinflow-s3-sink/1a-2"),
            ("AirflowRole", "s3:GetObject", f"{S3}-airflow/dags/pinflow_batch.py"),
            ("StorageRole", "s3:GetObject", f"{S3}-landing/topics/pinflow.pin/a.json.gz"),
            ("StorageRole", "s3:DeleteObject", f"{S3}-lake/silver/pin/part-0.parquet"),
            ("StreamsRole", "kinesis:GetRecords", f"{STREAM}/streaming-pinflow-user"),
        ],
    )  # fmt: skip
    def test_reaches(self, role: str, action: str, resource: str) -> None:
        assert allows(ROLES[role], action, resource)

    @pytest.mark.parametrize(
        ("role", "action", "resource"),
        [
            ("ConnectRole", "kafka-cluster:WriteData", f"{TOPIC}/pinflow.pin"),
            ("ConnectRole", "kafka-cluster:ReadData", f"{TOPIC}/other.pin"),
            ("ConnectRole", "s3:PutObject", f"{S3}-lake/topics/a"),
            ("ConnectRole", "s3:DeleteObject", f"{S3}-landing/topics/a"),
            ("RestProxyRole", "kafka-cluster:ReadData", f"{TOPIC}/pinflow.pin"),
            ("RestProxyRole", "kafka-cluster:WriteData", f"arn:aws:kafka:{HERE}:topic/other/0c1f-7/pinflow.pin"),
            ("RestProxyRole", "kafka-cluster:DeleteTopic", f"{TOPIC}/__amazon_msk_connect_offsets_x"),
            ("GatewayRole", "kinesis:PutRecords", f"{STREAM}/payments"),
            ("GatewayRole", "kinesis:PutRecords", STREAM.replace("1234", "9999") + "/streaming-pinflow-pin"),
            ("AirflowRole", "kinesis:DeleteStream", f"{STREAM}/payments"),
            ("AirflowRole", "secretsmanager:GetSecretValue", f"{SECRET}/database/master-AbCdEf"),
            ("AirflowRole", "s3:DeleteObject", f"{S3}-airflow/dags/pinflow_batch.py"),
            ("AirflowRole", "s3:PutObject", f"{S3}-airflow/plugins.zip"),
            ("AirflowRole", "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
            ("AirflowRole", "kms:Decrypt", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"),
            ("AirflowRole", "s3:DeleteObject", f"{S3}-lake/silver/pin/part-0.parquet"),
            ("CloudFormationRole", "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/pinflow-airflow"),
            ("CloudFormationRole", "rds:DeleteDBInstance", f"arn:aws:rds:{HERE}:db:payments"),
            ("CloudFormationRole", "kafka:DeleteCluster", f"arn:aws:kafka:{HERE}:cluster/payments/0c1f-7"),
            ("StorageRole", "s3:PutObject", f"{S3}-landing/topics/a"),
            ("StorageRole", "s3:GetObject", f"{S3}-artifacts/connect-plugins/a.zip"),
            ("StreamsRole", "kinesis:PutRecords", f"{STREAM}/streaming-pinflow-user"),
        ],
    )  # fmt: skip
    def test_does_not_reach(self, role: str, action: str, resource: str) -> None:
        assert not allows(ROLES[role], action, resource)

    def test_a_role_is_passed_to_its_service_only(self) -> None:
        role = f"arn:aws:iam::{ACCOUNT}:role/pinflow-connect"
        for service, good in (("kafkaconnect.amazonaws.com", True), ("ec2.amazonaws.com", False)):
            assert allows(ROLES["AirflowRole"], "iam:PassRole", role, {"iam:PassedToService": service}) is good

    def test_stacks_run_with_their_own_role_only(self) -> None:
        stack = f"arn:aws:cloudformation:{HERE}:stack/pinflow-kafka/1"
        own = {"cloudformation:RoleArn": f"arn:aws:iam::{ACCOUNT}:role/pinflow-cloudformation"}
        assert allows(ROLES["AirflowRole"], "cloudformation:CreateChangeSet", stack, own)
        assert not allows(ROLES["AirflowRole"], "cloudformation:CreateChangeSet", stack)
        assert not allows(
            ROLES["AirflowRole"], "cloudformation:DeleteStack", stack.replace("pinflow-kafka", "payments")
        )

    def test_stacks_change_only_what_carries_the_tag_and_start_only_hosts_with_their_profile(self) -> None:
        role, ec2 = ROLES["CloudFormationRole"], f"arn:aws:ec2:{HERE}"
        assert allows(
            role, "ec2:DeleteSecurityGroup", f"{ec2}:security-group/sg-1", {"aws:ResourceTag/pinflow": "pinflow"}
        )
        assert not allows(role, "ec2:DeleteSecurityGroup", f"{ec2}:security-group/sg-1")
        profile = f"arn:aws:iam::{ACCOUNT}:instance-profile"
        for name, good in (("pinflow-rest-proxy", True), ("admin", False)):
            context = {"ec2:InstanceProfile": f"{profile}/{name}"}
            assert allows(role, "ec2:RunInstances", f"{ec2}:instance/*", context) is good
        assert allows(role, "ec2:RunInstances", f"{ec2}:subnet/subnet-1")

    def test_no_role_of_the_pipeline_makes_or_changes_roles(self) -> None:
        for role in ROLES.values():
            iam = {action for action in role.actions if action.startswith("iam:")}
            assert iam <= {"iam:PassRole", "iam:CreateServiceLinkedRole"}, role.name

    def test_only_our_api_is_changed(self) -> None:
        api = "arn:aws:apigateway:us-east-1::/restapis/abcdefghij"
        ours, other = {"aws:ResourceTag/pinflow": "pinflow"}, {"aws:ResourceTag/pinflow": "other"}
        assert allows(ROLES["AirflowRole"], "apigateway:PUT", api, ours)
        assert not allows(ROLES["AirflowRole"], "apigateway:PUT", api, other)
        assert not allows(ROLES["AirflowRole"], "apigateway:DELETE", api)

    def test_another_prefix_has_roles_of_its_own(self) -> None:
        made = roles({"Prefix": "trial"})
        assert made["ConnectRole"].name == "trial-connect"
        assert not allows(made["ConnectRole"], "kafka-cluster:ReadData", f"{self.TOPIC}/pinflow.pin")


class TestCommand:
    def test_prints_a_role(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ConnectRole", "--account", "210987654321", "--prefix", "trial"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["name"] == "trial-connect"
        assert "arn:aws:s3:::210987654321-trial-landing/topics/*" in json.dumps(printed["policies"])

    def test_lists_the_roles(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 0
        assert len(capsys.readouterr().out.splitlines()) == len(ROLES)

    def test_an_unknown_role_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["Nobody"]) == 2
        assert "Use one of: ProducerRole" in capsys.readouterr().err
