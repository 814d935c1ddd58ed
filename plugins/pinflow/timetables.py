"""When runs are made."""

from __future__ import annotations

from typing import Any

from airflow.timetables.interval import CronDataIntervalTimetable
from pendulum import UTC, Date, DateTime


class CronDataIntervalFromTimetable(CronDataIntervalTimetable):
    """Cron data intervals in UTC; without catch-up, none before a given day is scheduled by itself.

    A DAG that is unpaused without catch-up gets a run for the last interval at once. Where nothing was posted before a
    day (the day of going live), that run is empty and, with one active run allowed, in the way. The DAG's start date
    cannot say it: a backfill must not reach before that.

    :param cron: the cron expression.
    :param first_day: the first day (UTC) that is scheduled, ``2026-11-21``.
    """

    def __init__(self, cron: str, *, first_day: str) -> None:
        super().__init__(cron, timezone=UTC)
        self._first_day = Date.fromisoformat(first_day)

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> CronDataIntervalFromTimetable:
        """Make one from what ``serialize`` gave."""
        return cls(data["expression"], first_day=data["first_day"])

    def serialize(self) -> dict[str, Any]:
        """What is stored with the DAG."""
        return {"expression": self._expression, "first_day": self._first_day.isoformat()}

    def _skip_to_latest(self, earliest: DateTime | None) -> DateTime:
        first = DateTime(self._first_day.year, self._first_day.month, self._first_day.day, tzinfo=UTC)
        return max(super()._skip_to_latest(earliest), self._align_to_next(first))
