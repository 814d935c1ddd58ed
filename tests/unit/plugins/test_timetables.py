from __future__ import annotations

import pendulum
import pytest
import time_machine
from airflow.timetables.base import TimeRestriction

from pinflow.timetables import CronDataIntervalFromTimetable

START = pendulum.datetime(2017, 10, 19, tz="UTC")


def following(first_day: str, *, catchup: bool = False, last: str | None = None) -> tuple[str, str]:
    """The day of the next scheduled interval and the moment it is run."""
    timetable = CronDataIntervalFromTimetable("@daily", first_day=first_day)
    previous = timetable.infer_manual_data_interval(run_after=pendulum.parse(last)) if last else None  # type: ignore[arg-type]
    info = timetable.next_dagrun_info(
        last_automated_data_interval=previous, restriction=TimeRestriction(START, None, catchup)
    )
    assert info is not None
    assert info.data_interval is not None
    assert info.run_after is not None
    return info.data_interval.start.to_date_string(), info.run_after.isoformat()


@pytest.mark.parametrize(
    ("first_day", "expected"),
    [
        ("2026-11-21", ("2026-11-21", "2026-11-22T00:00:00+00:00")),
        ("2026-11-25", ("2026-11-25", "2026-11-26T00:00:00+00:00")),
        ("2020-01-01", ("2026-11-20", "2026-11-21T00:00:00+00:00")),
    ],
    ids=["today: the first run is tomorrow", "a day to come", "long ago: the last whole day, as Airflow does"],
)
@time_machine.travel("2026-11-21T10:00:00Z", tick=False)
def test_first_scheduled_interval(first_day: str, expected: tuple[str, str]) -> None:
    assert following(first_day) == expected


@time_machine.travel("2026-11-24T10:00:00Z", tick=False)
def test_after_a_run_the_next_day_follows() -> None:
    assert following("2026-11-21", last="2026-11-23T00:30:00Z")[0] == "2026-11-23"


@time_machine.travel("2026-11-21T10:00:00Z", tick=False)
def test_catch_up_starts_at_the_start_date() -> None:
    assert following("2026-11-21", catchup=True)[0] == "2017-10-19"


def test_serialize_round_trip() -> None:
    timetable = CronDataIntervalFromTimetable("0 3 * * *", first_day="2026-11-21")
    again = CronDataIntervalFromTimetable.deserialize(timetable.serialize())
    assert again.serialize() == timetable.serialize() == {"expression": "0 3 * * *", "first_day": "2026-11-21"}


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="soon"):
        CronDataIntervalFromTimetable("@daily", first_day="soon")
