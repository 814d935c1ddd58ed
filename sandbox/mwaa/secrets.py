"""Airflow's connections and variables in Secrets Manager, where MWAA's backend looks for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.mwaa.errors import SecretsError
from sandbox.mwaa.references import References

CONNECTIONS = Path(__file__).with_name("connections.yaml")
FIELDS = {"conn_type", "description", "host", "schema", "login", "password", "port", "extra"}
NOT_FOUND = "ResourceNotFoundException"


class State(StrEnum):
    """What a secret needs."""

    NEW = "new"
    EMPTY = "empty"
    CHANGED = "changed"
    SAME = "same"
    MISSING = "missing"


@dataclass(frozen=True)
class Secret:
    """One secret to write.

    :param name: its whole name in Secrets Manager.
    :param state: what it needs.
    :param missing: the references that could not be resolved.
    :param text: what it shall hold; kept out of what is printed of this object.
    """

    name: str
    state: State
    missing: tuple[str, ...]
    text: str = field(repr=False)


def described(path: Path) -> dict[str, Mapping[str, Any]]:
    """The description's ``connections`` and ``variables``.

    :raises SecretsError: the file is missing or is not of that form.
    """
    import yaml

    again = f"Mend {path}, then run ./pinflow secrets again."
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SecretsError(f"There is no file {path}.", "It describes the connections.", "Name another.") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        raise SecretsError(f"{path} is not YAML.", f"Line {where.line + 1 if where else '?'}.", again) from None
    if not isinstance(document, dict) or not set(document) <= {"connections", "variables"}:
        raise SecretsError(
            f"{path} has another form.", "It holds the mappings connections and variables, and nothing else.", again
        )
    connections = document.get("connections") or {}
    for name, connection in connections.items():
        if not isinstance(connection, dict) or "conn_type" not in connection or not set(connection) <= FIELDS:
            raise SecretsError(
                f"The connection {name} in {path} has another form.",
                f"It has a conn_type and may have {', '.join(sorted(FIELDS - {'conn_type'}))}.",
                again,
            )
    return {"connections": connections, "variables": document.get("variables") or {}}


class Vault:
    """The secrets of one prefix.

    :param client: boto3's Secrets Manager client.
    :param prefix: the settings' prefix; also the tag ``pinflow``.
    """

    def __init__(self, client: Any, prefix: str) -> None:
        self.client, self.prefix = client, prefix

    def plan(
        self, document: Mapping[str, Mapping[str, Any]], references: References, only: Iterable[str] = ()
    ) -> list[Secret]:
        """What each secret needs; nothing is changed.

        :param only: names of connections and variables; all by default.
        :raises SecretsError: a name is in neither, or a secret is about to be deleted.
        """
        wanted = set(only)
        known = {name for kind in document.values() for name in kind}
        if strange := sorted(wanted - known):
            raise SecretsError(
                f"There is no connection or variable {strange[0]}.",
                f"The description has {', '.join(sorted(known))}.",
                "Name one of them: ./pinflow secrets --only NAME.",
            )
        return list(self._plan(document, references, wanted or known))

    def _plan(
        self, document: Mapping[str, Mapping[str, Any]], references: References, names: set[str]
    ) -> Iterator[Secret]:
        for kind, entries in document.items():
            for name, value in entries.items():
                if name not in names:
                    continue
                missing: list[str] = []
                filled = references.fill(value, missing)
                text = filled if isinstance(filled, str) else json.dumps(filled, sort_keys=True)
                whole = f"{self.prefix}/airflow/{kind}/{name}"
                state = State.MISSING if missing else self._state(whole, text)
                yield Secret(whole, state, tuple(missing), "" if missing else text)

    def _state(self, name: str, text: str) -> State:
        try:
            self._refuse_deleted(name, self.client.describe_secret(SecretId=name))
        except ClientError as error:
            if error.response["Error"]["Code"] == NOT_FOUND:
                return State.NEW
            raise
        try:
            found = self.client.get_secret_value(SecretId=name)
        except ClientError as error:
            if error.response["Error"]["Code"] == NOT_FOUND:  # made by the stack, never filled
                return State.EMPTY
            raise
        if not (found.get("SecretString") or found.get("SecretBinary")):
            return State.EMPTY
        return State.SAME if found.get("SecretString") == text else State.CHANGED

    @staticmethod
    def _refuse_deleted(name: str, found: Mapping[str, Any]) -> None:
        if found.get("DeletedDate"):
            raise SecretsError(
                f"The secret {name} is about to be deleted.",
                "Until then nothing can be written under its name.",
                f"Run: aws secretsmanager restore-secret --secret-id {name}, then ./pinflow secrets again.",
            )

    def write(self, secret: Secret) -> None:
        """Create or fill one secret; one that is the same is left alone, so that no version is made.

        :raises SecretsError: it has unresolved references.
        """
        if secret.missing:
            raise SecretsError(
                f"{secret.name} cannot be written.",
                f"{'; '.join(secret.missing)}.",
                "Make what is missing (docs/aws.md) or set the variable, then run ./pinflow secrets again; "
                "--only NAME writes others before.",
            )
        if secret.state is State.NEW:
            tags = [{"Key": "pinflow", "Value": self.prefix}]
            self.client.create_secret(Name=secret.name, SecretString=secret.text, Tags=tags)
        elif secret.state is not State.SAME:
            self.client.put_secret_value(SecretId=secret.name, SecretString=secret.text)
