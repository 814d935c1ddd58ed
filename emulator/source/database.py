"""Engines for the databases that can hold the source: SQLite, MySQL or MariaDB, PostgreSQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from emulator.exceptions import SourceUnavailable

DRIVERS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgres": "postgresql+psycopg2",
    "postgresql": "postgresql+psycopg2",
}
PRAGMAS = ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536", "temp_store=MEMORY")
FORMS = "sqlite:////folder/source.db, mysql://user:password@host/database or postgresql://user:password@host/database"


def engine(url: str | URL) -> Engine:
    """An engine for the source database, with the settings each kind needs.

    A SQLite file's folder is made; the file is in WAL mode, so that others can read while the emulator writes. In that
    mode a killed process loses nothing, and a power cut may lose the last transactions but never harms the file.
    MySQL and MariaDB are spoken to in utf8mb4.

    :param url: a SQLAlchemy URL; the driver may be left out (pymysql, psycopg2 are taken).
    :raises SourceUnavailable: the text isn't a URL, or no driver for it is installed. No connection is tried here.
    """
    parsed = _parse(url)
    kind = parsed.get_backend_name()
    options: dict[str, Any] = {} if kind == "sqlite" else {"pool_pre_ping": True, "pool_recycle": 1800}
    if kind == "sqlite" and parsed.database and parsed.database != ":memory:":
        _make_folder(parsed.database)
    if kind in ("mysql", "mariadb"):
        parsed = parsed.update_query_dict({"charset": "utf8mb4"})
    try:
        made = create_engine(parsed, **options)
    except (NoSuchModuleError, ArgumentError, ImportError) as error:
        raise SourceUnavailable(f"No driver for {_shown(parsed)}: {error}. Use {FORMS}.") from error
    if kind == "sqlite":
        event.listen(made, "connect", _set_pragmas)
    return made


def reach(made: Engine) -> None:
    """Try a connection.

    :raises SourceUnavailable: the server doesn't answer, refuses the login, or the file can't be opened.
    """
    try:
        with made.connect():
            return
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise SourceUnavailable(
            f"The source database {_shown(made.url)} can't be opened: {cause}. "
            "Check that it runs, the address and the login."
        ) from error


def make_tables(metadata: MetaData, made: Engine) -> None:
    """Make the tables that are missing; another process may be doing the same."""
    try:
        metadata.create_all(made)
    except SQLAlchemyError:
        metadata.create_all(made)


def _parse(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SourceUnavailable(f"The source database's address is not a URL. Use {FORMS}.") from error
    return parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))


def _make_folder(database: str) -> None:
    try:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceUnavailable(f"The folder of {database} can't be made: {error}. Choose another place.") from error


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
