"""The generator's ground: shuffles, shares, weights and curves."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.source.distributions import Followers, Weighted, band, load
from emulator.source.layout import plan
from emulator.source.people import follower_text
from emulator.source.streams import Shuffle, apportion, stream
from emulator.source.text import Posters


class TestShuffle:
    @settings(max_examples=60, deadline=None)
    @given(size=st.integers(1, 3_000), seed=st.integers())
    def test_each_number_once(self, size: int, seed: int) -> None:
        shuffle = Shuffle(size, Random(seed))
        assert sorted(map(shuffle, range(size))) == list(range(size))

    def test_it_does_shuffle(self) -> None:
        numbers = [Shuffle(10_000, Random(1))(position) for position in range(10_000)]
        assert sum(a == b for a, b in zip(numbers, range(10_000), strict=True)) < 10
        neighbours = sum(abs(a - b) < 100 for a, b in pairwise(numbers))
        assert neighbours == pytest.approx(200, abs=100)


class TestApportion:
    @given(weights=st.lists(st.integers(1, 5_000), min_size=1, max_size=20), total=st.integers(0, 20_000))
    def test_sums_up_and_is_within_one(self, weights: list[int], total: int) -> None:
        parts = apportion(weights, total)
        assert sum(parts) == total
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - weight * total / sum(weights)) < 1

    @given(total=st.integers(100, 5_000))
    def test_the_least_is_kept(self, total: int) -> None:
        parts = apportion([10_000, 1, 1], total, least=1)
        assert sum(parts) == total
        assert min(parts) == 1


class TestStream:
    def test_purposes_are_apart(self) -> None:
        assert stream(1, "a").random() != stream(1, "b").random()
        assert stream(1, "a").random() == stream(1, "a").random()


class TestWeighted:
    def test_draws_follow_weights_in_alphabetical_order(self) -> None:
        weighted = Weighted({"c": 1, "a": 1, "b": 2})
        assert [weighted.values[weighted.index(draw)] for draw in (0, 0.249, 0.25, 0.749, 0.75, 0.999999)] == [
            "a", "a", "b", "b", "c", "c",
        ]  # fmt: skip

    def test_two_countries_are_listed_twice(self) -> None:
        countries = load().countries
        drawn = [countries.values[countries.index((n + 0.5) / 245)] for n in range(245)]
        assert len(set(drawn)) == 243
        assert sorted({name for name in drawn if drawn.count(name) == 2}) == ["Congo", "Korea"]


class TestFollowers:
    def test_the_curve_meets_its_knots(self) -> None:
        curve = Followers(0.1, [(0.1, 5), (0.5, 1_000), (1.0, 2_000)])
        assert [curve.at(share) for share in (0, 0.09, 0.1, 0.3, 0.5, 0.75)] == [0, 0, 5, 502, 1_000, 1_500]

    @pytest.mark.parametrize(("posts", "name"), [(1, "1"), (2, "2"), (3, "3-5"), (5, "3-5"), (6, "6-19"), (20, "20+")])
    def test_bands(self, posts: int, name: str) -> None:
        assert band(posts) == name

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (0, "0"), (437, "437"), (985, "970"), (1_000, "1k"), (12_345, "12k"), (12_500, "13k"), (994_000, "991k"),
            (995_000, "1M"), (1_600_000, "2M"), (6_900_000, "6M"), (7_100_000, "8M"), (12_000_000, "15M"),
        ],
    )  # fmt: skip
    def test_forms(self, number: int, text: str) -> None:
        assert follower_text(number) == text


class TestPosters:
    def test_no_two_are_alike_even_beyond_the_words(self) -> None:
        posters = Posters(405_000, 1)
        chosen = [*range(3_000), *range(400_000, 403_000)]
        names = {posters.name(user) for user in chosen}
        assert len(names) == len(chosen)
        assert max(map(len, names)) <= 268


class TestLayout:
    @settings(max_examples=25, deadline=None)
    @given(posts=st.integers(1, 3_000), seed=st.integers(0, 1_000))
    def test_each_row_has_its_owner(self, posts: int, seed: int) -> None:
        shape = load()
        layout = plan(posts, seed, shape)
        assert len(layout.owner) == len(layout.combination) == layout.category_ends[-1] == posts
        counts = [0] * len(layout.sizes)
        for user in layout.owner:
            counts[user] += 1
        assert counts == list(layout.sizes)
        errors = [row for row in range(posts) if shape.combinations[layout.combination[row]].all_error]
        assert all(layout.owner[row] == 0 for row in errors)
        assert len(errors) == layout.sizes[0]
