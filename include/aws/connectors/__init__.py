"""Configurations of Kafka connectors, the same on MSK Connect and in the sandbox.

Each ``<name>.json`` is a flat map of the connector's own keys with ``${...}`` where a place fills in its
names (:class:`string.Template`; a literal dollar sign is written ``$$``). Endpoints and keys are never in it:
they come from the worker. ``s3-sink.json`` keeps ``rotate.interval.ms`` at -1 because Confluent's sink stores
its open objects at every change of folder once it is set, and posts of past days do not arrive in order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent


class ConnectorTemplateError(ValueError):
    """A connector's configuration that cannot be rendered; the text names the file, the key and the mend."""


def render(name: str, values: Mapping[str, str], overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """Fill in a connector's configuration.

    :param name: the file without its ending, for example ``s3-sink``.
    :param values: the placeholders' values, for ``s3-sink``: ``topics`` (joined by commas), ``bucket``, ``region``,
        ``topics_dir``, ``dead_letter_topic`` and ``replication_factor``.
    :param overrides: keys to set whatever the file says; they are taken as they are.
    :raises ConnectorTemplateError: there is no such file, it is not a flat map of texts, or a placeholder has no value.
    """
    document = _read(name)
    return {key: _fill(name, key, text, values) for key, text in document.items()} | dict(overrides or {})


def _read(name: str) -> dict[str, str]:
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in FOLDER.glob("*.json")))
        raise ConnectorTemplateError(f"There is no connector {name!r} in {FOLDER}. Use one of: {known}.")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConnectorTemplateError(f"{path} is not JSON: {error}. Mend the line it names.") from error
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise ConnectorTemplateError(f"{path} must be one flat map of texts: put numbers and booleans in quotes.")
    return document


def _fill(name: str, key: str, text: str, values: Mapping[str, str]) -> str:
    try:
        return Template(text).substitute(values)
    except KeyError as error:
        raise ConnectorTemplateError(
            f"{name}.json: {key} needs a value for ${{{error.args[0]}}}, and none was given. Pass it in values."
        ) from None
    except ValueError as error:
        raise ConnectorTemplateError(f"{name}.json: {key} is {text!r}: {error}. Write a dollar sign as $$.") from None
