"""``./pinflow secrets`` against a real Secrets Manager and CloudFormation server, read back by Airflow's backend."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sandbox.cli.app import EXPECTED, app
from sandbox.mwaa.account import client
from sandbox.mwaa.environment import options
from sandbox.mwaa.secrets import CONNECTIONS, described
from tests.conftest import Platform

pytestmark = pytest.mark.integration

CANARY = "c4nary-p@ss:/word"
TEMPLATE = {
    "Resources": {
        "MasterSecret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"SecretString": json.dumps({"username": "pinflow", "password": CANARY})},
        }
    },
    "Outputs": {
        "MasterSecretArn": {"Value": {"Ref": "MasterSecret"}},
        "Address": {"Value": "db.internal"},
        "Port": {"Value": "3306"},
    },
}
DESCRIPTION = """
connections:
  plain:
    conn_type: http
    host: proxy.internal:8082
  source:
    conn_type: mysql
    extra:
      url: mysql+pymysql://u:${secret:database.MasterSecretArn:password|url}@${stack:database.Address}:${stack:database.Port}/d
  workspace:
    conn_type: databricks
    password: ${env:TEST_CLIENT_SECRET}
variables:
  greeting: hello
"""


@pytest.fixture(autouse=True)
def account(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    platform.up("aws")
    for name, value in platform.context.client_environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("TEST_CLIENT_SECRET", f"{CANARY}-2")


@pytest.fixture
def prefix() -> str:
    """A prefix of its own, with the stack ``database``."""
    name = f"t{uuid.uuid4().hex[:6]}"
    client("cloudformation").create_stack(StackName=f"{name}-database", TemplateBody=json.dumps(TEMPLATE))
    return name


@pytest.fixture
def words(prefix: str, tmp_path: Path) -> list[object]:
    """The options that name our description and settings with that prefix."""
    from include.config.settings import FOLDER

    settings = yaml.safe_load((FOLDER / "aws.yaml").read_text())
    settings["prefix"] = prefix
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "connections.yaml").write_text(DESCRIPTION)
    return ["--from", tmp_path / "connections.yaml", "--settings", tmp_path / "settings.yaml"]


def pinflow(*words: object) -> Any:
    return CliRunner().invoke(app, ["secrets", *map(str, words)], prog_name="./pinflow")


def states(shown: Any) -> dict[str, str]:
    assert shown.exit_code == 0, shown.exception
    return {row["secret"].rpartition("/")[2]: row["state"] for row in json.loads(shown.stdout)["secrets"]}


def names(prefix: str) -> set[str]:
    pages = client("secretsmanager").get_paginator("list_secrets").paginate()
    return {one["Name"] for page in pages for one in page["SecretList"] if one["Name"].startswith(f"{prefix}/")}


def value(prefix: str, name: str) -> str:
    return str(client("secretsmanager").get_secret_value(SecretId=f"{prefix}/airflow/{name}")["SecretString"])


class TestWriting:
    def test_the_plan_changes_nothing_and_yes_does_it(self, prefix: str, words: list[object]) -> None:
        all_new = dict.fromkeys(("plain", "source", "workspace", "greeting"), "new")
        assert states(pinflow(*words, "--json")) == all_new
        assert names(prefix) == set()
        assert states(pinflow(*words, "--json", "--yes")) == all_new
        assert names(prefix) == {
            f"{prefix}/airflow/connections/plain",
            f"{prefix}/airflow/connections/source",
            f"{prefix}/airflow/connections/workspace",
            f"{prefix}/airflow/variables/greeting",
        }
        assert json.loads(value(prefix, "connections/plain")) == {"conn_type": "http", "host": "proxy.internal:8082"}
        assert value(prefix, "variables/greeting") == "hello"
        tags = client("secretsmanager").describe_secret(SecretId=f"{prefix}/airflow/connections/plain")["Tags"]
        assert tags == [{"Key": "pinflow", "Value": prefix}]
        assert set(states(pinflow(*words, "--json")).values()) == {"same"}

    def test_only_what_changed_gets_a_version(
        self, prefix: str, words: list[object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def versions() -> dict[str, str]:
            secrets = client("secretsmanager")
            return {name: secrets.get_secret_value(SecretId=name)["VersionId"] for name in names(prefix)}

        pinflow(*words, "--yes")
        before = versions()
        monkeypatch.setenv("TEST_CLIENT_SECRET", "another")
        found = states(pinflow(*words, "--json", "--yes"))
        assert found == {"plain": "same", "source": "same", "workspace": "changed", "greeting": "same"}
        after = versions()
        assert {name for name in after if after[name] != before[name]} == {f"{prefix}/airflow/connections/workspace"}
        assert json.loads(value(prefix, "connections/workspace"))["password"] == "another"

    def test_one_that_the_stack_made_is_filled(self, prefix: str, words: list[object]) -> None:
        client("secretsmanager").create_secret(Name=f"{prefix}/airflow/connections/plain")
        assert states(pinflow(*words, "--json", "--yes"))["plain"] == "empty"
        assert json.loads(value(prefix, "connections/plain"))["conn_type"] == "http"

    def test_missing_values_write_nothing_at_all(
        self, prefix: str, words: list[object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TEST_CLIENT_SECRET")
        assert states(pinflow(*words, "--json"))["workspace"] == "missing"
        refused = pinflow(*words, "--yes")
        assert isinstance(refused.exception, EXPECTED)
        assert "${env:TEST_CLIENT_SECRET}: the variable is not set" in str(refused.exception)
        assert "--only" in str(refused.exception)
        assert names(prefix) == set()
        assert states(pinflow(*words, "--json", "--yes", "--only", "plain", "--only", "greeting")) == {
            "plain": "new",
            "greeting": "new",
        }
        assert len(names(prefix)) == 2

    def test_one_that_is_being_deleted(self, prefix: str, words: list[object]) -> None:
        pinflow(*words, "--yes")
        client("secretsmanager").delete_secret(SecretId=f"{prefix}/airflow/connections/plain")
        refused = pinflow(*words)
        assert isinstance(refused.exception, EXPECTED)
        assert "is about to be deleted" in str(refused.exception)
        assert "restore-secret" in str(refused.exception)


class TestNoValueIsShown:
    def test_in_plans_results_and_errors(
        self, prefix: str, words: list[object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = [pinflow(*words), pinflow(*words, "--json"), pinflow(*words, "--yes"), pinflow(*words, "--yes")]
        monkeypatch.setenv("TEST_CLIENT_SECRET", f"{CANARY}-3")
        shown.append(pinflow(*words, "--yes", "--json"))
        client("secretsmanager").delete_secret(SecretId=f"{prefix}/airflow/connections/source")
        shown.append(pinflow(*words, "--yes"))
        everything = "".join(f"{one.output}{one.exception!r}" for one in shown)
        assert "c4nary" not in everything
        assert "c4nary" in value(prefix, "connections/workspace")

    def test_a_secret_in_the_description_is_not_quoted_back(self, words: list[object], tmp_path: Path) -> None:
        for text in (f"connections: [{CANARY}", f"connections:\n  x:\n    pass: {CANARY}", f"{CANARY}: 1"):
            (tmp_path / "connections.yaml").write_text(text)
            shown = pinflow(*words)
            assert isinstance(shown.exception, EXPECTED)
            assert "c4nary" not in f"{shown.output}{shown.exception}"


def test_airflow_s_backend_finds_them(prefix: str, words: list[object]) -> None:
    """The backend of the image, with the options that ./pinflow deploy sets."""
    from airflow.models.connection import Connection
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

    pinflow(*words, "--yes")
    backend = SecretsManagerBackend(**json.loads(options(prefix)["secrets.backend_kwargs"]))
    text = backend.get_conn_value("source")
    assert text is not None
    found = Connection.from_json(text, conn_id="source")
    assert found.conn_type == "mysql"
    assert found.extra_dejson == {"url": "mysql+pymysql://u:c4nary-p%40ss%3A%2Fword@db.internal:3306/d"}
    assert backend.get_variable("greeting") == "hello"
    assert backend.get_conn_value("nothing") is None


class TestOurDescription:
    """sandbox/mwaa/connections.yaml against what the code asks for."""

    def test_every_connection_of_the_code_is_in_it(self) -> None:
        """All ``*_default`` names in plugins and DAGs; aws_default is MWAA's own, from the execution role."""
        import re

        from sandbox.supervisor.home import ROOT

        text = "".join(path.read_text() for folder in ("plugins", "dags") for path in (ROOT / folder).rglob("*.py"))
        asked = set(re.findall(r'"(\w+_default)"', text)) | {"databricks_default", "kafka_default"}
        assert set(described(CONNECTIONS)["connections"]) == asked - {"aws_default"}

    def test_it_names_no_secret(self) -> None:
        for name, connection in described(CONNECTIONS)["connections"].items():
            for field in ("login", "password"):
                assert str(connection.get(field, "${")).startswith("${"), name

    def test_the_sandbox_has_the_same_connections(self, platform: Platform) -> None:
        from sandbox.airflow.environment import connections

        there = {name.removeprefix("AIRFLOW_CONN_").lower() for name in connections(platform.context)}
        assert there - {"aws_default"} == set(described(CONNECTIONS)["connections"])
