"""References: what is read from the account, and that a missing one is named and never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sandbox.mwaa.references import References

STACKS = {
    "pinflow-database": {"MasterSecretArn": "arn:secret", "Address": "db.internal", "Port": "3306"},
    "pinflow-kafka": {"ClusterArn": "arn:aws:kafka:us-east-1:123456789012:cluster/pinflow/u-1"},
}


class Account:
    """Stubbed clients; each call may be made once."""

    def __init__(self) -> None:
        self.stubs: dict[str, Stubber] = {}

    def client(self, service: str) -> Any:
        return self.stub(service).client

    def stub(self, service: str) -> Stubber:
        if service not in self.stubs:
            made = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
            self.stubs[service] = Stubber(made)
            self.stubs[service].activate()
        return self.stubs[service]

    def has_stack(self, name: str) -> None:
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in STACKS[name].items()]
        stack = {"StackName": name, "CreationTime": "2026-11-21", "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}
        self.stub("cloudformation").add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": name})

    def fill(self, value: Any, **environment: str) -> tuple[Any, list[str]]:
        missing: list[str] = []
        filled = References(self.client, "pinflow", "eu-west-1", environment).fill(value, missing)
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()
        return filled, missing


@pytest.fixture
def account() -> Account:
    return Account()


def test_a_stack_is_asked_once_for_all_its_outputs(account: Account) -> None:
    account.has_stack("pinflow-database")
    value = {"host": "${stack:database.Address}", "list": ["a-${stack:database.Port}", 7], "flag": True}
    assert account.fill(value) == ({"host": "db.internal", "list": ["a-3306", 7], "flag": True}, [])


def test_keys_of_a_secret_encoded_for_a_url(account: Account) -> None:
    account.has_stack("pinflow-database")
    text = '{"username": "pin flow", "password": "p@ss:/?#%"}'
    account.stub("secretsmanager").add_response("get_secret_value", {"SecretString": text}, {"SecretId": "arn:secret"})
    value = "x://${secret:database.MasterSecretArn:username|url}:${secret:database.MasterSecretArn:password|url}@h"
    assert account.fill(value) == ("x://pin%20flow:p%40ss%3A%2F%3F%23%25@h", [])


def test_the_iam_brokers_of_a_cluster(account: Account) -> None:
    account.has_stack("pinflow-kafka")
    answer = {"BootstrapBrokerString": "plain:9092", "BootstrapBrokerStringSaslIam": "b-1:9098,b-2:9098"}
    arn = STACKS["pinflow-kafka"]["ClusterArn"]
    account.stub("kafka").add_response("get_bootstrap_brokers", answer, {"ClusterArn": arn})
    assert account.fill("${brokers:kafka.ClusterArn}") == ("b-1:9098,b-2:9098", [])


def test_the_host_of_a_rest_api(account: Account) -> None:
    items = [{"id": "abc123", "name": "pinflow"}, {"id": "other", "name": "pinflow-old"}]
    account.stub("apigateway").add_response("get_rest_apis", {"items": items}, {})
    assert account.fill("${api:pinflow}") == ("abc123.execute-api.eu-west-1.amazonaws.com", [])


def test_a_variable_of_this_process(account: Account) -> None:
    assert account.fill("${env:TOKEN}/x", TOKEN="t") == ("t/x", [])


def _no_stack(account: Account) -> None:
    account.stub("cloudformation").add_client_error(
        "describe_stacks", "ValidationError", "Stack with id pinflow-storage does not exist"
    )


def _no_permission(account: Account) -> None:
    account.stub("cloudformation").add_client_error("describe_stacks", "AccessDenied", "not you")


def _secret(text: str) -> Callable[[Account], None]:
    def prepare(account: Account) -> None:
        account.has_stack("pinflow-database")
        account.stub("secretsmanager").add_response("get_secret_value", {"SecretString": text})

    return prepare


def _cluster_without_iam(account: Account) -> None:
    account.has_stack("pinflow-kafka")
    account.stub("kafka").add_response("get_bootstrap_brokers", {"BootstrapBrokerStringTls": "b-1:9094"})


def _two_apis(account: Account) -> None:
    items = [{"id": "a", "name": "pinflow"}, {"id": "b", "name": "pinflow"}]
    account.stub("apigateway").add_response("get_rest_apis", {"items": items})


@pytest.mark.parametrize(
    ("text", "prepare", "why"),
    [
        ("${stack:storage.Bucket}", _no_stack, "there is no stack pinflow-storage"),
        ("${stack:storage.Bucket}", _no_permission, "AWS says AccessDenied to DescribeStacks"),
        ("${stack:database.Nothing}", lambda a: a.has_stack("pinflow-database"), "has no output Nothing"),
        ("${stack:database}", lambda a: a.has_stack("pinflow-database"), r"has no output \(none named\)"),
        ("${secret:database.MasterSecretArn:pin}", _secret('{"password": "CANARY"}'), "the secret holds no key pin"),
        ("${secret:database.MasterSecretArn:pin}", _secret("CANARY"), "the secret holds no key pin"),
        ("${brokers:kafka.ClusterArn}", _cluster_without_iam, "no brokers with IAM authentication"),
        ("${api:pinflow}", _two_apis, "there are 2 REST APIs of that name"),
        ("${env:TOKEN}", lambda a: None, "the variable is not set"),
        ("${vault:x}", lambda a: None, "there is no kind vault"),
        ("${env:TOKEN|upper}", lambda a: None, "is no reference"),
        ("${TOKEN}", lambda a: None, "is no reference"),
        ("${env:TOKEN", lambda a: None, "is no reference"),
    ],
)
def test_what_is_missing_is_named(account: Account, text: str, prepare: Callable[[Account], object], why: str) -> None:
    prepare(account)
    _, missing = account.fill(f"a{text}", EMPTY="")
    assert len(missing) == 1
    assert re.search(why, missing[0]), missing
    assert "CANARY" not in missing[0]
