"""Secrets API 2.0: https://docs.databricks.com/api/workspace/secrets."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from starlette.routing import Route

from sandbox.databricks.api import Call, route
from sandbox.databricks.errors import AlreadyExistsError, InvalidParameterError, NotFoundError
from sandbox.databricks.store import Store, now_ms

NAME = re.compile(r"[\w.@-]{1,128}", re.ASCII)
MAXIMUM_BYTES = 128 * 1024


class SecretScopes:
    """Scopes and their secrets.

    :param store: the workspace's state.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, scope: str) -> None:
        """Make a scope.

        :raises AlreadyExistsError: the name is taken.
        """
        _check_name("scope", scope)
        if not self._store.execute("INSERT OR IGNORE INTO scopes VALUES (?)", (scope,)):
            raise AlreadyExistsError(f"Scope {scope} already exists!")

    def delete(self, scope: str) -> None:
        """Delete a scope with its secrets.

        :raises NotFoundError: there is none of that name.
        """
        if not self._store.execute("DELETE FROM scopes WHERE name = ?", (scope,)):
            raise NotFoundError(f"Scope {scope} does not exist!")

    def names(self) -> list[str]:
        """The scopes, by name."""
        return [row["name"] for row in self._store.rows("SELECT name FROM scopes ORDER BY name")]

    def _require(self, scope: str) -> None:
        if scope not in self.names():
            raise NotFoundError(f"Scope {scope} does not exist!")

    def put(self, scope: str, key: str, value: bytes) -> None:
        """Keep a secret, in the place of an older one.

        :raises NotFoundError: no such scope.
        :raises InvalidParameterError: a bad key, or more than 128 KiB.
        """
        self._require(scope)
        _check_name("key", key)
        if len(value) > MAXIMUM_BYTES:
            raise InvalidParameterError(
                f"The secret has {len(value)} bytes. {MAXIMUM_BYTES} are allowed. Make it smaller."
            )
        self._store.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?, ?, ?)", (scope, key, value, now_ms()))

    def get(self, scope: str, key: str) -> bytes:
        """A secret.

        :raises NotFoundError: no such scope or key.
        """
        self._require(scope)
        row = self._store.row("SELECT value FROM secrets WHERE scope = ? AND key = ?", (scope, key))
        if row is None:
            raise NotFoundError(f"Failed to get secret {key} for scope {scope}: it does not exist.")
        return bytes(row["value"])

    def keys(self, scope: str) -> list[dict[str, Any]]:
        """The keys of a scope, with the time of their last change.

        :raises NotFoundError: no such scope.
        """
        self._require(scope)
        rows = self._store.rows("SELECT key, updated_at FROM secrets WHERE scope = ? ORDER BY key", (scope,))
        return [{"key": row["key"], "last_updated_timestamp": row["updated_at"]} for row in rows]

    def remove(self, scope: str, key: str) -> None:
        """Delete a secret.

        :raises NotFoundError: no such scope or key.
        """
        self.get(scope, key)
        self._store.execute("DELETE FROM secrets WHERE scope = ? AND key = ?", (scope, key))


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidParameterError(
            f"The {what} {name!r} cannot be used. Use 1 to 128 letters, digits, '-', '_', '@', '.'."
        )


def routes(scopes: Callable[[], SecretScopes]) -> list[Route]:
    """The routes of secrets.

    :param scopes: gives the scopes once the server has started.
    """

    async def create(call: Call) -> dict[str, Any]:
        scopes().create(call.text("scope"))
        return {}

    async def delete_scope(call: Call) -> dict[str, Any]:
        scopes().delete(call.text("scope"))
        return {}

    async def list_scopes(_: Call) -> dict[str, Any]:
        return {"scopes": [{"name": name, "backend_type": "DATABRICKS"} for name in scopes().names()]}

    async def put(call: Call) -> dict[str, Any]:
        scopes().put(call.text("scope"), call.text("key"), _value(call))
        return {}

    async def get(call: Call) -> dict[str, Any]:
        value = scopes().get(call.text("scope"), call.text("key"))
        return {"key": call.text("key"), "value": base64.b64encode(value).decode()}

    async def list_keys(call: Call) -> dict[str, Any]:
        return {"secrets": scopes().keys(call.text("scope"))}

    async def delete(call: Call) -> dict[str, Any]:
        scopes().remove(call.text("scope"), call.text("key"))
        return {}

    return [
        *route("POST", "secrets/scopes/create", create),
        *route("POST", "secrets/scopes/delete", delete_scope),
        *route("GET", "secrets/scopes/list", list_scopes),
        *route("POST", "secrets/put", put),
        *route("GET", "secrets/get", get),
        *route("GET", "secrets/list", list_keys),
        *route("POST", "secrets/delete", delete),
    ]


def _value(call: Call) -> bytes:
    if ("string_value" in call.fields) == ("bytes_value" in call.fields):
        raise InvalidParameterError(
            "A secret needs exactly one of 'string_value' and 'bytes_value' (base64). Give one."
        )
    if "string_value" in call.fields:
        return call.text("string_value").encode("utf-8")
    try:
        return base64.b64decode(call.text("bytes_value"), validate=True)
    except binascii.Error as error:
        raise InvalidParameterError(f"The field 'bytes_value' is not base64: {error}. Encode the bytes.") from None
