"""A process that runs SQL statements, one at a time: ``python -m sandbox.databricks.sql.worker SPARK_PORT``.

A line of standard input is a statement. The answer is a line with its columns, lines with rows, and one without rows at
the end; or one with the error.
"""

from __future__ import annotations

import datetime as dt
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any, TextIO

from sandbox.databricks.sessions import connect, error_text, remote_url
from sandbox.databricks.sql.results import Row, text
from sandbox.databricks.sql.spark_types import column

ROWS_A_LINE = 1000


def main() -> None:
    """Run statements until standard input ends; what libraries print goes to standard error."""
    faulthandler.register(signal.SIGUSR1)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    port = int(sys.argv[1])
    for line in sys.stdin:
        run(port, json.loads(line), answers)


def run(port: int, request: Mapping[str, Any], answers: TextIO) -> None:
    """Run one statement in a session of its own."""
    from pyspark.errors import PySparkException

    session = None
    try:
        session = connect(remote_url(port, request["session_id"]))
        frame = _frame(session, request)
        _say(answers, {"columns": [asdict(column(field.name, field.dataType)) for field in frame.schema.fields]})
        rows = _rows(frame)
        while batch := list(islice(rows, ROWS_A_LINE)):
            _say(answers, {"rows": batch})
        _say(answers, {"rows": []})
    except PySparkException as error:
        _say(answers, {"error": error_text(error)})
    finally:
        if session is not None:
            session.stop()


def _say(answers: TextIO, message: Mapping[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _frame(session: Any, request: Mapping[str, Any]) -> Any:
    if request["catalog"]:
        session.catalog.setCurrentCatalog(request["catalog"])
    if request["schema"]:
        session.catalog.setCurrentDatabase(request["schema"])
    frame = session.sql(request["sql"])
    return frame if request["row_limit"] is None else frame.limit(request["row_limit"] + 1)


def _rows(frame: Any) -> Iterator[Row]:
    from pyspark.sql.types import TimestampType

    zoned = [isinstance(field.dataType, TimestampType) for field in frame.schema.fields]
    for row in frame.toLocalIterator():
        yield [text(_in_utc(value) if utc else value) for value, utc in zip(row, zoned, strict=True)]


def _in_utc(value: dt.datetime | None) -> dt.datetime | None:
    """PySpark gives moments in the process's own time zone, without saying so."""
    return value and value.astimezone(dt.UTC)


if __name__ == "__main__":
    main()
