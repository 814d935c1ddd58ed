"""The queries: one file a question in ``gold`` (batch) and ``live`` (stream), one file a rule in ``quality``.

A file starts with a comment: first what it answers, then lines such as ``-- order by: country, category``,
``-- parameters: as_of`` and ``-- severity: warn``. The rest is one SELECT over tables named ``schema.table``; the
catalog is that of the statement. Standard library only, because DAG files import this while they are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent

_SETTING = re.compile(r"(order by|parameters|severity):\s*(.+)")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


class SqlError(ValueError):
    """A query file or a parameter that cannot be used; the text says which and how to mend it."""


class Severity(StrEnum):
    """What a broken quality rule does: stop the run, or be reported."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True)
class Query:
    """One file of SQL.

    :param name: the file's stem; a gold query's table has this name.
    :param title: one sentence: what the query answers, or what the rule demands.
    :param text: the SELECT, without the comment above it.
    :param order_by: how readers sort the result, as SQL; empty where the order means nothing.
    :param parameters: the named parameter markers (``:as_of``) in the text. All are text.
    :param severity: of a quality rule; None for other queries.
    """

    name: str
    title: str
    text: str
    order_by: str = ""
    parameters: tuple[str, ...] = ()
    severity: Severity | None = None


@cache
def gold() -> tuple[Query, ...]:
    """The questions that the pipeline answers, sorted by name.

    :raises SqlError: a file has no title or no order.
    """
    return _folder("gold", "order by")


@cache
def live() -> tuple[Query, ...]:
    """The live metrics as a reader wants them, sorted by name.

    A sliding window starts every minute, and the newest have hardly begun: each query shows the one that holds the last
    ten minutes up to the last arrival, which is nine minutes before the newest.

    :raises SqlError: a file has no title or no order.
    """
    return _folder("live", "order by")


@cache
def quality() -> tuple[Query, ...]:
    """The rules that silver, quarantine and the audit must keep, sorted by name.

    Each returns one row: ``failures`` (bigint, 0 where the rule holds) and ``example`` (text or null).

    :raises SqlError: a file has no title or no severity.
    """
    return _folder("quality", "severity")


def statement(query: Query, catalog: str, values: Mapping[str, str | None] | None = None) -> str:
    """The statement that writes the answer of a gold query to ``<catalog>.gold.<name>``.

    :param catalog: the catalog of the gold schema. The tables that are read carry no catalog: run the statement with
        this catalog as its current one.
    :param values: as :func:`select` takes them.
    :raises SqlError: the catalog is no plain name, a value is no moment, or the query has no such parameter.
    """
    if not _IDENTIFIER.fullmatch(catalog):
        raise SqlError(
            f"The catalog {catalog!r} is not a plain name. It is part of a statement. Use letters, digits, _."
        )
    table = f"CREATE OR REPLACE TABLE {catalog}.gold.{query.name}"
    return f"{table}\nUSING DELTA\nCOMMENT '{_quoted(query.title)}'\nAS\n{select(query, values)}"


def select(query: Query, values: Mapping[str, str | None] | None = None) -> str:
    """The SELECT of a query with its parameters written as literals.

    Databricks binds the markers in the text as well. Spark 4.1 with the SQL parser of Delta 4.4 binds none, not even in
    ``SELECT :as_of`` (UNBOUND_SQL_PARAMETER), hence literals.

    :param values: texts for ``query.parameters``, each a moment as :func:`moment` takes it; left out means none.
    :raises SqlError: a value is no moment, or the query has no such parameter.
    """
    if unknown := sorted(set(values or {}) - set(query.parameters)):
        raise SqlError(
            f"The query {query.name} has no parameter {unknown[0]!r}. It takes {query.parameters}. Leave it out."
        )
    text = query.text
    for parameter in query.parameters:
        literal = moment((values or {}).get(parameter))
        text = re.sub(rf"(?<![:\w]):{parameter}\b", f"'{literal}'", text)
    return text


def moment(value: str | None) -> str:
    """A moment as the queries take it: ``2022-10-19T17:54:00Z``, or empty text for none.

    :param value: an ISO 8601 date or time, UTC where it names no zone; None or blank for none.
    :raises SqlError: the text is neither.
    """
    if value is None or not value.strip():
        return ""
    try:
        parsed = datetime.fromisoformat(value.strip())
    except ValueError:
        raise SqlError(
            f"{value!r} is not a moment. Queries compare it with the posts' times. Write it as 2022-10-19T17:54:00Z."
        ) from None
    aware = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def _folder(name: str, required: str) -> tuple[Query, ...]:
    return tuple(_read(path, required) for path in sorted((FOLDER / name).glob("*.sql")))


def _read(path: Path, required: str) -> Query:
    lines = path.read_text(encoding="utf-8").splitlines()
    count = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    comments = [line.removeprefix("--").strip() for line in lines[:count]]
    settings = {found[1]: found[2].strip() for line in comments if (found := _SETTING.fullmatch(line))}
    if not comments or _SETTING.fullmatch(comments[0]) or required not in settings:
        raise SqlError(
            f"{path} does not start with its comment. The title and '{required}' are read from there. "
            f"Begin it with '-- <what it answers>' and '-- {required}: ...'."
        )
    return Query(
        name=path.stem,
        title=comments[0],
        text="\n".join(lines[count:]).strip().removesuffix(";").rstrip(),
        order_by=settings.get("order by", ""),
        parameters=tuple(re.findall(r"\w+", settings.get("parameters", ""))),
        severity=Severity(settings["severity"]) if "severity" in settings else None,
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
