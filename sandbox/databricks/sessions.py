"""Spark Connect sessions: opening one, ending one whose own process was killed, and what their errors say."""

from __future__ import annotations

import asyncio
import atexit
import datetime as dt
import logging
import re
from typing import TYPE_CHECKING, Any

from sandbox.databricks.connect_protocol import call, channel, interrupt_request, release_request, version_request
from sandbox.databricks.sql.parameters import literal
from sandbox.databricks.sql.text import bind

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

LOGGER = logging.getLogger(__name__)
USER_ID = "pinflow"
TIMEOUT_SECONDS = 20.0


def remote_url(port: int, session_id: str | None = None) -> str:
    """The address that ``SparkSession.builder.remote`` takes.

    :param session_id: a UUID when others are to reach the session.
    """
    return f"sc://127.0.0.1:{port}/;user_id={USER_ID}" + (f";session_id={session_id}" if session_id else "")


def connect(url: str) -> SparkSession:
    """Open a session.

    A lost server is given up after about 20 s instead of 10 minutes, because the session is lost with it; errors are
    raised, not also written to standard error as JSON; and a session is ended by ``stop`` only. In PySpark 4.1.3 its
    ``__del__`` waits for a thread pool, and hangs for ever when the garbage collector runs while that pool is in use;
    and what each client does at the process's exit (clean an ML cache) waits for a server that may be gone.

    :param url: as :func:`remote_url` makes it.
    :raises pyspark.errors.PySparkException: there is no server.
    """
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession

    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL + 1)
    SparkSession.__del__ = lambda _: None
    session: SparkSession = SparkSession.builder.remote(url).create()
    atexit.unregister(session.client._cleanup_ml_cache)
    session.client.set_retry_policies([DefaultPolicy(max_retries=5, max_backoff=5000)])
    _bind_parameters(session)
    return session


def _bind_parameters(session: SparkSession) -> None:
    """Let ``session.sql(text, args=...)`` put its values into the text; ``bind`` says why."""
    original = session.sql

    def sql(sqlQuery: str, args: Any = None, **tables: Any) -> Any:  # noqa: N803
        if isinstance(args, dict):
            sqlQuery = bind(sqlQuery, {name: _literal(value) for name, value in args.items()})  # noqa: N806
        elif args:
            sqlQuery = bind(sqlQuery, {}, [_literal(value) for value in args])  # noqa: N806
        return original(sqlQuery, **tables)

    session.sql = sql


def _literal(value: Any) -> str:
    """A Python value as a SQL literal; a time without a zone is local, as PySpark has it."""
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        value = value.astimezone()
    return literal(value)


def error_text(error: BaseException) -> str:
    """What an error of Spark says, without the Java stack.

    PySpark 4.1.3 hides some errors of Delta behind "Cannot find main error class"; the text is then in the Java error.
    """
    whole = str(error)
    text = whole.partition("\n\nJVM stacktrace:")[0].strip()
    if "StatusCode.UNAVAILABLE" in text:
        return "Spark does not answer (UNAVAILABLE): it was stopped or killed. See ./pinflow status, then ./pinflow up."
    if "Cannot find main error class" in text:
        hidden = re.search(r"(?m)^[\w.$]*(?:Delta\w*|Exception): (\[?DELTA_.*)$", whole)
        return hidden[1] if hidden else text
    return text


class ConnectSessions:
    """Ends sessions of one Connect server.

    :param port: of the server on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    async def release(self, session_id: str) -> None:
        """Interrupt all operations of a session and end it; the server then stops its streaming queries.

        The session is looked up first: the server refuses late requests of the killed process only for a session that
        it has known. A server that is not there has no session either: that is logged, not raised.
        """
        await asyncio.to_thread(self._release, session_id)

    def _release(self, session_id: str) -> None:
        import grpc  # type: ignore[import-untyped]

        try:
            with channel(self._port) as made:
                call(made, "AnalyzePlan", version_request(session_id, USER_ID), TIMEOUT_SECONDS)
                call(made, "Interrupt", interrupt_request(session_id, USER_ID), TIMEOUT_SECONDS)
                call(made, "ReleaseSession", release_request(session_id, USER_ID), TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            LOGGER.warning("session %s was not released: %s", session_id, error.code())


class NoSessions:
    """Where there is no Spark there are no sessions to end."""

    async def release(self, session_id: str) -> None:
        """Nothing to do."""
