"""Windows in memory against windows counted one by one; plain Python, no Spark."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.spark.stream.windows import METRICS, MINUTE_US, Arrival, Windows
from tests.independent import stream as independent
from tests.independent.stream import Accepted, Delivery
from tests.spark.stream.streams import NOON

FIRST = int(NOON.timestamp()) // 60


def pin(ind: int, minute: float, name: str = "Ann", followers: int | None = 1, sequence: int = 1) -> Arrival:
    return Arrival("pin", ind, name, followers, "art", None, sequence, round((FIRST + minute) * MINUTE_US))


def posts(windows: Windows, metric: str = "profile_popularity") -> dict[int, dict[str, int]]:
    """Posts by name, by the minute after noon in which a window begins."""
    found = windows.ranked(metric, windows.first, FIRST + 1000)
    return {window - FIRST: dict(zip(ranked.names, ranked.posts, strict=True)) for window, ranked in found}


def test_a_post_counts_once_in_each_window_that_holds_it() -> None:
    windows = Windows(FIRST - 20)
    windows.add([pin(1, 0), pin(1, 4.5), pin(2, 4)])
    assert posts(windows) == {
        **{start: {"Ann": 1} for start in range(-9, -5)},
        **{start: {"Ann": 2} for start in range(-5, 5)},
    }


def test_the_same_arrival_again_changes_nothing() -> None:
    windows = Windows(FIRST)
    windows.add([pin(1, 3), pin(2, 3)])
    before = list(windows.ranked("profile_popularity", FIRST, FIRST + 3))
    windows.add([pin(2, 3), pin(1, 3)])
    assert list(windows.ranked("profile_popularity", FIRST, FIRST + 3)) == before


def test_windows_before_the_first_are_not_there_and_not_asked_for() -> None:
    windows = Windows(FIRST)
    windows.add([pin(1, 2), pin(1, -1)])
    assert posts(windows) == {start: {"Ann": 1} for start in range(3)}
    with pytest.raises(ValueError, match=f"from {FIRST} are kept"):
        list(windows.ranked("category_trend", FIRST - 1, FIRST))


@pytest.mark.parametrize("order", [(9, 10, 8), (10, 9, 8), (8, 9, 10)])
def test_the_followers_are_those_of_the_last_sequence_number_where_arrivals_tie(order: tuple[int, ...]) -> None:
    windows = Windows(FIRST)
    windows.add(pin(1, 0, followers=sequence * 100, sequence=sequence) for sequence in order)
    [(_, ranked)] = windows.ranked("profile_popularity", FIRST, FIRST)
    assert ranked.follower_counts == [1000]


@pytest.mark.parametrize("seed", range(4))
def test_any_order_with_copies_and_forgetting_gives_what_counting_each_window_gives(seed: int) -> None:
    pick = random.Random(seed)
    arrivals = [
        Arrival(
            pick.choice(("pin", "geo", "user")), pick.randrange(30), pick.choice(("Ann", "Bob", None)),
            pick.choice((None, 0, 5, 70)), pick.choice(("art", "travel")), pick.choice(("Albania", "Chad", None)),
            number, FIRST * MINUTE_US + pick.randrange(50 * MINUTE_US),
        )
        for number in range(300)
    ]  # fmt: skip
    windows = Windows(FIRST)
    windows.add(arrivals[:150])
    windows.add(arrivals[100:200])
    windows.forget(FIRST + 12)
    windows.add(arrivals[200:])
    for metric, (_, column, rank, _) in METRICS.items():
        found = [
            {"window_start": _moment(window * MINUTE_US), column: name, "posts": posts, rank: place,
             "last_seen": _moment(last), "follower_count": followers}
            for window, ranked in windows.ranked(metric, FIRST + 12, FIRST + 60)
            for name, posts, followers, place, last in zip(*ranked, strict=True)
        ]  # fmt: skip
        wanted = [
            row for row in getattr(independent, metric)(_accepted(arrivals))
            if row["window_start"] >= NOON + timedelta(minutes=12)
        ]  # fmt: skip
        assert len(wanted) > 50
        assert sorted(_shown(row, found[0], wanted[0]) for row in found) == sorted(
            _shown(row, found[0], wanted[0]) for row in wanted
        )


def test_forgetting_frees_what_is_older() -> None:
    windows = Windows(FIRST)
    windows.add(pin(number, number / 10) for number in range(1000))
    windows.forget(FIRST + 95)
    assert posts(windows) == {start: {"Ann": 10 * (100 - start)} for start in range(95, 100)}
    assert len(windows._seen) == 2 * 50


def _shown(row: dict[str, Any], *others: dict[str, Any]) -> str:
    """The columns that both sides have."""
    names = sorted(set(row).intersection(*others))
    return repr([(name, row[name]) for name in names])


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)


def _accepted(arrivals: list[Arrival]) -> list[Accepted]:
    return [
        Accepted(
            Delivery(one.table_name, "", "s", one.sequence, _moment(one.arrived_us)),
            {"ind": one.ind, "poster_name": one.poster_name, "follower_count": one.follower_count,
             "category": one.category, "country": one.country},
            late=False,
        )
        for one in arrivals
    ]  # fmt: skip
