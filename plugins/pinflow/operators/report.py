"""What a batch run did, in one small document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from pinflow.hooks.databricks import DatabricksWorkspaceHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.sql import Query


class BatchReportOperator(BaseOperator):
    """Collect the counts of each stage and the first rows of each answer.

    :param queries: the gold queries, each a table of its name.
    :param batch_id: the batch. (templated)
    :param catalog: the catalog of the tables. (templated)
    :param warehouse_id: the SQL warehouse. (templated)
    :param rows: how many rows of each answer.
    :param databricks_conn_id: the workspace. (templated)
    """

    ui_color = "#dbe8d5"
    template_fields: Sequence[str] = ("batch_id", "catalog", "warehouse_id", "databricks_conn_id")

    def __init__(
        self,
        *,
        queries: Sequence[Query],
        batch_id: str,
        catalog: str,
        warehouse_id: str,
        rows: int = 5,
        databricks_conn_id: str = "databricks_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.queries = queries
        self.batch_id = batch_id
        self.catalog = catalog
        self.warehouse_id = warehouse_id
        self.rows = rows
        self.databricks_conn_id = databricks_conn_id

    @cached_property
    def hook(self) -> DatabricksWorkspaceHook:
        """The workspace, made on first use."""
        return DatabricksWorkspaceHook(self.databricks_conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """Collect.

        :returns: ``batch_id``, ``tables`` (the audit row of each) and ``answers`` (``title``, ``total`` and ``rows``).
        """
        audit = self._rows(
            "SELECT * FROM ops.batch_audit WHERE batch_id = :batch_id ORDER BY table_name", batch_id=self.batch_id
        )
        answers = {query.name: self._answer(query) for query in self.queries}
        for row in audit:
            self.log.info("%s: %s", row["table_name"], row)
        for name, answer in answers.items():
            self.log.info("%s, %d rows: %s", name, answer["total"], answer["rows"])
        return {"batch_id": self.batch_id, "tables": {row.pop("table_name"): row for row in audit}, "answers": answers}

    def _answer(self, query: Query) -> dict[str, Any]:
        table, order = f"gold.{query.name}", query.order_by
        rows = self._rows(
            f"SELECT *, count(*) OVER () AS rows_in_all FROM {table} ORDER BY {order} LIMIT {self.rows:d}"  # noqa: S608
        )
        total = rows[0]["rows_in_all"] if rows else 0
        shown = [{name: value for name, value in row.items() if name != "rows_in_all"} for row in rows]
        return {"title": query.title, "total": total, "rows": shown}

    def _rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        found = self.hook.statement(sql, parameters, warehouse_id=self.warehouse_id, catalog=self.catalog)
        return [{name: _plain(value) for name, value in row.items()} for row in found]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
