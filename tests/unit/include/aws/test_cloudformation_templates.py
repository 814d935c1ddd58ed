"""The templates: linted, tagged, chained by outputs, and closed where they must be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.aws import cloudformation
from include.aws.cloudformation import ORDER, TemplateError, load, stack
from include.config.settings import load as settings

AWS = Path(cloudformation.__file__).parents[1]
GIVEN: dict[str, dict[str, str]] = {
    "budget": {"MonthlyUsd": "100", "Email": "a@b.example"},
    "airflow": {"BucketArn": "b", "ExecutionRoleArn": "r", "SubnetIds": "s", "SecurityGroupIds": "g"},
    "database": {"VpcId": "v", "SubnetIds": "s", "DatabaseClientSecurityGroupId": "g"},
    "kafka": {"VpcId": "v", "SubnetIds": "s", "KafkaClientSecurityGroupId": "g"},
    "gateway": {"LoadBalancerArn": "l", "LogsRoleArn": "r"},
    "rest-proxy": {
        "VpcId": "v",
        "SubnetIds": "s",
        "KafkaClientSecurityGroupId": "g",
        "RestProxyClientSecurityGroupId": "h",
        "ClusterArn": "c",
        "InstanceProfileArn": "p",
        "ArtifactsBucket": "b",
        "ConfluentSha256": "0" * 64,
    },
}


def made(name: str, **parameters: str) -> dict[str, dict[str, Any]]:
    return stack(name, {**GIVEN.get(name, {}), **parameters}).resources


def of_type(name: str, kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    found = made(name, **parameters).items()
    return {logical: entry["Properties"] for logical, entry in found if entry["Type"] == kind}


def taggable(kind: str) -> bool:
    """Whether CloudFormation's schema of a type, as the linter carries it, has tags."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return bool({"Tags", "ResourceTags", "TagSpecifications"} & set(schema["properties"]))


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from texts(value)
            yield str(key)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    else:
        yield str(node)


