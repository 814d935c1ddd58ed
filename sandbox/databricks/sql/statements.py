"""Statements: recorded, run in worker threads, waited for, cancelled; their results kept."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sandbox.databricks.errors import InvalidParameterError, NotFoundError
from sandbox.databricks.jobs.attempts import SparkSessions
from sandbox.databricks.sql.engine import Engine, SqlError, Statement
from sandbox.databricks.sql.parameters import read_parameters
from sandbox.databricks.sql.results import ResultTooLargeError, chunks
from sandbox.databricks.store import Store, now_ms

LOGGER = logging.getLogger(__name__)
CONCURRENT = 4
FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")
KEPT_STATEMENTS = 1000
WARM_UP = (
    "CREATE OR REPLACE TABLE delta.`dbfs:/tmp/pinflow-warm-up` AS SELECT id, CAST(id AS STRING) AS name FROM range(10)",
    "SELECT name, count(*) FROM delta.`dbfs:/tmp/pinflow-warm-up` GROUP BY name",
    "SHOW SCHEMAS",
)
LOST = "The workspace server was restarted while the statement ran. Run it again."


class Statements:
    """The statements of one SQL warehouse.

    :param store: the workspace's state.
    :param engine: runs them.
    :param sessions: ends the Spark session of a statement, which also cancels it.
    """

    def __init__(self, store: Store, engine: Engine, sessions: SparkSessions) -> None:
        self._store, self._engine, self._sessions = store, engine, sessions
        self._workers = ThreadPoolExecutor(CONCURRENT, "sql")
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        store.execute(
            "UPDATE statements SET state = 'FAILED', error = ? WHERE state IN ('PENDING', 'RUNNING')",
            (json.dumps({"error_code": "ABORTED", "message": LOST}),),
        )

    def begin(self, request: Mapping[str, Any]) -> str:
        """Record a statement and start it.

        :returns: its id.
        :raises InvalidParameterError: bad parameters or limits.
        """
        statement_id = str(uuid.uuid4())
        statement = read_statement(statement_id, request)
        self._store.execute(
            "INSERT INTO statements (statement_id, request, state, created_at) VALUES (?, ?, 'PENDING', ?)",
            (statement_id, json.dumps(dict(request)), now_ms()),
        )
        self._forget_old()
        task = asyncio.create_task(self._run(statement))
        self._running[statement_id] = task
        task.add_done_callback(lambda _: self._running.pop(statement_id, None))
        return statement_id

    def _forget_old(self) -> None:
        self._store.execute(
            "DELETE FROM statements WHERE state NOT IN ('PENDING', 'RUNNING') AND statement_id NOT IN"
            " (SELECT statement_id FROM statements ORDER BY created_at DESC LIMIT ?)",
            (KEPT_STATEMENTS,),
        )

    async def _run(self, statement: Statement) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._workers, self._work, statement)
        except SqlError as error:
            self._fail(statement, "BAD_REQUEST", str(error))
        except ResultTooLargeError as error:
            self._fail(statement, "RESOURCE_EXHAUSTED", str(error))
            await self._end(statement.session_id)
        except Exception as error:
            LOGGER.exception("statement %s", statement.session_id)
            self._fail(statement, "INTERNAL_ERROR", f"{type(error).__name__}: {error}")
            await self._end(statement.session_id)

    def _work(self, statement: Statement) -> None:
        """In a worker thread: run the statement and keep its result."""
        statement_id = statement.session_id
        if statement_id in self._cancelled:
            return
        self._set(statement_id, "RUNNING")
        result = self._engine.run(statement)
        found = []
        for index, chunk in enumerate(chunks(result)):
            self._store.execute(
                "INSERT INTO statement_chunks VALUES (?, ?, ?, ?, ?)",
                (statement_id, index, chunk.offset, len(chunk.rows), json.dumps(chunk.rows, ensure_ascii=False)),
            )
            found.append({"chunk_index": index, "row_offset": chunk.offset, "row_count": len(chunk.rows)})
        total = sum(int(chunk["row_count"]) for chunk in found)
        manifest = {
            "format": "JSON_ARRAY",
            "schema": {
                "column_count": len(result.columns),
                "columns": [column.as_dict(position) for position, column in enumerate(result.columns)],
            },
            "total_chunk_count": len(found),
            "chunks": found,
            "total_row_count": total,
            "truncated": result.truncated,
        }
        self._set(statement_id, "SUCCEEDED", manifest=manifest)

    def _fail(self, statement: Statement, code: str, message: str) -> None:
        self._set(statement.session_id, "FAILED", error={"error_code": code, "message": message})

    def _set(self, statement_id: str, state: str, **more: Mapping[str, Any]) -> None:
        """Change a state, unless it is final already."""
        columns = "".join(f", {name} = ?" for name in more)
        self._store.execute(
            f"UPDATE statements SET state = ?{columns} WHERE statement_id = ?"  # noqa: S608
            " AND state IN ('PENDING', 'RUNNING')",
            (state, *(json.dumps(value) for value in more.values()), statement_id),
        )

    async def warm_up(self) -> None:
        """Let Spark do once what is slow the first time; that it fails is for the first real statement to say."""
        for sql in WARM_UP:
            statement = Statement(str(uuid.uuid4()), sql)
            try:
                await asyncio.get_running_loop().run_in_executor(self._workers, self._discard, statement)
            except SqlError as error:
                LOGGER.warning("warm-up: %s", error)
                return

    def _discard(self, statement: Statement) -> None:
        for _ in chunks(self._engine.run(statement)):
            pass

    async def wait(self, statement_id: str, seconds: float) -> bool:
        """Wait for the end of a statement; whether it came in time."""
        task = self._running.get(statement_id)
        if task is not None and seconds > 0:
            await asyncio.wait([task], timeout=seconds)
        return task is None or task.done()

    async def cancel(self, statement_id: str) -> None:
        """Stop a statement; nothing happens to one that has ended.

        :raises NotFoundError: there is none of that id.
        """
        if self.view(statement_id)["status"]["state"] in FINAL:
            return
        self._cancelled.add(statement_id)
        self._set(statement_id, "CANCELED")
        await self._end(statement_id)

    async def _end(self, statement_id: str) -> None:
        """End the process of a statement, and its Spark session, whose work would go on without it."""
        await asyncio.to_thread(self._engine.cancel, statement_id)
        await self._sessions.release(statement_id)

    def view(self, statement_id: str) -> dict[str, Any]:
        """A statement as the API shows it, with the first chunk of its result.

        :raises NotFoundError: there is none of that id.
        """
        row = self._store.row("SELECT * FROM statements WHERE statement_id = ?", (statement_id,))
        if row is None:
            raise NotFoundError(f"The statement {statement_id} was not found.", "NOT_FOUND")
        status: dict[str, Any] = {"state": row["state"]}
        if row["error"]:
            status["error"] = json.loads(row["error"])
        public: dict[str, Any] = {"statement_id": statement_id, "status": status}
        if row["state"] == "SUCCEEDED":
            public |= {"manifest": json.loads(row["manifest"]), "result": self.chunk(statement_id, 0)}
        return public

    def chunk(self, statement_id: str, index: int) -> dict[str, Any]:
        """One chunk of a result.

        :raises NotFoundError: there is none of that number.
        """
        row = self._store.row(
            "SELECT *, (SELECT max(chunk_index) FROM statement_chunks WHERE statement_id = ?1) AS last"
            " FROM statement_chunks WHERE statement_id = ?1 AND chunk_index = ?2",
            (statement_id, index),
        )
        if row is None:
            raise NotFoundError(f"The statement {statement_id} has no chunk {index}.", "NOT_FOUND")
        public = {
            "chunk_index": index,
            "row_offset": row["row_offset"],
            "row_count": row["row_count"],
            "data_array": json.loads(row["rows"]),
        }
        if index == row["last"]:
            return public
        link = f"/api/2.0/sql/statements/{statement_id}/result/chunks/{index + 1}"
        return public | {"next_chunk_index": index + 1, "next_chunk_internal_link": link}

    async def close(self) -> None:
        """Cancel what runs."""
        for statement_id in list(self._running):
            self._fail(Statement(statement_id, ""), "ABORTED", LOST)
            await self._end(statement_id)
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._engine.close()


def read_statement(statement_id: str, request: Mapping[str, Any]) -> Statement:
    """Check a request.

    :raises InvalidParameterError: no text, a form of result that is not served here, or a bad parameter or limit.
    """
    sql = request.get("statement")
    if not isinstance(sql, str) or not sql.strip():
        raise InvalidParameterError("The field 'statement' is missing or empty. Give one SQL statement.")
    for name, served in (("format", "JSON_ARRAY"), ("disposition", "INLINE")):
        if request.get(name, served) != served:
            raise InvalidParameterError(f"The {name} {request[name]!r} is not served here. Use {served}.")
    limit = request.get("row_limit")
    if limit is not None and (not str(limit).isdigit() or int(limit) < 1):
        raise InvalidParameterError(f"The row_limit is {limit!r}. It must be a whole number from 1.")
    parameters = read_parameters(request.get("parameters") or [])
    catalog, schema = (str(request.get(name) or "") or None for name in ("catalog", "schema"))
    return Statement(statement_id, sql, catalog, schema, parameters, int(limit) if limit is not None else None)
