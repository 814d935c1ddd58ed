"""Which records keep the contract of their topic, and why the others do not."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from include import contracts
from include.spark import schemas
from include.spark.cleaning import KEYS, clean
from include.spark.document import field, with_fields
from include.spark.values import decimal_number

REASONS = (
    "not_json",
    "not_an_object",
    "wrong_topic",
    "missing_fields",
    "missing_key",
    "bad_key",
    "bad_timestamp",
    "bad_coordinates",
    "bad_age",
)
"""Why a record is quarantined. Where several hold, the first counts."""

POSITION_FIELDS = ("kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp")
MOMENT_FIELDS = {"geo": "timestamp", "user": "date_joined"}
OLDEST_AGE = 130
DETAIL_LENGTH = 300


def examine(frame: DataFrame, table: str, *, unwrap: bool = False) -> DataFrame:
    """Judge and clean each record of a topic.

    Every row stays, and every column but a former ``document`` or ``fields``. Added are the clean columns of the
    table, ``reason`` (null where the record keeps the contract), ``detail`` (what is wrong), ``follower_warning``
    (boolean) and ``extra_fields`` (int, the fields nobody knows).

    :param frame: a frame with the text column ``raw``, from any reader.
    :param table: ``pin``, ``geo`` or ``user``.
    :param unwrap: also read a JSON text that holds JSON.
    """
    cleaned = clean(with_fields(frame, unwrap=unwrap), table)
    if "follower_warning" not in cleaned.columns:
        cleaned = cleaned.withColumn("follower_warning", F.lit(False))
    return _judged(cleaned, _verdict(table), _extra_fields(table))


def examine_mixed(frame: DataFrame, tables: Sequence[str]) -> DataFrame:
    """Judge and clean records of several topics in one pass; the same as :func:`examine` of each topic's own.

    The clean columns of every table are there; those of other tables than the record's own mean nothing.

    :param frame: a frame with the text columns ``raw`` and ``table_name``, which is one of the tables.
    :param tables: any of ``pin``, ``geo`` and ``user``. JSON texts that hold JSON are read too.
    """
    cleaned = with_fields(frame, unwrap=True)
    for table in tables:
        cleaned = clean(cleaned, table)
    warning = _own("pin", F.col("follower_warning")) if "pin" in tables else F.lit(None)
    cleaned = cleaned.withColumn("follower_warning", F.coalesce(warning, F.lit(False)))
    verdict = F.coalesce(*(_own(table, _verdict(table)) for table in tables))
    return _judged(cleaned, verdict, F.coalesce(*(_own(table, _extra_fields(table)) for table in tables)))


def _own(table: str, value: Column) -> Column:
    return F.when(F.col("table_name") == table, value)


def _judged(cleaned: DataFrame, verdict: Column, extra_fields: Column) -> DataFrame:
    judged = cleaned.withColumns({"verdict": verdict, "extra_fields": F.coalesce(extra_fields, F.lit(0))})
    reason, detail = F.col("verdict")["reason"], F.substring(F.col("verdict")["detail"], 1, DETAIL_LENGTH)
    return judged.withColumns({"reason": reason, "detail": detail}).drop("verdict", "document", "fields")


def accepted(examined: DataFrame) -> DataFrame:
    """The records that keep the contract."""
    return examined.where(F.col("reason").isNull())


def rejected(examined: DataFrame) -> DataFrame:
    """The records for quarantine."""
    return examined.where(F.col("reason").isNotNull())


def _verdict(table: str) -> Column:
    checks = {
        "not_json": (F.col("document").isNull(), F.lit("the text is not one JSON value, or names a field twice")),
        "not_an_object": (
            F.col("fields").isNull(),
            F.concat(F.lit("the JSON value is "), F.schema_of_variant("document")),
        ),
        "wrong_topic": _wrong_topic(table),
        "missing_fields": (~_has_fields(table), F.concat(F.lit("missing: "), _missing(table))),
        "missing_key": (field(*KEYS).isNull(), F.lit(f"none of {', '.join(KEYS)} holds a value")),
        "bad_key": (F.col("ind").isNull(), _shown("the key", field(*KEYS))),
        **_value_checks(table),
    }
    ordered = [(reason, *checks[reason]) for reason in REASONS if reason in checks]
    return F.coalesce(*(_found(reason, broken, detail) for reason, broken, detail in ordered))


def _found(reason: str, broken: Column, detail: Column) -> Column:
    return F.when(broken, F.struct(F.lit(reason).alias("reason"), detail.alias("detail")))


def _value_checks(table: str) -> dict[str, tuple[Column, Column]]:
    checks = {}
    if name := MOMENT_FIELDS.get(table):
        checks["bad_timestamp"] = (F.col(name).isNull(), _shown(name, field(name)))
    if table == "geo":
        checks["bad_coordinates"] = (
            _outside("latitude", 90) | _outside("longitude", 180),
            F.concat_ws(", ", _shown("latitude", field("latitude")), _shown("longitude", field("longitude"))),
        )
    if table == "user":
        unread = F.col("age").isNull() & field("age").isNotNull()
        checks["bad_age"] = (unread | F.coalesce(F.col("age") > OLDEST_AGE, F.lit(False)), _shown("age", field("age")))
    return checks


def _outside(name: str, limit: int) -> Column:
    text, number = field(name), decimal_number(field(name))
    return text.isNotNull() & ~F.coalesce(F.abs(number) <= limit, F.lit(False))


def _required(table: str) -> list[str]:
    return list(contracts.schema(table)["required"])


def _has_fields(table: str) -> Column:
    return F.size(F.array_except(_texts(_required(table)), F.map_keys("fields"))) == 0


def _missing(table: str) -> Column:
    return F.array_join(F.array_except(_texts(_required(table)), F.map_keys("fields")), ", ")


def _wrong_topic(table: str) -> tuple[Column, Column]:
    others = [other for other in schemas.TABLES if other != table]
    first, second = (_has_fields(other) for other in others)
    name = F.when(first, others[0]).otherwise(others[1])
    return ~_has_fields(table) & (first | second), F.concat(F.lit("has the fields of table "), name)


def _extra_fields(table: str) -> Column:
    known = [*contracts.schema(table)["properties"], *KEYS, *POSITION_FIELDS]
    return F.size(F.array_except(F.map_keys("fields"), _texts(known)))


def _texts(values: list[str]) -> Column:
    return F.array(*(F.lit(value) for value in values))


def _shown(name: str, text: Column) -> Column:
    return F.concat(F.lit(f"{name} is "), F.coalesce(text, F.lit("null")))
