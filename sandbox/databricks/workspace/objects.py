"""The objects of the workspace: what is a notebook, what a plain file, and where they are."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from sandbox.databricks.errors import AlreadyExistsError, ApiError, InvalidParameterError, NotFoundError
from sandbox.databricks.store import Store, now_ms
from sandbox.databricks.workspace.paths import normalise, on_disk

HEADERS = {
    "PYTHON": b"# Databricks notebook source",
    "SQL": b"-- Databricks notebook source",
    "SCALA": b"// Databricks notebook source",
}
LANGUAGES = ("PYTHON", "SQL", "SCALA", "R")
SUFFIXES = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R"}
MAXIMUM_BYTES = 10 * 1024 * 1024


class Kind(StrEnum):
    """``object_type`` of the API."""

    NOTEBOOK = "NOTEBOOK"
    FILE = "FILE"
    DIRECTORY = "DIRECTORY"


class Format(StrEnum):
    """The import formats that this server reads."""

    SOURCE = "SOURCE"
    JUPYTER = "JUPYTER"
    AUTO = "AUTO"
    RAW = "RAW"


@dataclass(frozen=True)
class WorkspaceObject:
    """One object as ``get-status`` shows it; times in milliseconds, size in bytes."""

    path: str
    kind: Kind
    object_id: int
    language: str | None
    created_at: int
    modified_at: int
    size: int

    def as_dict(self) -> dict[str, object]:
        """The JSON object of the API."""
        public: dict[str, object] = {
            "path": self.path,
            "object_type": self.kind.value,
            "object_id": self.object_id,
            "resource_id": str(self.object_id),
        }
        if self.kind is Kind.DIRECTORY:
            return public
        public |= {"created_at": self.created_at, "modified_at": self.modified_at}
        return public | ({"language": self.language} if self.kind is Kind.NOTEBOOK else {"size": self.size})


class Workspace:
    """All objects below one folder.

    :param root: the folder that is ``/``.
    :param store: remembers which files are notebooks.
    """

    def __init__(self, root: Path, store: Store) -> None:
        self.root = root
        self._store = store
        root.mkdir(parents=True, exist_ok=True)

    def import_object(
        self, path: str, content: bytes, form: Format = Format.SOURCE, language: str | None = None, *, overwrite: bool
    ) -> WorkspaceObject:
        """Make or replace one object.

        :param form: how ``content`` is to be read; with ``AUTO`` the header and the name's end decide, and a
            notebook's name loses that end.
        :param language: needed for a notebook in ``SOURCE`` form.
        :raises AlreadyExistsError: the path is taken and ``overwrite`` is not set.
        :raises InvalidParameterError: the content does not fit the form, or an object of the other kind is there.
        :raises NotFoundError: the parent folder does not exist.
        """
        kind, language, path = _recognise(normalise(path), content, form, language)
        if len(content) > MAXIMUM_BYTES:
            text = f"{path} has {len(content)} bytes. An import takes {MAXIMUM_BYTES} at most. Make the object smaller."
            raise TooLargeError(text)
        target = on_disk(self.root, path)
        self._check_room(path, target, kind, overwrite)
        draft = target.with_name(f".{target.name}.import")
        draft.write_bytes(content)
        draft.replace(target)
        self._remember(path, kind, language)
        return self.status(path)

    def _check_room(self, path: str, target: Path, kind: Kind, overwrite: bool) -> None:
        if not target.parent.is_dir():
            raise NotFoundError(f"The parent folder ({PurePosixPath(path).parent}) does not exist. Make it: mkdirs.")
        if not target.exists():
            return
        existing = self.status(path)
        if existing.kind is not kind:
            raise InvalidParameterError(
                f"{path} is a {existing.kind}; the import is a {kind}. One cannot replace the other. Delete it first."
            )
        if not overwrite:
            raise AlreadyExistsError(f"Path ({path}) already exists. Set overwrite to replace it.")

    def _remember(self, path: str, kind: Kind, language: str | None) -> None:
        now = now_ms()
        self._store.execute(
            "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET"
            " object_type = excluded.object_type, language = excluded.language, modified_at = excluded.modified_at",
            (path, self._store.new_id(), kind.value, language, now, now),
        )

    def make_directories(self, path: str) -> None:
        """Make a folder and those above it; nothing happens when it exists.

        :raises AlreadyExistsError: something on the way is not a folder.
        """
        try:
            on_disk(self.root, path).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise AlreadyExistsError(f"{path} cannot be a folder: an object of that name exists.") from None

    def status(self, path: str) -> WorkspaceObject:
        """What is at a path.

        :raises NotFoundError: nothing.
        """
        path = normalise(path)
        target = on_disk(self.root, path)
        if not target.exists():
            raise NotFoundError(f"Path ({path}) doesn't exist.")
        found = self._store.row("SELECT * FROM objects WHERE path = ?", (path,))
        if found is None:
            self._remember(path, Kind.DIRECTORY if target.is_dir() else Kind.FILE, None)
            return self.status(path)
        size = target.stat().st_size
        kind = Kind(found["object_type"])
        return WorkspaceObject(
            path, kind, found["object_id"], found["language"], found["created_at"], found["modified_at"], size
        )

    def children(self, path: str) -> list[WorkspaceObject]:
        """The objects of a folder, by name; of a notebook or file, itself.

        :raises NotFoundError: the path does not exist.
        """
        parent = self.status(path)
        if parent.kind is not Kind.DIRECTORY:
            return [parent]
        base = parent.path.rstrip("/")
        names = sorted(entry.name for entry in on_disk(self.root, path).iterdir())
        return [self.status(f"{base}/{name}") for name in names]

    def read(self, path: str) -> bytes:
        """The content of a notebook or file.

        :raises NotFoundError: nothing there.
        :raises InvalidParameterError: it is a folder.
        """
        if self.status(path).kind is Kind.DIRECTORY:
            raise InvalidParameterError(f"{path} is a folder. Only notebooks and files are exported. Name one of them.")
        return on_disk(self.root, path).read_bytes()

    def delete(self, path: str, *, recursive: bool) -> None:
        """Delete one object, or a folder with all below it.

        :raises NotFoundError: nothing there.
        :raises ApiError: a folder with content, without ``recursive``.
        """
        found = self.status(path)
        target = on_disk(self.root, path)
        if found.path == "/":
            raise InvalidParameterError("The root folder cannot be deleted. Name a folder below it.")
        if found.kind is Kind.DIRECTORY:
            if not recursive and any(target.iterdir()):
                raise DirectoryNotEmptyError(f"Folder ({found.path}) is not empty. Set recursive to delete it.")
            shutil.rmtree(target)
        else:
            target.unlink()
        below = found.path.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "/%"
        self._store.execute("DELETE FROM objects WHERE path = ? OR path LIKE ? ESCAPE '\\'", (found.path, below))


class DirectoryNotEmptyError(ApiError):
    """400 DIRECTORY_NOT_EMPTY."""

    status, error_code = 400, "DIRECTORY_NOT_EMPTY"


class TooLargeError(ApiError):
    """400 MAX_NOTEBOOK_SIZE_EXCEEDED."""

    status, error_code = 400, "MAX_NOTEBOOK_SIZE_EXCEEDED"


def _recognise(path: str, content: bytes, form: Format, language: str | None) -> tuple[Kind, str | None, str]:
    if form is Format.RAW:
        return Kind.FILE, None, path
    if form is Format.JUPYTER:
        return Kind.NOTEBOOK, _jupyter_language(content, path), path
    if form is Format.SOURCE:
        if language not in LANGUAGES:
            raise InvalidParameterError(
                f"The language is {language!r}. A notebook in SOURCE form needs one of {', '.join(LANGUAGES)}. "
                "Give 'language', or format AUTO for a plain file."
            )
        return Kind.NOTEBOOK, language, path
    suffix = PurePosixPath(path).suffix
    if suffix.lower() == ".ipynb":
        return Kind.NOTEBOOK, _jupyter_language(content, path), path.removesuffix(suffix)
    known = SUFFIXES.get(suffix.lower())
    if known and content.startswith(HEADERS.get(known, b"# Databricks notebook source")):
        return Kind.NOTEBOOK, known, path.removesuffix(suffix)
    return Kind.FILE, None, path


def _jupyter_language(content: bytes, path: str) -> str:
    try:
        document = json.loads(content)
        metadata = document["metadata"] if isinstance(document["cells"], list) else {}
    except (ValueError, KeyError, TypeError):
        raise InvalidParameterError(
            f"{path} is not a Jupyter notebook: it has no list of cells. Check the file."
        ) from None
    databricks = metadata.get("application/vnd.databricks.v1+notebook", {}).get("language")
    return str(databricks or metadata.get("kernelspec", {}).get("language") or "python").upper()
