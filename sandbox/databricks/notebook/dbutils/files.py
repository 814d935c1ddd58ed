"""``dbutils.fs``: https://docs.databricks.com/aws/en/dev-tools/databricks-utils#file-system-utility-dbutilsfs."""

from __future__ import annotations

import builtins
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sandbox.databricks.notebook.dbutils.storage import Entry, LocalPlace, Place, S3Place
from sandbox.databricks.store import Store

URL = re.compile(r"(?P<scheme>[a-z][a-z0-9]*):(?://(?P<host>[^/]*))?(?P<path>.*)", re.DOTALL)
S3_SCHEMES = frozenset({"s3", "s3a", "s3n"})
WORKSPACE = "/Workspace"


class FileInfo(NamedTuple):
    """An entry of ``ls``; size in bytes, time in milliseconds."""

    path: str
    name: str
    size: int
    modificationTime: int  # noqa: N815 (Databricks' name)

    def isDir(self) -> bool:  # noqa: N802
        """Whether it is a folder."""
        return self.name.endswith("/")

    def isFile(self) -> bool:  # noqa: N802
        """Whether it is a file."""
        return not self.isDir()


class MountInfo(NamedTuple):
    """An entry of ``mounts``."""

    mountPoint: str  # noqa: N815
    source: str
    encryptionType: str = ""  # noqa: N815


@dataclass(frozen=True)
class Location:
    """A path taken apart: where it is, and its key there."""

    place: Place
    key: str
    shown: str

    def below(self, name: str) -> Location:
        """Something within this folder."""
        return Location(self.place, f"{self.key}/{name}".strip("/"), f"{self.shown.rstrip('/')}/{name}")


