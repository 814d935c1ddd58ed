"""What the workspace does with Spark Connect, against a real server."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.databricks.connect_protocol import interrupt_request, release_request, version_request
from sandbox.databricks.sessions import USER_ID, ConnectSessions, connect, error_text, remote_url
from sandbox.databricks.sql.engine import SparkEngine, SqlError, Statement
from sandbox.databricks.sql.parameters import literal, read_parameters
from sandbox.databricks.sql.results import chunks
from sandbox.databricks.sql.spark_types import column
from sandbox.databricks.sql.text import bind

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def port(spark_url: str) -> int:
    return int(spark_url.rpartition(":")[2])


@pytest.fixture
def session(port: int) -> Iterator[Any]:
    made = connect(remote_url(port))
    yield made
    made.stop()


def new_id() -> str:
    return str(uuid.uuid4())


class TestProtocol:
    """The requests are written by hand; pyspark's generated classes are the oracle."""

    def test_requests(self) -> None:
        from pyspark.sql.connect.proto import base_pb2 as pb

        session = new_id()
        user = pb.UserContext(user_id=USER_ID)
        everything = pb.InterruptRequest.InterruptType.INTERRUPT_TYPE_ALL
        version = pb.AnalyzePlanRequest.SparkVersion()
        assert version_request(session, USER_ID) == (
            pb.AnalyzePlanRequest(session_id=session, user_context=user, spark_version=version).SerializeToString()
        )
        assert interrupt_request(session, USER_ID) == (
            pb.InterruptRequest(session_id=session, user_context=user, interrupt_type=everything).SerializeToString()
        )
        assert release_request(session, USER_ID) == (
            pb.ReleaseSessionRequest(session_id=session, user_context=user).SerializeToString()
        )

    def test_the_probe(self, port: int) -> None:
        def probe(number: int) -> subprocess.CompletedProcess[str]:
            argv = (sys.executable, "-m", "sandbox.databricks.probe", str(number))
            return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30)

        assert probe(port).returncode == 0
        dead = probe(1)
        assert dead.returncode == 1
        assert dead.stderr.startswith("gRPC: UNAVAILABLE")


class TestParameters:
    @pytest.mark.parametrize(
        ("kind", "given", "value", "type_name"),
        [
            ("STRING", "it's \\n \\ ; -- /* :b ? `x` \"", "it's \\n \\ ; -- /* :b ? `x` \"", "string"),
            ("STRING", "two\nlines\tand \u00e4 \U0001f600", "two\nlines\tand \u00e4 \U0001f600", "string"),
            ("STRING", "", "", "string"),
            ("BYTE", "-128", -128, "tinyint"),
            ("SHORT", "7", 7, "smallint"),
            ("INT", "-2147483648", -(2**31), "int"),
            ("BIGINT", "5", 5, "bigint"),
            ("BIGINT", str(-(2**63)), -(2**63), "bigint"),
            ("DOUBLE", "1e-300", 1e-300, "double"),
            ("FLOAT", "1.5", 1.5, "float"),
            ("DECIMAL(10,2)", "-1.5", Decimal("-1.50"), "decimal(10,2)"),
            ("BOOLEAN", "true", True, "boolean"),
            ("DATE", "2022-03-01", dt.date(2022, 3, 1), "date"),
            ("TIMESTAMP_NTZ", "2022-03-01T05:06:07.123456", dt.datetime(2022, 3, 1, 5, 6, 7, 123456), "timestamp_ntz"),  # noqa: DTZ001
            ("BIGINT", None, None, "bigint"),
            ("TIMESTAMP", None, None, "timestamp"),
        ],
    )
    def test_values_arrive_with_exactly_their_type(
        self, session: Any, kind: str, given: str | None, value: Any, type_name: str
    ) -> None:
        (parameter,) = read_parameters([{"name": "p", "type": kind, "value": given}])
        row = session.sql(bind("SELECT :p AS v, typeof(:p) AS t", {"p": parameter.literal})).first()
        assert (row.v, row.t) == (value, type_name)

    def test_a_moment_is_the_same_whatever_its_offset(self, session: Any) -> None:
        texts = ("2022-03-01T06:00:00+01:00", "2022-03-01T05:00:00Z", "2022-03-01 05:00:00")
        literals = [read_parameters([{"name": "p", "type": "TIMESTAMP", "value": text}])[0].literal for text in texts]
        row = session.sql(f"SELECT {', '.join(f'unix_seconds({one})' for one in literals)}").first()
        assert set(row) == {1646110800}

    def test_the_session_takes_arguments(self, session: Any) -> None:
        row = session.sql("SELECT :a + 1 AS a, :b AS b", args={"a": 1, "b": None}).first()
        assert (row.a, row.b) == (2, None)
        assert session.sql("SELECT ? || ?", args=["x", "y"]).first()[0] == "xy"
        assert session.sql("SELECT ':a' AS v -- :b").first().v == ":a"

    def test_arguments_of_statements_that_change_something(self, session: Any) -> None:
        session.sql("CREATE OR REPLACE TEMPORARY VIEW bound AS SELECT :v AS v", args={"v": "x"})
        assert session.table("bound").first().v == "x"

    def test_backslashes_and_quotes_survive_any_mixture(self, session: Any) -> None:
        pieces = ["'", "\\", '"', "`", "\n", ":a", "--", "/*", ";", "%", "_", "\\'", "''", "\\\\"]
        texts = [left + right for left in pieces for right in pieces]
        row = session.sql("SELECT " + ", ".join(literal(text) for text in texts)).first()
        assert list(row) == texts


