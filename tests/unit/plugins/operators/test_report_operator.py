"""The batch report."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from include.sql import Query
from pinflow.operators.report import BatchReportOperator

QUERIES = (Query("by_year", "By year?", "SELECT 1", order_by="year, n DESC"), Query("none", "None?", "SELECT 1", "n"))


class Hook:
    """Tables that a test fills."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def statement(self, sql: str, parameters: Any, **_: Any) -> list[dict[str, Any]]:
        """Rows of the audit and of one answer."""
        self.asked.append((sql, parameters))
        if "batch_audit" in sql:
            return [{"table_name": "pin", "landed": 3, "finished_at": datetime(2022, 3, 1, 1, 2, tzinfo=UTC)}]
        if "by_year" in sql:
            return [{"year": 2020, "n": Decimal("1.50"), "d": date(2022, 3, 1), "rows_in_all": 7}]
        return []


def test_counts_and_first_rows(context: Any) -> None:
    operator = BatchReportOperator(task_id="t", queries=QUERIES, batch_id="b", catalog="c", warehouse_id="w", rows=2)
    hook = operator.__dict__["hook"] = Hook()
    report = operator.execute(context)
    assert report == {
        "batch_id": "b",
        "tables": {"pin": {"landed": 3, "finished_at": "2022-03-01T01:02:00Z"}},
        "answers": {
            "by_year": {
                "title": "By year?",
                "total": 7,
                "rows": [{"year": 2020, "n": "1.50", "d": "2022-03-01"}],
            },
            "none": {"title": "None?", "total": 0, "rows": []},
        },
    }
    assert json.loads(json.dumps(report)) == report
    assert hook.asked[0][1] == {"batch_id": "b"}
    assert "ORDER BY year, n DESC LIMIT 2" in hook.asked[1][0]
