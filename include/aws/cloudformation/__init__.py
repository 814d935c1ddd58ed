"""The stacks of Pinflow in AWS, one YAML file each, and a reader that works out what a template says.

``<prefix>-<name>`` is the stack of ``<name>.yaml``. Parameters are given from the outputs of stacks before it; nothing
is exported or imported, so that a stack can be replaced by resources which somebody else made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

ORDER = (
    "network", "storage", "roles", "secrets", "airflow", "budget",
    "database", "kafka", "rest-proxy", "connect", "gateway", "databricks",
)  # fmt: skip
"""The templates in the order in which their parameters can be known."""

PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::URLSuffix": "amazonaws.com",
}
"""What the pseudo parameters stand for unless told otherwise; the account is that of AWS' examples."""

_ABSENT = object()


class TemplateError(ValueError):
    """A template that cannot be read or worked out; the text names the file, the place and the mend."""


def path(name: str) -> Path:
    """The file of a template.

    :raises TemplateError: there is none of this name.
    """
    found = FOLDER / f"{name}.yaml"
    if name not in ORDER or not found.is_file():
        raise TemplateError(f"There is no template {name!r} in {FOLDER}. Use one of: {', '.join(ORDER)}.")
    return found


@cache
def load(name: str) -> Mapping[str, Any]:
    """A template as it is written, with its short forms (``!Ref``) as long ones (``Ref``).

    It is read once and shared: do not change it.

    :raises TemplateError: there is no such template, or it is not YAML.
    """
    import yaml

    try:
        document: dict[str, Any] = yaml.load(path(name).read_text(encoding="utf-8"), _loader())  # noqa: S506
    except yaml.YAMLError as error:
        raise TemplateError(f"{name}.yaml is not YAML: {error}. Mend the line it names.") from error
    return document


@dataclass(frozen=True)
class Stack:
    """A template with its parameters filled in.

    :param name: the template.
    :param parameters: values that differ from the defaults.
    :param pseudo: account, region and partition, where they matter.
    """

    name: str
    parameters: Mapping[str, str]
    pseudo: Mapping[str, str]

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources whose condition holds, worked out; what only AWS can know is ``<LogicalId.Attribute>``."""
        return _Evaluation(load(self.name), self.values).resources()

    @property
    def values(self) -> dict[str, Any]:
        """Parameters and pseudo parameters by name.

        :raises TemplateError: a parameter is unknown, or has neither a value nor a default.
        """
        declared = load(self.name)["Parameters"]
        if unknown := sorted(set(self.parameters) - set(declared)):
            raise TemplateError(f"{self.name}.yaml has no parameter {unknown[0]}. It has: {', '.join(declared)}.")
        defaults = {key: entry["Default"] for key, entry in declared.items() if "Default" in entry}
        values = {**defaults, **self.parameters}
        if missing := [key for key in declared if key not in values]:
            raise TemplateError(
                f"{self.name}.yaml needs the parameter {missing[0]}. Pass it; the file tells from where."
            )
        return {**PSEUDO, "AWS::StackName": f"{values['Prefix']}-{self.name}", **self.pseudo, **values}


def stack(name: str, parameters: Mapping[str, str] | None = None, pseudo: Mapping[str, str] | None = None) -> Stack:
    """A template with parameters, for instance ``stack("storage", {"Prefix": "pinflow"})``."""
    return Stack(name, parameters or {}, pseudo or {})


class _Evaluation:
    """One reading of a template with values."""

    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self.template = template
        self.values = values

    def resources(self) -> dict[str, dict[str, Any]]:
        return {
            name: self.value(entry)
            for name, entry in self.template["Resources"].items()
            if "Condition" not in entry or self.holds(entry["Condition"])
        }

    def value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [found for found in map(self.value, node) if found is not _ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1 and (name := next(iter(node))) in _FUNCTIONS:
            return _FUNCTIONS[name](self, node[name])
        found = {key: self.value(entry) for key, entry in node.items()}
        return {key: entry for key, entry in found.items() if entry is not _ABSENT}

    def holds(self, name: str) -> bool:
        return bool(self.condition(self.template["Conditions"][name]))

    def condition(self, node: Any) -> bool:
        (name, arguments), *_ = node.items()
        if name == "Fn::Equals":
            left, right = (str(self.value(entry)) for entry in arguments)
            return left == right
        if name == "Fn::Not":
            return not self.condition(arguments[0])
        raise TemplateError(f"The condition {name} is not known here. Use Fn::Equals and Fn::Not.")

    def ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _ABSENT
        if name in self.values:
            return self.values[name]
        return self.named(name) or f"<{name}>"

    def named(self, name: str) -> str | None:
        entry = self.template["Resources"].get(name)
        if entry is None:
            raise TemplateError(f"The template refers to {name}, which it does not have. Mend the name.")
        key = _NAMES.get(entry["Type"])
        return str(self.value(entry["Properties"][key])) if key in entry.get("Properties", {}) else None

    def attribute(self, node: Any) -> str:
        name, _, attribute = (node if isinstance(node, str) else ".".join(node)).partition(".")
        kind = self.template["Resources"][name]["Type"]
        if attribute == "Arn" and kind in _ARNS and (found := self.named(name)):
            return _ARNS[kind].format(
                name=found, partition=self.ref("AWS::Partition"), account=self.ref("AWS::AccountId")
            )
        return f"<{name}.{attribute}>"

    def sub(self, node: Any) -> str:
        import re

        text, own = (node, {}) if isinstance(node, str) else (node[0], self.value(node[1]))

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in own:
                return str(own[name])
            return self.attribute(name) if "." in name else str(self.ref(name))

        return re.sub(r"\$\{([^}]+)\}", fill, text)

    def chosen(self, arguments: Any) -> Any:
        name, then, otherwise = arguments
        return self.value(then if self.holds(name) else otherwise)

    def joined(self, arguments: Any) -> str:
        return str(arguments[0]).join(map(str, self.value(arguments[1])))


_NAMES = {
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::Logs::LogGroup": "LogGroupName",
}
"""The property that ``Ref`` gives, where the template sets it."""

_ARNS = {
    "AWS::IAM::Role": "arn:{partition}:iam::{account}:role/{name}",
    "AWS::IAM::InstanceProfile": "arn:{partition}:iam::{account}:instance-profile/{name}",
    "AWS::S3::Bucket": "arn:{partition}:s3:::{name}",
}

_FUNCTIONS: dict[str, Any] = {
    "Ref": _Evaluation.ref,
    "Fn::GetAtt": _Evaluation.attribute,
    "Fn::Sub": _Evaluation.sub,
    "Fn::If": _Evaluation.chosen,
    "Fn::Join": _Evaluation.joined,
    "Fn::Select": lambda self, arguments: f"<{arguments[0]}>",
    "Fn::GetAZs": lambda self, arguments: "<zones>",
    "Fn::Base64": lambda self, arguments: self.value(arguments),
}


def _loader() -> Any:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """YAML with CloudFormation's short forms."""

    def long_form(loader: Any, suffix: str, node: Any) -> Any:
        name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
        if isinstance(node, yaml.ScalarNode):
            return {name: loader.construct_scalar(node)}
        if isinstance(node, yaml.SequenceNode):
            return {name: loader.construct_sequence(node, deep=True)}
        return {name: loader.construct_mapping(node, deep=True)}

    Loader.add_multi_constructor("!", long_form)
    return Loader