class TestErrors:
    def test_text_without_the_java_stack(self, session: Any) -> None:
        session.conf.set("spark.sql.connect.serverStacktrace.enabled", "true")
        with pytest.raises(Exception, match="TABLE_OR_VIEW_NOT_FOUND") as caught:
            session.table("nowhere").count()
        assert "JVM stacktrace" not in error_text(caught.value)
        assert error_text(caught.value).startswith("[TABLE_OR_VIEW_NOT_FOUND] The table or view `nowhere`")

    def test_a_hidden_error_of_delta_is_dug_out(self) -> None:
        """PySpark 4.1.3 could not name the class of this one."""
        text = (
            "[INTERNAL_ERROR] Cannot find main error class 'DELTA_CONCURRENT_APPEND' SQLSTATE: XX000\n\n"
            "JVM stacktrace:\norg.apache.spark.SparkException\n\tat a.b(C.scala:1)\n"
            "io.delta.exceptions.ConcurrentAppendException: [DELTA_CONCURRENT_APPEND] Files were added to the root.\n"
        )
        assert error_text(RuntimeError(text)) == "[DELTA_CONCURRENT_APPEND] Files were added to the root."

    def test_without_server(self) -> None:
        made = connect(remote_url(1))
        with pytest.raises(Exception, match="UNAVAILABLE") as caught:
            made.sql("SELECT 1")
        assert error_text(caught.value).startswith("Spark does not answer (UNAVAILABLE)")


