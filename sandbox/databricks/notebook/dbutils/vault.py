"""``dbutils.secrets``; every value that is read is struck out of the notebook's output from then on."""

from __future__ import annotations

import builtins
from typing import NamedTuple

from sandbox.databricks.notebook.recording import Redactor
from sandbox.databricks.store import Store


class SecretScope(NamedTuple):
    """An entry of ``listScopes``."""

    name: str


class SecretMetadata(NamedTuple):
    """An entry of ``list``."""

    key: str


class SecretDoesNotExist(Exception):  # noqa: N818 (Databricks' name)
    """No such scope or key."""


class Secrets:
    """The secrets of the workspace.

    :param store: the workspace's state.
    """

    def __init__(self, store: Store, redact: Redactor) -> None:
        self._store, self._redact = store, redact

    def get(self, scope: str, key: str) -> str:
        """A secret as text.

        :raises SecretDoesNotExist: there is none.
        """
        return self.getBytes(scope, key).decode("utf-8")

    def getBytes(self, scope: str, key: str) -> bytes:  # noqa: N802
        """A secret as bytes.

        :raises SecretDoesNotExist: there is none.
        """
        row = self._store.row("SELECT value FROM secrets WHERE scope = ? AND key = ?", (scope, key))
        if row is None:
            raise SecretDoesNotExist(f"Secret does not exist with scope: {scope} and key: {key}. Put it: secrets/put.")
        value = bytes(row["value"])
        self._redact.add(value.decode("utf-8", "replace"))
        return value

    def list(self, scope: str) -> list[SecretMetadata]:
        """The keys of a scope."""
        rows = self._store.rows("SELECT key FROM secrets WHERE scope = ? ORDER BY key", (scope,))
        return [SecretMetadata(row["key"]) for row in rows]

    def listScopes(self) -> builtins.list[SecretScope]:  # noqa: N802
        """All scopes."""
        return [SecretScope(row["name"]) for row in self._store.rows("SELECT name FROM scopes ORDER BY name")]
