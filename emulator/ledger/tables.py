"""The tables of the ledger, beside the source tables in the same database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    text,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from emulator.source.database import make_tables

metadata = MetaData()

_OPTIONS: dict[str, Any] = {
    f"{kind}_{name}": value
    for kind in ("mysql", "mariadb")
    for name, value in (("charset", "utf8mb4"), ("engine", "InnoDB"))
}
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_LONG_TEXT = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")

runs = Table(
    "pinflow_run",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("started_at", DateTime, nullable=False),
    Column("finished_at", DateTime),
    Column("target", String(16), nullable=False),
    Column("mode", String(64), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("posts", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("first_timestamp_ms", BigInteger),
    Column("last_timestamp_ms", BigInteger),
    **_OPTIONS,
)

entries = Table(
    "pinflow_ledger",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False),
    Column("path", String(8), nullable=False),
    Column("table_name", String(8), nullable=False),
    Column("ind", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("topic", String(255), nullable=False),
    Column("partition", Integer),
    Column("record_offset", BigInteger),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("code", String(64)),
    Column("reason", Text),
    Column("sequence", String(128)),
    Index("pinflow_ledger_by_time", "table_name", "timestamp_ms"),
    **_OPTIONS,
)

intents = Table(
    "pinflow_intent",
    metadata,
    Column("intent_id", String(96), primary_key=True),
    Column("run_id", String(64), nullable=False),
    Column("path", String(8), nullable=False),
    Column("table_name", String(8), nullable=False),
    Column("topic", String(255), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("records", _LONG_TEXT, nullable=False),
    **_OPTIONS,
)
"""One row a request under way: ``records`` is a JSON list of [ind, timestamp_ms]. The row goes when the outcome comes,
in the transaction that writes the outcomes; one that stays behind belongs to a run that was killed."""


def prepare(engine: Engine) -> None:
    """Make the tables that are missing, and the column ``sequence`` in a ledger of a version that had no stream path.

    Another process may be doing the same.
    """
    make_tables(metadata, engine)
    if _has_sequence(engine):
        return
    column = str(CreateColumn(entries.c.sequence).compile(dialect=engine.dialect))
    try:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {entries.name} ADD COLUMN {column}"))
    except SQLAlchemyError:
        if not _has_sequence(engine):
            raise


def _has_sequence(engine: Engine) -> bool:
    return any(column["name"] == "sequence" for column in inspect(engine).get_columns(entries.name))
