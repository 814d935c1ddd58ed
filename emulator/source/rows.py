"""The rows of the source as Python objects, for those who compare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Table, select

from emulator.source.tables import TABLES, key

PAGE = 2_000

type Rows = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def rows(engine: Engine) -> Iterator[Rows]:
    """The rows of each post, in the order of the keys: pin, geo, user, by column name; times are ``datetime``."""
    with engine.connect() as connection:
        pages = [_read(connection, table) for table in TABLES.values()]
        yield from zip(*pages, strict=True)


def _read(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    last: int | None = None
    while True:
        query = select(table).order_by(key(table)).limit(PAGE)
        page = connection.execute(query if last is None else query.where(key(table) > last)).all()
        for row in page:
            yield {str(name): value for name, value in row._mapping.items()}
        if len(page) < PAGE:
            return
        last = page[-1][0]
