"""Runs statements on Spark Connect, each in a session of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.databricks.sessions import connect, error_text, remote_url
from sandbox.databricks.sql.parameters import Parameter
from sandbox.databricks.sql.results import Column, Result
from sandbox.databricks.sql.text import bind

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession
    from pyspark.sql.types import DataType

TYPE_NAMES = {
    "tinyint": "BYTE", "smallint": "SHORT", "int": "INT", "bigint": "LONG", "float": "FLOAT", "double": "DOUBLE",
    "boolean": "BOOLEAN", "string": "STRING", "binary": "BINARY", "date": "DATE", "timestamp": "TIMESTAMP",
    "timestamp_ntz": "TIMESTAMP_NTZ", "void": "NULL",
}  # fmt: skip


class SqlError(Exception):
    """A statement that failed; the text is the engine's."""


@dataclass(frozen=True)
class Statement:
    """One statement to run.

    :param session_id: the session that it gets to itself; ending the session cancels it.
    :param row_limit: at most so many rows; none = all.
    """

    session_id: str
    sql: str
    catalog: str | None = None
    schema: str | None = None
    parameters: tuple[Parameter, ...] = ()
    row_limit: int | None = None


class Engine(Protocol):
    """Something that runs SQL."""

    def run(self, statement: Statement) -> Result:
        """Run a statement and give its rows; blocks, also while rows are read.

        :raises SqlError: it failed.
        """
        ...


class NoEngine:
    """Where there is no Spark, statements fail and say so."""

    def run(self, statement: Statement) -> Result:
        """Refuse.

        :raises SqlError: always.
        """
        raise SqlError("This workspace server was started without Spark. Start it with --spark-port.")


class SparkEngine:
    """Runs statements on a Spark Connect server.

    :param port: of the server on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def run(self, statement: Statement) -> Result:
        """Run a statement in a new session: nothing of another one is in it, and a restarted server is no matter.

        :raises SqlError: Spark's error, or no Spark.
        """
        from pyspark.errors import PySparkException

        try:
            session = connect(remote_url(self._port, statement.session_id))
            frame = self._frame(session, statement)
            if statement.row_limit is not None:
                frame = frame.limit(statement.row_limit + 1)
            columns = [column(field.name, field.dataType) for field in frame.schema.fields]
            return Result(columns, self._rows(frame), statement.row_limit)
        except PySparkException as error:
            raise SqlError(error_text(error)) from error

    def _frame(self, session: SparkSession, statement: Statement) -> Any:
        if statement.catalog:
            session.catalog.setCurrentCatalog(statement.catalog)
        if statement.schema:
            session.catalog.setCurrentDatabase(statement.schema)
        return session.sql(bind(statement.sql, {given.name: given.literal for given in statement.parameters}))

    def _rows(self, frame: Any) -> Iterator[list[Any]]:
        from pyspark.errors import PySparkException
        from pyspark.sql.types import TimestampType

        utc = [isinstance(field.dataType, TimestampType) for field in frame.schema.fields]
        try:
            for row in frame.toLocalIterator():
                yield [_in_utc(value) if zoned else value for value, zoned in zip(row, utc, strict=True)]
        except PySparkException as error:
            raise SqlError(error_text(error)) from error


def _in_utc(value: dt.datetime | None) -> dt.datetime | None:
    """PySpark gives moments in the process's own time zone, without saying so."""
    return value and value.astimezone(dt.UTC)


def column(name: str, kind: DataType) -> Column:
    """A column of a result from Spark's type."""
    from pyspark.sql.types import ArrayType, DecimalType, MapType, StructType

    if isinstance(kind, DecimalType):
        return Column(name, "DECIMAL", f"DECIMAL({kind.precision},{kind.scale})", kind.precision, kind.scale)
    for complex_type, type_name in ((ArrayType, "ARRAY"), (MapType, "MAP"), (StructType, "STRUCT")):
        if isinstance(kind, complex_type):
            return Column(name, type_name, type_text(kind))
    simple = kind.simpleString()
    return Column(name, TYPE_NAMES.get(simple, simple.split("(")[0].upper()), simple.upper())


def type_text(kind: DataType) -> str:
    """A type as SQL writes it; names of fields keep their case."""
    from pyspark.sql.types import ArrayType, MapType, StructType

    if isinstance(kind, ArrayType):
        return f"ARRAY<{type_text(kind.elementType)}>"
    if isinstance(kind, MapType):
        return f"MAP<{type_text(kind.keyType)}, {type_text(kind.valueType)}>"
    if isinstance(kind, StructType):
        return f"STRUCT<{', '.join(f'{field.name}: {type_text(field.dataType)}' for field in kind.fields)}>"
    return str(kind.simpleString()).upper()
