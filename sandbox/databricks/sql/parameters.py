"""Named parameters of a statement: texts of the request turned into values of their SQL type."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.databricks.errors import InvalidParameterError

DECIMAL = re.compile(r"DECIMAL(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?")
WHOLE_BITS = {"BYTE": 8, "TINYINT": 8, "SHORT": 16, "SMALLINT": 16, "INT": 32, "INTEGER": 32, "LONG": 64, "BIGINT": 64}
SPARK_NAMES = {"BYTE": "TINYINT", "SHORT": "SMALLINT", "INTEGER": "INT", "LONG": "BIGINT", "VOID": "STRING"}


@dataclass(frozen=True)
class Parameter:
    """A value for a ``:name`` marker.

    :param sql_type: Spark's name of the type, such as ``BIGINT`` or ``DECIMAL(10,2)``.
    :param value: the value; ``None`` is SQL's NULL.
    """

    name: str
    sql_type: str
    value: Any

    @property
    def literal(self) -> str:
        """The value as SQL writes it, of exactly its type."""
        plain = literal(self.value)
        return plain if isinstance(self.value, str) else f"CAST({plain} AS {self.sql_type})"


def literal(value: Any) -> str:
    """A Python value as a SQL literal.

    :raises TypeError: there is no literal for it.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value) if -(2**31) <= value < 2**31 else f"{value}L"
    if isinstance(value, float):
        return f"CAST('{value!r}' AS DOUBLE)"
    if isinstance(value, Decimal):
        return f"{value:f}BD"
    if isinstance(value, dt.datetime):
        return f"TIMESTAMP{'' if value.tzinfo else '_NTZ'}'{value.isoformat(sep=' ')}'"
    if isinstance(value, dt.date):
        return f"DATE'{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    raise TypeError(f"A parameter of the type {type(value).__name__} has no SQL literal. Give a plain value.")


def read_parameters(entries: Iterable[Mapping[str, Any]]) -> tuple[Parameter, ...]:
    """Read ``parameters`` of a request: objects of ``name``, ``value`` (a text, or nothing for NULL) and ``type``.

    :raises InvalidParameterError: no name, a name given twice, an unknown type, or a value that is not of its type.
    """
    found: dict[str, Parameter] = {}
    for entry in entries:
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise InvalidParameterError(
                f"A parameter has no name: {dict(entry)!r}. Only named parameters are taken. Add it."
            )
        if name in found:
            raise InvalidParameterError(f"The parameter {name!r} is given twice. Give it once.")
        found[name] = _read(name, entry.get("value"), str(entry.get("type") or "STRING").upper().strip())
    return tuple(found.values())


def _read(name: str, value: Any, kind: str) -> Parameter:
    reader = _reader(name, kind)
    spark_name = SPARK_NAMES.get(kind, "DECIMAL(10,0)" if kind == "DECIMAL" else kind)
    if value is None:
        return Parameter(name, spark_name, None)
    try:
        return Parameter(name, spark_name, reader(str(value)))
    except (ValueError, InvalidOperation):
        raise InvalidParameterError(
            f"The parameter {name!r} is {value!r}, which is not a {kind}. Give a value of that type, or another type."
        ) from None


def _reader(name: str, kind: str) -> Callable[[str], Any]:
    readers: dict[str, Callable[[str], Any]] = {
        "STRING": str,
        "VOID": str,
        "BOOLEAN": _boolean,
        "FLOAT": float,
        "DOUBLE": float,
        "DATE": dt.date.fromisoformat,
        "TIMESTAMP": _timestamp,
        "TIMESTAMP_NTZ": lambda text: dt.datetime.fromisoformat(text).replace(tzinfo=None),
        **{whole: _whole(bits) for whole, bits in WHOLE_BITS.items()},
    }
    if DECIMAL.fullmatch(kind):
        return Decimal
    if kind not in readers:
        raise InvalidParameterError(
            f"The parameter {name!r} has the type {kind!r}. Use one of {', '.join(readers)}, DECIMAL(p,s)."
        )
    return readers[kind]


def _whole(bits: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError(text)
        return value

    return read


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _timestamp(text: str) -> dt.datetime:
    """An ISO 8601 moment; without an offset it is UTC, the time zone of every session here."""
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
