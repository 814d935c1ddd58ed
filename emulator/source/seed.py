"""Fill the source database with generated rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select

from emulator.exceptions import OptionsError, SourceNotEmpty
from emulator.source.database import engine, make_tables, reach
from emulator.source.generate import VERSION, generate
from emulator.source.tables import TABLES, metadata, origin

MOST_POSTS = 10_000_000

type Progress = Callable[[int, int], object]
"""Called with the number of posts done and the number of all."""


@dataclass(frozen=True)
class Seeded:
    """What a seed did.

    :param posts: rows in each of the three tables now.
    :param seed: the number they were made from.
    :param written: whether they were written now; if not, the same rows were there already.
    """

    posts: int
    seed: int
    written: bool

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


def seed(
    url: str,
    posts: int = 11_000,
    seed: int = 100,
    on_progress: Progress | None = None,
    *,
    replace: bool = False,
    chunk: int = 2_000,
) -> Seeded:
    """Fill the three tables with ``posts`` generated posts, in one transaction.

    The same ``posts`` and ``seed`` give the same rows on every machine and database. If they are there already, nothing
    is done; other generated rows are replaced, as they can be made again; rows that came otherwise are not.

    :param url: the database, as :func:`emulator.source.engine` takes it.
    :param posts: 1 to 10,000,000.
    :param replace: also replace rows that weren't generated.
    :param chunk: posts in each bulk insert.
    :raises OptionsError: ``posts`` is out of range.
    :raises SourceNotEmpty: there are rows that weren't generated, and ``replace`` isn't set.
    :raises SourceUnavailable: the database can't be opened.
    """
    if not 1 <= posts <= MOST_POSTS:
        raise OptionsError(f"{posts} posts can't be generated: the number must be 1 to {MOST_POSTS:,}.")
    database = engine(url)
    try:
        return _seed(database, posts, seed, on_progress, replace, chunk)
    finally:
        database.dispose()


def _seed(database: Engine, posts: int, seed: int, report: Progress | None, replace: bool, chunk: int) -> Seeded:
    reach(database)
    make_tables(metadata, database)
    with database.begin() as connection:
        if _is_there(connection, posts, seed):
            return Seeded(posts, seed, written=False)
        clear(connection, replace or _kind(connection) == "generated")
        done = 0
        for rows in generate(posts, seed, chunk):
            write(connection, {"pin": rows.pin, "geo": rows.geo, "user": rows.user})
            done += len(rows.pin)
            if report:
                report(done, posts)
        sign(connection, "generated", posts, seed)
    return Seeded(posts, seed, written=True)


def write(connection: Connection, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    """Insert rows, given in the order of the tables' columns."""
    for name, values in rows.items():
        table = TABLES[name]
        names = [column.name for column in table.columns]
        connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in values])


def count(connection: Connection, table: Table) -> int:
    """The rows of a table."""
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def clear(connection: Connection, replace: bool) -> None:
    """Empty the three tables.

    :raises SourceNotEmpty: there are rows and ``replace`` isn't set.
    """
    counts = {table.name: count(connection, table) for table in TABLES.values()}
    if any(counts.values()) and not replace:
        there = ", ".join(f"{name} {rows:,}" for name, rows in counts.items())
        raise SourceNotEmpty(
            f"The source database holds rows already ({there}), and they were not generated from a seed, so they could "
            "not be made again. Say --replace (replace=True) to replace them, or name another database."
        )
    for table in (*TABLES.values(), origin):
        connection.execute(delete(table))


def sign(connection: Connection, kind: str, posts: int, seed: int | None) -> None:
    """Note where the rows came from: ``generated`` (with the seed) or ``loaded``."""
    generator = VERSION if kind == "generated" else None
    connection.execute(insert(origin).values(id=1, kind=kind, posts=posts, seed=seed, generator=generator))


def _kind(connection: Connection) -> str | None:
    return connection.execute(select(origin.c.kind)).scalar()


def _is_there(connection: Connection, posts: int, seed: int) -> bool:
    found = connection.execute(select(origin.c.kind, origin.c.posts, origin.c.seed, origin.c.generator)).first()
    same = found is not None and tuple(found) == ("generated", posts, seed, VERSION)
    return same and all(count(connection, table) == posts for table in TABLES.values())
