"""The users: attributes that fall with the number of posts, independently of one another."""

from __future__ import annotations

import statistics
from array import array
from collections import Counter
from datetime import timedelta

import pytest

from emulator.source.distributions import load
from emulator.source.people import JOINED_FROM, JOINED_SECONDS, People

USERS = 6_000


def people(posts: int, seed: int = 1) -> People:
    return People(array("i", [posts] * USERS), seed, load())


@pytest.mark.parametrize("posts", [1, 2, 4, 9])
class TestMinimumOfK:
    """For k uniform draws the least is at 1 / (k + 1) of the range on average."""

    def test_latitude(self, posts: int) -> None:
        assert statistics.mean(people(posts).latitudes) == pytest.approx(-90 + 180 / (posts + 1), abs=2.5)

    def test_longitude(self, posts: int) -> None:
        assert statistics.mean(people(posts).longitudes) == pytest.approx(-180 + 360 / (posts + 1), abs=5)

    def test_age(self, posts: int) -> None:
        share = [(1 - n / 41) ** posts for n in range(1, 41)]
        assert statistics.mean(people(posts).ages) == pytest.approx(20 + sum(share), abs=0.6)

    def test_joining(self, posts: int) -> None:
        assert statistics.mean(people(posts).joined) == pytest.approx(JOINED_SECONDS / (posts + 1), rel=0.05)

    def test_country(self, posts: int) -> None:
        found = people(posts)
        first = sum(found.place(user)[2] == "Afghanistan" for user in range(USERS)) / USERS
        assert first == pytest.approx(1 - (1 - 1 / 245) ** posts, abs=0.006)

    def test_names(self, posts: int) -> None:
        found = people(posts)
        shape = load().first_names
        early = sum(found.person(user)[0] < "C" for user in range(USERS)) / USERS
        alone = sum(shape.values[shape.index(n / 50_000)] < "C" for n in range(50_000)) / 50_000
        assert early == pytest.approx(1 - (1 - alone) ** posts, abs=0.03)


class TestIndependence:
    def test_attributes_do_not_correlate(self) -> None:
        found = people(3)
        columns = [found.latitudes, found.longitudes, found.ages, found.joined, found.countries, found.last_names]
        for number, one in enumerate(columns):
            for other in columns[number + 1 :]:
                assert abs(statistics.correlation(list(one), list(other))) < 0.06

    def test_an_attribute_does_not_depend_on_the_others_being_drawn(self) -> None:
        assert people(2).ages == people(2).ages
        assert people(2).ages != people(2, seed=2).ages


class TestPerson:
    def test_a_person(self) -> None:
        found = people(1)
        first, last, age, joined = found.person(17)
        assert first.isascii()
        assert last.isascii()
        assert 20 <= age <= 60
        assert JOINED_FROM <= joined < JOINED_FROM + timedelta(days=730)
        assert joined.microsecond == 0

    def test_places_have_six_digits(self) -> None:
        found = people(1)
        for user in range(500):
            latitude, longitude, _ = found.place(user)
            assert len(str(abs(latitude)).replace(".", "").lstrip("0")) <= 6
            assert len(str(abs(longitude)).replace(".", "").lstrip("0")) <= 6


class TestFollowers:
    def test_users_of_each_age_are_spread_over_the_whole_curve(self) -> None:
        found = people(1)
        by_age = [
            statistics.median(found.followers[user] for user in range(USERS) if low <= found.ages[user] < low + 10)
            for low in (20, 30, 40, 50)
        ]
        assert all(middle == pytest.approx(3_000, rel=0.12) for middle in by_age)

    def test_few_have_two_counts_and_they_are_neighbours(self) -> None:
        found = people(2)
        assert len(found.restless) == round(USERS * 0.0034)
        for user in range(USERS):
            now, later = found.follower_text(user), found.follower_text(user, later=True)
            if user in found.restless:
                assert (now[-1], later[-1]) == ("k", "k")
                assert int(later[:-1]) == int(now[:-1]) + 1 <= 991
            else:
                assert now == later

    def test_a_user_with_one_post_has_one_count(self) -> None:
        assert people(1).restless == frozenset()

    def test_numbers_spread_over_all_forms(self) -> None:
        found = people(20)
        forms = Counter(found.follower_text(user)[-1] for user in range(USERS))
        assert forms["M"] / USERS == pytest.approx(0.23, abs=0.06)
        assert forms["k"] / USERS == pytest.approx(0.76, abs=0.06)
