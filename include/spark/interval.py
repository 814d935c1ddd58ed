"""The half-open span of record time that one run reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby


@dataclass(frozen=True)
class Interval:
    """All record times from ``start`` up to but not including ``end``, both aware and in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def parse(cls, start: str, end: str) -> Interval:
        """Read two ISO 8601 texts; a text without zone is UTC.

        :raises ValueError: a text is no time, or the end is not after the start.
        """
        interval = cls(_moment("interval_start", start), _moment("interval_end", end))
        if interval.end <= interval.start:
            raise ValueError(
                f"The interval {start} to {end} holds no time. A run reads from its start up to but not including its "
                "end. Give an end after the start."
            )
        return interval

    def folders(self) -> list[str]:
        """The hour folders below a topic's folder, one glob a day: ``year=2022/month=03/day=01/hour={05,06}``."""
        return [
            f"{day}/hour={{{','.join(f'{hour:%H}' for hour in hours)}}}" for day, hours in groupby(self._hours(), _day)
        ]

    def predicate(self, column: str) -> str:
        """The SQL condition that a timestamp column lies in the interval, whatever the session's time zone."""
        return f"{column} >= {_literal(self.start)} AND {column} < {_literal(self.end)}"

    def days(self, column: str) -> str:
        """The SQL condition that a column of UTC days touches the interval.

        Without BETWEEN: Delta 4.4.0 on Spark 4.1 fails on it in ``replaceWhere``.
        """
        last = self.end - timedelta(microseconds=1)
        return f"{column} >= DATE'{self.start:%Y-%m-%d}' AND {column} <= DATE'{last:%Y-%m-%d}'"

    def _hours(self) -> list[datetime]:
        first = self.start.replace(minute=0, second=0, microsecond=0)
        count = -((first - self.end) // timedelta(hours=1))
        return [first + timedelta(hours=number) for number in range(count)]


def _moment(name: str, text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{name} is {text!r}, which is no time. A run needs the span of record time that it reads. "
            "Write it in ISO 8601, such as 2022-03-01T00:00:00Z."
        ) from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _day(hour: datetime) -> str:
    return f"{hour:year=%Y/month=%m/day=%d}"


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP'{moment:%Y-%m-%d %H:%M:%S.%f}Z'"
