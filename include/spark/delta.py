"""Writing Delta tables beside other writers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

ATTEMPTS = 10
CONFLICTS = (
    "DELTA_CONCURRENT",
    "DELTA_METADATA_CHANGED",
    "DELTA_PROTOCOL_CHANGED",
    "ConcurrentAppendException",
    "ConcurrentDeleteReadException",
    "ConcurrentDeleteDeleteException",
    "ConcurrentTransactionException",
    "ConcurrentWriteException",
    "MetadataChangedException",
    "ProtocolChangedException",
    "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION",
    "ALREADY_EXISTS",
    "AlreadyExistsException",
)
"""What the text of an error holds when another writer was faster: the same write can be tried again."""


def commit(write: Callable[[], None], *, attempts: int = ATTEMPTS, pause: float = 0.1) -> None:
    """Run an idempotent write again as long as other writers get in its way.

    The pauses are random and double, so that writers that met do not meet again.

    :param pause: seconds, the longest first pause.
    :raises PySparkException: the write failed for another reason, or each attempt met another writer.
    """
    for attempt in range(1, attempts + 1):
        try:
            return write()
        except PySparkException as error:
            if attempt == attempts or not is_conflict(error):
                raise
        time.sleep(random.uniform(0, min(5.0, pause * 2**attempt)))
    return None


def is_conflict(error: Exception) -> bool:
    """Whether a write failed only because of another writer.

    Spark Connect gives no type for Delta's conflicts, only the text.
    """
    text = str(error)
    return any(name in text for name in CONFLICTS)


def append(frame: DataFrame, table: str) -> None:
    """Append rows to a table, in one commit."""
    commit(lambda: frame.writeTo(table).append())


def replace(frame: DataFrame, table: str, condition: str) -> None:
    """Replace the rows of a table that a condition names by those of a frame, in one commit.

    :param frame: all its rows fulfil the condition; it is computed again when another writer was faster.
    :param condition: SQL over the table's columns.
    """
    writer = frame.write.format("delta").mode("overwrite").option("replaceWhere", condition)
    commit(lambda: writer.saveAsTable(table))


def delete(spark: SparkSession, table: str, condition: str) -> None:
    """Delete the rows of a table that a condition names; without any, nothing is committed."""
    run(spark, f"DELETE FROM {table} WHERE {condition}")  # noqa: S608  both come from this package


def run(spark: SparkSession, statement: str) -> None:
    """Run an idempotent statement, again as long as other writers get in its way."""

    def execute() -> None:
        spark.sql(statement).collect()

    commit(execute)
