"""Workspace paths: one spelling for each object, and none that leaves the workspace."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from sandbox.databricks.errors import InvalidParameterError

PREFIX = "/Workspace"


def normalise(path: str) -> str:
    """The one spelling of a workspace path.

    :param path: absolute, with or without the ``/Workspace`` prefix; blanks and colons are fine.
    :raises InvalidParameterError: relative, with ``..``, or with a NUL.
    """
    if not path.startswith("/"):
        raise InvalidParameterError(f"The path {path!r} is relative. Workspace paths are absolute: begin it with '/'.")
    parts = PurePosixPath(path).parts[1:]
    if ".." in parts or "\0" in path:
        raise InvalidParameterError(f"The path {path!r} leaves the workspace ('..'). Give the object's own path.")
    if parts and f"/{parts[0]}" == PREFIX:
        parts = parts[1:]
    return "/" + "/".join(parts)


def on_disk(root: Path, path: str) -> Path:
    """Where an object's file is.

    :raises InvalidParameterError: a link on the way leads out of the workspace.
    """
    target = root / normalise(path)[1:]
    if not target.resolve().is_relative_to(root.resolve()):
        raise InvalidParameterError(f"The path {path!r} leads out of the workspace through a link. Remove the link.")
    return target
