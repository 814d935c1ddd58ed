"""The roles of Pinflow in AWS, read out of the templates that make them.

``roles.yaml`` and ``databricks.yaml`` in ``include/aws/cloudformation`` are the only source of the policies. Who makes
roles another way prints them: ``python -m include.aws.iam --account 123456789012 ConnectRole``. What our own code calls
is found in the code by a test; what others' code calls is in ``third_party.yaml``, each with the page that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.aws.cloudformation import Stack, stack

TEMPLATES = ("roles", "databricks")
THIRD_PARTY = Path(__file__).parent / "third_party.yaml"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, its lists written out.

    ``resources`` are ARN patterns; with ``inverted`` all but these are meant (``NotResource``).
    """

    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    inverted: bool
    conditions: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Role:
    """A role: who may take it and what it may do.

    :param logical_id: its name in the template.
    :param name: its name in the account.
    :param trust: the trust policy.
    :param policies: its policies by name, inline and managed ones of the template alike.
    :param managed: ARNs of AWS' own policies that it has.
    """

    logical_id: str
    name: str
    trust: Mapping[str, Any]
    policies: Mapping[str, Mapping[str, Any]]
    managed: tuple[str, ...]

    @property
    def statements(self) -> list[Statement]:
        """The statements of all its policies."""
        return [statement(entry) for document in self.policies.values() for entry in document["Statement"]]

    @property
    def actions(self) -> frozenset[str]:
        """All actions that it is allowed."""
        return frozenset(action for entry in self.statements if entry.effect == "Allow" for action in entry.actions)


def roles(parameters: Mapping[str, str] | None = None, pseudo: Mapping[str, str] | None = None) -> dict[str, Role]:
    """All roles by their logical id.

    :param parameters: of the templates; those that a template does not have are left out there.
    :param pseudo: account, region and partition.
    """
    found: dict[str, Role] = {}
    for name in TEMPLATES:
        known = set(stack(name).values)
        made = stack(name, {key: value for key, value in (parameters or {}).items() if key in known}, pseudo)
        found.update(_roles(made))
    return found


def statement(entry: Mapping[str, Any]) -> Statement:
    """A statement as the policy language writes it, with one value or a list of them."""
    inverted = "NotResource" in entry
    return Statement(
        sid=entry.get("Sid", ""),
        effect=entry["Effect"],
        actions=_listed(entry["Action"]),
        resources=_listed(entry["NotResource" if inverted else "Resource"]),
        inverted=inverted,
        conditions=entry.get("Condition", {}),
    )


def _roles(made: Stack) -> dict[str, Role]:
    resources = made.resources
    documents = {
        f"<{logical}>": (entry["Properties"]["ManagedPolicyName"], entry["Properties"]["PolicyDocument"])
        for logical, entry in resources.items()
        if entry["Type"] == "AWS::IAM::ManagedPolicy"
    }
    return {
        logical: _role(logical, entry["Properties"], documents)
        for logical, entry in resources.items()
        if entry["Type"] == "AWS::IAM::Role"
    }


def _role(logical: str, properties: Mapping[str, Any], documents: Mapping[str, tuple[str, Any]]) -> Role:
    inline = {entry["PolicyName"]: entry["PolicyDocument"] for entry in properties.get("Policies", [])}
    attached = properties.get("ManagedPolicyArns", [])
    return Role(
        logical_id=logical,
        name=properties["RoleName"],
        trust=properties["AssumeRolePolicyDocument"],
        policies=inline | dict(documents[arn] for arn in attached if arn in documents),
        managed=tuple(arn for arn in attached if arn not in documents),
    )


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
