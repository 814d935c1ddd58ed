"""Which interval a run is about."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pinflow.exceptions import Rejected
from pinflow.intervals import of_run, resolve

NOW = datetime(2026, 11, 21, 9, 15, 30, 123456, tzinfo=UTC)
DAY = (datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 3, 2, tzinfo=UTC))


def resolved(**changes: Any) -> tuple[str, str]:
    given: dict[str, Any] = {"start": None, "end": None, "run_type": "scheduled", "data_interval": DAY, "now": NOW}
    batch = resolve(**given | changes)
    assert batch["batch_id"] == f"{batch['start']}--{batch['end']}"
    return batch["start"], batch["end"]


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_the_runs_data_interval(run_type: str) -> None:
    assert resolved(run_type=run_type) == ("2022-03-01T00:00:00Z", "2022-03-02T00:00:00Z")


@pytest.mark.parametrize("interval", [None, DAY])
def test_a_manual_run_is_about_today_so_far(interval: Any) -> None:
    found = resolved(run_type="manual", data_interval=interval)
    assert found == ("2026-11-21T00:00:00Z", "2026-11-21T09:15:30.123456Z")


@pytest.mark.parametrize("run_type", ["scheduled", "backfill", "manual"])
def test_parameters_win(run_type: str) -> None:
    found = resolved(start="2022-01-01T10:00:00+02:00", end="2022-01-01T09:00:00", run_type=run_type)
    assert found == ("2022-01-01T08:00:00Z", "2022-01-01T09:00:00Z")


def test_plain_dates() -> None:
    assert resolved(start="2022-03-01", end="2022-03-08") == ("2022-03-01T00:00:00Z", "2022-03-08T00:00:00Z")


def test_empty_texts_are_not_given() -> None:
    assert resolved(start="", end="")[0] == "2022-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"start": "2022-03-01"}, "Only one end.*'to' is missing"),
        ({"end": "2022-03-01"}, "Only one end.*'from' is missing"),
        ({"start": "yesterday", "end": "2022-03-01"}, "'from' cannot be read.*'yesterday'"),
        ({"start": "2022-03-01", "end": "01.04.2022"}, "'to' cannot be read"),
        ({"start": "2022-03-02", "end": "2022-03-01"}, "is empty"),
        ({"start": "2022-03-01", "end": "2022-03-01T00:00:00Z"}, "is empty"),
    ],
)
def test_what_cannot_be_used(changes: dict[str, str], told: str) -> None:
    with pytest.raises(Rejected, match=told):
        resolved(**changes)


def test_from_a_tasks_context() -> None:
    context: Any = {
        "params": {"from": None, "to": ""},
        "dag_run": SimpleNamespace(run_type="scheduled"),
        "data_interval_start": DAY[0],
        "data_interval_end": DAY[1],
    }
    assert of_run(context)["end"] == "2022-03-02T00:00:00Z"


def test_a_manual_run_without_data_interval_has_no_such_keys() -> None:
    before = datetime.now(UTC)
    context: Any = {"params": {}, "dag_run": SimpleNamespace(run_type=SimpleNamespace(value="manual"))}
    batch = of_run(context)
    assert datetime.fromisoformat(batch["start"]).date() <= before.date()
    assert datetime.fromisoformat(batch["end"]) >= before
