"""One batch run: one table, one interval, from the landing to silver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from include.spark import audit, bronze, landing, quarantine, silver, tables
from include.spark.contract import accepted, examine, rejected
from include.spark.interval import Interval
from include.spark.schemas import TABLES

NAMES = ("table", "interval_start", "interval_end", "landing_url", "topic", "catalog", "batch_id")
"""The parameters of a run, all text."""


@dataclass(frozen=True)
class Parameters:
    """What a run works on.

    :param table: ``pin``, ``geo`` or ``user``.
    :param landing_url: the folder that holds one folder a topic.
    :param catalog: the catalog of the lake's schemas.
    :param batch_id: names the run in the audit; the same again replaces its audit row.
    """

    table: str
    interval: Interval
    landing_url: str
    topic: str
    catalog: str
    batch_id: str

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Parameters:
        """Check the notebook's parameters, named as in ``NAMES``.

        :raises ValueError: one is missing, empty or not what it must be.
        """
        if missing := [name for name in NAMES if not texts.get(name, "").strip()]:
            raise ValueError(
                f"The parameter {missing[0]} is missing. A run must know {', '.join(NAMES)}. "
                "Set it in the task's parameters."
            )
        if texts["table"] not in TABLES:
            raise ValueError(
                f"There is no table {texts['table']!r}. A run cleans one topic. Use one of {', '.join(TABLES)}."
            )
        if not re.fullmatch(r"[A-Za-z_]\w*", texts["catalog"]):
            raise ValueError(
                f"The catalog {texts['catalog']!r} is not a plain name. It is part of SQL. Use letters, digits, _."
            )
        interval = Interval.parse(texts["interval_start"], texts["interval_end"])
        return cls(interval=interval, **{name: texts[name] for name in NAMES if not name.startswith("interval")})

    def name(self, schema: str) -> str:
        """The full name of this run's table in ``bronze`` or ``silver``."""
        return f"{self.catalog}.{schema}.{self.table}"


def run(spark: SparkSession, parameters: Parameters) -> dict[str, Any]:
    """Clean one table's records of one interval.

    Bronze and quarantine get exactly what the interval holds now, silver is merged by post, the audit gets one row: a
    second run changes nothing. An interval without any object is a good run of nothing.

    :returns: the audit row, ready for JSON.
    """
    tables.create(spark, parameters.catalog, parameters.table)
    lines = landing.landed(spark, parameters.landing_url, parameters.topic, parameters.interval)
    counts = audit.Counts() if lines is None else _process(lines, parameters)
    if not counts.landed:
        bronze.clear(spark, parameters.name("bronze"), parameters.interval)
    if not counts.quarantined:
        quarantine.clear(spark, _quarantine(parameters), parameters.table, parameters.interval)
    return audit.record(
        spark,
        f"{parameters.catalog}.ops.batch_audit",
        counts,
        batch_id=parameters.batch_id,
        table_name=parameters.table,
        interval_start=parameters.interval.start,
        interval_end=parameters.interval.end,
    )


def _process(lines: DataFrame, parameters: Parameters) -> audit.Counts:
    spark, table, interval = lines.sparkSession, parameters.table, parameters.interval
    bronze.write(lines, parameters.name("bronze"), interval, parameters.batch_id)
    examined = examine(bronze.read(spark, parameters.name("bronze"), interval), table)
    counts = audit.count(examined, table)
    if counts.quarantined:
        quarantine.write(rejected(examined), _quarantine(parameters), table, interval, parameters.batch_id)
    if counts.clean:
        silver.merge(accepted(examined), parameters.name("silver"), table)
    return counts


def _quarantine(parameters: Parameters) -> str:
    return f"{parameters.catalog}.{quarantine.NAME}"
