"""The contracts of the events: one JSON Schema (2020-12) a table, for the raw row on the wire.

Dirty values (placeholders, three timestamp dialects, keys as text, fields nobody knows) are legal: a contract says
what shape a row must have so that cleaning can read it, not that it is clean.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

FOLDER = Path(__file__).parent
TABLES = ("pin", "geo", "user")
KEY_FIELDS = ("index", "ind", "idx")


def schema(table: str) -> dict[str, Any]:
    """The JSON Schema of ``pin``, ``geo`` or ``user``; a fresh copy that the caller may change.

    :raises KeyError: there is no such table.
    """
    if table not in TABLES:
        raise KeyError(f"There is no contract for {table!r}. The tables are {', '.join(TABLES)}.")
    document: dict[str, Any] = json.loads((FOLDER / f"{table}.schema.json").read_text(encoding="utf-8"))
    return document


@cache
def validator(table: str) -> Draft202012Validator:
    """The compiled validator of a table; the same object on each call.

    :raises KeyError: there is no such table.
    """
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema(table))


def problems(table: str, row: object) -> list[str]:
    """What is wrong with a raw row, one clear text a problem, ordered by field; empty when the contract holds.

    :param row: the parsed JSON value.
    :raises KeyError: there is no such table.
    """
    return sorted({text for error in validator(table).iter_errors(row) for text in _texts(error)})


def model(table: str) -> dict[str, Any]:
    """The contract as a model that API Gateway can import.

    Models are JSON Schema draft 4 inside OpenAPI 3.0, which has no lists of types: a field that may hold several
    types is left without one there, so the gateway lets through what cleaning then judges.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings-models.html

    :raises KeyError: there is no such table.
    """
    document = schema(table)
    for name in ("$schema", "$id"):
        del document[name]
    document["properties"] = {name: _single_type(rule) for name, rule in document["properties"].items()}
    return document


def _single_type(rule: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(rule.get("type"), list):
        return rule
    return {name: value for name, value in rule.items() if name != "type"}


def _texts(error: ValidationError) -> list[str]:
    field = ".".join(str(step) for step in error.absolute_path)
    if error.validator == "required":
        return [f"{name}: is missing" for name in error.validator_value if name not in error.instance]  # type: ignore[union-attr, operator]
    if error.validator == "anyOf" and not field:
        return [f"key: is missing; a row has one of {', '.join(KEY_FIELDS)}"]
    return [f"{field or 'row'}: {_expectation(error)}"]


def _expectation(error: ValidationError) -> str:
    found = _shown(error.instance)
    if error.validator == "type":
        kinds = error.validator_value
        names = [kinds] if isinstance(kinds, str) else list(kinds)  # type: ignore[arg-type]
        return f"{found} is not {_one_of(names)}"
    if error.validator == "minimum":
        return f"{found} is less than {error.validator_value}"
    if error.validator == "maximum":
        return f"{found} is more than {error.validator_value}"
    if error.validator == "anyOf":
        return f"{found} is not a whole number in its range, nor the text of one"
    if error.validator == "pattern":
        return f"{found} is not a date and time such as 2020-08-28 03:52:47"
    return error.message


def _one_of(names: list[str]) -> str:
    words = {
        "string": "a text",
        "integer": "a whole number",
        "number": "a number",
        "null": "null",
        "object": "an object",
    }
    return " or ".join(words.get(name, name) for name in names)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."
