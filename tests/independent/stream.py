"""What the stream pipeline must give, record by record, from the domain reference alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.independent.cleaning import Row, cleaned, judge

LATE = timedelta(minutes=2)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Delivery:
    """One record as a stream delivers it."""

    table: str
    raw: str
    shard: str
    sequence: int
    arrived: datetime


@dataclass(frozen=True)
class Accepted:
    """A record that keeps the contract."""

    delivery: Delivery
    row: Row
    late: bool


@dataclass
class Outcome:
    """What all micro-batches together must leave."""

    accepted: list[Accepted] = field(default_factory=list)
    quarantined: list[tuple[Delivery, str]] = field(default_factory=list)

    def rows(self, table: str) -> dict[int, Row]:
        """One row a post: the one with the highest sequence number."""
        newest: dict[int, Accepted] = {}
        for one in self.accepted:
            ind = one.row["ind"]
            if one.delivery.table == table and (
                ind not in newest or one.delivery.sequence > newest[ind].delivery.sequence
            ):
                newest[ind] = one
        return {ind: one.row for ind, one in newest.items()}


def process(batches: Iterable[Sequence[Delivery]]) -> Outcome:
    """Judge the records of micro-batches in their order; each record is delivered once."""
    outcome, reached = Outcome(), dict[tuple[str, str], datetime]()
    for batch in batches:
        before = dict(reached)
        for delivery in batch:
            reason, value = judge(delivery.table, unwrapped(delivery.raw))
            if reason:
                outcome.quarantined.append((delivery, reason))
                continue
            row = cleaned(delivery.table, value)
            row.pop("warning", None)
            shard = (delivery.table, delivery.shard)
            late = shard in before and delivery.arrived < before[shard] - LATE
            outcome.accepted.append(Accepted(delivery, row, late))
            reached[shard] = max(delivery.arrived, reached.get(shard, delivery.arrived))
    return outcome


def unwrapped(raw: str) -> str:
    """The JSON within a JSON text, when there is some."""
    try:
        inner = json.loads(raw)
        if isinstance(inner, str):
            json.loads(inner)
            return inner
    except ValueError:
        pass
    return raw


def windows(accepted: Iterable[Accepted], table: str, column: str) -> dict[datetime, dict[str, dict[str, Any]]]:
    """Each sliding window of ten minutes that holds an arrival, and in it each name.

    :returns: by window start, then by name: ``posts``, ``last_seen`` and the last arrival's row as ``row``.
    """
    found: dict[datetime, dict[str, list[Accepted]]] = defaultdict(lambda: defaultdict(list))
    for one in accepted:
        name = one.row[column] if one.delivery.table == table else None
        if name is None or one.late:
            continue
        minute = one.delivery.arrived.replace(second=0, microsecond=0)
        for back in range(10):
            found[minute - back * MINUTE][name].append(one)
    return {start: {name: _entry(ones) for name, ones in names.items()} for start, names in found.items()}


def _entry(ones: list[Accepted]) -> dict[str, Any]:
    last = max(ones, key=lambda one: (one.delivery.arrived, one.delivery.sequence))
    return {"posts": len({one.row["ind"] for one in ones}), "last_seen": last.delivery.arrived, "row": last.row}


def profile_popularity(accepted: Iterable[Accepted]) -> list[Row]:
    """Posters by posts, then followers, nulls last; equals share a rank."""
    return _ranked(
        windows(accepted, "pin", "poster_name"),
        "poster_name",
        "popularity_rank",
        lambda entry: (-entry["posts"], *_descending(entry["row"]["follower_count"])),
        lambda entry: {"follower_count": entry["row"]["follower_count"]},
    )


def category_trend(accepted: Iterable[Accepted]) -> list[Row]:
    """Categories by posts."""
    return _ranked(windows(accepted, "pin", "category"), "category", "trend_rank")


def posts_by_country(accepted: Iterable[Accepted]) -> list[Row]:
    """Countries by posts."""
    return _ranked(windows(accepted, "geo", "country"), "country", "country_rank")


def _descending(value: int | None) -> tuple[bool, int]:
    return value is None, -(value or 0)


def _ranked(
    found: dict[datetime, dict[str, dict[str, Any]]],
    name: str,
    rank: str,
    order: Any = lambda entry: -entry["posts"],
    more: Any = lambda entry: {},
) -> list[Row]:
    rows = []
    for start, names in found.items():
        for key, entry in names.items():
            better = sum(order(other) < order(entry) for other in names.values())
            rows.append(
                {
                    "window_start": start.astimezone(UTC),
                    "window_end": start.astimezone(UTC) + 10 * MINUTE,
                    name: key,
                    "posts": entry["posts"],
                    **more(entry),
                    rank: better + 1,
                    "last_seen": entry["last_seen"],
                }
            )
    return sorted(rows, key=lambda row: (row["window_start"], row[rank], row[name]))
