"""The workspace's state in one SQLite file; what is committed here survives a ``kill -9``."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FILE_NAME = "workspace.sqlite"
FIRST_ID = 1_000_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS ids (id INTEGER PRIMARY KEY AUTOINCREMENT, taken_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    job_id INTEGER PRIMARY KEY, name TEXT NOT NULL, created_time INTEGER NOT NULL, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, run_type TEXT NOT NULL, run_name TEXT NOT NULL,
    token TEXT UNIQUE, settings TEXT NOT NULL, parameters TEXT NOT NULL,
    life_cycle_state TEXT NOT NULL, result_state TEXT, state_message TEXT NOT NULL,
    start_time INTEGER NOT NULL, end_time INTEGER NOT NULL DEFAULT 0,
    stop_as TEXT, deleted INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS runs_by_job ON runs (job_id);
CREATE TABLE IF NOT EXISTS task_runs (
    run_id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL REFERENCES runs, task_key TEXT NOT NULL,
    spec TEXT NOT NULL, life_cycle_state TEXT NOT NULL, result_state TEXT, state_message TEXT NOT NULL,
    start_time INTEGER NOT NULL DEFAULT 0, end_time INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0, superseded INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS task_runs_by_parent ON task_runs (parent_id);
CREATE TABLE IF NOT EXISTS repairs (
    repair_id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL REFERENCES runs, start_time INTEGER NOT NULL,
    task_run_ids TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS task_values (
    run_id INTEGER NOT NULL, task_key TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (run_id, task_key, key));
CREATE TABLE IF NOT EXISTS objects (
    path TEXT PRIMARY KEY, object_id INTEGER NOT NULL, object_type TEXT NOT NULL, language TEXT,
    created_at INTEGER NOT NULL, modified_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS scopes (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS secrets (
    scope TEXT NOT NULL REFERENCES scopes ON DELETE CASCADE, key TEXT NOT NULL, value BLOB NOT NULL,
    updated_at INTEGER NOT NULL, PRIMARY KEY (scope, key));
CREATE TABLE IF NOT EXISTS mounts (mount_point TEXT PRIMARY KEY, source TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS statements (
    statement_id TEXT PRIMARY KEY, request TEXT NOT NULL, state TEXT NOT NULL, error TEXT, manifest TEXT,
    created_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS statement_chunks (
    statement_id TEXT NOT NULL REFERENCES statements ON DELETE CASCADE, chunk_index INTEGER NOT NULL,
    row_offset INTEGER NOT NULL, row_count INTEGER NOT NULL, rows TEXT NOT NULL,
    PRIMARY KEY (statement_id, chunk_index));
"""


def now_ms() -> int:
    """Milliseconds since 1970, as all times of this API."""
    return time.time_ns() // 1_000_000


class Store:
    """One connection to the state; threads take turns.

    :param folder: the part's data folder; the file is made when missing and only its owner may read it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE_NAME
        path.touch(mode=0o600)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(SCHEMA)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement and return how many rows it changed."""
        with self._lock:
            return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row of a query."""
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; also against other processes."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def new_id(self) -> int:
        """An id that no job, run or object of this workspace ever had."""
        with self._lock:
            taken = self._connection.execute("INSERT INTO ids (taken_at) VALUES (?)", (now_ms(),)).lastrowid
        return FIRST_ID + (taken or 0)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
