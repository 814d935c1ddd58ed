"""Rows of the three tables in the shape of the real ones. The texts are made up; no real row is anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from emulator.source.distributions import Combination, Distributions, load
from emulator.source.layout import Layout, plan
from emulator.source.people import People
from emulator.source.streams import Shuffle, apportion, stream
from emulator.source.text import Posters, Writer

VERSION = 1
"""Changes when the same seed gives other rows than before."""
POSTED_FROM = datetime.fromisoformat("2017-10-19 15:13:00")
POSTED_TO = datetime.fromisoformat("2022-10-19 17:54:00")
POSTED_SECONDS = int((POSTED_TO - POSTED_FROM).total_seconds()) + 1
MEASURED_ROWS = 2_179
ODDITIES = {"blank_title": 1, "newline_title": 4, "padded_title": 4, "art": 1, "backslash": 1}
"""Rare values and how many of the measured rows have each."""

type Row = tuple[Any, ...]


@dataclass(frozen=True)
class Chunk:
    """Rows of consecutive keys, in the order of the tables' columns."""

    pin: list[Row]
    geo: list[Row]
    user: list[Row]


def generate(posts: int, seed: int = 100, chunk: int = 1_000) -> Iterator[Chunk]:
    """Make the rows in the order of their keys, from 0.

    The same arguments give the same rows on every machine. Memory: about 60 bytes a post, and one chunk.

    :param posts: how many posts, 1 to 10,000,000.
    :param seed: any whole number.
    :param chunk: posts in each chunk.
    """
    maker = _Maker(posts, seed, load())
    for start in range(0, posts, chunk):
        rows = range(start, min(start + chunk, posts))
        yield Chunk(
            pin=[maker.pin(row) for row in rows],
            geo=[maker.geo(row) for row in rows],
            user=[maker.user(row) for row in rows],
        )


class _Maker:
    def __init__(self, posts: int, seed: int, shape: Distributions) -> None:
        self._layout: Layout = plan(posts, seed, shape)
        self._shape = shape
        self._people = People(self._layout.sizes, seed, shape)
        self._posters = Posters(len(self._layout.sizes), seed)
        self._writer = Writer(seed)
        self._odd = _oddities(self._layout, shape, stream(seed, "oddities"))
        self._times = Shuffle(POSTED_SECONDS, stream(seed, "timestamps"))
        self._later = stream(seed, "later")
        self._categories = list(zip(shape.categories, self._layout.category_ends, strict=True))

    def geo(self, row: int) -> Row:
        posted = POSTED_FROM + timedelta(seconds=self._times(row))
        return (row, posted, *self._people.place(self._layout.owner[row]))

    def user(self, row: int) -> Row:
        return (row, *self._people.person(self._layout.owner[row]))

    def pin(self, row: int) -> Row:
        category = next(name for name, end in self._categories if row < end)
        combo = self._shape.combinations[self._layout.combination[row]]
        poster, followers = self._account(row, combo)
        missing = combo.placeholders
        writer = self._writer
        return (
            row,
            writer.unique_id(),
            "No Title Data Available" if "title" in missing else self._title(row, category),
            combo.description or self._description(row, category),
            poster,
            followers,
            NO_TAGS if "tag_list" in missing else writer.tags(category),
            combo.kind,
            "Image src error." if "image_src" in missing else writer.link(combo.kind),
            combo.downloaded,
            f"Local save in /data/{category}",
            category,
        )

    def _account(self, row: int, combo: Combination) -> tuple[str, str]:
        user = self._layout.owner[row]
        later = self._later.random() < 0.5
        if combo.all_error:
            return "User Info Error", "User Info Error"
        return self._posters.name(user), self._people.follower_text(user, later)

    def _title(self, row: int, category: str) -> str:
        text = self._writer.title(category)
        odd = self._odd.get(row)
        if odd == "newline_title":
            return text.replace(" ", "\n", 1)
        if odd == "padded_title":
            return f" {text} "
        return "" if odd == "blank_title" else text

    def _description(self, row: int, category: str) -> str:
        text = self._writer.description(category)
        odd = self._odd.get(row)
        if odd == "backslash":
            return text.replace(" ", " \\ ", 1)[:180]
        return "Art." if odd == "art" else text


NO_TAGS = ",".join("No Tags Available")


def _oddities(layout: Layout, shape: Distributions, random: Random) -> dict[int, str]:
    """The rows, all without placeholders, that get a rare value."""
    posts = len(layout.combination)
    names = [*ODDITIES, ""]
    counts = apportion([*ODDITIES.values(), MEASURED_ROWS - sum(ODDITIES.values())], posts, least=1)[:-1]
    plain = [i for i, combo in enumerate(shape.combinations) if not combo.placeholders]
    able = [row for row in range(posts) if layout.combination[row] in plain]
    rows = random.sample(able, min(sum(counts), len(able)))
    ends = [0]
    for count in counts:
        ends.append(ends[-1] + count)
    return {row: name for name, (start, end) in zip(names, pairwise(ends), strict=False) for row in rows[start:end]}
