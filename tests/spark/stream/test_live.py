"""The live metrics against windows counted in plain Python."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from include.spark.stream import live
from include.spark.stream.windows import METRICS
from tests.independent import stream as independent
from tests.independent.stream import Accepted, Delivery, process
from tests.spark.lake import CATALOG
from tests.spark.posts import geo, pin
from tests.spark.stream.streams import FIRST_SEQUENCE, NOON, Streams, arrival_rows

BEFORE_MINUTE = timedelta(minutes=1) - timedelta(microseconds=1)


def arrive(*rows: tuple[dict[str, Any], timedelta], table: str = "pin", shard: str = "s") -> list[Accepted]:
    """Accepted records of one shard, each with its time after noon; sequence numbers rise as they are given."""
    deliveries = [
        Delivery(table, json.dumps(row), shard, FIRST_SEQUENCE + number, NOON + after)
        for number, (row, after) in enumerate(rows)
    ]
    return process([[one] for one in deliveries]).accepted


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


EDGES = [
    *arrive(
        (pin(1, poster_name="Ann", follower_count="1k", category="art"), minutes(0)),
        (pin(2, poster_name="Ann", follower_count="2k", category="art"), BEFORE_MINUTE),
        (pin(3, poster_name="Bob", follower_count="2k", category="travel"), minutes(1)),
        (pin(4, poster_name="Bob", follower_count="1", category="travel"), minutes(1)),
        (pin(5, poster_name="User Info Error", follower_count="User Info Error", category="art"), minutes(3)),
        (pin(6, poster_name="Cid", follower_count="User Info Error", category=None), minutes(3)),
        (pin(7, poster_name="Dot", follower_count="User Info Error", category="quotes"), minutes(3)),
        (pin(8, poster_name="Eve", follower_count="0", category="quotes"), minutes(3)),
        (pin(1, poster_name="Ann", follower_count="3k", category="art"), minutes(4)),
        (pin(1, poster_name="Ann", follower_count="4k", category="art"), minutes(10)),
        (pin(9, poster_name="Ann", follower_count="9M", category="art"), minutes(0.5)),
        (pin(10, poster_name="Far", follower_count="1", category="art"), minutes(47)),
    ),
    *arrive(
        (geo(1, country="Albania"), minutes(0)),
        (geo(2, country="Åland"), minutes(2)),
        (geo(2, country="Åland"), minutes(2)),
        (geo(3, country=None), minutes(2)),
        table="geo",
    ),
]
"""Edges of minutes and windows, copies within and across windows, ties, followers that change, nulls and a late one."""


def expected(accepted: list[Accepted]) -> dict[str, list[dict[str, Any]]]:
    return {name: getattr(independent, name)(accepted) for name in METRICS}


def found(streams: Streams) -> dict[str, list[dict[str, Any]]]:
    """The live metrics in the order of the expectation."""
    tables = {}
    for name, metric in METRICS.items():
        rows = streams.rows(f"SELECT * FROM live.{name}")
        assert all(row.pop("slot").timestamp() == row["window_start"].timestamp() // 600 * 600 for row in rows)
        tables[name] = sorted(rows, key=lambda row: (row["window_start"], row[metric.rank], row[metric.column]))
    return tables


@pytest.fixture
def streams(spark: Any) -> Streams:
    return Streams(spark)


def add(streams: Streams, accepted: list[Accepted], process: live.Live | None = None) -> None:
    """Append to the arrivals and look at them, in a process of its own if none is given."""
    frame = arrival_rows(streams.spark, accepted)
    frame.writeTo(f"{CATALOG}.stream.arrivals").append()
    (process or live.Live(CATALOG)).refresh(frame)


def versions(streams: Streams) -> set[int]:
    """How many versions there are of a window, for each."""
    found = streams.rows("SELECT count(DISTINCT version) AS versions FROM live.windows GROUP BY window_start")
    return {row["versions"] for row in found}


class TestAgainstTheIndependentCalculation:
    def test_edges(self, streams: Streams) -> None:
        assert [one.row["ind"] for one in EDGES if one.late] == [9]
        add(streams, EDGES)
        assert found(streams) == expected(EDGES)

    def test_ties_and_nulls_are_what_the_expectation_says(self) -> None:
        """By hand, so that both calculations are not wrong in the same way."""
        rows = [row for row in expected(EDGES)["profile_popularity"] if row["window_start"] == NOON]
        assert [(row["poster_name"], row["posts"], row["follower_count"], row["popularity_rank"]) for row in rows] == [
            ("Ann", 2, 3000, 1),
            ("Bob", 2, 1, 2),
            ("Eve", 1, 0, 3),
            ("Cid", 1, None, 4),
            ("Dot", 1, None, 4),
        ]
        [row] = [row for row in expected(EDGES)["posts_by_country"] if row["window_start"] == NOON + minutes(1)]
        assert (row["country"], row["posts"], row["country_rank"]) == ("Åland", 1, 1)

    @pytest.mark.parametrize("same_process", [False, True])
    def test_bit_by_bit_gives_the_same_as_all_at_once(
        self, streams: Streams, same_process: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Arrivals of two hours in three parts, each touching windows of the one before; then one part again.

        A process that goes on appends versions, and tidies up after a while.
        """
        process = live.Live(CATALOG) if same_process else None
        pick = random.Random(11)
        posters = ("Ann", "Bob", "Cid", "User Info Error")
        accepted = arrive(
            *(
                (pin(pick.randrange(40), poster_name=pick.choice(posters), follower_count=f"{pick.randrange(5)}k",
                     category=pick.choice(("art", "travel", "quotes"))), minutes(pick.uniform(0, 125)))
                for _ in range(150)
            )
        )  # fmt: skip
        on_time = [Accepted(one.delivery, one.row, late=False) for one in accepted]
        on_time.sort(key=lambda one: one.delivery.arrived)
        for start, end in ((0, 60), (60, 100), (100, 150)):
            add(streams, on_time[start:end], process)
        assert found(streams) == expected(on_time)
        assert versions(streams) == ({1, 2} if same_process else {1})
        again = arrival_rows(streams.spark, on_time[90:120])
        (process or live.Live(CATALOG)).refresh(again)
        assert found(streams) == expected(on_time)
        monkeypatch.setattr(live, "TIDY_SECONDS", -1)
        (process or live.Live(CATALOG)).refresh(again)
        assert (found(streams), versions(streams)) == (expected(on_time), {1})


def test_only_late_arrivals_touch_nothing(streams: Streams) -> None:
    late = [Accepted(one.delivery, one.row, late=True) for one in EDGES]
    add(streams, late)
    assert all(not rows for rows in found(streams).values())
