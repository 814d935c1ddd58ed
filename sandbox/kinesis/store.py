"""Streams, shards and records in one SQLite file.

SQLite's write-ahead log makes each request one transaction that survives a kill of the process; with
``synchronous=NORMAL`` only a crash of the whole machine could lose the last ones.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HASH_RANGE = 2**128
SEQUENCE_BASE = 49 * 10**54
HASH_COLUMNS = (5, 6)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS stream (
    name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, mode TEXT NOT NULL,
    retention_hours INTEGER NOT NULL, max_record_kib INTEGER NOT NULL, counter INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS shard (
    id INTEGER PRIMARY KEY, stream TEXT NOT NULL, number INTEGER NOT NULL, parent INTEGER, adjacent INTEGER,
    first_hash TEXT NOT NULL, last_hash TEXT NOT NULL, first_n INTEGER NOT NULL, last_n INTEGER,
    closed_ms INTEGER, UNIQUE (stream, number));
CREATE TABLE IF NOT EXISTS record (
    shard INTEGER NOT NULL, n INTEGER NOT NULL, partition_key TEXT NOT NULL, data BLOB NOT NULL,
    arrived_ms INTEGER NOT NULL, PRIMARY KEY (shard, n)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_age ON record (shard, arrived_ms);
CREATE TABLE IF NOT EXISTS tag (
    stream TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (stream, key));
"""


@dataclass(frozen=True)
class Stream:
    """A stream. ``created_ms`` is its incarnation: a stream made anew under its name has another."""

    name: str
    created_ms: int
    mode: str
    retention_hours: int
    max_record_kib: int
    counter: int


@dataclass(frozen=True)
class Shard:
    """A shard; closed when ``last_n`` is set. Hashes are 128-bit numbers, both ends inclusive."""

    id: int
    stream: str
    number: int
    parent: int | None
    adjacent: int | None
    first_hash: int
    last_hash: int
    first_n: int
    last_n: int | None
    closed_ms: int | None

    @property
    def shard_id(self) -> str:
        """The name of the shard in the API."""
        return shard_name(self.number)


@dataclass(frozen=True)
class Record:
    """A stored record; ``n`` counts all records and changes of one stream."""

    n: int
    partition_key: str
    data: bytes
    arrived_ms: int


def shard_name(number: int) -> str:
    """``shardId-`` and twelve digits."""
    return f"shardId-{number:012d}"


def sequence_number(stream: Stream, shard: int, n: int) -> str:
    """A number of 56 digits that grows with ``n`` and is higher in each later incarnation of a stream."""
    return str(SEQUENCE_BASE + stream.created_ms * 10**30 + n * 10**8 + shard)


def position(stream: Stream, sequence: str) -> int:
    """The ``n`` of a sequence number; below the first or above the last for those of another incarnation."""
    return (int(sequence) - SEQUENCE_BASE - stream.created_ms * 10**30) // 10**8


