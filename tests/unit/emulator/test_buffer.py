"""When posts go together, by a clock of the test's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from emulator.ledger import Path
from emulator.post.buffer import BODY_MOST, Buffer
from emulator.post.options import EmulatorOptions
from emulator.post.pacing import Pacer
from emulator.post.reader import Post


def posts(count: int, size: int = 10) -> Iterator[tuple[Post, int]]:
    for ind in range(count):
        yield Post(ind, b"p" * size, b"geo", b"user"), ind * 1_000


def buffer(
    count: int,
    rate: float | Literal["human"] | None = None,
    settled: dict[tuple[Path, str], Counter[int]] | None = None,
    size: int = 10,
    **changes: Any,
) -> Buffer:
    options = EmulatorOptions("sqlite://", "http://h/dev", **{"batch_size": 4, "linger": 0.05, **changes})
    return Buffer(options, posts(count, size), Pacer(rate, 100.0, 1), settled or {})


def taken(one: Buffer) -> list[int]:
    return [record.ind for record in one.take()[0][2]]


class TestAsFastAsItGoes:
    def test_full_batches_and_a_rest(self) -> None:
        one = buffer(10)
        found = []
        while one.fill(100.0):
            found.append(taken(one))
        assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        assert one.done

    def test_it_is_filled_only_as_far_as_it_is_sent(self) -> None:
        source = posts(1_000)
        options = EmulatorOptions("sqlite://", "http://h/dev", batch_size=4)
        one = Buffer(options, source, Pacer(None, 0.0, 1), {})
        for _ in range(5):
            assert one.fill(1.0)
        assert len(one.posts) == 4
        assert next(source)[0].ind == 4

    def test_large_rows_are_sent_in_smaller_batches(self) -> None:
        one = buffer(5, size=BODY_MOST // 2)
        sizes = []
        while one.fill(100.0):
            sizes.append(len(taken(one)))
        assert sizes == [2, 2, 1]

    def test_a_row_that_is_too_large_goes_alone(self) -> None:
        one = buffer(2, size=BODY_MOST + 1)
        assert one.fill(100.0)
        assert taken(one) == [0]

    def test_nothing_at_all(self) -> None:
        one = buffer(0)
        assert not one.fill(100.0)
        assert one.done


class TestPaced:
    def test_posts_wait_for_their_time(self) -> None:
        one = buffer(10, rate=10)
        assert not one.fill(99.9)
        assert one.posts == []
        assert one.due == 100.0

    def test_the_first_waits_for_company_as_long_as_it_may(self) -> None:
        one = buffer(10, rate=100)
        assert not one.fill(100.0)
        assert len(one.posts) == 1
        assert not one.fill(100.021)
        assert len(one.posts) == 3
        assert one.due == pytest.approx(100.03)
        assert one.fill(100.0501)
        assert taken(one) == [0, 1, 2, 3]

    def test_due_is_the_end_of_the_wait_when_the_next_post_is_later(self) -> None:
        one = buffer(10, rate=2)
        one.fill(100.0)
        assert one.due == pytest.approx(100.05)
        assert one.fill(100.06)
        taken(one)
        assert one.due == pytest.approx(100.5)

    def test_an_open_loop_catches_up(self) -> None:
        one = buffer(40, rate=10)
        assert one.fill(102.0)
        found = []
        while one.fill(102.1):
            found += taken(one)
        assert found == list(range(20))
        assert [post.ind for post, _ in one.posts] == [20, 21]

    def test_the_last_does_not_wait(self) -> None:
        one = buffer(1, rate=10)
        one.fill(100.0)
        assert one.fill(100.1)
        assert taken(one) == [0]
        assert one.done

    def test_people(self) -> None:
        one = buffer(3, rate="human")
        one.fill(100.0)
        assert one.fill(100.06)
        assert taken(one) == [0]
        assert 100.0 < one.due <= 102.0


class TestTake:
    def test_records_by_table_with_topic_and_time(self) -> None:
        one = buffer(2, prefix="mine")
        one.fill(100.0)
        found = one.take()
        assert [(table, topic) for table, topic, _, _ in found] == [
            ("pin", "mine.pin"),
            ("geo", "mine.geo"),
            ("user", "mine.user"),
        ]
        assert [tuple(record) for record in found[1][2]] == [(0, b"geo", 0), (1, b"geo", 1_000)]
        assert one.posts == []

    def test_settled_records_are_left_out_as_often_as_they_are_settled(self) -> None:
        options = EmulatorOptions("sqlite://", "http://h/dev", batch_size=10)
        again = [entry for _ in range(3) for entry in posts(2)]
        settled = {(Path.BATCH, "pin"): Counter({0: 2}), (Path.BATCH, "geo"): Counter({0: 1, 1: 3})}
        one = Buffer(options, iter(again), Pacer(None, 0.0, 1), settled)
        one.fill(1.0)
        found = {table: [record.ind for record in records] for table, _, records, _ in one.take()}
        assert found == {"pin": [1, 1, 0, 1], "geo": [0, 0], "user": [0, 1, 0, 1, 0, 1]}

    def test_tables_without_records_are_left_out(self) -> None:
        settled = {(Path.BATCH, name): Counter({0: 1}) for name in ("pin", "geo")}
        one = buffer(1, settled=settled)
        one.fill(100.0)
        assert [table for table, _, _, _ in one.take()] == ["user"]


class TestPaths:
    def test_both_in_the_same_round(self) -> None:
        one = buffer(2, target="both", prefix="mine")
        one.fill(100.0)
        found = one.take()
        assert [(path, table, topic) for table, topic, _, path in found] == [
            ("batch", "pin", "mine.pin"), ("batch", "geo", "mine.geo"), ("batch", "user", "mine.user"),
            ("stream", "pin", "streaming-mine-pin"), ("stream", "geo", "streaming-mine-geo"),
            ("stream", "user", "streaming-mine-user"),
        ]  # fmt: skip
        assert [parcel.records for parcel in found[:3]] == [parcel.records for parcel in found[3:]]

    def test_a_stream_gets_five_hundred_at_a_time(self) -> None:
        one = buffer(1_201, target="both", batch_size=2_000)
        one.fill(100.0)
        sizes = Counter((parcel.path, len(parcel.records)) for parcel in one.take())
        assert sizes == {("batch", 1_201): 3, ("stream", 500): 6, ("stream", 201): 3}

    def test_each_path_leaves_out_what_it_settled(self) -> None:
        settled = {(Path.BATCH, "pin"): Counter({0: 1, 1: 1}), (Path.STREAM, "geo"): Counter({1: 1})}
        one = buffer(2, settled=settled, target="both")
        one.fill(100.0)
        found = {(parcel.path, parcel.table): [record.ind for record in parcel.records] for parcel in one.take()}
        assert found == {
            ("batch", "geo"): [0, 1], ("batch", "user"): [0, 1],
            ("stream", "pin"): [0, 1], ("stream", "geo"): [0], ("stream", "user"): [0, 1],
        }  # fmt: skip
