from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.config import settings as settings_module
from include.config.settings import ForeignRecords, SettingsError, load

Write = Callable[..., str]
FOLDER = Path(settings_module.__file__).parent


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a copy of ``sandbox.yaml``, changed by a function; gives its path."""
    path = tmp_path / "mine.yaml"

    def copy(change: Callable[[dict[str, Any]], object]) -> str:
        document = yaml.safe_load((FOLDER / "sandbox.yaml").read_text())
        change(document)
        path.write_text(yaml.safe_dump(document))
        return str(path)

    return copy


class TestFiles:
    def test_the_sandbox(self) -> None:
        found = load("sandbox")
        assert (found.name, found.prefix, found.region) == ("sandbox", "pinflow", "us-east-1")
        assert found.gateway.stage == "dev"
        assert (found.kafka.partitions, found.kafka.replication_factor) == (3, 1)
        assert found.landing.url == "s3a://pinflow-landing/topics"
        assert found.workspace.catalog == "spark_catalog"
        assert found.batch.foreign_records is ForeignRecords.FAIL

    def test_aws(self) -> None:
        found = load("aws")
        assert (found.name, found.gateway.stage) == ("aws", "prod")
        assert found.kafka.replication_factor == 3
        assert found.kafka.topic_configs["min.insync.replicas"] == "2"
        assert found.landing.url == "s3://<account>-pinflow-landing/topics"

    def test_both_have_the_same_keys(self) -> None:
        def keys(value: object, at: str = "") -> set[str]:
            free = at in (
                "gateway.variables.", "kafka.topic_configs.", "connect.overrides.", "workspace.cluster.",
                "streaming.source_options.",
            )  # fmt: skip
            if not isinstance(value, dict) or free:
                return {at}
            return set().union(*(keys(item, f"{at}{name}.") for name, item in value.items()))

        here, there = (yaml.safe_load((FOLDER / f"{name}.yaml").read_text()) for name in ("sandbox", "aws"))
        assert keys(here) == keys(there)

    def test_no_address_and_no_key_is_in_them(self) -> None:
        for path in set(FOLDER.glob("*.yaml")) - {FOLDER / "prices.yaml"}:  # which names the owners' pages
            text = re.sub(r"#.*|name: secrets", "", path.read_text())  # a stack is called so
            assert not re.search(r"https?://|127\.0\.0\.1|localhost|AKIA|secret|password|token", text, re.IGNORECASE)


class TestStacks:
    def test_the_sandbox_has_none_and_its_gateway_is_there(self) -> None:
        assert (load("sandbox").stacks, load("sandbox").gateway.exists) == ((), True)

    def test_a_role_of_a_stack_that_is_not_there(self, tmp_path: Path) -> None:
        text = (FOLDER / "sandbox.yaml").read_text().replace('stack_role: ""', "stack_role: ${roles.Arn}")
        (tmp_path / "mine.yaml").write_text(text)
        with pytest.raises(SettingsError, match="stack_role refers to the stack roles"):
            load(tmp_path / "mine.yaml")

    def test_aws(self) -> None:
        found = load("aws")
        kept = [stack.name for stack in found.stacks if stack.exists]
        assert kept == ["network", "storage", "roles", "secrets", "airflow", "budget", "databricks"], (
            "an administrator's"
        )
        made = ["database", "kafka", "rest-proxy", "connect", "gateway"]
        assert [stack.name for stack in found.stacks if not stack.exists] == made
        kafka = found.stack("kafka")
        assert kafka is not None
        assert kafka.parameters["VpcId"] == "${network.VpcId}"
        assert found.stack("nowhere") is None
        assert found.stack_role == "${roles.CloudFormationRoleArn}"
        assert found.gateway.exists is False

    def test_they_may_be_left_out(self, write: Write) -> None:
        def older(document: dict[str, Any]) -> None:
            del document["stacks"]
            document["gateway"] = {"stage": "dev"}

        found = load(write(older))
        assert (found.stacks, found.gateway.exists, found.gateway.api_name) == ((), True, "pinflow")

    @pytest.mark.parametrize(
        ("stacks", "told"),
        [
            ({"name": "a"}, "stacks must be a list"),
            ([{"name": "a"}, {"name": "a"}], "the stack a is there twice"),
            ([{"name": "a", "exists": "yes"}], "stacks.0.exists must be true or false"),
            ([{"exists": True}], "the key stacks.0.name is missing"),
            ([{"name": "a", "parameters": {"X": 5}}], "stacks.0.parameters.X must be a text"),
            ([{"name": "a", "parameters": {"X": "${b.Y}"}}, {"name": "b"}], "X refers to the stack b"),
            ([{"name": "a", "parameters": {"X": "${a.Y}"}}], "X refers to the stack a"),
        ],
    )
    def test_errors(self, write: Write, stacks: Any, told: str) -> None:
        with pytest.raises(SettingsError, match=told):
            load(write(lambda document: document.update(stacks=stacks)))

    def test_the_gateway_refers_to_any_of_them(self, write: Write) -> None:
        def change(document: dict[str, Any]) -> None:
            document["stacks"] = [{"name": "a"}]
            document["gateway"]["access_log"] = "${a.LogGroup} ${b.LogGroup}"

        with pytest.raises(SettingsError, match=r"gateway: access_log refers to the stack b. Known there: a"):
            load(write(change))


class TestNames:
    @pytest.mark.parametrize("table", ["pin", "geo", "user"])
    def test_topics_and_streams(self, table: str) -> None:
        found = load("sandbox")
        assert found.topic(table) == f"pinflow.{table}"
        assert found.stream(table) == f"streaming-pinflow-{table}"

    def test_all_topics(self) -> None:
        assert load("sandbox").topics == ("pinflow.pin", "pinflow.geo", "pinflow.user")
        assert load("sandbox").dead_letter_topic == "pinflow.dead-letter"

    def test_they_follow_the_prefix(self, write: Write) -> None:
        found = load(write(lambda document: document.update(prefix="team-a")))
        assert found.topics == ("team-a.pin", "team-a.geo", "team-a.user")
        assert (found.dead_letter_topic, found.stream("geo")) == ("team-a.dead-letter", "streaming-team-a-geo")


class TestWhichFile:
    def test_what_the_call_names(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PINFLOW_SETTINGS", "aws")
        assert load("sandbox").name == "sandbox"
        assert load(Path(write(lambda document: document.update(name="mine")))).name == "mine"

    def test_what_the_environment_names(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PINFLOW_SETTINGS", "sandbox")
        assert load().name == "sandbox"
        monkeypatch.setenv("PINFLOW_SETTINGS", write(lambda document: document.update(name="theirs")))
        assert load().name == "theirs"

    @pytest.mark.parametrize("value", ["", None])
    def test_aws_otherwise(self, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
        monkeypatch.delenv("PINFLOW_SETTINGS", raising=False)
        if value is not None:
            monkeypatch.setenv("PINFLOW_SETTINGS", value)
        assert load().name == "aws"

    def test_a_file_is_read_once_and_cannot_be_changed(self) -> None:
        assert load("sandbox") is load("sandbox")
        with pytest.raises(FrozenInstanceError):
            load("sandbox").prefix = "other"


class TestErrors:
    def test_no_such_file(self, tmp_path: Path) -> None:
        path = tmp_path / "gone.yaml"
        with pytest.raises(SettingsError, match=f"There is no settings file {re.escape(str(path))}.*PINFLOW_SETTINGS"):
            load(path)

    def test_not_yaml(self, tmp_path: Path) -> None:
        path = tmp_path / "bad.yaml"
        path.write_text("name: [sandbox\nprefix: pinflow\n")
        with pytest.raises(SettingsError, match=f"{re.escape(str(path))} is not YAML(.*\n)*.*line 2"):
            load(path)

    @pytest.mark.parametrize("text", ["", "- a\n- b\n", "sandbox\n"])
    def test_not_a_mapping(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(SettingsError, match="the document must be a mapping, not"):
            load(path)

    CHANGES = (
        (lambda it: it.pop("prefix"), "the key prefix is missing"),
        (lambda it: it["kafka"].pop("partitions"), "the key kafka.partitions is missing"),
        (lambda it: it.update(colour="blue"), "unknown key colour. Known here: batch, connect, gateway"),
        (lambda it: it["landing"].update(bukket="x"), "unknown key landing.bukket. Known here: bucket, scheme"),
        (lambda it: it.update({1: "x", "two": "y"}), "unknown key 1."),
        (lambda it: it["kafka"].update(partitions="3"), "kafka.partitions must be a whole number, not '3'"),
        (lambda it: it["kafka"].update(partitions=True), "kafka.partitions must be a whole number, not True"),
        (lambda it: it["kafka"].update(partitions=1.5), "kafka.partitions must be a whole number, not 1.5"),
        (lambda it: it.update(prefix=7), "prefix must be a text, not 7; put it in quotes"),
        (lambda it: it["gateway"].update(stage=None), "gateway.stage must be a text, not None"),
        (lambda it: it.update(kafka="here"), "kafka must be a mapping, not 'here'"),
        (lambda it: it["kafka"].update(topic_configs=[1]), "kafka.topic_configs must be a mapping, not [1]"),
        (
            lambda it: it["kafka"]["topic_configs"].update({"retention.ms": 604800000}),
            "kafka.topic_configs.retention.ms must be a text, not 604800000; put it in quotes",
        ),
        (lambda it: it["batch"].update(foreign_records="ignore"), "it must be one of fail, report"),
    )

    @pytest.mark.parametrize(("change", "text"), CHANGES, ids=[text for _, text in CHANGES])
    def test_the_file_and_the_key_are_named(self, write: Write, change: Callable, text: str) -> None:
        path = write(change)
        with pytest.raises(SettingsError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert text in str(caught.value)

    def test_what_may_be_left_out(self, write: Write) -> None:
        def strip(document: dict[str, Any]) -> None:
            del document["kafka"]["topic_configs"], document["connect"]["overrides"], document["workspace"]["cluster"]

        found = load(write(strip))
        assert found.kafka.topic_configs == found.connect.overrides == found.workspace.cluster == {}

    def test_report_is_the_other_choice(self, write: Write) -> None:
        found = load(write(lambda document: document["batch"].update(foreign_records="report")))
        assert found.batch.foreign_records is ForeignRecords.REPORT
