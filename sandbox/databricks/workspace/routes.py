"""Workspace API 2.0: https://docs.databricks.com/api/workspace/workspace."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from starlette.routing import Route

from sandbox.databricks.api import Call, route
from sandbox.databricks.errors import InvalidParameterError
from sandbox.databricks.workspace.objects import Format, Workspace


def routes(workspace: Callable[[], Workspace]) -> list[Route]:
    """The routes of the workspace.

    :param workspace: gives the workspace once the server has started.
    """

    async def import_object(call: Call) -> dict[str, Any]:
        workspace().import_object(
            call.text("path"),
            _decoded(call.text("content", "")),
            _format(call.text("format", "SOURCE")),
            call.text("language") if call.fields.get("language") else None,
            overwrite=call.flag("overwrite"),
        )
        return {}

    async def mkdirs(call: Call) -> dict[str, Any]:
        workspace().make_directories(call.text("path"))
        return {}

    async def get_status(call: Call) -> dict[str, Any]:
        return workspace().status(call.text("path")).as_dict()

    async def list_objects(call: Call) -> dict[str, Any]:
        found = workspace().children(call.text("path"))
        return {"objects": [item.as_dict() for item in found]} if found else {}

    async def export(call: Call) -> dict[str, Any]:
        content = workspace().read(call.text("path"))
        return {"content": base64.b64encode(content).decode(), "file_type": _file_type(call)}

    def _file_type(call: Call) -> str:
        found = workspace().status(call.text("path"))
        return {"PYTHON": "py", "SQL": "sql", "SCALA": "scala", "R": "r"}.get(found.language or "", "")

    async def delete(call: Call) -> dict[str, Any]:
        workspace().delete(call.text("path"), recursive=call.flag("recursive"))
        return {}

    return [
        *route("POST", "workspace/import", import_object),
        *route("POST", "workspace/mkdirs", mkdirs),
        *route("GET", "workspace/get-status", get_status),
        *route("GET", "workspace/list", list_objects),
        *route("GET", "workspace/export", export),
        *route("POST", "workspace/delete", delete),
    ]


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise InvalidParameterError(f"The field 'content' is not base64: {error}. Encode the file's bytes.") from None


def _format(name: str) -> Format:
    try:
        return Format(name)
    except ValueError:
        known = ", ".join(Format)
        raise InvalidParameterError(f"The format {name!r} is not read here. Use one of {known}.") from None
