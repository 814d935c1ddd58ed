"""Distinct posts by window and name, kept up to date arrival by arrival. Plain Python, no Spark.

Counting the windows anew from the table took seconds of both cores every few seconds. Here an arrival costs a few
dictionary look-ups, and only the windows that it touches are ranked again. Memory: about 200 bytes a post, poster and
category that arrived in the minutes that are kept, besides the numbers themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MINUTE_US = 60_000_000
LENGTH = 10
"""Minutes of a window; one begins every minute."""


class Metric(NamedTuple):
    """What a live table counts.

    :param table: whose records.
    :param column: the name that is counted; records without one don't count.
    :param rank: the column of the place.
    :param by_followers: whether more followers win where posts are equal.
    """

    table: str
    column: str
    rank: str
    by_followers: bool = False


METRICS = {
    "profile_popularity": Metric("pin", "poster_name", "popularity_rank", by_followers=True),
    "category_trend": Metric("pin", "category", "trend_rank"),
    "posts_by_country": Metric("geo", "country", "country_rank"),
}


class Arrival(NamedTuple):
    """An accepted record that is not late.

    :param arrived_us: microseconds since 1970.
    """

    table_name: str
    ind: int
    poster_name: str | None
    follower_count: int | None
    category: str | None
    country: str | None
    sequence: int
    arrived_us: int


class Ranked(NamedTuple):
    """A window's names in the order of their rank, and then of the alphabet, column by column.

    :param follower_counts: as the last arrival of each name has them.
    :param ranks: equals share one.
    :param last_us: when the last arrival of each name was, microseconds since 1970.
    """

    names: list[str]
    posts: list[int]
    follower_counts: list[int | None]
    ranks: list[int]
    last_us: list[int]


class _Entry:
    __slots__ = ("followers", "last", "posts")

    def __init__(self) -> None:
        self.posts, self.last, self.followers = 0, (-1, -1), None

    posts: int
    last: tuple[int, int]
    followers: int | None


class Windows:
    """The windows that begin at or after a minute; it must be told of every arrival from that minute on.

    Minutes are whole ones since 1970, and a window is named by its first. Telling an arrival twice changes nothing.

    :param first: the first minute.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self._entries: dict[str, dict[int, dict[str, _Entry]]] = {metric: {} for metric in METRICS}
        self._seen: dict[tuple[str, str, int], list[int]] = {}
        self._by_minute: defaultdict[int, list[tuple[str, str, int]]] = defaultdict(list)
        self._ranked: dict[tuple[str, int], Ranked] = {}

    def add(self, arrivals: Iterable[Arrival]) -> None:
        """Count arrivals; those before the first minute are of no window here."""
        for arrival in arrivals:
            minute = arrival.arrived_us // MINUTE_US
            if minute < self.first:
                continue
            for metric, (table, column, _, _) in METRICS.items():
                if arrival.table_name == table and (name := getattr(arrival, column)) is not None:
                    self._count(metric, name, minute, arrival)

    def _count(self, metric: str, name: str, minute: int, arrival: Arrival) -> None:
        new = self._new_windows((metric, name, arrival.ind), minute)
        last = (arrival.arrived_us, arrival.sequence)
        windows = self._entries[metric]
        for window in range(max(self.first, minute - LENGTH + 1), minute + 1):
            entry = windows.setdefault(window, {}).setdefault(name, _Entry())
            entry.posts += window in new
            if last > entry.last:
                entry.last, entry.followers = last, arrival.follower_count
            self._ranked.pop((metric, window), None)

    def _new_windows(self, key: tuple[str, str, int], minute: int) -> set[int]:
        """The windows that did not hold this post under this name before."""
        minutes = self._seen.setdefault(key, [])
        if minute in minutes:
            return set()
        new = set(range(minute - LENGTH + 1, minute + 1))
        for other in minutes:
            new.difference_update(range(other - LENGTH + 1, other + 1))
        minutes.append(minute)
        self._by_minute[minute].append(key)
        return new

    def ranked(self, metric: str, first: int, last: int) -> Iterator[tuple[int, Ranked]]:
        """The windows from one minute to another that hold something.

        :raises ValueError: ``first`` is before the first minute that is kept.
        """
        if first < self.first:
            raise ValueError(f"windows from minute {first} are asked for, and those from {self.first} are kept")
        for window in sorted(found for found in self._entries[metric] if first <= found <= last):
            if (metric, window) not in self._ranked:
                self._ranked[metric, window] = _rank(self._entries[metric][window], METRICS[metric].by_followers)
            yield window, self._ranked[metric, window]

    def forget(self, before: int) -> None:
        """Give up the windows that begin before a minute."""
        self.first = max(self.first, before)
        for windows in self._entries.values():
            for window in [found for found in windows if found < before]:
                del windows[window]
        self._ranked = {key: ranked for key, ranked in self._ranked.items() if key[1] >= before}
        for minute in [found for found in self._by_minute if found < before]:
            for key in self._by_minute.pop(minute):
                self._seen[key].remove(minute)
                if not self._seen[key]:
                    del self._seen[key]


def _rank(entries: dict[str, _Entry], by_followers: bool) -> Ranked:
    def order(item: tuple[str, _Entry]) -> tuple[int, int, str]:
        name, entry = item
        followers = -1 if entry.followers is None or not by_followers else entry.followers
        return -entry.posts, -followers, name

    ordered = sorted(entries.items(), key=order)
    ranks: list[int] = []
    before: tuple[int, int] | None = None
    for number, item in enumerate(ordered, 1):
        place = order(item)[:2]
        ranks.append(ranks[-1] if place == before else number)
        before = place
    return Ranked(
        names=[name for name, _ in ordered],
        posts=[entry.posts for _, entry in ordered],
        follower_counts=[entry.followers for _, entry in ordered],
        ranks=ranks,
        last_us=[entry.last[0] for _, entry in ordered],
    )
