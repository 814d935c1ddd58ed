"""Which interval of record time a batch run is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from pinflow.exceptions import Rejected

if TYPE_CHECKING:
    from airflow.sdk import Context

MANUAL = "manual"


class Batch(TypedDict):
    """Record times as ISO 8601 in UTC, half open, and the name that each run of these times has."""

    start: str
    end: str
    batch_id: str


def of_run(context: Context) -> Batch:
    """The interval of the run that a task is in; ``from`` and ``to`` are its parameters.

    :raises Rejected: as ``resolve`` does.
    """
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    return resolve(
        start=context["params"].get("from"),
        end=context["params"].get("to"),
        run_type=str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type)),
        data_interval=(start, end) if start and end else None,
        now=datetime.now(UTC),
    )


def resolve(
    *,
    start: str | None,
    end: str | None,
    run_type: str,
    data_interval: tuple[datetime, datetime] | None,
    now: datetime,
) -> Batch:
    """The run's interval, half open.

    Given times win. Scheduled runs and backfills have a data interval. Any other run is about today so far, in UTC: the
    interval that Airflow infers for a manual run is yesterday, which is not what someone who just posted wants to see.

    :param start: ISO 8601 from the run's parameters, UTC where it names no zone.
    :param end: likewise, exclusive.
    :param run_type: ``scheduled``, ``backfill``, ``manual``, ``asset_triggered`` ...
    :raises Rejected: only one of the times is given, one cannot be read, or they are in the wrong order.
    """
    begins, ends = _given(start, end) or _of_run(run_type, data_interval) or _today(now)
    if begins >= ends:
        raise Rejected(
            f"The interval from {_text(begins)} to {_text(ends)} is empty.",
            "Its end is exclusive and must come after its start.",
            "Trigger the run with a later 'to'.",
        )
    return Batch(start=_text(begins), end=_text(ends), batch_id=f"{_text(begins)}--{_text(ends)}")


def _given(start: str | None, end: str | None) -> tuple[datetime, datetime] | None:
    if not start and not end:
        return None
    if not start or not end:
        raise Rejected(
            "Only one end of the interval is given.",
            f"'from' is {start or 'missing'} and 'to' is {end or 'missing'}.",
            "Trigger the run with both, or with neither for today so far.",
        )
    return _read("from", start), _read("to", end)


def _of_run(run_type: str, data_interval: tuple[datetime, datetime] | None) -> tuple[datetime, datetime] | None:
    return None if run_type == MANUAL else data_interval


def _today(now: datetime) -> tuple[datetime, datetime]:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0), now


def _read(name: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(
            f"The parameter '{name}' cannot be read.",
            f"{text!r} is not an ISO 8601 time.",
            "Write it as 2022-03-01T00:00:00Z and trigger the run again.",
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
