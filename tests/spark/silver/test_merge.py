"""Which copy of a post silver keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from include.spark import schemas, silver, tables
from tests.spark.lake import CATALOG, Lake

NAME = f"{CATALOG}.silver.user"
EARLY, LATE = datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 3, 2, tzinfo=UTC)


def copy(
    name: str, offset: int | None, moment: datetime = EARLY, partition: int | None = 0, ind: int = 1
) -> tuple[Any, ...]:
    return (ind, name, 20, EARLY, partition, offset, moment)


def merge(lake: Lake, *copies: tuple[Any, ...]) -> None:
    silver.merge(lake.spark.createDataFrame(list(copies), schemas.SILVER["user"]), NAME, "user")


@pytest.fixture
def names(lake: Lake) -> Any:
    tables.create(lake.spark, CATALOG, "user")
    return lambda: [row["user_name"] for row in lake.rows(f"SELECT user_name FROM {NAME} ORDER BY ind")]


ORDERED = [
    copy("no offset", None),
    copy("no offset, later", None, LATE),
    copy("first", 0),
    copy("second", 1),
    copy("same offset, later", 1, LATE),
    copy("same moment, other partition", 1, LATE, 1),
    copy("third, though earlier", 2, EARLY),
]


class TestLatest:
    @pytest.mark.parametrize("pair", list(permutations(ORDERED, 2)), ids=lambda pair: f"{pair[0][1]} | {pair[1][1]}")
    def test_order_is_offset_then_time_then_partition(self, latest_of: Any, pair: Any) -> None:
        assert latest_of[pair] == max(pair, key=ORDERED.index)[1]

    @pytest.fixture(scope="class")
    @classmethod
    def latest_of(cls, spark: Any) -> dict[Any, str]:
        pairs = list(permutations(ORDERED, 2))
        copies = [(number, *one[1:]) for number, pair in enumerate(pairs) for one in pair]
        frame = spark.createDataFrame(copies, schemas.SILVER["user"])
        return {pairs[row["ind"]]: row["user_name"] for row in silver.latest(frame, "user").collect()}

    def test_equal_positions_always_give_the_same_row(self, spark: Any) -> None:
        copies = [copy("a", None), copy("b", None)]
        results = {
            silver.latest(spark.createDataFrame(list(order), schemas.SILVER["user"]), "user").first()["user_name"]
            for order in permutations(copies)
        }
        assert len(results) == 1


class TestMerge:
    def test_new_posts_are_added(self, lake: Lake, names: Any) -> None:
        merge(lake, copy("a", 0), copy("b", 1, ind=2))
        merge(lake, copy("c", 2, ind=3))
        assert names() == ["a", "b", "c"]

    def test_a_newer_copy_wins_whenever_it_comes(self, lake: Lake, names: Any) -> None:
        merge(lake, copy("new", 5))
        merge(lake, copy("old", 4))
        assert names() == ["new"]
        merge(lake, copy("newest", 6))
        assert names() == ["newest"]

    def test_an_equal_copy_moves_the_position(self, lake: Lake, names: Any) -> None:
        """Or else a copy between the two would win when it is backfilled."""
        merge(lake, copy("same", 1))
        merge(lake, copy("same", 5))
        merge(lake, copy("between", 3))
        assert names() == ["same"]

    def test_the_same_again_writes_no_row(self, lake: Lake, names: Any) -> None:
        merge(lake, copy("a", None), copy("b", 1, ind=2))
        merge(lake, copy("a", None), copy("b", 1, ind=2))
        history = lake.rows(f"DESCRIBE HISTORY {NAME}")
        assert [step["operationMetrics"].get("numTargetRowsInserted") for step in history if step["version"] == 1] == [
            "2"
        ]
        for step in history:
            if step["version"] > 1:
                assert step["operationMetrics"]["numTargetRowsUpdated"] == "0"
                assert step["operationMetrics"]["numTargetRowsInserted"] == "0"
        assert names() == ["a", "b"]
