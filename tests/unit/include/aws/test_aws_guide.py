"""docs/aws.md is held to the templates: stacks, parameters, outputs, roles, commands and numbers that it names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from include.aws.cloudformation import ORDER, load, stack
from include.aws.iam import roles

ROOT = Path(__file__).resolve().parents[4]
GUIDE = (ROOT / "docs/aws.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in GUIDE.splitlines() if line.startswith("| `")]
STACKS = {row[0].strip("`"): row for row in ROWS if row[0].strip("`") in ORDER}


def names(text: str) -> set[str]:
    """CloudFormation's names in a cell, each in backticks."""
    return set(re.findall(r"`([A-Z]\w+)`", text))


def test_every_stack_is_told_in_its_order() -> None:
    assert tuple(STACKS) == ORDER


@pytest.mark.parametrize("name", ORDER)
def test_parameters_and_outputs_exist(name: str) -> None:
    _, _, parameters, outputs = STACKS[name]
    assert names(parameters) <= set(load(name)["Parameters"])
    assert names(outputs) <= set(load(name)["Outputs"])


@pytest.mark.parametrize("name", ORDER)
def test_parameters_that_must_be_given_are_told(name: str) -> None:
    """Those without a default that no other stack tells."""
    template = load(name)
    sources = template.get("Metadata", {}).get("From", {})
    needed = {key for key, entry in template["Parameters"].items() if "Default" not in entry} - set(sources)
    assert needed <= names(STACKS[name][2])


def test_every_role_is_told() -> None:
    told = {row[0].strip("`").replace("<prefix>", "pinflow") for row in ROWS if row[0].startswith("`<prefix>-")}
    assert told == {role.name for role in roles().values()}


def test_commands_name_stacks_and_parameters_that_exist() -> None:
    found = re.findall(r"\$P -m include\.aws\.cloudformation ([a-z-]+)((?: \w+=\S+)*)", GUIDE)
    assert {name for name, _ in found} == set(ORDER)
    for name, given in found:
        assert {pair.partition("=")[0] for pair in given.split()} <= set(load(name)["Parameters"])


def test_the_jar_of_the_guide_is_the_pinned_one() -> None:
    pinned = load("rest-proxy")["Parameters"]
    assert pinned["IamAuthSha256"]["Default"] in GUIDE
    assert pinned["IamAuthKey"]["Default"] in GUIDE
    assert pinned["ConfluentKey"]["Default"] in GUIDE


def test_secrets_are_those_of_the_stacks() -> None:
    network = {"VpcId": "v", "SubnetIds": "s", "DatabaseClientSecurityGroupId": "g"}
    made = {
        entry["Properties"]["Name"].replace("pinflow", "<prefix>", 1).replace("<prefix>/airflow/connections/", "")
        for name, given in (("secrets", {}), ("database", network))
        for entry in stack(name, given).resources.values()
        if entry["Type"] == "AWS::SecretsManager::Secret"
    }  # fmt: skip
    told = {row[0].strip("`") for row in ROWS if row[0].endswith("_default`") or row[0].endswith("/master`")}
    assert told == made


def test_values_of_secrets_are_json() -> None:
    values = re.findall(r"^\| `\w+_default` \| `(\{.*?\})`", GUIDE, re.MULTILINE)
    assert len(values) == 4
    for value in values:
        assert json.loads(value)["conn_type"]


def test_endpoints_are_counted_right() -> None:
    kinds = [
        entry["Properties"]["VpcEndpointType"]
        for entry in stack("network").resources.values()
        if entry["Type"] == "AWS::EC2::VPCEndpoint"
    ]
    assert (kinds.count("Gateway"), kinds.count("Interface")) == (1, 11)
    assert "eleven interface endpoints" in GUIDE
