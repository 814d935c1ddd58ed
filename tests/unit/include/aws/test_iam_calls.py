"""Policies and code held against each other: each call is allowed, and nothing else is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.post.requests import ProxyV2, ProxyV3, Record, Request
from emulator.post.streams import Streams
from include.aws.cloudformation import load
from include.aws.iam import THIRD_PARTY, roles
from tests.unit.include.aws import calls
from tests.unit.include.aws.evaluation import allows

ROOT = Path(__file__).resolve().parents[4]
ROLES = roles()


def third_party(role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(THIRD_PARTY.read_text(encoding="utf-8"))[role]
    return found


def gateway_calls() -> set[str]:
    """The actions of the API's own integrations: ``arn:aws:apigateway:<region>:<service>:action/<Action>``."""
    text = (ROOT / "include/aws/gateway.openapi.yaml").read_text(encoding="utf-8")
    return {f"{service}:{action}" for service, action in re.findall(r":(\w+):action/(\w+)", text)}


def spark_calls() -> set[str]:
    """What the streaming job asks AWS beside its source."""
    path = ROOT / "include/spark/stream/source.py"
    return {action for call in calls.of_file(path, None, ROOT) for action in call.actions}


def package_calls() -> set[str]:
    return {action for call in calls.of_package(ROOT / "plugins/pinflow") for action in call.actions}


OWN = {"AirflowRole": package_calls, "GatewayRole": gateway_calls, "StreamsRole": spark_calls}


def called(role: str) -> set[str]:
    """All that a role's code calls, ours and others'."""
    own = OWN[role]() if role in OWN else set()
    return own | {action for entry in third_party(role) for action in entry["actions"]}


@pytest.mark.parametrize("role", ROLES)
def test_what_is_called_is_allowed(role: str) -> None:
    assert called(role) - ROLES[role].actions == set()


@pytest.mark.parametrize("role", ROLES)
def test_what_is_allowed_is_called(role: str) -> None:
    assert ROLES[role].actions - called(role) == set()


def test_the_list_has_each_role_and_says_where_from() -> None:
    listed = yaml.safe_load(THIRD_PARTY.read_text(encoding="utf-8"))
    assert set(listed) == set(ROLES)
    for entry in (entry for entries in listed.values() for entry in entries):
        assert entry["source"].startswith("https://"), entry["by"]
        assert entry["actions"], entry["by"]


RUN_BY_AIRFLOW = ("database", "kafka", "rest-proxy", "connect", "gateway")
"""The stacks that the role CloudFormationRole makes; the others are an administrator's."""


def test_the_list_has_each_type_of_the_stacks_that_airflow_runs() -> None:
    made = {entry["Type"] for name in RUN_BY_AIRFLOW for entry in load(name)["Resources"].values()}
    assert {entry["by"] for entry in third_party("CloudFormationRole")} == made


def test_the_list_names_no_call_of_ours() -> None:
    """Otherwise an allowance would outlive the code that needed it: what is ours is found in the code."""
    own = {
        action
        for action in package_calls()
        if action.partition(":")[0] in ("kinesis", "kafkaconnect", "cloudformation", "apigateway")
    }
    assert own & {action for entry in third_party("AirflowRole") for action in entry["actions"]} == set()


