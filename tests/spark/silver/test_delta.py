"""Writers side by side, and what counts as a conflict."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.errors import AnalysisException, PySparkException

from include.spark import batch, delta, schemas, tables
from tests.spark.lake import CATALOG, Lake
from tests.spark.posts import MAKERS

FIVE = datetime(2022, 3, 1, 5, tzinfo=UTC)


class TestSideBySide:
    def test_three_tables_at_once_into_an_empty_lake(self, lake: Lake, spark_url: str) -> None:
        """Each run in a session of its own, as the workspace does; all write quarantine and audit."""
        from pyspark.sql import SparkSession

        for table, make in MAKERS.items():
            for hour in (5, 6):
                lines = [json.dumps(make(hour)), "broken"]
                lake.land(f"pinflow.{table}", FIVE.replace(hour=hour), f"x+0+{hour:010}.json", lines)

        def run(table: str) -> dict[str, Any]:
            session = SparkSession.builder.remote(spark_url).create()
            try:
                parameters = lake.parameters(table, "2022-03-01", "2022-03-02", "one batch")
                return batch.run(session, parameters)
            finally:
                session.stop()

        with ThreadPoolExecutor(3) as pool:
            audits = list(pool.map(run, MAKERS))
        assert [audit["landed"] for audit in audits] == [4, 4, 4]
        found = lake.rows(f"SELECT table_name, count(*) AS n FROM {CATALOG}.quarantine.records GROUP BY 1 ORDER BY 1")
        assert found == [{"table_name": name, "n": 2} for name in ("geo", "pin", "user")]
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.ops.batch_audit WHERE batch_id = 'one batch'")) == 3

    def test_two_intervals_of_one_table_at_once(self, lake: Lake) -> None:
        for day in (1, 2, 3):
            lake.land(
                "pinflow.pin", FIVE.replace(day=day), "x+0+0000000000.json", [json.dumps(MAKERS["pin"](day)), "broken"]
            )
        with ThreadPoolExecutor(3) as pool:
            days = [(f"2022-03-0{day}", f"2022-03-0{day + 1}") for day in (1, 2, 3)]
            audits = list(pool.map(lambda span: lake.run("pin", span[0], span[1], f"batch {span[0]}"), days))
        assert [(audit["clean"], audit["quarantined"]) for audit in audits] == [(1, 1)] * 3
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.silver.pin")) == 3
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.quarantine.records")) == 3
        assert len(lake.rows(f"SELECT * FROM {CATALOG}.ops.batch_audit")) == 3


class Writer:
    """Fails so many times, then succeeds."""

    def __init__(self, error: Exception, failures: int) -> None:
        self.error, self.failures, self.calls = error, failures, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error


CONFLICT = PySparkException("[DELTA_CONCURRENT_APPEND] files were added by a concurrent update")


class TestCommit:
    def test_tries_again_on_a_conflict(self) -> None:
        writer = Writer(CONFLICT, 3)
        delta.commit(writer, pause=0.0)
        assert writer.calls == 4

    def test_gives_up_with_the_conflict(self) -> None:
        writer = Writer(CONFLICT, 99)
        with pytest.raises(PySparkException, match="DELTA_CONCURRENT_APPEND"):
            delta.commit(writer, attempts=3, pause=0.0)
        assert writer.calls == 3

    @pytest.mark.parametrize(
        "error", [AnalysisException("[TABLE_OR_VIEW_NOT_FOUND] x"), ValueError("DELTA_CONCURRENT")]
    )
    def test_other_errors_come_through_at_once(self, error: Exception) -> None:
        writer = Writer(error, 99)
        with pytest.raises(type(error)):
            delta.commit(writer, pause=0.0)
        assert writer.calls == 1

    def test_a_real_conflict_is_known_as_one(self, lake: Lake) -> None:
        """Two overwrites of one partition from the same snapshot: the text of the loser's error is recognised."""
        tables.create(lake.spark, CATALOG, "pin")
        name = f"{CATALOG}.ops.batch_audit"

        def write(number: int) -> Exception | None:
            frame = lake.spark.createDataFrame([(str(number), "pin", *[None] * 11)], schemas.AUDIT)
            writer = frame.write.format("delta").mode("overwrite").option("replaceWhere", "table_name = 'pin'")
            try:
                writer.saveAsTable(name)
            except PySparkException as error:
                found: Exception = error
                return found
            return None

        with ThreadPoolExecutor(4) as pool:
            errors = [error for error in pool.map(write, range(8)) if error]
        assert errors, "no two of eight writers met"
        assert all(delta.is_conflict(error) for error in errors)


class TestTables:
    def test_columns_types_and_comments_are_the_written_ones(self, lake: Lake) -> None:
        for table in schemas.TABLES:
            tables.create(lake.spark, CATALOG, table)
        written = {
            "quarantine.records": schemas.QUARANTINE,
            "ops.batch_audit": schemas.AUDIT,
            **{f"bronze.{table}": schemas.BRONZE for table in schemas.TABLES},
            **{f"silver.{table}": schemas.SILVER[table] for table in schemas.TABLES},
        }
        for name, schema in written.items():
            found = lake.spark.table(f"{CATALOG}.{name}").schema
            assert [(c.name, c.dataType, c.metadata["comment"]) for c in found] == [
                (c.name, c.dataType, c.metadata["comment"]) for c in schema
            ]

    def test_again_changes_nothing(self, lake: Lake) -> None:
        tables.create(lake.spark, CATALOG, "pin")
        lake.spark.sql(f"INSERT INTO {CATALOG}.silver.pin (ind) VALUES (1)").collect()
        tables.create(lake.spark, CATALOG, "pin")
        assert lake.rows(f"SELECT ind FROM {CATALOG}.silver.pin") == [{"ind": 1}]
