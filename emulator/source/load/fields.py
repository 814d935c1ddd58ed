"""One value of a user's file, from text or JSON to what the database takes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table

from emulator.source.tables import key

INTEGER = re.compile(r"[+-]?\d+(\.0+)?")
COLON_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d)([ T].*)?")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?( ?(Z|[+-]\d\d:?\d\d))?)?")
LEAST, GREATEST = -(2**31), 2**31 - 1
SHOWN = 60

type Convert = Callable[[Any], Any]


class BadValueError(ValueError):
    """A value that its column can't take; the text is the reason."""


def converters(table: Table) -> dict[str, Convert]:
    """For each column, what turns a value of the file into one of the database.

    An empty value (null, or no characters at all) becomes null, except in the key, where it is an error, and except
    that an empty JSON text stays an empty text in a column of text.

    :returns: functions that raise :class:`BadValueError`.
    """
    found: dict[str, Convert] = {}
    for column in table.columns:
        kind = column.type.python_type
        convert = {int: integer, float: number, datetime: moment}.get(kind, text)
        found[str(column.name)] = convert if column is not key(table) else _required(convert)
    return found


def integer(value: Any) -> int | None:
    """A whole number of four bytes; ``7.0`` counts as one."""
    if _empty(value):
        return None
    if isinstance(value, bool) or not INTEGER.fullmatch(str(value).strip()):
        raise BadValueError(f"{_shown(value)} is not a whole number")
    result = int(str(value).strip().partition(".")[0])
    if not LEAST <= result <= GREATEST:
        raise BadValueError(f"{result} is too large: whole numbers go from {LEAST} to {GREATEST}")
    return result


def number(value: Any) -> float | None:
    """A number with or without a fraction; not infinite."""
    if _empty(value):
        return None
    try:
        result = float("x" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise BadValueError(f"{_shown(value)} is not a number") from None
    if not math.isfinite(result):
        raise BadValueError(f"{_shown(value)} is not a finite number")
    return result


def moment(value: Any) -> datetime | None:
    """A time as ``2020-08-28 03:52:47``, ``2020-08-28T03:52:47`` or ``2020:08:28 03:52:47``.

    A fraction of a second is kept (microseconds); ``Z`` or an offset is converted to UTC, and UTC is meant without one.
    """
    if _empty(value):
        return None
    written = str(value).strip()
    if match := COLON_DATE.fullmatch(written):
        written = "{}-{}-{}{}".format(*(part or "" for part in match.groups()))
    if not isinstance(value, str) or not MOMENT.fullmatch(written):
        raise BadValueError(f"{_shown(value)} is not a time like 2020-08-28 03:52:47")
    try:
        result = datetime.fromisoformat(written.replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
    except ValueError as error:
        raise BadValueError(f"{_shown(value)} is not a time: {error}") from None
    return result.astimezone(UTC).replace(tzinfo=None) if result.tzinfo else result


def text(value: Any) -> str | None:
    """A text as it is; numbers are written out. What no database takes (a NUL, half a surrogate pair) is refused."""
    if value is None or isinstance(value, dict | list):
        if value is None:
            return None
        raise BadValueError(f"{_shown(value)} is not a text")
    result = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if "\x00" in result:
        raise BadValueError("the text holds a NUL character, which databases refuse")
    try:
        result.encode("utf-8")
    except UnicodeEncodeError:
        raise BadValueError("the text holds half a surrogate pair, which is no character") from None
    return result


def _required(convert: Convert) -> Convert:
    def checked(value: Any) -> Any:
        result = convert(value)
        if result is None:
            raise BadValueError("the key is missing")
        return result

    return checked


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _shown(value: Any) -> str:
    written = repr(value)
    return written if len(written) <= SHOWN else f"{written[:SHOWN]}..."
