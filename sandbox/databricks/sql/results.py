"""Results in the ``JSON_ARRAY`` form: every value a text or null."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

CHUNK_BYTES = 4 * 1024 * 1024
INLINE_BYTES = 25 * 1024 * 1024
Row = list[str | None]


class ResultTooLargeError(ValueError):
    """More than 25 MiB, which an inline result cannot carry."""


@dataclass(frozen=True)
class Column:
    """One column of a result, with the API's and SQL's name of its type."""

    name: str
    type_name: str
    type_text: str
    precision: int | None = None
    scale: int | None = None

    def as_dict(self, position: int) -> dict[str, object]:
        """The JSON object in ``manifest.schema.columns``."""
        public: dict[str, object] = {
            "name": self.name,
            "position": position,
            "type_name": self.type_name,
            "type_text": self.type_text,
        }
        if self.precision is not None:
            public |= {"type_precision": self.precision, "type_scale": self.scale}
        return public


@dataclass
class Result:
    """A result: rows of values as Spark gives them.

    :param row_limit: rows beyond it are left out; ``truncated`` says so once all rows were read.
    """

    columns: Sequence[Column]
    rows: Iterable[Sequence[Any]]
    row_limit: int | None = None
    truncated: bool = False


@dataclass(frozen=True)
class Chunk:
    """Some of the rows of a result."""

    offset: int
    rows: list[Row]


def chunks(result: Result) -> Iterator[Chunk]:
    """The rows of a result, written out, in chunks of about 4 MiB; at least one chunk.

    :raises ResultTooLargeError: more than 25 MiB.
    """
    rows: list[Row] = []
    offset, total, size = 0, 0, 0
    for number, row in enumerate(result.rows):
        if number == result.row_limit:
            result.truncated = True
        if result.truncated:
            continue
        written = [text(value) for value in row]
        length = sum(len(value) for value in written if value) + 4 * len(written)
        rows.append(written)
        size, total = size + length, total + length
        if total > INLINE_BYTES:
            raise ResultTooLargeError("The result has more than 25 MiB. Inline results carry no more. Set row_limit.")
        if size > CHUNK_BYTES:
            yield Chunk(offset, rows)
            rows, offset, size = [], number + 1, 0
    if rows or offset == 0:
        yield Chunk(offset, rows)


def text(value: Any) -> str | None:
    """A value as the API writes it: ISO dates and times, complex values as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        return moment(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (list, tuple, Mapping)):
        return json.dumps(_nested(value), ensure_ascii=False)
    return str(value)


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return ("Infinity" if value > 0 else "-Infinity") if math.isinf(value) else repr(value)


def moment(value: dt.datetime) -> str:
    """A time with milliseconds, or microseconds where it has them; UTC is written ``Z``."""
    digits = "milliseconds" if value.microsecond % 1000 == 0 else "microseconds"
    return value.isoformat(timespec=digits).replace("+00:00", "Z")


def _nested(value: Any) -> Any:
    fields = getattr(value, "__fields__", None)
    if fields is not None:
        return {name: _nested(value[name]) for name in fields}
    if isinstance(value, Mapping):
        return {text(key): _nested(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nested(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else text(value)
