"""Posts out of the source database, as JSON texts ready to be sent."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import batched
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from emulator.exceptions import SourceEmpty, SourceError
from emulator.post.codec import dumps
from emulator.post.options import Dialect
from emulator.source.tables import TABLES, key, pinterest_data

PAGE = 500
KEPT = 20_000
"""Posts kept as JSON: repeated ones are read once (about 30 MB)."""


class Post(NamedTuple):
    """One post: its number, and its row of each table as a JSON object in UTF-8."""

    ind: int
    pin: bytes
    geo: bytes
    user: bytes


class Reader:
    """Reads posts by key, a page at a time, without holding a transaction open between pages.

    :param dialect: how times are written.
    :raises SourceEmpty: there are no posts.
    """

    def __init__(self, engine: Engine, dialect: Dialect) -> None:
        self._engine = engine
        self._format = FORMATS[dialect]
        self._kept: OrderedDict[int, Post] = OrderedDict()
        self.keys = self._read_keys()
        """All keys in order; an array of eight bytes each."""

    def everything(self) -> Iterator[Post]:
        """Each post once, in the order of the keys."""
        return self._pages(self.keys, keep=False)

    def at(self, offsets: Iterable[int]) -> Iterator[Post]:
        """The posts at these row offsets, in the order of the keys; repeats are fine."""
        return self._pages((self.keys[offset] for offset in offsets), keep=True)

    def _read_keys(self) -> array[int]:
        column = key(pinterest_data)
        try:
            with self._engine.connect() as connection:
                keys = array("q", connection.execute(select(column).order_by(column)).scalars())
        except SQLAlchemyError:
            if inspect(self._engine).has_table(pinterest_data.name):
                raise
            keys = array("q")
        if not keys:
            raise SourceEmpty(
                "The source database holds no posts. Fill it first: `seed` makes some, `load` takes yours."
            )
        return keys

    def _pages(self, keys: Iterable[int], keep: bool) -> Iterator[Post]:
        for page in batched(keys, PAGE):
            missing = [number for number in dict.fromkeys(page) if number not in self._kept]
            found = self._read(missing) if missing else {}
            yield from (found.get(number) or self._kept[number] for number in page)
            if keep:
                self._keep(found)

    def _keep(self, found: dict[int, Post]) -> None:
        self._kept.update(found)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _read(self, keys: list[int]) -> dict[int, Post]:
        with self._engine.connect() as connection:
            rows = [self._rows(connection, name, keys) for name in TABLES]
        for (name, table), found in zip(TABLES.items(), rows, strict=True):
            if len(found) < len(keys):
                gone = next(number for number in keys if number not in found)
                raise SourceError(
                    f"Post {gone} has no row in {table.name}: the tables don't hold the same keys. "
                    f"Add the missing {name} row, or load or seed the source again."
                )
        return {number: Post(number, *(found[number] for found in rows)) for number in keys}

    def _rows(self, connection: Connection, name: str, keys: list[int]) -> dict[int, bytes]:
        table = TABLES[name]
        names = [str(column.name) for column in table.columns]
        query = select(table).where(key(table).in_(keys))
        times = [at for at, column in enumerate(table.columns) if column.type.python_type is datetime]
        found: dict[int, bytes] = {}
        for row in connection.execute(query):
            found[row[0]] = dumps(dict(zip(names, self._timed(row, times), strict=True)))
        return found

    def _timed(self, row: Iterable[Any], times: list[int]) -> Iterable[Any]:
        if not times:
            return row
        values = list(row)
        for at in times:
            if values[at] is not None:
                values[at] = self._format(values[at])
        return values


def _colons(moment: datetime) -> str:
    return str(moment).replace("-", ":")


FORMATS: dict[Dialect, Callable[[datetime], str]] = {
    Dialect.TEXT: str,
    Dialect.ISO: datetime.isoformat,
    Dialect.COLONS: _colons,
}