def test_a_dropped_session_does_not_hang_the_next_call(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the mend in ``connect`` a call waits for ever when the collector runs where it is made to run here."""
    start_thread = ThreadPoolExecutor._adjust_thread_count

    def collect_first(pool: ThreadPoolExecutor) -> None:
        gc.collect()
        start_thread(pool)

    def work() -> None:
        for _ in range(
            2
        ):  # the second takes the first's place as the active session, and nobody knows the first any more
            connect(remote_url(port))
        made.sql("SELECT 1")
        done.set()

    made, done = connect(remote_url(port)), threading.Event()
    gc.disable()
    monkeypatch.setattr(ThreadPoolExecutor, "_adjust_thread_count", collect_first)
    try:
        threading.Thread(target=work, daemon=True).start()
        assert done.wait(30)
    finally:
        gc.enable()
    made.stop()


class TestRelease:
    def test_a_streaming_query_ends_with_its_session(self, port: int) -> None:
        session_id = new_id()
        owner = connect(remote_url(port, session_id))
        query = owner.readStream.format("rate").load().writeStream.format("memory").queryName("left").start()
        assert query.isActive
        asyncio.run(ConnectSessions(port).release(session_id))
        with pytest.raises(Exception, match="SESSION_CLOSED"):
            owner.sql("SELECT 1")

    def test_a_late_request_of_a_killed_process_is_refused(self, port: int) -> None:
        """Also when the server had not seen the session before."""
        session_id = new_id()
        asyncio.run(ConnectSessions(port).release(session_id))
        with pytest.raises(Exception, match="SESSION_CLOSED"):
            connect(remote_url(port, session_id)).sql("SELECT 1")

    def test_releasing_twice_or_without_server_is_fine(self, port: int, caplog: pytest.LogCaptureFixture) -> None:
        session_id = new_id()
        for _ in range(2):
            asyncio.run(ConnectSessions(port).release(session_id))
        asyncio.run(ConnectSessions(1).release(session_id))
        assert "was not released" in caplog.text


@pytest.fixture
def engine(port: int) -> Iterator[SparkEngine]:
    made = SparkEngine(port)
    yield made
    made.close()


def rows(engine: SparkEngine, sql: str, **fields: Any) -> list[list[str | None]]:
    return [row for chunk in chunks(engine.run(Statement(new_id(), sql, **fields))) for row in chunk.rows]


class TestEngine:
    def test_rows_and_columns(self, engine: SparkEngine) -> None:
        result = engine.run(Statement(new_id(), "SELECT id, CAST(id AS STRING) AS s FROM range(3000) ORDER BY id"))
        assert [(one.name, one.type_name) for one in result.columns] == [("id", "LONG"), ("s", "STRING")]
        assert [list(row) for row in result.rows] == [[str(n), str(n)] for n in range(3000)]

    def test_one_process_serves_one_statement_after_the_other(self, engine: SparkEngine) -> None:
        assert [rows(engine, f"SELECT {n}") for n in range(4)] == [[["0"]], [["1"]], [["2"]], [["3"]]]
        assert len(engine._idle) == 1

    def test_an_error_leaves_the_process_usable(self, engine: SparkEngine) -> None:
        with pytest.raises(SqlError, match="TABLE_OR_VIEW_NOT_FOUND"):
            engine.run(Statement(new_id(), "SELECT * FROM nowhere"))
        (process,) = engine._idle
        assert rows(engine, "SELECT 1") == [["1"]]
        assert engine._idle == [process]

    def test_statements_share_nothing(self, engine: SparkEngine) -> None:
        rows(engine, "CREATE TEMPORARY VIEW mine AS SELECT 1")
        with pytest.raises(SqlError, match="TABLE_OR_VIEW_NOT_FOUND"):
            rows(engine, "SELECT * FROM mine")

    def test_catalog_and_schema(self, engine: SparkEngine) -> None:
        rows(engine, "CREATE SCHEMA IF NOT EXISTS workspace_engine")
        given = {"schema": "workspace_engine", "catalog": "spark_catalog"}
        assert rows(engine, "SELECT current_schema()", **given) == [["workspace_engine"]]
        assert rows(engine, "SELECT current_schema()") == [["default"]]

    def test_a_row_limit(self, engine: SparkEngine) -> None:
        result = engine.run(Statement(new_id(), "SELECT id FROM range(10) ORDER BY id", row_limit=2))
        assert [row for chunk in chunks(result) for row in chunk.rows] == [["0"], ["1"]]
        assert result.truncated
        assert len(engine._idle) == 1

    def test_cancelling_ends_the_statement(self, engine: SparkEngine, port: int) -> None:
        statement = Statement(new_id(), "SELECT count(*) FROM range(100000000000) WHERE hash(id) % 7 = id % 5")
        problems: list[str] = []

        def work() -> None:
            try:
                list(engine.run(statement).rows)
            except SqlError as error:
                problems.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        give_up = time.monotonic() + 30
        while statement.session_id not in engine._busy:
            assert time.monotonic() < give_up
        engine.cancel(statement.session_id)
        asyncio.run(ConnectSessions(port).release(statement.session_id))
        thread.join(30)
        assert problems == ["The statement was stopped: the process that ran it has ended."]
        assert rows(engine, "SELECT 1") == [["1"]]

    def test_a_process_that_was_killed_is_replaced(self, engine: SparkEngine) -> None:
        rows(engine, "SELECT 1")
        (worker,) = engine._idle
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        assert rows(engine, "SELECT 2") == [["2"]]

    def test_close_ends_all_processes(self, port: int) -> None:
        engine = SparkEngine(port)
        rows(engine, "SELECT 1")
        (worker,) = engine._idle
        engine.close()
        assert worker.process.poll() is not None


@pytest.mark.parametrize(
    ("sql", "type_name"),
    [
        ("TINYINT", "BYTE"),
        ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ"),
        ("ARRAY<STRUCT<Name: STRING, n: BIGINT>>", "ARRAY"),
        ("MAP<STRING, ARRAY<DOUBLE>>", "MAP"),
    ],
)
def test_names_of_types(session: Any, sql: str, type_name: str) -> None:
    (field,) = session.sql(f"SELECT CAST(NULL AS {sql}) AS a").schema.fields
    found = column("a", field.dataType)
    assert (found.type_name, found.type_text) == (type_name, sql)


def test_a_decimal_has_precision_and_scale() -> None:
    from pyspark.sql.types import DecimalType

    found = column("a", DecimalType(12, 3))
    assert (found.type_text, found.precision, found.scale) == ("DECIMAL(12,3)", 12, 3)