class FileSystem:
    """``dbutils.fs`` over DBFS, mounts, S3 and workspace files.

    :param dbfs: the folder that is ``dbfs:/``.
    :param workspace: the folder that is ``file:/Workspace``.
    :param store: keeps the mounts.
    :param mounted: tells Spark of a mount: mount point and source.
    """

    def __init__(self, dbfs: Path, workspace: Path, store: Store, mounted: Callable[[str, str], None]) -> None:
        self._dbfs, self._workspace = LocalPlace(dbfs), LocalPlace(workspace)
        self._store, self._mounted = store, mounted
        dbfs.mkdir(parents=True, exist_ok=True)
        self.refreshMounts()

    def ls(self, path: str) -> builtins.list[FileInfo]:
        """What is in a folder; of a file, itself.

        :raises FileNotFoundError: there is nothing.
        """
        at, entry = self._existing(path)
        if not entry.folder:
            return [FileInfo(at.shown, entry.name, entry.size, entry.modified)]
        return [_info(at, child) for child in at.place.children(at.key)]

    def head(self, file: str, maxBytes: int | str = 65536) -> str:  # noqa: N803
        """The beginning of a file as text.

        :raises FileNotFoundError: there is none.
        """
        at, entry = self._existing(file)
        if entry.folder:
            raise IsADirectoryError(f"Cannot head a directory: {file}. Name a file.")
        return at.place.read(at.key, int(maxBytes)).decode("utf-8", "replace")

    def put(self, file: str, contents: str, overwrite: bool | str = False) -> bool:
        """Write a text to a file.

        :raises FileExistsError: it exists and ``overwrite`` is not set.
        """
        at, content = self._locate(file), contents.encode("utf-8")
        if str(overwrite).lower() != "true" and at.place.entry(at.key):
            raise FileExistsError(f"{file} exists already. Give overwrite=True to replace it.")
        at.place.write(at.key, content)
        print(f"Wrote {len(content)} bytes.")
        return True

    def mkdirs(self, dir: str) -> bool:  # noqa: A002 (Databricks' name)
        """Make a folder with those above it."""
        at = self._locate(dir)
        at.place.make(at.key)
        return True

    def cp(self, source: str, to: str, recurse: bool = False) -> bool:
        """Copy a file, or a folder with ``recurse``.

        :raises FileNotFoundError: there is nothing to copy.
        :raises IsADirectoryError: a folder, without ``recurse``.
        """
        at, entry = self._existing(source)
        target = self._locate(to)
        if not entry.folder:
            existing = target.place.entry(target.key)
            target = target.below(entry.name) if existing and existing.folder else target
            target.place.write(target.key, at.place.read(at.key))
            return True
        if not recurse:
            raise IsADirectoryError(f"Cannot copy the directory {source} without recurse=True. Give it.")
        for name in builtins.list(at.place.walk(at.key)):
            one = target.below(name)
            one.place.write(one.key, at.place.read(at.below(name).key))
        return True

    def mv(self, source: str, to: str, recurse: bool = False) -> bool:
        """Move a file, or a folder with ``recurse``: copy, then delete."""
        self.cp(source, to, recurse)
        return self.rm(source, recurse)

    def rm(self, dir: str, recurse: bool = False) -> bool:  # noqa: A002
        """Delete a file, or a folder with ``recurse``; whether there was something to delete.

        :raises IsADirectoryError: a folder that is not empty, without ``recurse``.
        """
        at = self._locate(dir)
        entry = at.place.entry(at.key)
        if entry is None:
            return False
        if not at.key:
            raise PermissionError(f"{dir} is the root and is not deleted. Name what is below it.")
        if entry.folder and not recurse and at.place.children(at.key):
            raise IsADirectoryError(f"Cannot delete the non-empty directory {dir} without recurse=True. Give it.")
        at.place.delete(at.key)
        return True

    def mount(
        self, source: str, mountPoint: str, encryptionType: str = "", owner: str | None = None,  # noqa: N803
        extraConfigs: Mapping[str, Any] | None = None,  # noqa: N803
    ) -> bool:  # fmt: skip
        """Make a bucket visible below ``/mnt``. Keys that are given are not kept: the sandbox has its own.

        :raises ValueError: the mount point is taken, or the source is not S3.
        """
        point = _mount_point(mountPoint)
        found = URL.fullmatch(source)
        if not found or found["scheme"] not in S3_SCHEMES:
            raise ValueError(f"The source {source.split('@')[-1]!r} is not a bucket. Mount s3a://BUCKET.")
        if point in self._mounts():
            raise ValueError(f"Directory already mounted: {point}. Unmount it first.")
        bucket = (found["host"] or "").rpartition("@")[2]
        clean = f"s3a://{bucket}{found['path'].rstrip('/')}"
        self._store.execute("INSERT INTO mounts VALUES (?, ?)", (point, clean))
        self._mounted(point, clean)
        return True

    def updateMount(self, source: str, mountPoint: str, *options: Any, **settings: Any) -> bool:  # noqa: N802, N803
        """Mount again, whether it was mounted or not."""
        self._store.execute("DELETE FROM mounts WHERE mount_point = ?", (_mount_point(mountPoint),))
        return self.mount(source, mountPoint, *options, **settings)

    def unmount(self, mountPoint: str) -> bool:  # noqa: N803
        """Take a mount away.

        :raises ValueError: nothing is mounted there.
        """
        if not self._store.execute("DELETE FROM mounts WHERE mount_point = ?", (_mount_point(mountPoint),)):
            raise ValueError(f"Directory not mounted: {mountPoint}. dbutils.fs.mounts() lists what is.")
        print(f"{mountPoint} has been unmounted.")
        return True

    def mounts(self) -> builtins.list[MountInfo]:
        """All mounts."""
        return [
            MountInfo("/", "DatabricksRoot"),
            *(MountInfo(point, source) for point, source in self._mounts().items()),
        ]

    def refreshMounts(self) -> bool:  # noqa: N802
        """Let this notebook's Spark see mounts that others made."""
        for point, source in self._mounts().items():
            self._mounted(point, source)
        return True

    def _mounts(self) -> dict[str, str]:
        return {row["mount_point"]: row["source"] for row in self._store.rows("SELECT * FROM mounts ORDER BY 1")}

    def _existing(self, path: str) -> tuple[Location, Entry]:
        at = self._locate(path)
        entry = at.place.entry(at.key)
        if entry is None:
            raise FileNotFoundError(f"No such file or directory: {path}")
        return at, entry

    def _locate(self, path: str) -> Location:
        found = URL.fullmatch(path)
        scheme, host, rest = (found["scheme"], found["host"] or "", found["path"]) if found else ("dbfs", "", path)
        if scheme in S3_SCHEMES:
            return Location(S3Place(host), rest.strip("/"), f"{scheme}://{host}{rest}")
        clean = posixpath.normpath("/" + rest.lstrip("/"))
        if scheme == "file" and (clean + "/").startswith(WORKSPACE + "/"):
            return Location(self._workspace, clean[len(WORKSPACE) :].strip("/"), f"file:{clean}")
        if scheme != "dbfs":
            raise ValueError(f"{path} cannot be reached. Use s3a://, dbfs:/ or file:/Workspace/.")
        for point, source in self._mounts().items():
            if (clean + "/").startswith(point + "/"):
                bucket, _, prefix = source.removeprefix("s3a://").partition("/")
                return Location(S3Place(bucket, prefix), clean[len(point) :].strip("/"), f"dbfs:{clean}")
        return Location(self._dbfs, clean.strip("/"), f"dbfs:{clean}")


def _info(at: Location, entry: Entry) -> FileInfo:
    name = f"{entry.name}/" if entry.folder else entry.name
    return FileInfo(at.below(name).shown, name, entry.size, entry.modified)


def _mount_point(path: str) -> str:
    clean = posixpath.normpath("/" + path.removeprefix("dbfs:").lstrip("/"))
    if not clean.startswith("/mnt/"):
        raise ValueError(f"The mount point {path} is not below /mnt. Mount at /mnt/NAME.")
    return clean
