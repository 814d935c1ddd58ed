"""Brings the source to Spark: the package to its Python processes, the format to a session."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parents[2]


def install(folder: Path) -> None:
    """Copy the package, and of the packages above it nothing but their names, to where Spark's processes find it.

    It is not sent as an artifact of the session: Spark 4.1.3 gives those to its planning and executing processes only,
    and not to the process that asks a streaming source for its offsets.

    :param folder: to be in ``PYTHONPATH`` of the Spark server; what it holds is replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / PACKAGE.relative_to(ROOT)
    target.mkdir(parents=True)
    for above in PACKAGE.relative_to(ROOT).parents[:-1]:
        (folder / above / "__init__.py").touch()
    for module in PACKAGE.glob("*.py"):
        shutil.copyfile(module, target / module.name)


def register(session: SparkSession) -> None:
    """Let ``format("kinesis")`` work in a session, as it does on Databricks.

    :param session: of a Spark Connect server that has the package in its ``PYTHONPATH``.
    """
    from sandbox.databricks.kinesis.source import KinesisDataSource

    session.dataSource.register(KinesisDataSource)
