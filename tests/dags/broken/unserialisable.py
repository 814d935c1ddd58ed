# A timetable that no plugin registers: the scheduler could not read it back.
from __future__ import annotations

import pendulum
from airflow.sdk import DAG, CronDataIntervalTimetable


class OwnTimetable(CronDataIntervalTimetable):
    """Known to this file only."""


with DAG(
    "broken_unserialisable",
    schedule=OwnTimetable("@daily", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
):
    pass
