"""The stacks against what the commands expect of them: names of secrets, outputs, options and paths."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.mwaa.environment import options, wanted
from sandbox.mwaa.references import REFERENCE
from sandbox.mwaa.secrets import CONNECTIONS, described
from sandbox.supervisor.home import ROOT

TEMPLATES = ROOT / "include" / "aws" / "cloudformation"
pytestmark = pytest.mark.skipif(not TEMPLATES.exists(), reason="the stacks are not in this branch yet")


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, as ``{"Sub": ...}``."""


def _short_form(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {suffix: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _short_form)


def template(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((TEMPLATES / f"{name}.yaml").read_text(), Loader)
    return found


def test_the_environment_is_made_with_the_options_that_a_deployment_sets() -> None:
    (environment,) = template("airflow")["Resources"].values()
    properties = environment["Properties"]
    made = properties["AirflowConfigurationOptions"]
    ours = options("pinflow")
    assert made["secrets.backend"] == ours["secrets.backend"]
    text = made["secrets.backend_kwargs"]["Sub"].replace("${Prefix}", "pinflow")
    assert json.loads(text) == json.loads(ours["secrets.backend_kwargs"])


def test_and_with_the_paths_that_a_deployment_fills() -> None:
    (environment,) = template("airflow")["Resources"].values()
    versions = {"plugins.zip": "1", "requirements.txt": "1", "startup.sh": "1"}
    paths = {name: text for name, text in wanted("", versions, "pinflow").items() if name.endswith("S3Path")}
    assert {name: environment["Properties"][name] for name in paths} == paths


def test_the_empty_secrets_are_those_that_are_filled() -> None:
    names = {
        one["Properties"]["Name"]["Sub"]
        for one in template("secrets")["Resources"].values()
        if one["Type"] == "AWS::SecretsManager::Secret"
    }
    assert names == {f"${{Prefix}}/airflow/connections/{name}" for name in described(CONNECTIONS)["connections"]}


def test_every_output_that_a_connection_names_exists() -> None:
    references = [
        (match["kind"], match["name"]) for match in REFERENCE.finditer(Path(CONNECTIONS).read_text()) if match
    ]
    named = {name.partition(":")[0] for kind, name in references if kind in ("stack", "secret", "brokers")}
    named -= {"NAME.OUTPUT"}  # the explanation at the top
    assert len(named) >= 5
    for name in sorted(named):
        stack, _, output = name.partition(".")
        assert output in template(stack)["Outputs"], name


def test_the_outputs_that_the_documents_name_exist() -> None:
    text = (ROOT / "docs/mwaa.md").read_text() + (ROOT / "docs/databricks.md").read_text()
    outputs = {name for path in TEMPLATES.glob("*.yaml") for name in template(path.stem).get("Outputs", {})}
    named = set(re.findall(r"[Oo]utput `(\w+)`", text)) | {"StorageRoleArn", "StreamsRoleArn", "LakeBucket"}
    assert named <= outputs
