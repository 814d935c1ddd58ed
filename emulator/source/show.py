"""What is in the source database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, func, inspect, select

from emulator.source.database import engine, reach
from emulator.source.seed import count
from emulator.source.tables import TABLES, geolocation_data, key, origin, pinterest_data, user_data

MEASURED = {"posted": geolocation_data.c.timestamp, "joined": user_data.c.date_joined, "age": user_data.c.age}


def show(url: str, rows: int = 3) -> dict[str, Any]:
    """Describe the source: ready for JSON, and nothing is changed.

    :param url: the database, as :func:`emulator.source.engine` takes it.
    :param rows: how many posts to show.
    :returns: ``tables`` (name to rows), ``origin`` (``generated`` with posts and seed, ``loaded``, or None),
        ``categories`` (posts of each), ``ranges`` (least and greatest of key, posting and joining time, age) and
        ``rows`` (the first posts of each table).
    :raises SourceUnavailable: the database can't be opened.
    """
    database = engine(url)
    try:
        reach(database)
        there = set(inspect(database).get_table_names())
        if not {table.name for table in TABLES.values()} <= there:
            return {"tables": {}, "origin": None, "categories": {}, "ranges": {}, "rows": {}}
        with database.connect() as connection:
            return {
                "tables": {table.name: count(connection, table) for table in TABLES.values()},
                "origin": _origin(connection) if origin.name in there else None,
                "categories": _categories(connection),
                "ranges": _ranges(connection),
                "rows": {table.name: _first(connection, table, rows) for table in TABLES.values()},
            }
    finally:
        database.dispose()


def _origin(connection: Connection) -> dict[str, Any] | None:
    found = connection.execute(select(origin.c.kind, origin.c.posts, origin.c.seed)).first()
    return dict(found._mapping) if found else None


def _categories(connection: Connection) -> dict[str, int]:
    category = pinterest_data.c.category
    query = select(category, func.count()).group_by(category).order_by(category)
    return dict(connection.execute(query).tuples().all())


def _ranges(connection: Connection) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, column in {"key": key(pinterest_data), **MEASURED}.items():
        least, greatest = connection.execute(select(func.min(column), func.max(column))).one()
        found[name] = [_plain(least), _plain(greatest)]
    return found


def _first(connection: Connection, table: Table, rows: int) -> list[dict[str, Any]]:
    query = select(table).order_by(key(table)).limit(rows)
    return [{name: _plain(value) for name, value in row._mapping.items()} for row in connection.execute(query)]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else str(value)
