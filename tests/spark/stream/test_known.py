"""Which records change a table: plain Python, no Spark."""

from __future__ import annotations

import pytest

from include.spark.stream.known import Arrival, Known, Post

SECOND = 1_000_000


def arrival(ind: int | None, sequence: int, content: int = 1, *, shard: str = "s-0", second: float = 0) -> Arrival:
    return Arrival("pin", shard, sequence, round(second * SECOND), ind, content)


def places(*sequences: int, shard: str = "s-0") -> dict[str, set[str]]:
    return {"pin": {f"pin/{shard}/{sequence}" for sequence in sequences}} if sequences else {}


def test_first_copies_are_appended_once_a_post_with_the_newest_content() -> None:
    plan = Known().plan([arrival(7, 1, 10), arrival(8, 2), arrival(7, 3, 11)])
    assert (plan.append, plan.update) == (places(2, 3), {})
    assert plan.arrived == places(1, 2, 3)


def test_equal_copies_change_no_clean_table() -> None:
    known = Known()
    known.plan([arrival(7, 1)])
    plan = known.plan([arrival(7, 2), arrival(7, 3)])
    assert (plan.append, plan.update, plan.arrived) == ({}, {}, places(2, 3))


def test_another_content_updates() -> None:
    known = Known()
    known.plan([arrival(7, 1, 10)])
    assert known.plan([arrival(7, 2, 11)]).update == places(2)
    assert known.plan([arrival(7, 3, 10)]).update == places(3)


@pytest.mark.parametrize("content", [10, 11, 12])
def test_an_older_copy_changes_nothing(content: int) -> None:
    known = Known()
    known.plan([arrival(7, 5, 10, shard="s-1")])
    plan = known.plan([arrival(7, 4, content)])
    assert (plan.append, plan.update, plan.arrived) == ({}, {}, places(4))


def test_sequence_numbers_are_numbers() -> None:
    known = Known()
    known.plan([arrival(7, 9, 10)])
    assert known.plan([arrival(7, 10, 11)]).update == places(10)


def test_what_arrived_before_is_not_written_again() -> None:
    known = Known(written={("pin", "s-0"): 2}, rejected={("pin", "s-0"): 4}, posts={"pin": {7: Post(2, 1)}})
    plan = known.plan([arrival(7, 1), arrival(7, 2), arrival(8, 3), arrival(None, 4), arrival(None, 5)])
    assert (plan.arrived, plan.append, plan.quarantined) == (places(3), places(3), places(5))


class TestLate:
    def test_two_minutes_behind_its_own_shard(self) -> None:
        known = Known()
        known.plan([arrival(1, 1, second=1000)])
        plan = known.plan([arrival(2, 2, second=880), arrival(3, 3, second=879.9)])
        assert plan.late == places(3)
        assert plan.arrived == places(2, 3)

    def test_other_shards_say_nothing(self) -> None:
        known = Known()
        known.plan([arrival(1, 1, second=1000)])
        assert known.plan([arrival(2, 2, shard="s-1", second=10)]).late == {}

    def test_the_same_micro_batch_says_nothing(self) -> None:
        assert Known().plan([arrival(1, 1, second=1000), arrival(2, 2, second=10)]).late == {}
