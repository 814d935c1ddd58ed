"""Runs statements: what an engine is, and the one that has worker processes on Spark Connect."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from sandbox.databricks.sql.parameters import Parameter
from sandbox.databricks.sql.results import Column, Result, Row
from sandbox.databricks.sql.text import bind

ROOT = Path(__file__).parents[3]
IDLE_WORKERS = 1


class SqlError(Exception):
    """A statement that failed; the text is the engine's."""


@dataclass(frozen=True)
class Statement:
    """One statement to run.

    :param session_id: the session that it gets to itself.
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

    def cancel(self, session_id: str) -> None:
        """Make ``run`` of a statement end with an error; nothing happens when it has ended."""
        ...

    def close(self) -> None:
        """Give up everything."""
        ...


class NoEngine:
    """Where there is no Spark, statements fail and say so."""

    def run(self, statement: Statement) -> Result:
        """Refuse.

        :raises SqlError: always.
        """
        raise SqlError("This workspace server was started without Spark. Start it with --spark-port.")

    def cancel(self, session_id: str) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is open."""


class _Worker:
    """A process that runs one statement at a time: JSON lines in and out."""

    def __init__(self, port: int) -> None:
        argv = (sys.executable, "-m", "sandbox.databricks.sql.worker", str(port))
        self.process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, statement: Statement) -> None:
        bound = bind(statement.sql, {given.name: given.literal for given in statement.parameters})
        request = {**asdict(statement), "sql": bound}
        request.pop("parameters")
        with contextlib.suppress(BrokenPipeError):
            self._stream("stdin").write(json.dumps(request) + "\n")
            self._stream("stdin").flush()

    def receive(self) -> dict[str, Any]:
        """:raises SqlError: the statement failed, or the process is gone."""
        line = self._stream("stdout").readline()
        if not line:
            raise SqlError("The statement was stopped: the process that ran it has ended.")
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise SqlError(message["error"])
        return message

    def _stream(self, name: str) -> Any:
        return getattr(self.process, name)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._stream("stdin").close()
        self._stream("stdout").close()


class SparkEngine:
    """Runs statements on a Spark Connect server, each in a new session, in processes of their own.

    Processes and not threads: PySpark's client shares locks between all its sessions, and a statement that hangs can
    be ended without harming another.

    :param port: of the server on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: dict[str, _Worker] = {}

    def run(self, statement: Statement) -> Result:
        """Run a statement in a new session: nothing of another one is in it, and a restarted server is no matter.

        :raises SqlError: Spark's error, or no Spark.
        """
        worker = self._take(statement.session_id)
        try:
            worker.send(statement)
            columns = [Column(**column) for column in worker.receive()["columns"]]
        except SqlError:
            self._give_back(statement.session_id, clean=worker.process.poll() is None)
            raise
        return Result(columns, self._rows(statement.session_id, worker), statement.row_limit)

    def _rows(self, session_id: str, worker: _Worker) -> Iterator[Row]:
        clean = False
        try:
            while rows := worker.receive()["rows"]:
                yield from rows
            clean = True
        finally:
            self._give_back(session_id, clean=clean)

    def _take(self, session_id: str) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    break
            else:
                worker = _Worker(self._port)
            self._busy[session_id] = worker
            return worker

    def _give_back(self, session_id: str, *, clean: bool) -> None:
        """Keep one worker warm; end those beyond it, and those that may still have something to say."""
        with self._lock:
            worker = self._busy.pop(session_id, None)
            if worker and clean and len(self._idle) < IDLE_WORKERS:
                self._idle.append(worker)
                return
        if worker:
            worker.end()

    def cancel(self, session_id: str) -> None:
        """End the process of a statement."""
        with self._lock:
            worker = self._busy.get(session_id)
        if worker:
            worker.process.kill()

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            workers = [*self._idle, *self._busy.values()]
            self._idle.clear()
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
