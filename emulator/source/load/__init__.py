"""Load a user's own rows into the source database: whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import batched
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from emulator.exceptions import SourceFileError
from emulator.source.database import engine, make_tables, reach
from emulator.source.load.check import FileReader, Problems, agree
from emulator.source.seed import Progress, clear, sign, write
from emulator.source.tables import TABLES, metadata

CHUNK = 1_000


@dataclass(frozen=True)
class Loaded:
    """What a load did.

    :param posts: rows in each of the three tables now.
    :param ignored: columns of each file that have no place in its table.
    """

    posts: int
    ignored: dict[str, list[str]]

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


def load(
    url: str, pin: Path, geo: Path, user: Path, replace: bool = False, on_progress: Progress | None = None
) -> Loaded:
    """Load three files of rows, JSON lines or CSV each, in one transaction.

    All files are checked to the end first. The key may be called ``index``, ``ind`` or ``idx``. Empty CSV values are
    null; JSON's null is null and its empty text stays an empty text. Only ``poster_name`` and ``downloaded`` may be
    absent; columns that the tables don't have are ignored and reported. Memory: the keys of the three files.

    :param replace: replace the rows that are there.
    :param on_progress: called with (rows done, rows in all) of the three files together.
    :raises SourceFileError: with the first 20 problems (file, line, column, reason) and their number in all.
    :raises SourceNotEmpty: there are rows, and ``replace`` isn't set.
    :raises SourceUnavailable: the database can't be opened.
    """
    readers = {name: FileReader(path, TABLES[name]) for name, path in {"pin": pin, "geo": geo, "user": user}.items()}
    posts = _check(readers)
    database = engine(url)
    try:
        reach(database)
        make_tables(metadata, database)
        with database.begin() as connection:
            clear(connection, replace)
            _write(connection, readers, posts, on_progress)
            sign(connection, "loaded", posts, None)
    finally:
        database.dispose()
    return Loaded(posts, {name: sorted(reader.ignored) for name, reader in readers.items() if reader.ignored})


def _check(readers: dict[str, FileReader]) -> int:
    problems = Problems()
    keys = {name: (reader, reader.check(problems)) for name, reader in readers.items()}
    if not problems.total:
        agree(keys, problems)
    if problems.total:
        raise SourceFileError(problems.first, problems.total)
    return len(keys["pin"][1])


def _write(connection: Connection, readers: dict[str, FileReader], posts: int, report: Progress | None) -> None:
    done = 0
    for name, reader in readers.items():
        for rows in _chunks(reader):
            write(connection, {name: rows})
            done += len(rows)
            if report:
                report(done, posts * len(readers))


def _chunks(reader: FileReader) -> Iterator[list[tuple[Any, ...]]]:
    for rows in batched(reader.rows(), CHUNK):
        yield list(rows)