class TestScan:
    """The scan itself, on code whose calls are known."""

    def scan(self, tmp_path: Path, **files: str) -> set[tuple[str, ...]]:
        for kind in calls.KINDS:
            (tmp_path / "pinflow" / kind).mkdir(parents=True)
        (tmp_path / "pinflow/waiters").mkdir()
        for name, text in files.items():
            kind, _, stem = name.partition("_")
            (tmp_path / "pinflow" / kind / f"{stem}.py").write_text(text, encoding="utf-8")
        return {action for call in calls.of_package(tmp_path / "pinflow") for action in (call.actions,)}

    HOOK = 'class H:\n    def __init__(self, **kwargs):\n        kwargs["client_type"] = "{service}"\n'

    def test_calls_of_a_client(self, tmp_path: Path) -> None:
        hook = self.HOOK.format(service="kinesis") + "    def a(self):\n        self.conn.list_shards(StreamName='s')\n"
        assert self.scan(tmp_path, hooks_x=hook) == {("kinesis:ListShards",)}

    def test_calls_of_an_operator_belong_to_the_hook_of_its_file_name(self, tmp_path: Path) -> None:
        operator = "def execute(self):\n    return self.hook.conn.delete_connector(connectorArn='a')\n"
        found = self.scan(tmp_path, hooks_x=self.HOOK.format(service="kafkaconnect"), operators_x=operator)
        assert found == {("kafkaconnect:DeleteConnector",)}

    def test_pages_and_names_made_of_parts(self, tmp_path: Path) -> None:
        operator = (
            "def execute(self, word):\n"
            "    self.hook.conn.get_paginator('list_streams')\n"
            "    self._call(f'{word}_stream_retention_period')\n"
        )
        found = self.scan(tmp_path, hooks_x=self.HOOK.format(service="kinesis"), operators_x=operator)
        assert found == {
            ("kinesis:ListStreams",),
            ("kinesis:DecreaseStreamRetentionPeriod",),
            ("kinesis:IncreaseStreamRetentionPeriod",),
        }

    def test_names_that_differ_in_iam(self, tmp_path: Path) -> None:
        hook = self.HOOK.format(service="s3") + "    def a(self):\n        self.conn.head_bucket(Bucket='b')\n"
        assert self.scan(tmp_path, hooks_x=hook) == {("s3:ListBucket",)}

    def test_api_gateway_knows_http_methods(self, tmp_path: Path) -> None:
        hook = (
            self.HOOK.format(service="apigateway") + "    def a(self):\n        self.conn.put_rest_api(restApiId='b')\n"
        )
        assert self.scan(tmp_path, hooks_x=hook) == {("apigateway:PUT",)}

    def test_a_call_without_a_service_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(AssertionError, match="names no client_type"):
            self.scan(tmp_path, operators_x="def execute(self):\n    self.hook.conn.list_streams()\n")

    def test_a_call_that_the_service_does_not_have_is_an_error(self, tmp_path: Path) -> None:
        hook = self.HOOK.format(service="kinesis") + "    def a(self):\n        self.conn.list_topics()\n"
        with pytest.raises(AssertionError, match="kinesis has no operation list_topics"):
            self.scan(tmp_path, hooks_x=hook)

    def test_no_other_way_to_aws_is_in_the_package(self) -> None:
        """The scan knows ``….conn``, ``get_paginator``, ``_call``, ``_delete``, ``boto3.client``; no others."""
        for path in (ROOT / "plugins/pinflow").rglob("*.py"):
            assert not set(_names(path)) & {"get_client_type", "Session", "resource", "async_conn"}, path


def _names(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


class TestProducer:
    """The requests that the emulator really forms, as the ARNs by which API Gateway asks IAM.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
    """

    BASE = "https://abcdefghij.execute-api.us-east-1.amazonaws.com/prod"
    ARN = "arn:aws:execute-api:us-east-1:123456789012:abcdefghij"
    RECORDS = (Record(1, b"{}", 0),)

    def arn(self, method: str, url: str) -> str:
        stage, _, path = url.removeprefix("https://abcdefghij.execute-api.us-east-1.amazonaws.com/").partition("/")
        return f"{self.ARN}/{stage}/{method}/{path}"

    @pytest.mark.parametrize(
        "request_",
        [
            ProxyV2(BASE).request("pinflow.pin", RECORDS),
            ProxyV3(BASE, "c1").request("pinflow.pin", RECORDS),
            Streams(BASE).request("streaming-pinflow-pin", RECORDS),
        ],
        ids=["v2", "v3", "streams"],
    )
    @pytest.mark.parametrize("role", ["ProducerRole", "AirflowRole"])
    def test_posts_are_allowed(self, role: str, request_: Request) -> None:
        assert allows(ROLES[role], "execute-api:Invoke", self.arn(request_.method, request_.url))

    def test_airflow_may_call_what_provisioning_calls(self) -> None:
        """The task ``call`` of ``pinflow_provision``, when the API is there already."""
        assert allows(ROLES["AirflowRole"], "execute-api:Invoke", f"{self.ARN}/prod/GET/topics")

    def test_the_cluster_is_asked_for(self) -> None:
        assert allows(ROLES["ProducerRole"], "execute-api:Invoke", f"{self.ARN}/prod/GET/v3/clusters")

    @pytest.mark.parametrize(
        "path", ["prod/DELETE/streams/streaming-pinflow-pin", "prod/POST/v3/clusters/c1/topics", "dev/POST/topics/a"]
    )
    @pytest.mark.parametrize("role", ["ProducerRole", "AirflowRole"])
    def test_nothing_else_is(self, role: str, path: str) -> None:
        assert not allows(ROLES[role], "execute-api:Invoke", f"{self.ARN}/{path}")
