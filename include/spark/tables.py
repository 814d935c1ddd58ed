"""The lake's schemas and tables, made where they are missing."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import SparkSession
from pyspark.sql.types import StructField, StructType

from include.spark import schemas
from include.spark.delta import run

SCHEMAS = {
    "bronze": "What landed, line by line",
    "silver": "Clean and typed, one row a post",
    "quarantine": "Lines that break the contract of their topic",
    "gold": "The answers, one table a query",
    "ops": "What the runs did",
    "stream": "Clean and typed as the streams brought it",
    "live": "The answers over the last minutes",
}


def create(spark: SparkSession, catalog: str, table: str) -> None:
    """Make the schemas and all tables that a run for ``pin``, ``geo`` or ``user`` writes, where they are missing.

    Runs may do this side by side.
    """
    create_schemas(spark, catalog)
    _table(spark, f"{catalog}.bronze.{table}", schemas.BRONZE, "day")
    _table(spark, f"{catalog}.silver.{table}", schemas.SILVER[table])
    _table(spark, f"{catalog}.quarantine.records", schemas.QUARANTINE, "table_name")
    _table(spark, f"{catalog}.ops.batch_audit", schemas.AUDIT, "table_name")


def create_schemas(spark: SparkSession, catalog: str) -> None:
    """Make the schemas where they are missing."""
    for name, comment in SCHEMAS.items():
        run(spark, f"CREATE SCHEMA IF NOT EXISTS {catalog}.{name} COMMENT '{comment}'")


def definition(
    name: str, schema: StructType, partition: str | None = None, properties: Mapping[str, str] | None = None
) -> str:
    """The statement that makes one Delta table with its columns and their comments."""
    columns = ",\n  ".join(_column(field) for field in schema)
    partitioned = f"\nPARTITIONED BY ({partition})" if partition else ""
    pairs = ", ".join(f"'{key}' = '{value}'" for key, value in (properties or {}).items())
    chosen = f"\nTBLPROPERTIES ({pairs})" if pairs else ""
    return f"CREATE TABLE IF NOT EXISTS {name} (\n  {columns}\n)\nUSING DELTA{partitioned}{chosen}"


def _table(spark: SparkSession, name: str, schema: StructType, partition: str | None = None) -> None:
    run(spark, definition(name, schema, partition))


def _column(field: StructField) -> str:
    null = "" if field.nullable else " NOT NULL"
    comment = str(field.metadata["comment"]).replace("'", "\\'")
    return f"{field.name} {field.dataType.simpleString()}{null} COMMENT '{comment}'"
