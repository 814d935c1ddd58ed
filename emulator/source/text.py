"""Made-up texts in the form of the real ones: titles, descriptions, names of posters, tags and links."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from emulator.source.distributions import load as load_distributions
from emulator.source.streams import Shuffle, stream

CUT_AT = 180
CUT_END = "\u2026\u00a0"
TITLE_MOST, POSTER_MOST, TAGS_MOST = 199, 268, 254

ACCENTED_TITLES, ACCENTED_DESCRIPTIONS, ACCENTED_POSTERS, ACCENTED_TAGS = 0.095, 0.09, 0.027, 0.0083
EMOJI, QUOTED, PIPED_POSTERS, LONG_POSTERS = 0.0147, 0.0271, 0.155, 0.01
LONGER_TITLES = 0.2
ENDINGS = (("jpg", 0.82), ("png", 0.97), ("webp", 0.985), ("gif", 1.0))


@cache
def vocabulary() -> dict[str, Any]:
    """The words: ``vocabulary.json`` beside this file, written for this generator."""
    words: dict[str, Any] = json.loads(Path(__file__).with_name("vocabulary.json").read_text(encoding="utf-8"))
    return words


class Writer:
    """Writes the texts of one table; each kind of text has a random stream of its own."""

    def __init__(self, seed: int) -> None:
        self._words = vocabulary()
        self._titles = stream(seed, "text/title")
        self._descriptions = stream(seed, "text/description")
        self._tags = stream(seed, "text/tags")
        self._links = stream(seed, "text/links")
        self._ids = stream(seed, "text/ids")
        counts = load_distributions().tag_count
        self._tag_counts = [count for count, rows in counts for _ in range(rows)]

    def unique_id(self) -> str:
        """A lower-case UUID of the random kind."""
        bits = self._ids.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | 0x4 << 76 | 0x2 << 62
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def title(self, category: str) -> str:
        """A title; some have accents, quotes or emoji, and none an outer blank or a newline."""
        random = self._titles
        text = self._phrase(random, _pick(random, self._words["titles"]), category)
        while random.random() < LONGER_TITLES:
            text = f"{text} - {self._phrase(random, _pick(random, self._words['titles']), category)}"
        if random.random() < ACCENTED_TITLES:
            text = f"{text} {_pick(random, self._words['accented'])}"
        return self._adorn(random, text[:1].upper() + text[1:])[:TITLE_MOST]

    def description(self, category: str) -> str:
        """One to five sentences; what goes beyond 180 characters is cut as the real ones are."""
        random = self._descriptions
        count = 1 + int(random.random() * 5)
        text = " ".join(self._phrase(random, _pick(random, self._words["sentences"]), category) for _ in range(count))
        if random.random() < ACCENTED_DESCRIPTIONS:
            text = f"{_pick(random, self._words['accented'])}: {text}"
        text = self._adorn(random, text)
        return text if len(text) <= CUT_AT else text[: CUT_AT - len(CUT_END)] + CUT_END

    def tags(self, category: str) -> str:
        """Nearly always nine tags, joined by commas without blanks."""
        random = self._tags
        names = random.sample(self._words["categories"][category]["tags"], _pick(random, self._tag_counts))
        if random.random() < ACCENTED_TAGS:
            names[0] = _pick(random, self._words["tag_accents"])
        return ",".join(names)[:TAGS_MOST]

    def link(self, kind: str) -> str:
        """The address of the picture, or of a video's thumbnail."""
        random = self._links
        name = f"{random.getrandbits(128):032x}"
        path = f"{name[:2]}/{name[2:4]}/{name[4:6]}/{name}"
        if kind != "image":
            return f"https://i.pinimg.com/videos/thumbnails/originals/{path}.0000000.jpg"
        draw = random.random()
        ending = next(ending for ending, share in ENDINGS if draw < share)
        return f"https://i.pinimg.com/originals/{path}.{ending}"

    def _phrase(self, random: Random, form: str, category: str) -> str:
        words = self._words["categories"][category]
        return form.format(
            thing=_pick(random, words["things"]),
            look=_pick(random, words["looks"]),
            act=_pick(random, words["acts"]),
            n=3 + int(random.random() * 40),
        )

    def _adorn(self, random: Random, text: str) -> str:
        draw = random.random()
        if draw < EMOJI / 2:
            return f"{_pick(random, self._words['emoji'])} {text}"
        if draw < EMOJI / 2 + QUOTED / 2:
            first, _, rest = text.partition(" ")
            return f'"{first}" {rest}'
        return text


class Posters:
    """The names of the posters: each user's own, no two alike, worked out from the user's number alone."""

    def __init__(self, users: int, seed: int) -> None:
        words = vocabulary()
        self._first, self._second, self._third = (words[f"poster_{part}"] for part in ("first", "second", "third"))
        self._taglines, self._accents = words["poster_taglines"], words["poster_accents"]
        self._names = len(self._first) * len(self._second) * len(self._third)
        self._order = Shuffle(self._names, stream(seed, "posters/order"))
        self._style = Shuffle(max(users, 2), stream(seed, "posters/style"))
        self._users = max(users, 2)

    def name(self, user: int) -> str:
        """The name of a user's account, up to 268 characters."""
        number = self._order(user % self._names)
        number, first = divmod(number, len(self._first))
        third, second = divmod(number, len(self._second))
        text = f"{self._first[first]} {self._second[second]} {self._third[third]}"
        if user >= self._names:
            text = f"{text} {user // self._names + 1}"
        return self._styled(text, self._style(user) / self._users, user)[:POSTER_MOST]

    def _styled(self, text: str, share: float, user: int) -> str:
        if share < LONG_POSTERS:
            return f"{text} | " + " | ".join(self._taglines[(user + i) % len(self._taglines)] for i in range(9))
        if share < PIPED_POSTERS:
            return f"{text} | {self._taglines[user % len(self._taglines)]}"
        if share < PIPED_POSTERS + ACCENTED_POSTERS:
            return f"{text} {self._accents[user % len(self._accents)]}"
        return text


def _pick[T](random: Random, values: list[T]) -> T:
    return values[int(random.random() * len(values))]
