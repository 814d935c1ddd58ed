"""Reconcile the tables with the emulator's ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from pinflow.exceptions import ReconciliationFailed, shortened
from pinflow.hooks.databricks import DatabricksWorkspaceHook
from pinflow.hooks.emulator import EmulatorHook
from pinflow.hooks.kafka import KafkaRecordsHook
from pinflow.reconciliation import Finding, Interval, Surplus, TableReconciliation

if TYPE_CHECKING:
    from airflow.sdk import Context


class ForeignRecords(StrEnum):
    """What to do about landed records that the ledger does not know."""

    FAIL = "fail"
    REPORT = "report"


class ReconcileOperator(BaseOperator):
    """Check that each accepted post of an interval is in the tables once, and that nothing else is.

    Records in bronze or the dead-letter topic are compared with the ledger by topic, partition and offset; then each
    accepted post that was not quarantined must be in silver once. A surplus record of a post with an unknown outcome
    is explained by it. It reads only.

    :param topics: the topic of each table.
    :param dead_letter_topic: where Kafka Connect puts what it cannot take. (templated)
    :param start: the interval's start, ISO 8601. (templated)
    :param end: the interval's end, exclusive. (templated)
    :param foreign_records: ``fail``, or ``report`` when other clients post too. (templated)
    :param catalog: the catalog of the tables. (templated)
    :param warehouse_id: the SQL warehouse. (templated)
    :param databricks_conn_id: the workspace. (templated)
    :param kafka_config_id: the Kafka connection. (templated)
    :param source_conn_id: the ledger's database. (templated)
    :raises ReconciliationFailed: posts are missing, doubled, or foreign and that was not allowed.
    """

    ui_color = "#e4d3f0"
    template_fields: Sequence[str] = (
        "dead_letter_topic",
        "start",
        "end",
        "foreign_records",
        "catalog",
        "warehouse_id",
        "databricks_conn_id",
        "kafka_config_id",
        "source_conn_id",
    )

    def __init__(
        self,
        *,
        topics: Mapping[str, str],
        dead_letter_topic: str,
        start: str,
        end: str,
        catalog: str,
        warehouse_id: str,
        foreign_records: str = ForeignRecords.FAIL,
        databricks_conn_id: str = "databricks_default",
        kafka_config_id: str = "kafka_default",
        source_conn_id: str = "source_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topics = topics
        self.dead_letter_topic = dead_letter_topic
        self.start = start
        self.end = end
        self.catalog = catalog
        self.warehouse_id = warehouse_id
        self.foreign_records = foreign_records
        self.databricks_conn_id = databricks_conn_id
        self.kafka_config_id = kafka_config_id
        self.source_conn_id = source_conn_id

    @cached_property
    def workspace(self) -> DatabricksWorkspaceHook:
        """The workspace, made on first use."""
        return DatabricksWorkspaceHook(self.databricks_conn_id)

    @cached_property
    def kafka(self) -> KafkaRecordsHook:
        """Kafka, made on first use."""
        return KafkaRecordsHook(self.kafka_config_id)

    @cached_property
    def source(self) -> EmulatorHook:
        """The ledger's database, made on first use."""
        return EmulatorHook(self.source_conn_id)

    def execute(self, context: Context) -> dict[str, dict[str, Any]]:
        """Compare.

        :returns: the counts of each table.
        """
        allowed = ForeignRecords(self.foreign_records)
        interval = Interval(datetime.fromisoformat(self.start), datetime.fromisoformat(self.end))
        letters = self.kafka.dead_letters(self.dead_letter_topic, interval.start_ms, interval.end_ms)
        findings = [
            TableReconciliation(
                table,
                topic,
                interval,
                ledger=self.source.ledger,
                kafka=self.kafka,
                dead_letters=letters,
                rows=self._rows,
            ).find()
            for table, topic in self.topics.items()
        ]
        for finding in findings:
            self.log.info("%s: %s", finding.table, finding.counts())
        wrong = [
            finding for finding in findings if finding.wrong or (finding.foreign and allowed == ForeignRecords.FAIL)
        ]
        if wrong:
            raise reconciliation_failed(wrong, interval)
        return {finding.table: finding.counts() for finding in findings}

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        return self.workspace.statement(sql, parameters, warehouse_id=self.warehouse_id, catalog=self.catalog)


def reconciliation_failed(findings: Sequence[Finding], interval: Interval) -> ReconciliationFailed:
    """The error for tables where something is wrong: a bounded list in the text, all of it in ``data``."""
    told = "; ".join(part for finding in findings for part in _told(finding))
    hints = []
    if any(finding.wrong for finding in findings):
        hints.append("Look at the connector (./pinflow logs connect), then clear wait_for_landing and all after it.")
    if any(finding.foreign for finding in findings):
        hints.append('If other clients post too, trigger the run with {"foreign_records": "report"}.')
    return ReconciliationFailed(
        f"The tables do not hold what was accepted from {interval.start.isoformat()} to {interval.end.isoformat()}.",
        f"{told}.",
        " ".join(hints),
        findings={finding.table: finding for finding in findings},
    )


def _told(finding: Finding) -> list[str]:
    lists: dict[str, Sequence[Any]] = {
        "missing": [lost.ind for lost in finding.missing],
        "foreign": [_name(record) for record in finding.foreign],
        "landed twice": [f"{partition}@{offset}" for partition, offset in finding.repeated],
        "not in silver": finding.absent_from_silver,
        "more than once in silver": finding.doubled_in_silver,
    }
    return [f"{finding.table} {len(items)} {name} ({shortened(items)})" for name, items in lists.items() if items]


def _name(record: Surplus) -> str:
    return f"{record.ind if record.ind is not None else 'no key'} at {record.partition}@{record.offset}"
