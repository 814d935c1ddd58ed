"""The measured shape of the posts: ``distributions.json`` beside this file, aggregates only."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Combination:
    """Placeholders that occur together in one row.

    :param placeholders: ``title``, ``description:<text>``, ``poster_name``, ``follower_count``, ``tag_list``,
        ``image_src``.
    :param downloaded: 1 or 0.
    :param kind: the value of ``is_image_or_video``.
    :param rows: how many of the measured rows have it.
    """

    placeholders: frozenset[str]
    downloaded: int
    kind: str
    rows: int

    @property
    def all_error(self) -> bool:
        """The rows of the made-up user that stands for posts that couldn't be read."""
        return "poster_name" in self.placeholders

    @property
    def description(self) -> str | None:
        """The placeholder that stands for the description, if one does."""
        return next((text.partition(":")[2] for text in self.placeholders if text.startswith("description:")), None)


class Weighted:
    """Values in alphabetical order, drawn by weight: the smallest draw gives the first value of the alphabet."""

    def __init__(self, weights: dict[str, int]) -> None:
        self.values = sorted(weights)
        self._sums = list(accumulate(weights[value] for value in self.values))

    def index(self, draw: float) -> int:
        """The position in :attr:`values` of a draw from [0, 1)."""
        return bisect_right(self._sums, int(draw * self._sums[-1]))


class Followers:
    """Follower numbers of users with a like number of posts, as a curve through measured quantiles."""

    def __init__(self, zero_share: float, knots: list[tuple[float, int]]) -> None:
        self._zero = zero_share
        self._shares = [share for share, _ in knots]
        self._values = [value for _, value in knots]

    def at(self, share: float) -> int:
        """The number below which ``share`` (0 to 1) of the users are; only exact arithmetic, alike on every machine."""
        if share < self._zero:
            return 0
        right = min(max(bisect_right(self._shares, share), 1), len(self._shares) - 1)
        low, high = self._shares[right - 1], self._shares[right]
        rise = (share - low) / (high - low)
        return int(self._values[right - 1] + rise * (self._values[right] - self._values[right - 1]))


@dataclass(frozen=True)
class Distributions:
    """All of it; the fields are described in domain terms by the file's own keys."""

    categories: dict[str, int]
    combinations: tuple[Combination, ...]
    posts_per_user: tuple[tuple[int, int], ...]
    followers: dict[str, Followers]
    tag_count: tuple[tuple[int, int], ...]
    countries: Weighted
    first_names: Weighted
    last_names: Weighted

    def followers_of(self, posts: int) -> Followers:
        """The curve for a user with this many posts."""
        return self.followers[band(posts)]


def band(posts: int) -> str:
    """The class of users that followers were measured for: ``1``, ``2``, ``3-5``, ``6-19`` or ``20+`` posts."""
    if posts < 3:
        return str(posts)
    return "3-5" if posts < 6 else "6-19" if posts < 20 else "20+"


@cache
def load() -> Distributions:
    """Read the file, once a process."""
    document: dict[str, Any] = json.loads(
        Path(__file__).with_name("distributions.json").read_text(encoding="utf-8"),
    )
    twice = document["countries_listed_twice"]
    return Distributions(
        categories=document["categories"],
        combinations=tuple(
            Combination(frozenset(entry.pop("placeholders")), **entry) for entry in document["placeholder_combinations"]
        ),
        posts_per_user=tuple((posts, users) for posts, users in document["posts_per_user"]),
        followers={
            name: Followers(entry["zero_share"], [(share, value) for share, value in entry["knots"]])
            for name, entry in document["followers"].items()
        },
        tag_count=tuple((tags, rows) for tags, rows in document["tag_count"]),
        countries=Weighted({name: 2 if name in twice else 1 for name in document["countries"]}),
        first_names=Weighted(document["first_names"]),
        last_names=Weighted(document["last_names"]),
    )
