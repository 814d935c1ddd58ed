"""Whether policies allow a call, by the rules of IAM that our policies use.

An explicit deny wins, then an allow, and without either the call is denied. Wildcards: ``*`` any characters, ``?`` one.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from include.aws.iam import Role, Statement


def allows(role: Role, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
    """Whether a role may do this to a resource (``*`` for an action that has none).

    :param context: condition keys with their values.
    """
    effects = {entry.effect for entry in role.statements if applies(entry, action, resource, context or {})}
    return effects == {"Allow"}


def applies(entry: Statement, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether a statement is about this call."""
    if not any(matches(pattern, action, ignore_case=True) for pattern in entry.actions):
        return False
    named = any(matches(pattern, resource) for pattern in entry.resources)
    return named is not entry.inverted and all(
        holds(operator, key, wanted, context)
        for operator, block in entry.conditions.items()
        for key, wanted in block.items()
    )


def holds(operator: str, key: str, wanted: object, context: Mapping[str, str]) -> bool:
    """Whether one condition holds; a key that is not in the request fails it, save for ``…IfExists``."""
    values = wanted if isinstance(wanted, list) else [wanted]
    if key not in context:
        return operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    if operator == "StringEquals":
        return context[key] in values
    if operator in ("ArnLike", "ArnEquals", "StringLike"):
        return any(matches(str(value), context[key]) for value in values)
    raise NotImplementedError(f"The operator {operator} is used in a policy and not known here. Add it with its rule.")


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """IAM's wildcards."""
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, text, re.IGNORECASE if ignore_case else 0) is not None
