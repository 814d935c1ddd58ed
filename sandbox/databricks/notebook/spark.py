"""The Spark of a notebook: a session of the warm Connect server, which is what standard access mode is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sandbox.databricks.notebook import streams
from sandbox.databricks.sessions import connect, remote_url

NO_SPARK = "There is no Spark here: this workspace server was started without one. Start it with --spark-port."
MOUNT_SETTING = "fs.viewfs.mounttable.default.link."


class SparkContextError(Exception):
    """``sc`` and all below it need a JVM in the notebook's process."""


class NoSparkContext:
    """Stands where ``sc`` would be; standard access mode and serverless compute have none either."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise SparkContextError(
            f"[JVM_ATTRIBUTE_NOT_SUPPORTED] sc.{name} is not available: standard access mode is Spark Connect, "
            "which has no SparkContext and no RDDs. Use the DataFrame functions of spark."
        )


class NoSpark:
    """Stands where ``spark`` would be in a workspace without Spark."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(NO_SPARK)


class Engine:
    """Opens and closes the session.

    :param port: of the Connect server; none = there is no Spark.
    :param session_id: known to the server as well, which ends the session when it kills this process.
    :param workspace: the folder that is the workspace's ``/``.
    """

    def __init__(self, port: int | None, session_id: str, workspace: Path) -> None:
        self._url = remote_url(port, session_id) if port else None
        self._workspace = workspace
        self._session: Any = None

    def open(self) -> Any:
        """The session; ``SparkSession.builder.getOrCreate()`` gives the same one."""
        if self._url is None:
            return NoSpark()
        os.environ["SPARK_REMOTE"] = self._url
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
        self._session = connect(self._url)
        streams.prepare(self._session, self._workspace)
        return self._session

    def add_display(self, display: Any) -> None:
        """Give DataFrames the method ``display()`` that they have on Databricks."""
        if self._session is not None:
            from pyspark.sql.connect.dataframe import DataFrame

            DataFrame.display = lambda frame, *_, **__: display(frame)

    def mounted(self, mount_point: str, source: str) -> None:
        """Let Spark see a mount."""
        if self._session is not None:
            self._session.conf.set(MOUNT_SETTING + mount_point, source)

    def close(self) -> None:
        """Stop the streaming queries that are still active, and end the session."""
        if self._session is None:
            return
        session, self._session = self._session, None
        for query in session.streams.active:
            print(
                f"Streaming query {query.name or query.id} was still active at the end of the notebook; it is stopped."
            )
            query.stop()
        session.stop()
