"""What streaming has on Databricks and Spark Connect alone has not: the Kinesis source, imports in ``foreachBatch``.

A notebook knows nothing of it: the session is made ready before its first cell.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.databricks.kinesis.registration import register

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

BatchFunction = Callable[[Any, int], None]


def prepare(session: SparkSession, workspace: Path) -> None:
    """Make a session ready for streaming.

    :param workspace: the folder that is the workspace's ``/``.
    """
    register(session)
    carry_imports(workspace)


def carry_imports(workspace: Path) -> None:
    """Let functions of ``foreachBatch`` import what their notebook can import from the workspace.

    Databricks runs them where the workspace's files are; Spark Connect runs them in a process of its server, to which
    it brings neither the notebook's import path nor added artifacts.
    """
    from pyspark.sql.connect.streaming.readwriter import DataStreamWriter

    original = inspect.unwrap(DataStreamWriter.foreachBatch)

    @functools.wraps(original)
    def foreach_batch(self: Any, func: BatchFunction) -> Any:
        return original(self, carried(func, import_path(workspace)))

    DataStreamWriter.foreachBatch = foreach_batch


def import_path(workspace: Path) -> list[str]:
    """The folders of the workspace from which this process imports."""
    return [entry for entry in sys.path if entry and Path(entry).resolve().is_relative_to(workspace.resolve())]


def carried(function: BatchFunction, folders: Sequence[str]) -> BatchFunction:
    """A function that can be sent to a process that knows nothing of the workspace.

    :param folders: they come first in that process's import path, before the function itself is read.
    """
    from pyspark.cloudpickle import dumps

    content, first = dumps(function), list(folders)
    made: list[BatchFunction] = []

    def run(frame: Any, batch_id: int) -> None:
        if not made:
            import pickle
            import sys

            sys.path[:0] = [folder for folder in first if folder not in sys.path]
            made.append(pickle.loads(content))  # noqa: S301 - written by the notebook's own process
        made[0](frame, batch_id)

    # A function of __main__ is sent whole; one of this module would be looked up there, where it is not.
    run.__module__ = "__main__"
    return run
