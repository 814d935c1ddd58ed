"""The users: poster, person and place are one thing, and posting more makes each attribute smaller.

For a user with k posts, k ordinary rows were drawn and each attribute took its own minimum; so do we.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from emulator.source.distributions import Distributions, band
from emulator.source.streams import stream

JOINED_FROM = datetime.fromisoformat("2015-10-21")
JOINED_SECONDS = int(timedelta(days=730).total_seconds())
YOUNGEST, OLDEST = 20, 60
MILLIONS = (1, 2, 3, 4, 5, 6, 8, 15)
GOLDEN = 0.6180339887498949
"""Steps of this size around a circle of 1 never bunch."""
NEIGHBOURS = 0.0034
"""The part of the users whose posts show two neighbouring follower counts."""


class People:
    """The attributes of all users, a few bytes each, by the user's number."""

    def __init__(self, sizes: array[int], seed: int, shape: Distributions) -> None:
        def smallest(purpose: str, number: Callable[[float], float], kind: str) -> array[float]:
            return _minima(sizes, stream(seed, f"people/{purpose}"), number, kind)

        self._shape = shape
        self.ages = smallest("age", lambda u: YOUNGEST + int(u * (OLDEST - YOUNGEST + 1)), "b")
        self.first_names = smallest("first_name", shape.first_names.index, "i")
        self.last_names = smallest("last_name", shape.last_names.index, "i")
        self.countries = smallest("country", shape.countries.index, "i")
        self.latitudes = smallest("latitude", lambda u: float(f"{u * 180 - 90:.6g}"), "d")
        self.longitudes = smallest("longitude", lambda u: float(f"{u * 360 - 180:.6g}"), "d")
        self.joined = smallest("joined", lambda u: int(u * JOINED_SECONDS), "i")
        self.followers = _followers(sizes, self.ages, stream(seed, "people/followers"), shape)
        self.restless = _restless(sizes, self.followers, stream(seed, "people/restless"))

    def place(self, user: int) -> tuple[float, float, str]:
        """Latitude and longitude in degrees, and the country."""
        country = self._shape.countries.values[int(self.countries[user])]
        return self.latitudes[user], self.longitudes[user], country

    def person(self, user: int) -> tuple[str, str, int, datetime]:
        """First name, last name, age in years and the moment of joining."""
        return (
            self._shape.first_names.values[int(self.first_names[user])],
            self._shape.last_names.values[int(self.last_names[user])],
            int(self.ages[user]),
            JOINED_FROM + timedelta(seconds=int(self.joined[user])),
        )

    def follower_text(self, user: int, later: bool = False) -> str:
        """The follower count in its form: ``437``, ``5k``, ``2M``.

        :param later: the neighbouring count, for the few users that have two.
        """
        text = follower_text(int(self.followers[user]))
        return f"{int(text[:-1]) + 1}k" if later and user in self.restless else text


def follower_text(number: int) -> str:
    """A number in the forms that were seen: below 971 as it is, up to ``991k`` in thousands, else in millions."""
    if number < 1_000:
        return str(min(number, 970))
    if number < 995_000:
        return f"{min((number + 500) // 1_000, 991)}k"
    return f"{min(MILLIONS, key=lambda millions: abs(millions * 1_000_000 - number))}M"


def _minima(sizes: array[int], random: Random, number: Callable[[float], float], kind: str) -> array[float]:
    draw = random.random
    return array(kind, (number(draw() if size < 2 else min(draw() for _ in range(size))) for size in sizes))


def _followers(sizes: array[int], ages: array[float], random: Random, shape: Distributions) -> array[int]:
    """One number a user, from the curve of users with as many posts.

    Users of like age are spread evenly over the curve, so that chance doesn't hide how medians fall with age.
    """
    groups: defaultdict[str, array[int]] = defaultdict(lambda: array("i"))
    for user, size in enumerate(sizes):
        groups[band(max(size, 1))].append(user)
    numbers = array("i", bytes(4 * len(sizes)))
    for name in sorted(groups):
        random.shuffle(groups[name])
        start = random.random()
        for rank, user in enumerate(sorted(groups[name], key=ages.__getitem__)):
            numbers[user] = shape.followers[name].at((start + rank * GOLDEN) % 1)
    return numbers


def _restless(sizes: array[int], followers: array[int], random: Random) -> frozenset[int]:
    able = [user for user, size in enumerate(sizes) if user and size > 1 and 1_000 <= followers[user] < 990_000]
    return frozenset(random.sample(able, min(len(able), round(len(sizes) * NEIGHBOURS))))
