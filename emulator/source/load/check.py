"""A whole file of rows, checked against its table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from emulator.exceptions import Problem, SourceFileError
from emulator.source.load.fields import BadValueError, converters
from emulator.source.load.files import Bad, Row, read
from emulator.source.tables import key

KEYS = ("index", "ind", "idx")
OPTIONAL = {"poster_name", "downloaded"}
"""Columns that a whole file may lack: the first came with a later generation of the data, the other isn't used."""
SHOWN = 20


class Problems:
    """The first problems, and how many there are in all."""

    def __init__(self) -> None:
        self.first: list[Problem] = []
        self.total = 0

    def add(self, problem: Problem) -> None:
        """Count a problem; keep it if it is one of the first 20."""
        self.total += 1
        if len(self.first) < SHOWN:
            self.first.append(problem)


class FileReader:
    """One file, read for one table.

    :param ignored: columns of the file that the table doesn't have, once the file was read.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self.path = path
        self.ignored: set[str] = set()
        self._convert = converters(table)
        self._key = str(key(table).name)

    def check(self, problems: Problems) -> dict[int, int]:
        """Read the whole file for problems; nothing of it is kept but each key and the line where it is."""
        lines: dict[int, int] = {}
        for row in read(self.path):
            if isinstance(row, Row) and row.header and not lines and (lacking := self._lacking(row)):
                for name in lacking:
                    problems.add(Problem(str(self.path), 1, name, "the header doesn't have this column"))
                return {}
            if isinstance(row, Bad):
                problems.add(Problem(str(self.path), row.line, "", row.reason))
                continue
            values = self._values(row, problems)
            number = values.get(self._key)
            if number in lines:
                reason = f"the key {number} is in line {lines[number]} already"
                problems.add(Problem(str(self.path), row.line, self._key, reason))
            elif number is not None:
                lines[number] = row.line
        if not lines and not problems.total:
            problems.add(Problem(str(self.path), 0, "", "there are no rows"))
        return lines

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The values in the order of the table's columns.

        :raises SourceFileError: the file isn't as it was when it was checked.
        """
        problems = Problems()
        for row in read(self.path):
            values = self._values(row, problems) if isinstance(row, Row) else {}
            if not values or problems.total:
                raise SourceFileError([Problem(str(self.path), row.line, "", "the file changed while it was loaded")])
            yield tuple(values[name] for name in self._convert)

    def _values(self, row: Row, problems: Problems) -> dict[str, Any]:
        given = self._named(row)
        values: dict[str, Any] = {}
        for name, convert in self._convert.items():
            try:
                values[name] = convert(self._given(given, name))
            except BadValueError as error:
                problems.add(Problem(str(self.path), row.line, name, str(error)))
        return values

    def _named(self, row: Row) -> dict[str, Any]:
        given = row.values
        found = next((name for name in (self._key, *KEYS) if name in given), None)
        if found is not None and found != self._key:
            given = {self._key if name == found else name: value for name, value in given.items()}
        self.ignored.update(name for name in given if name not in self._convert)
        return given

    def _given(self, given: dict[str, Any], name: str) -> Any:
        if name in given:
            return given[name]
        if name == self._key:
            raise BadValueError(f"there is no key; it is called {', '.join(KEYS[:-1])} or {KEYS[-1]}")
        if name not in OPTIONAL:
            raise BadValueError("the row doesn't have this column")
        return None

    def _lacking(self, row: Row) -> list[str]:
        given = self._named(row)
        return [name for name in self._convert if name not in given and name not in OPTIONAL]


def agree(keys: dict[str, tuple[FileReader, dict[int, int]]], problems: Problems) -> None:
    """See that the three files hold the same keys.

    :param keys: for each table the file, and each of its keys with the line where it is.
    """
    for name, (reader, lines) in keys.items():
        others = {other: found for other, (_, found) in keys.items() if other != name}
        for number, line in lines.items():
            if lacking := [other for other, found in others.items() if number not in found]:
                reason = f"the key {number} is not in the file of {' and of '.join(lacking)}"
                problems.add(Problem(str(reader.path), line, "", reason))
