"""Brings the source to Spark: the package to its Python processes, the format and its trigger to a session."""

from __future__ import annotations

import functools
import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.databricks.kinesis.options import DRAIN, NAME

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parents[2]
WRAPPER = "spark.sql.streaming.triggerAvailableNowWrapper.enabled"


def install(folder: Path) -> None:
    """Copy the package, and of the packages above it nothing but their names, to where Spark's processes find it.

    It is not sent as an artifact of the session: Spark 4.1.3 gives those to its planning and executing processes only,
    and not to the process that asks a streaming source for its offsets.

    :param folder: to be in ``PYTHONPATH`` of the Spark server; what it holds is replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / PACKAGE.relative_to(ROOT)
    target.mkdir(parents=True)
    for above in list(PACKAGE.relative_to(ROOT).parents)[:-1]:
        (folder / above / "__init__.py").touch()
    for module in PACKAGE.glob("*.py"):
        shutil.copyfile(module, target / module.name)


def register(session: SparkSession) -> None:
    """Let ``format("kinesis")`` work in a session, as it does on Databricks.

    With the setting, Spark repeats an unfinished batch and then goes on to the end; without it, a query with the
    trigger ``availableNow`` would end after the repeated batch.

    :param session: of a Spark Connect server that has the package in its ``PYTHONPATH``.
    """
    from sandbox.databricks.kinesis.source import KinesisDataSource

    session.dataSource.register(KinesisDataSource)
    session.conf.set(WRAPPER, "true")
    tell_the_trigger()


def tell_the_trigger() -> None:
    """Let the source know of the trigger ``availableNow``, of which PySpark 4.1 tells a Python source nothing."""
    from pyspark.sql.connect.streaming.readwriter import DataStreamWriter

    original = inspect.unwrap(DataStreamWriter._start_internal)

    @functools.wraps(original)
    def start(self: Any, *args: Any, **named: Any) -> Any:
        make = self._write_stream.command

        def command(client: Any) -> Any:
            made = make(client)
            if made.write_stream_operation_start.available_now:
                mark(made)
            return made

        self._write_stream.command = command
        return original(self, *args, **named)

    DataStreamWriter._start_internal = start


def mark(command: Any) -> None:
    """Set the option on every Kinesis source of a command.

    :param command: the message that starts a query.
    """
    for message in _messages(command):
        if message.DESCRIPTOR.name == "Read" and message.is_streaming and message.data_source.format.lower() == NAME:
            message.data_source.options[DRAIN] = "true"


def _messages(message: Any) -> Iterator[Any]:
    """A message and all that are in it."""
    yield message
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        if not field.is_repeated:
            yield from _messages(value)
        elif field.message_type.GetOptions().map_entry:
            entries = value.values() if field.message_type.fields_by_name["value"].message_type else ()
            for entry in entries:
                yield from _messages(entry)
        else:
            for entry in value:
                yield from _messages(entry)
