"""Offsets as JSON, and which shards may be read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sandbox.databricks.kinesis.client import LONGEST_WAIT, Shard, backoff
from sandbox.databricks.kinesis.lineage import beginning, readable
from sandbox.databricks.kinesis.offsets import Offset, Position, StreamPosition, read_offset

POSITIONS = some.builds(
    Position,
    some.none() | some.integers(0, 10**56).map(str),
    some.integers(0, 2**53),
    some.integers(0, 2**40),
    some.booleans(),
)
STREAMS = some.builds(StreamPosition, some.integers(0, 2**53), some.dictionaries(some.text(min_size=1), POSITIONS))
OFFSETS = some.builds(
    Offset,
    some.sampled_from(["TRIM_HORIZON", "AT_TIMESTAMP:5"]),
    some.dictionaries(some.text(), STREAMS),
    some.booleans(),
)


class TestOffset:
    @given(OFFSETS)
    def test_survives_the_checkpoint(self, offset: Offset) -> None:
        text = json.dumps(offset.document())
        assert read_offset(json.loads(text)) == offset
        assert json.dumps(read_offset(json.loads(text)).document()) == text

    def test_the_order_of_streams_and_shards_does_not_matter(self) -> None:
        first, second = Position("1", 5), Position("2", 6)
        one = Offset("TRIM_HORIZON", {"a": StreamPosition(1, {"x": first, "y": second}), "b": StreamPosition(2)})
        other = Offset("TRIM_HORIZON", {"b": StreamPosition(2), "a": StreamPosition(1, {"y": second, "x": first})})
        assert json.dumps(one.document()) == json.dumps(other.document())

    def test_is_behind_as_far_as_its_last_shard(self) -> None:
        shards = {"x": Position("1", 5, 20), "y": Position("1", 5, 70)}
        offset = Offset("TRIM_HORIZON", {"a": StreamPosition(1, shards), "b": StreamPosition(1, {"x": Position()})})
        assert offset.document()["maxMsBehindLatest"] == 70
        assert Offset("TRIM_HORIZON").document()["maxMsBehindLatest"] == 0

    def test_sequence_numbers_are_numbers(self) -> None:
        assert Position("9" * 55).number < Position("1" + "0" * 55).number
        assert Position(None).number < Position("0").number


def shard(name: str, *parents: str) -> Shard:
    return Shard(name, parents, "0", None)


READ, UNREAD = Position("5", 1, 0, finished=True), Position("5", 1)


class TestLineage:
    @pytest.mark.parametrize(
        ("shards", "positions", "expected"),
        [
            ([shard("a"), shard("b")], {}, ["a", "b"]),
            ([shard("a"), shard("b", "a"), shard("c", "a")], {}, ["a"]),
            ([shard("a"), shard("b", "a")], {"a": UNREAD, "b": Position()}, ["a"]),
            ([shard("a"), shard("b", "a"), shard("c", "b")], {"a": READ}, ["b"]),
            ([shard("a"), shard("b"), shard("c", "a", "b")], {"a": READ, "b": UNREAD}, ["b"]),
            ([shard("a"), shard("b"), shard("c", "a", "b")], {"a": READ, "b": READ}, ["c"]),
            ([shard("c", "a", "b")], {"a": READ}, ["c"]),
            ([shard("b"), shard("c", "a", "b")], {"b": READ}, ["c"]),
            ([shard("a")], {"a": READ}, []),
            ([], {}, []),
        ],
    )
    def test_parents_first(self, shards: list[Shard], positions: dict[str, Position], expected: list[str]) -> None:
        assert readable(shards, positions) == expected

    def test_a_child_begins_where_its_parents_were_last_looked_at(self) -> None:
        positions = {"a": Position("5", 100, 0, finished=True), "b": Position("6", 70), "z": Position("7", 10)}
        assert beginning(shard("c", "a", "b"), positions, 900) == Position(None, 70)
        assert beginning(shard("c", "gone"), positions, 900) == Position(None, 10)
        assert beginning(shard("c"), {}, 900) == Position(None, 900)


@given(some.integers(0, 10_000))
def test_waits_grow_to_a_limit_and_differ(attempt: int) -> None:
    waits = {backoff(attempt) for _ in range(5)}
    assert all(0.04 < wait <= LONGEST_WAIT for wait in waits)
    assert len(waits) > 1
