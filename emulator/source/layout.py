"""Which row belongs to which category, placeholder combination and user."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from emulator.source.distributions import Distributions
from emulator.source.streams import apportion, stream

FAITHFUL = 0.815
"""The chance that a post of a user with several goes to the user's own category (82% of them end up in one)."""
LARGEST_SHARE = 0.05
"""No user has more than this part of all posts, so that small tables aren't one user's."""


@dataclass(frozen=True)
class Layout:
    """The plan of a table of posts; rows are numbered from 0 and sorted by category.

    :param category_ends: for each category, in alphabetical order, the row after its last.
    :param combination: for each row, the position in ``Distributions.combinations``.
    :param owner: for each row, the user's number.
    :param sizes: for each user, the number of posts; user 0 is the made-up one of the unreadable posts.
    """

    category_ends: tuple[int, ...]
    combination: bytearray
    owner: array[int]
    sizes: array[int]


def plan(posts: int, seed: int, shape: Distributions) -> Layout:
    """Plan a table of ``posts`` rows; memory is a few bytes a row."""
    ends = tuple(accumulate(apportion(list(shape.categories.values()), posts)))
    combination = _combinations(posts, seed, shape)
    errors = bytes(combo.all_error for combo in shape.combinations)
    unreadable = sum(errors[value] for value in combination)
    sizes = array("i", [unreadable, *_sizes(posts - unreadable, seed, shape)])
    owner = array("i", bytes(4 * posts))
    slots = [
        array("i", (row for row in range(start, end) if not errors[combination[row]]))
        for start, end in zip((0, *ends), ends, strict=False)
    ]
    _assign(owner, sizes, slots, stream(seed, "layout/owner"))
    return Layout(ends, combination, owner, sizes)


def _combinations(posts: int, seed: int, shape: Distributions) -> bytearray:
    counts = apportion([combo.rows for combo in shape.combinations], posts, least=1)
    values = bytearray()
    for index, count in enumerate(counts):
        values += bytes([index]) * count
    stream(seed, "layout/combination").shuffle(values)
    return values


def _sizes(posts: int, seed: int, shape: Distributions) -> Iterator[int]:
    """Numbers of posts of the users, the largest first; the measured table, stretched to ``posts``."""
    random = stream(seed, "layout/sizes")
    measured = sum(size * users for size, users in shape.posts_per_user)
    largest = max(1, int(posts * LARGEST_SHARE))
    left = posts
    for size, users in sorted(shape.posts_per_user, reverse=True):
        wanted = int(users * posts / measured + random.random())
        for _ in range(wanted if 1 < size <= largest else 0):
            if left >= size:
                left -= size
                yield size
    yield from (1 for _ in range(left))


def _assign(owner: array[int], sizes: array[int], slots: list[array[int]], random: Random) -> None:
    for free in slots:
        random.shuffle(free)
    left = [len(free) for free in slots]
    user = 1
    while user < len(sizes) and sizes[user] > 1:
        home = _category(left, random)
        for _ in range(sizes[user]):
            category = home if left[home] and random.random() < FAITHFUL else _category(left, random)
            left[category] -= 1
            owner[slots[category].pop()] = user
        user += 1
    rest = array("i", (row for free in slots for row in free))
    random.shuffle(rest)
    for number, row in enumerate(rest, user):
        owner[row] = number


def _category(left: list[int], random: Random) -> int:
    """A category, drawn by the rows it still has."""
    draw = random.randrange(sum(left))
    for category, rows in enumerate(left):
        draw -= rows
        if draw < 0:
            return category
    raise AssertionError("unreachable: the draw is below the sum")