def test_linter_finds_nothing() -> None:
    """Errors, warnings and informational rules; its rules of IAM policies are among them."""
    files = [str(cloudformation.path(name)) for name in ORDER]
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--regions", "us-east-1", "--", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_order_has_every_template() -> None:
    assert sorted(ORDER) == sorted(path.stem for path in cloudformation.FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", ORDER)
def test_fits_into_a_call(name: str) -> None:
    """51,200 bytes go in TemplateBody: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html."""
    assert cloudformation.path(name).stat().st_size <= 51_200


@pytest.mark.parametrize("name", ORDER)
def test_everything_that_is_billed_has_the_tag(name: str) -> None:
    for logical, entry in made(name, Prefix="trial").items():
        if not taggable(entry["Type"]):
            continue
        properties = entry["Properties"]
        tags = properties.get("Tags") or properties.get("ResourceTags") or _launch_tags(properties)
        pairs = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
        assert pairs.get("pinflow") == "trial", logical


def _launch_tags(properties: dict[str, Any]) -> list[dict[str, str]]:
    return [tag for entry in properties["TagSpecifications"] for tag in entry["Tags"]]


@pytest.mark.parametrize("name", ORDER)
def test_nothing_is_exported_or_imported(name: str) -> None:
    document = load(name)
    assert not any("Export" in output for output in document.get("Outputs", {}).values())
    assert "Fn::ImportValue" not in set(texts(document))


@pytest.mark.parametrize("name", ORDER)
def test_no_secret_and_no_account_is_in_it(name: str) -> None:
    text = cloudformation.path(name).read_text(encoding="utf-8")
    assert not re.search(r"AKIA[0-9A-Z]{16}|aws_secret_access_key|BEGIN [A-Z ]*PRIVATE KEY", text)
    assert set(re.findall(r"\b\d{12}\b", text)) <= {"414351767826"}  # Databricks' own, from its documentation


@pytest.mark.parametrize("name", ORDER)
def test_parameters_come_from_outputs_of_stacks_before(name: str) -> None:
    """The template's metadata name them, as ``network.SubnetIds``."""
    sources = load(name).get("Metadata", {}).get("From", {})
    assert set(sources) <= set(load(name)["Parameters"])
    for source in (part.strip() for text in sources.values() for part in text.split(",")):
        other, _, output = source.partition(".")
        assert output in load(other)["Outputs"], f"{name} wants {source}"
        assert ORDER.index(other) < ORDER.index(name), f"{name} comes before {other}"


@pytest.mark.parametrize("name", ORDER)
def test_capabilities_are_asked_for_where_roles_are_made(name: str) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html"""
    roles = [entry for entry in load(name)["Resources"].values() if entry["Type"] == "AWS::IAM::Role"]
    asked = load(name).get("Metadata", {}).get("Capabilities", [])
    assert asked == (["CAPABILITY_NAMED_IAM"] if roles else [])


@pytest.mark.parametrize("name", [name for name in ORDER if name not in ("roles", "databricks")])
def test_only_the_administrators_stacks_make_roles(name: str) -> None:
    assert not [entry["Type"] for entry in made(name).values() if entry["Type"].startswith("AWS::IAM::")]


class TestNetwork:
    def test_one_nat_gateway_or_one_a_zone(self) -> None:
        assert len(of_type("network", "AWS::EC2::NatGateway")) == 1
        assert len(of_type("network", "AWS::EC2::NatGateway", NatGateways="3")) == 3

    @pytest.mark.parametrize("count", ["1", "3"])
    def test_each_private_subnet_has_a_way_out(self, count: str) -> None:
        routes = of_type("network", "AWS::EC2::Route", NatGateways=count).values()
        private = [route for route in routes if "NatGatewayId" in route]
        assert {route["RouteTableId"] for route in private} == {
            "<PrivateRoutesA>",
            "<PrivateRoutesB>",
            "<PrivateRoutesC>",
        }
        assert len({route["NatGatewayId"] for route in private}) == int(count)

    def test_s3_is_reached_without_the_nat_gateway(self) -> None:
        (found,) = [
            entry
            for entry in of_type("network", "AWS::EC2::VPCEndpoint").values()
            if entry["VpcEndpointType"] == "Gateway"
        ]
        assert found["ServiceName"] == "com.amazonaws.us-east-1.s3"
        assert len(found["RouteTableIds"]) == 3

    def test_interface_endpoints_can_be_left_out(self) -> None:
        """Those of MWAA, MSK Connect and Kinesis; MSK's own needs dual-stack clients and is left to the NAT gateway.

        https://docs.aws.amazon.com/mwaa/latest/userguide/vpc-vpe-create-access.html
        https://docs.aws.amazon.com/msk/latest/developerguide/privatelink-vpc-endpoints.html
        """
        found = {
            entry["ServiceName"].removeprefix("com.amazonaws.us-east-1.")
            for entry in of_type("network", "AWS::EC2::VPCEndpoint").values()
        }
        assert {
            "airflow.api",
            "airflow.env",
            "sqs",
            "monitoring",
            "logs",
            "kms",
            "kafkaconnect",
            "kinesis-streams",
        } < found
        assert len(of_type("network", "AWS::EC2::VPCEndpoint", InterfaceEndpoints="false")) == 1


class TestStorage:
    BUCKETS = of_type("storage", "AWS::S3::Bucket")

    def test_names_are_those_of_the_settings(self) -> None:
        names = {entry["BucketName"].replace("123456789012", "<account>") for entry in self.BUCKETS.values()}
        aws = settings("aws")
        assert {aws.landing.bucket, aws.connect.plugin_bucket} < names
        assert aws.streaming.checkpoint_root.removeprefix("s3://").partition("/")[0] in names

    def test_the_sandbox_can_have_its_names(self) -> None:
        names = {
            entry["BucketName"] for entry in of_type("storage", "AWS::S3::Bucket", BucketPrefix="pinflow").values()
        }
        sandbox = settings("sandbox")
        assert {sandbox.landing.bucket, sandbox.connect.plugin_bucket} < names

    @pytest.mark.parametrize("name", BUCKETS)
    def test_closed_and_encrypted(self, name: str) -> None:
        bucket = self.BUCKETS[name]
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}

    @pytest.mark.parametrize("name", BUCKETS)
    def test_unfinished_uploads_do_not_stay(self, name: str) -> None:
        rules = self.BUCKETS[name]["LifecycleConfiguration"]["Rules"]
        assert [rule["AbortIncompleteMultipartUpload"] for rule in rules if "AbortIncompleteMultipartUpload" in rule]

    @pytest.mark.parametrize("name", BUCKETS)
    def test_only_tls(self, name: str) -> None:
        (policy,) = [
            entry
            for entry in of_type("storage", "AWS::S3::BucketPolicy").values()
            if entry["Bucket"] == self.BUCKETS[name]["BucketName"]
        ]
        arn = f"arn:aws:s3:::{self.BUCKETS[name]['BucketName']}"
        conditions = []
        for entry in policy["PolicyDocument"]["Statement"]:
            assert (entry["Effect"], entry["Principal"], entry["Action"]) == ("Deny", "*", "s3:*")
            assert entry["Resource"] == [arn, f"{arn}/*"]
            conditions.append(entry["Condition"])
        assert conditions == [{"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": "1.2"}}]

    def test_versions_are_kept_where_mwaa_and_msk_connect_read(self) -> None:
        versioned = {
            name
            for name, entry in self.BUCKETS.items()
            if entry.get("VersioningConfiguration") == {"Status": "Enabled"}
        }
        assert versioned == {"ArtifactsBucket", "AirflowBucket"}


class TestKafka:
    CLUSTER = of_type("kafka", "AWS::MSK::Cluster")["Cluster"]

    def test_iam_over_tls_and_nothing_else(self) -> None:
        assert self.CLUSTER["ClientAuthentication"] == {
            "Sasl": {"Iam": {"Enabled": True}},
            "Unauthenticated": {"Enabled": False},
        }
        assert self.CLUSTER["EncryptionInfo"]["EncryptionInTransit"] == {"ClientBroker": "TLS", "InCluster": True}

    def test_only_the_port_of_iam_is_open(self) -> None:
        rules = [
            rule
            for entry in of_type("kafka", "AWS::EC2::SecurityGroup").values()
            for rule in entry["SecurityGroupIngress"]
        ]
        rules += of_type("kafka", "AWS::EC2::SecurityGroupIngress").values()
        assert {(rule["FromPort"], rule["ToPort"]) for rule in rules} == {(9098, 9098)}
        assert all("SourceSecurityGroupId" in rule for rule in rules)

    def test_topics_are_made_on_purpose_and_name_is_the_settings(self) -> None:
        properties = of_type("kafka", "AWS::MSK::Configuration")["Configuration"]["ServerProperties"].splitlines()
        assert {"auto.create.topics.enable=false", "min.insync.replicas=2", "default.replication.factor=3"} <= set(
            properties
        )
        assert self.CLUSTER["ClusterName"] == settings("aws").kafka.cluster_name


@pytest.mark.parametrize("name", ["kafka", "connect"])
def test_logs_are_delivered_to_the_stacks_own_group_for_this_account_only(name: str) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html"""
    (policy,) = of_type(name, "AWS::Logs::ResourcePolicy").values()
    (group,) = of_type(name, "AWS::Logs::LogGroup").values()
    (entry,) = json.loads(policy["PolicyDocument"])["Statement"]
    assert entry["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
    assert entry["Resource"] == f"arn:aws:logs:us-east-1:123456789012:log-group:{group['LogGroupName']}:log-stream:*"
    assert entry["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:logs:us-east-1:123456789012:*"},
    }


class TestDatabase:
    INSTANCE = of_type("database", "AWS::RDS::DBInstance")["Instance"]

    def test_private_encrypted_and_without_a_password_in_it(self) -> None:
        assert (self.INSTANCE["PubliclyAccessible"], self.INSTANCE["StorageEncrypted"]) == (False, True)
        assert self.INSTANCE["MasterUserPassword"] == "{{resolve:secretsmanager:<MasterSecret>:SecretString:password}}"

    def test_only_tls(self) -> None:
        assert (
            of_type("database", "AWS::RDS::DBParameterGroup")["ParameterGroup"]["Parameters"][
                "require_secure_transport"
            ]
            == "1"
        )


class TestAirflow:
    ENVIRONMENT = of_type("airflow", "AWS::MWAA::Environment")["Environment"]

    def test_version_is_that_of_the_constraints(self) -> None:
        requirements = (AWS.parents[1] / "requirements.txt").read_text(encoding="utf-8")
        assert f"apache-airflow=={self.ENVIRONMENT['AirflowVersion']}" in requirements.splitlines()

    def test_secrets_come_from_where_the_stack_secrets_puts_them(self) -> None:
        options = self.ENVIRONMENT["AirflowConfigurationOptions"]
        found = json.loads(options["secrets.backend_kwargs"])
        names = [entry["Name"] for entry in of_type("secrets", "AWS::SecretsManager::Secret").values()]
        assert {name.rpartition("/")[0] for name in names} == {found["connections_prefix"]}
        assert re.match(found["connections_lookup_pattern"], "kafka_default")
        assert not re.match(found["connections_lookup_pattern"], "aws_default")

    def test_each_connection_of_the_dags_has_a_secret(self) -> None:
        names = {
            entry["Name"].rpartition("/")[2] for entry in of_type("secrets", "AWS::SecretsManager::Secret").values()
        }
        root = AWS.parents[1]
        text = "\n".join(
            path.read_text(encoding="utf-8") for folder in ("dags", "plugins") for path in (root / folder).rglob("*.py")
        )
        used = set(
            re.findall(
                r"\b(kafka_rest_default|gateway_default|databricks_default|source_default|kafka_default)\b", text
            )
        )
        assert names == used

    def test_no_secret_has_a_value(self) -> None:
        for entry in of_type("secrets", "AWS::SecretsManager::Secret").values():
            assert not {"SecretString", "GenerateSecretString"} & set(entry)


class TestGateway:
    def test_the_role_of_the_account_can_be_left_alone(self) -> None:
        assert of_type("gateway", "AWS::ApiGateway::Account")
        assert not of_type("gateway", "AWS::ApiGateway::Account", SetAccountRole="false")

    def test_every_method_of_the_document_asks_who_calls(self) -> None:
        document = yaml.safe_load((AWS / "gateway.openapi.yaml").read_text(encoding="utf-8"))
        methods = [entry for path in document["paths"].values() for entry in path.values() if "responses" in entry]
        assert len(methods) == 12
        assert all(entry["security"] == [{"sigv4": []}] for entry in methods)
        scheme = document["components"]["securitySchemes"]["sigv4"]
        assert scheme["x-amazon-apigateway-authtype"] == "awsSigv4"

    def test_stage_variables_of_the_document_can_all_be_had(self) -> None:
        text = (AWS / "gateway.openapi.yaml").read_text(encoding="utf-8")
        outputs = {
            "restProxy": ("rest-proxy", "RestProxy"),
            "vpcLinkId": ("gateway", "VpcLinkId"),
            "kinesisRole": ("roles", "GatewayRoleName"),
        }
        assert set(re.findall(r"stageVariables\.(\w+)", text)) == {*outputs, "topicPrefix"}
        for name, output in outputs.values():
            assert output in load(name)["Outputs"]


class TestBudget:
    def test_warns_before_and_after(self) -> None:
        (budget,) = of_type("budget", "AWS::Budgets::Budget").values()
        found = [
            (entry["Notification"]["NotificationType"], entry["Notification"]["Threshold"])
            for entry in budget["NotificationsWithSubscribers"]
        ]
        assert found == [("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)]
        assert "CostFilters" not in budget["Budget"]

    def test_scope_tag_filters_by_the_tag(self) -> None:
        (budget,) = of_type("budget", "AWS::Budgets::Budget", Scope="tag", Prefix="trial").values()
        assert budget["Budget"]["CostFilters"] == {"TagKeyValue": ["user:pinflow$trial"]}


class TestReader:
    def test_unknown_template(self) -> None:
        with pytest.raises(TemplateError, match=r"There is no template 'nothing' .* Use one of: network, storage"):
            load("nothing")

    def test_unknown_parameter(self) -> None:
        with pytest.raises(TemplateError, match=r"storage\.yaml has no parameter Bucket\. It has: Prefix"):
            _ = stack("storage", {"Bucket": "x"}).resources

    def test_missing_parameter(self) -> None:
        with pytest.raises(TemplateError, match=r"gateway\.yaml needs the parameter LoadBalancerArn"):
            _ = stack("gateway").resources

    def test_account_and_region_can_be_given(self) -> None:
        found = stack("storage", {}, {"AWS::AccountId": "210987654321"}).resources["LakeBucket"]["Properties"]
        assert found["BucketName"] == "210987654321-pinflow-lake"
