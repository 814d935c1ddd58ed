"""A user's file as rows: JSON lines or CSV, whichever it is."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from emulator.exceptions import Problem, SourceFileError

JSON_ENDINGS = {".json", ".jsonl", ".ndjson"}
CSV_ENDINGS = {".csv", ".tsv"}
FIELD_MOST = 16 * 1024 * 1024
ENCODING_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK": "a ZIP or Excel file", b"\x1f\x8b": "gzip"}


@dataclass(frozen=True)
class Row:
    """One row of a file.

    :param line: the line it begins in, from 1.
    :param values: by the file's own column names.
    :param header: whether the names are those of a header, alike for all rows.
    """

    line: int
    values: dict[str, Any]
    header: bool = False


@dataclass(frozen=True)
class Bad:
    """A place in a file that can't be read as a row."""

    line: int
    reason: str


def read(path: Path) -> Iterator[Row | Bad]:
    """Read a file's rows one by one.

    JSON lines have one object a line; blank lines are passed over. CSV has a header, values in double quotes may hold
    newlines, and the separator is a comma, semicolon or tab, whichever the header has most. Files are UTF-8, with or
    without a byte order mark. Empty CSV values are None, as CSV can't tell them from missing ones.

    :raises SourceFileError: there is no such file, or it is not UTF-8 text, or it is empty.
    """
    _check(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from (_json_rows(file) if is_json(path) else _csv_rows(file))


def is_json(path: Path) -> bool:
    """Whether a file holds JSON lines, by its ending, or else by its first character."""
    if path.suffix.lower() in JSON_ENDINGS | CSV_ENDINGS:
        return path.suffix.lower() in JSON_ENDINGS
    with path.open(encoding="utf-8-sig") as file:
        return file.read(4096).lstrip()[:1] in ("{", "[")


def _json_rows(file: IO[str]) -> Iterator[Row | Bad]:
    for number, line in enumerate(file, 1):
        if number == 1 and line.lstrip().startswith("["):
            yield Bad(1, "the file is one JSON array; put each object on a line of its own, without commas between")
            return
        if line.strip():
            yield _json_row(number, line)


def _json_row(number: int, line: str) -> Row | Bad:
    try:
        value = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Bad(number, f"not JSON: {error}")
    return Row(number, value) if isinstance(value, dict) else Bad(number, f"a JSON {type(value).__name__}, no object")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _csv_rows(file: IO[str]) -> Iterator[Row | Bad]:
    header_line = file.readline()
    separator = max(",;\t", key=header_line.count)
    file.seek(0)
    csv.field_size_limit(FIELD_MOST)
    reader = csv.reader(file, delimiter=separator, strict=True)
    header: list[str] = []
    line = 1
    while True:
        try:
            values = next(reader, None)
        except csv.Error as error:
            yield Bad(line, f"not CSV: {error}")
            return
        if values is None:
            return
        if not header:
            header = [name.strip() for name in values]
            if twice := sorted({name for name in header if header.count(name) > 1}):
                yield Bad(1, f"the column {twice[0]!r} is there twice")
                return
        elif values:
            yield _csv_row(line, header, values)
        line = reader.line_num + 1


def _csv_row(line: int, header: list[str], values: list[str]) -> Row | Bad:
    if len(values) != len(header):
        return Bad(line, f"{len(values)} values for {len(header)} columns; a text with a comma or newline needs quotes")
    return Row(line, {name: value or None for name, value in zip(header, values, strict=True)}, header=True)


def _check(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if not start.removeprefix(b"\xef\xbb\xbf"):
                raise SourceFileError([Problem(str(path), 0, "", "the file is empty")])
            _check_text(path, start, file)
    except OSError as error:
        raise SourceFileError([Problem(str(path), 0, "", f"can't be read: {error.strerror or error}")]) from error


def _check_text(path: Path, start: bytes, file: IO[bytes]) -> None:
    for mark, name in ENCODING_MARKS.items():
        if start.startswith(mark):
            raise SourceFileError([Problem(str(path), 0, "", f"the file looks like {name}; save it as UTF-8 text")])
    file.seek(0)
    for number, line in enumerate(file, 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            at = f"byte 0x{line[error.start]:02x} at position {error.start + 1} isn't UTF-8"
            reason = f"{at}; it is perhaps Latin-1 or Windows-1252, save the file as UTF-8"
            raise SourceFileError([Problem(str(path), number, "", reason)]) from None
