"""The two kinds of place that ``dbutils.fs`` reaches: folders of this machine, and S3."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Entry:
    """A file or folder; ``size`` in bytes, ``modified`` in milliseconds, both 0 for a folder."""

    name: str
    folder: bool
    size: int = 0
    modified: int = 0


class Place(Protocol):
    """Somewhere with files; a key is a path below it, without a leading slash."""

    def entry(self, key: str) -> Entry | None:
        """What is there."""
        ...

    def children(self, key: str) -> list[Entry]:
        """What is in a folder, by name."""
        ...

    def walk(self, key: str) -> Iterator[str]:
        """The files below a folder, as paths relative to it."""
        ...

    def read(self, key: str, limit: int | None = None) -> bytes:
        """The beginning, or the whole, of a file."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Make or replace a file."""
        ...

    def make(self, key: str) -> None:
        """Make a folder."""
        ...

    def delete(self, key: str) -> None:
        """Delete a file, or a folder with all below it."""
        ...


class LocalPlace:
    """A folder of this machine; nothing outside it is reached.

    :param root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, key: str) -> Path:
        path = self._root / key
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise PermissionError(f"{key} leads out of the file system of the workspace. Use a path within it.")
        return path

    def entry(self, key: str) -> Entry | None:
        """What is there."""
        path = self._path(key)
        if not path.exists():
            return None
        status = path.stat()
        modified = status.st_mtime_ns // 1_000_000
        return (
            Entry(path.name, True, 0, modified) if path.is_dir() else Entry(path.name, False, status.st_size, modified)
        )

    def children(self, key: str) -> list[Entry]:
        """What is in a folder, by name; the checksum files that Hadoop puts beside files are not shown."""
        names = sorted(path.name for path in self._path(key).iterdir())
        shown = (name for name in names if not (name.startswith(".") and name.endswith(".crc")))
        return [found for name in shown if (found := self.entry(f"{key}/{name}".lstrip("/")))]

    def walk(self, key: str) -> Iterator[str]:
        """The files below a folder."""
        base = self._path(key)
        yield from sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())

    def read(self, key: str, limit: int | None = None) -> bytes:
        """The beginning, or the whole, of a file."""
        with self._path(key).open("rb") as handle:
            return handle.read(-1 if limit is None else limit)

    def write(self, key: str, content: bytes) -> None:
        """Make or replace a file, with the folders above it."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
        path.write_bytes(content)

    def make(self, key: str) -> None:
        """Make a folder with those above it."""
        self._path(key).mkdir(parents=True, exist_ok=True)

    def delete(self, key: str) -> None:
        """Delete a file, or a folder with all below it."""
        path = self._path(key)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
            path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


class S3Place:
    """A bucket; endpoint and keys come from the environment.

    :param bucket: its name.
    :param prefix: keys are below it.
    """

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:
        self._bucket, self._prefix = bucket, prefix.strip("/")
        self._made = client

    @property
    def _client(self) -> Any:
        if self._made is None:
            import boto3

            self._made = boto3.client("s3")
        return self._made

    def _key(self, key: str) -> str:
        return "/".join(part for part in (self._prefix, key.strip("/")) if part)

    def _folder(self, key: str) -> str:
        whole = self._key(key)
        return f"{whole}/" if whole else ""

    def _pages(self, prefix: str, delimiter: str = "") -> Iterator[dict[str, Any]]:
        paginator = self._client.get_paginator("list_objects_v2")
        yield from paginator.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter=delimiter)

    def entry(self, key: str) -> Entry | None:
        """What is there; a folder is where at least one key is below."""
        from botocore.exceptions import ClientError

        name = self._key(key)
        if name:
            try:
                found = self._client.head_object(Bucket=self._bucket, Key=name)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
            else:
                return Entry(
                    name.rsplit("/", 1)[-1], False, found["ContentLength"], _milliseconds(found["LastModified"])
                )
        listed = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._folder(key), MaxKeys=1)
        return Entry(name.rsplit("/", 1)[-1], True) if listed["KeyCount"] or not name else None

    def children(self, key: str) -> list[Entry]:
        """What is in a folder, by name."""
        base, found = self._folder(key), list[Entry]()
        for page in self._pages(base, "/"):
            found += [Entry(item["Prefix"][len(base) : -1], True) for item in page.get("CommonPrefixes", [])]
            found += [
                Entry(item["Key"][len(base) :], False, item["Size"], _milliseconds(item["LastModified"]))
                for item in page.get("Contents", [])
                if item["Key"] != base
            ]
        return sorted(found, key=lambda entry: entry.name)

    def walk(self, key: str) -> Iterator[str]:
        """The keys below a folder, without the empty objects that stand for folders."""
        base = self._folder(key)
        for page in self._pages(base):
            keys = (item["Key"] for item in page.get("Contents", []))
            yield from (found[len(base) :] for found in keys if not found.endswith("/"))

    def read(self, key: str, limit: int | None = None) -> bytes:
        """The beginning, or the whole, of an object."""
        body = self._client.get_object(Bucket=self._bucket, Key=self._key(key))["Body"]
        content: bytes = body.read() if limit is None else body.read(limit)
        return content

    def write(self, key: str, content: bytes) -> None:
        """Make or replace an object."""
        self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=content)

    def make(self, key: str) -> None:
        """Make the empty object that stands for a folder; the bucket's root is there already."""
        if not self._key(key):
            return
        self._client.put_object(Bucket=self._bucket, Key=self._folder(key), Body=b"")

    def delete(self, key: str) -> None:
        """Delete an object, or all below a folder."""
        found = self.entry(key)
        if found and not found.folder:
            self._client.delete_object(Bucket=self._bucket, Key=self._key(key))
            return
        for page in self._pages(self._folder(key)):
            if keys := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
                self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})


def _milliseconds(moment: Any) -> int:
    return int(moment.timestamp() * 1000)