class Store:
    """The file; to be used from one thread.

    :param path: created when missing.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def streams(self) -> list[str]:
        """All names, sorted."""
        return [name for (name,) in self._db.execute("SELECT name FROM stream ORDER BY name")]

    def stream(self, name: str) -> Stream | None:
        """A stream by name."""
        row = self._db.execute("SELECT * FROM stream WHERE name = ?", (name,)).fetchone()
        return Stream(*row) if row else None

    def put_stream(self, stream: Stream) -> None:
        """Write a stream, new or changed."""
        self._db.execute(
            "INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?, ?, ?)",
            (
                stream.name,
                stream.created_ms,
                stream.mode,
                stream.retention_hours,
                stream.max_record_kib,
                stream.counter,
            ),
        )

    def take(self, name: str, count: int) -> int:
        """Reserve numbers; the first of them."""
        row = self._db.execute(
            "UPDATE stream SET counter = counter + ? WHERE name = ? RETURNING counter", (count, name)
        ).fetchone()
        return int(row[0]) - count + 1

    def delete_stream(self, name: str) -> None:
        """Remove a stream with all it holds."""
        self._db.execute("DELETE FROM record WHERE shard IN (SELECT id FROM shard WHERE stream = ?)", (name,))
        for table in ("shard", "tag"):
            self._db.execute(f"DELETE FROM {table} WHERE stream = ?", (name,))  # noqa: S608 - two fixed names
        self._db.execute("DELETE FROM stream WHERE name = ?", (name,))

    def shards(self, stream: str) -> list[Shard]:
        """All shards of a stream, in the order of their numbers, closed ones too."""
        found = self._db.execute("SELECT * FROM shard WHERE stream = ? ORDER BY number", (stream,))
        return [_shard(row) for row in found]

    def add_shard(self, stream: str, number: int, hashes: tuple[int, int], first_n: int,
                  parents: Sequence[int] = ()) -> None:  # fmt: skip
        """Open a shard over a range of hashes; up to two parents."""
        parent, adjacent = (*parents, None, None)[:2]
        self._db.execute(
            "INSERT INTO shard (stream, number, parent, adjacent, first_hash, last_hash, first_n) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (stream, number, parent, adjacent, str(hashes[0]), str(hashes[1]), first_n),
        )

    def close_shard(self, shard: Shard, last_n: int, now_ms: int) -> None:
        """Close a shard: it can be read to its end, and takes no more."""
        self._db.execute("UPDATE shard SET last_n = ?, closed_ms = ? WHERE id = ?", (last_n, now_ms, shard.id))

    def drop_shard(self, shard: Shard) -> None:
        """Forget a closed shard whose records are all past retention."""
        self._db.execute("DELETE FROM shard WHERE id = ?", (shard.id,))

    def add_records(self, rows: Iterable[tuple[int, int, str, bytes, int]]) -> None:
        """Write records: shard key, n, partition key, data, arrival in ms."""
        self._db.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?)", rows)

    def records(self, shard: Shard, after_n: int, limit: int) -> list[Record]:
        """The next records of a shard behind a position."""
        found = self._db.execute(
            "SELECT n, partition_key, data, arrived_ms FROM record WHERE shard = ? AND n > ? ORDER BY n LIMIT ?",
            (shard.id, after_n, limit),
        )
        return [Record(*row) for row in found]

    def last_arrival(self, shard: Shard) -> tuple[int, int] | None:
        """``n`` and arrival of the newest record of a shard."""
        row = self._db.execute(
            "SELECT n, arrived_ms FROM record WHERE shard = ? ORDER BY n DESC LIMIT 1", (shard.id,)
        ).fetchone()
        return (int(row[0]), int(row[1])) if row else None

    def before_time(self, shard: Shard, at_ms: int) -> int:
        """The highest ``n`` that arrived before a time; one below the shard's first when there is none."""
        row = self._db.execute(
            "SELECT MIN(n) FROM record WHERE shard = ? AND arrived_ms >= ?", (shard.id, at_ms)
        ).fetchone()
        if row[0] is not None:
            return int(row[0]) - 1
        newest = self.last_arrival(shard)
        return newest[0] if newest else shard.first_n - 1

    def trim(self, shard: Shard, before_ms: int) -> None:
        """Remove records that arrived before a time."""
        self._db.execute("DELETE FROM record WHERE shard = ? AND arrived_ms < ?", (shard.id, before_ms))

    def tags(self, stream: str) -> dict[str, str]:
        """The tags of a stream."""
        return dict(self._db.execute("SELECT key, value FROM tag WHERE stream = ? ORDER BY key", (stream,)).fetchall())

    def set_tags(self, stream: str, tags: dict[str, str]) -> None:
        """Add or change tags."""
        self._db.executemany("INSERT OR REPLACE INTO tag VALUES (?, ?, ?)", [(stream, *item) for item in tags.items()])

    def remove_tags(self, stream: str, keys: Iterable[str]) -> None:
        """Remove tags."""
        self._db.executemany("DELETE FROM tag WHERE stream = ? AND key = ?", [(stream, key) for key in keys])


def _shard(row: Sequence[Any]) -> Shard:
    values = list(row)
    for column in HASH_COLUMNS:
        values[column] = int(values[column])
    return Shard(*values)
