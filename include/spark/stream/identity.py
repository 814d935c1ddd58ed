"""Whose checkpoint is it? A file beside each query's checkpoint says, and a start that does not fit is refused.

A checkpoint holds places in streams. Used for another stream, or for one that was deleted and made again, Spark would
skip records or read them twice and say nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from pyspark.sql.types import StructType

FILE = "identity.json"
SPARK = "spark"
VERSION = "1"
"""Raise it when a change of the queries makes older checkpoints useless."""

MEND = "Run ./pinflow streaming reset: it keeps the old checkpoint beside the new one and loses no record."


class CheckpointRefusedError(RuntimeError):
    """A checkpoint that belongs to something else."""


class ActiveQueryError(RuntimeError):
    """A checkpoint that is in use."""


class Files(Protocol):
    """What is used of ``dbutils.fs``."""

    def ls(self, path: str, /) -> Iterable[Any]:
        """What is in a folder."""

    def head(self, file: str, /) -> str:
        """The beginning of a file."""

    def put(self, file: str, contents: str, overwrite: bool = False, /) -> bool:
        """Write a file."""

    def mv(self, source: str, to: str, recurse: bool = False, /) -> bool:
        """Move a file or folder."""


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to.

    :param sources: what the query reads, each with what tells its incarnations apart.
    :param schema: hash of the columns that the query writes.
    """

    query: str
    sources: Mapping[str, str]
    schema: str
    version: str = VERSION


def schema_hash(schemas: Iterable[StructType]) -> str:
    """A hash of names and types, in their order."""
    texts = [[(field.name, field.dataType.simpleString()) for field in schema] for schema in schemas]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]


def claim(files: Files, folder: str, identity: Identity) -> str:
    """Check that a checkpoint is this query's; a new folder becomes so.

    :param folder: of the query; Spark's checkpoint is in it, in the folder ``spark``.
    :returns: the checkpoint's own id, a UUID.
    :raises CheckpointRefusedError: it belongs to something else, or nobody knows to what.
    """
    names = _names(files, folder)
    if FILE not in names:
        if SPARK in names:
            raise CheckpointRefusedError(
                f"The checkpoint {folder} is refused: it has no {FILE}, so nobody knows what it belongs to. {MEND}"
            )
        known = {"id": str(uuid4()), **_plain(identity)}
        files.put(f"{folder}/{FILE}", json.dumps(known, indent=1, sort_keys=True), True)
        return str(known["id"])
    known = _read(files, folder)
    if differences := list(_differences(known, _plain(identity))):
        raise CheckpointRefusedError(
            f"The checkpoint {folder} is refused: {'; '.join(differences)}. With it, records would be skipped or "
            f"counted twice. {MEND}"
        )
    return str(known["id"])


def reset(files: Files, checkpoint_root: str, query: str, now: datetime | None = None) -> str | None:
    """Put a query's checkpoint aside, so that its next start begins anew; the tables know what they hold already.

    :returns: where the old one is now; none when there was none.
    """
    folder = f"{checkpoint_root.rstrip('/')}/{query}"
    if not _names(files, folder):
        return None
    kept = f"{folder}.kept-{now or datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    files.mv(folder, kept, True)
    return kept


def _read(files: Files, folder: str) -> dict[str, Any]:
    text = files.head(f"{folder}/{FILE}")
    try:
        known = json.loads(text)
        known["id"]
    except (ValueError, KeyError, TypeError):
        raise CheckpointRefusedError(
            f"The checkpoint {folder} is refused: its {FILE} cannot be read ({text[:80]!r}). {MEND}"
        ) from None
    return dict(known)


def _differences(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterable[str]:
    for name in ("query", "version", "schema"):
        if known.get(name) != wanted[name]:
            yield f"its {name} is {known.get(name)!r}, this job's is {wanted[name]!r}"
    before, now = known.get("sources") or {}, wanted["sources"]
    for name in sorted({*before, *now}):
        if name not in now:
            yield f"it reads {name}, which this job does not"
        elif name not in before:
            yield f"it does not read {name}, which this job does"
        elif before[name] != now[name]:
            yield f"{name} was deleted and made again ({before[name]}, now {now[name]})"


def _plain(identity: Identity) -> dict[str, Any]:
    return {**asdict(identity), "sources": dict(identity.sources)}


def _names(files: Files, folder: str) -> set[str]:
    """The names in a folder; empty when it is not there. Only the text of the error says so on Databricks."""
    try:
        return {entry.name.rstrip("/") for entry in files.ls(folder)}
    except Exception as error:
        if re.search(r"FileNotFound|No such file|does not exist|RESOURCE_DOES_NOT_EXIST", f"{error!r}"):
            return set()
        raise
