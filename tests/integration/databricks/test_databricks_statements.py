"""SQL statements on the real Spark."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytest

from tests.conftest import Platform
from tests.integration.databricks.conftest import RealWorkspace

pytestmark = pytest.mark.integration

# It takes both processors for more than half a minute, and not for long if a cancel is lost (docs/sandbox.md).
SLOW = "SELECT count(*) FROM range(10000000000) AS a WHERE hash(id) % 7 = id % 5"


def test_types_and_values(real: RealWorkspace) -> None:
    answer = real.sql(
        "SELECT 1Y AS y, 1S AS s, 1 AS i, 1L AS l, 1.50 AS d, 1.5F AS f, 1e0 AS e, true AS b, 'x' AS t, "
        "date'2022-03-01' AS da, timestamp'2022-03-01 05:00:00.25' AS ts, timestamp_ntz'2022-03-01 05:00:00' AS tn, "
        "array(1, null) AS a, map('k', 1) AS m, named_struct('in', 1, 'Day', date'2022-03-01') AS st, X'6162' AS bi, "
        "null AS n"
    )
    assert answer["status"]["state"] == "SUCCEEDED", answer
    columns = answer["manifest"]["schema"]["columns"]
    assert [(column["type_name"], column["type_text"]) for column in columns] == [
        ("BYTE", "TINYINT"), ("SHORT", "SMALLINT"), ("INT", "INT"), ("LONG", "BIGINT"), ("DECIMAL", "DECIMAL(3,2)"),
        ("FLOAT", "FLOAT"), ("DOUBLE", "DOUBLE"), ("BOOLEAN", "BOOLEAN"), ("STRING", "STRING"), ("DATE", "DATE"),
        ("TIMESTAMP", "TIMESTAMP"), ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ"), ("ARRAY", "ARRAY<INT>"),
        ("MAP", "MAP<STRING, INT>"), ("STRUCT", "STRUCT<in: INT, Day: DATE>"), ("BINARY", "BINARY"), ("NULL", "VOID"),
    ]  # fmt: skip
    assert answer["result"]["data_array"] == [
        [
            "1", "1", "1", "1", "1.50", "1.5", "1.0", "true", "x", "2022-03-01", "2022-03-01T05:00:00.250Z",
            "2022-03-01T05:00:00.000", "[1, null]", '{"k": 1}', '{"in": 1, "Day": "2022-03-01"}', "YWI=", None,
        ]
    ]  # fmt: skip


def test_parameters_have_exactly_their_type(real: RealWorkspace) -> None:
    given: list[dict[str, Any]] = [
        {"name": "text", "value": "it's \\ :big"},
        {"name": "big", "value": "5", "type": "BIGINT"},
        {"name": "amount", "value": "1.5", "type": "DECIMAL(10,2)"},
        {"name": "moment", "value": "2022-03-01T06:00:00+01:00", "type": "TIMESTAMP"},
        {"name": "none", "type": "INT"},
    ]
    names = [entry["name"] for entry in given]
    sql = ", ".join(f":{name} AS {name}, typeof(:{name})" for name in names)
    (row,) = real.rows(f"SELECT {sql}", parameters=given)
    assert row[0::2] == ["it's \\ :big", "5", "1.50", "2022-03-01T05:00:00.000Z", None]
    assert row[1::2] == ["string", "bigint", "decimal(10,2)", "timestamp", "int"]


def test_an_unbound_parameter_is_named(real: RealWorkspace) -> None:
    message = real.sql("SELECT :missing")["status"]["error"]["message"]
    assert message.startswith("[UNBOUND_SQL_PARAMETER] Found the unbound parameter: missing.")


def test_catalog_and_schema_are_those_of_the_statement(real: RealWorkspace) -> None:
    for schema in ("one", "two"):
        real.rows(f"CREATE SCHEMA IF NOT EXISTS spark_catalog.{schema}")
        real.rows(f"CREATE OR REPLACE TABLE spark_catalog.{schema}.t AS SELECT '{schema}' AS name")
    for schema in ("one", "two"):
        assert real.rows("SELECT name FROM t", catalog="spark_catalog", schema=schema) == [[schema]]
    assert "nowhere" in real.sql("SELECT 1", schema="nowhere")["status"]["error"]["message"]


def test_tables_are_delta_without_saying_so(real: RealWorkspace) -> None:
    real.rows("CREATE OR REPLACE TABLE spark_catalog.default.plain AS SELECT 1 AS ind")
    detail = real.sql("DESCRIBE DETAIL spark_catalog.default.plain")
    names = [column["name"] for column in detail["manifest"]["schema"]["columns"]]
    assert dict(zip(names, detail["result"]["data_array"][0], strict=True))["format"] == "delta"


def test_a_trailing_semicolon_and_comments_are_fine(real: RealWorkspace) -> None:
    assert real.rows("-- which\nSELECT ':x' AS v -- a; comment\n;\n") == [[":x"]]


def test_rows_beyond_the_limit_are_left_out(real: RealWorkspace) -> None:
    answer = real.sql("SELECT id FROM range(10) ORDER BY id", row_limit=3)
    assert answer["result"]["data_array"] == [["0"], ["1"], ["2"]]
    assert answer["manifest"]["truncated"] is True


def test_large_results_come_in_chunks(real: RealWorkspace) -> None:
    answer = real.sql("SELECT id, repeat('x', 100) AS x FROM range(60000) ORDER BY id")
    rows, chunk = list(answer["result"]["data_array"]), answer["result"]
    while link := chunk.get("next_chunk_internal_link"):
        chunk = real.call("GET", link.removeprefix("/api/"))
        rows += chunk["data_array"]
    assert answer["manifest"]["total_chunk_count"] > 1
    assert [int(row[0]) for row in rows] == list(range(60000))


def wait_until_busy(pid: int, seconds: float = 30) -> None:
    """Wait until a process uses more than one processor: a job runs."""
    process, give_up = psutil.Process(pid), time.monotonic() + seconds
    while process.cpu_percent(interval=0.5) < 110:
        assert time.monotonic() < give_up, "Spark works on nothing"


def wait_until_idle(pid: int, seconds: float = 15) -> None:
    """Wait until a process uses less than a third of one processor."""
    process, give_up = psutil.Process(pid), time.monotonic() + seconds
    while process.cpu_percent(interval=1) > 33:
        assert time.monotonic() < give_up, "Spark still works on something"


class TestTemporaryViews:
    def test_statements_are_isolated(self, real: RealWorkspace) -> None:
        real.rows("CREATE TEMPORARY VIEW mine AS SELECT 1")
        assert real.sql("SELECT * FROM mine")["status"]["state"] == "FAILED"


class TestCancel:
    def test_a_statement_stops_and_spark_is_free_again(self, real: RealWorkspace, platform: Platform) -> None:
        statement_id = real.sql(SLOW, wait_timeout="0s")["statement_id"]
        path = f"2.0/sql/statements/{statement_id}"
        give_up = time.monotonic() + 30
        while real.call("GET", path)["status"]["state"] == "PENDING":
            assert time.monotonic() < give_up
        wait_until_busy(platform.leader("spark"))
        real.call("POST", f"{path}/cancel")
        assert real.call("GET", path)["status"]["state"] == "CANCELED"
        wait_until_idle(platform.leader("spark"))
        assert real.rows("SELECT count(*) FROM range(1000) WHERE id % 2 = 0") == [["500"]]

    def test_a_statement_that_is_cancelled_at_once_does_not_run_on(
        self, real: RealWorkspace, platform: Platform
    ) -> None:
        for _ in range(3):
            statement_id = real.sql(SLOW, wait_timeout="0s")["statement_id"]
            real.call("POST", f"2.0/sql/statements/{statement_id}/cancel")
        wait_until_idle(platform.leader("spark"))

    def test_a_slow_statement_does_not_hold_up_a_fast_one(self, real: RealWorkspace) -> None:
        slow = real.sql(SLOW, wait_timeout="0s")["statement_id"]
        assert real.rows("SELECT 1") == [["1"]]
        assert real.call("GET", f"2.0/sql/statements/{slow}")["status"]["state"] in ("PENDING", "RUNNING")
        real.call("POST", f"2.0/sql/statements/{slow}/cancel")
