"""The made-up texts, and that nothing real is among them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from emulator.source import text
from emulator.source.distributions import load
from emulator.source.text import CUT_AT, CUT_END, Posters, Writer, vocabulary

CATEGORIES = list(load().categories)
DRAWN = 3_000


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer(100)


class TestVocabulary:
    def test_each_category_has_its_own_words(self) -> None:
        words = vocabulary()["categories"]
        assert sorted(words) == sorted(CATEGORIES)
        seen: Counter[str] = Counter()
        for parts in words.values():
            assert len(parts["things"]) >= 10
            assert len(parts["looks"]) >= 6
            assert len(parts["acts"]) >= 5
            assert len(set(parts["tags"])) >= 12
            seen.update(parts["tags"])
        assert max(seen.values()) == 1

    def test_templates_name_only_what_is_filled_in(self) -> None:
        words = vocabulary()
        for form in (*words["titles"], *words["sentences"]):
            assert set(re.findall(r"{(.*?)}", form)) <= {"look", "thing", "act", "n"}

    def test_no_tag_has_a_comma_and_no_word_a_newline(self) -> None:
        words = vocabulary()
        assert not any("," in tag for parts in words["categories"].values() for tag in parts["tags"])
        assert "\\n" not in json.dumps(words)

    def test_poster_words_are_distinct(self) -> None:
        words = vocabulary()
        for part in ("poster_first", "poster_second", "poster_third"):
            assert len(set(words[part])) == len(words[part])

    def test_the_kept_aggregates_hold_no_rows(self) -> None:
        content = json.loads((Path(text.__file__).parent / "distributions.json").read_text(encoding="utf-8"))
        assert set(content) == {
            "about", "categories", "placeholder_combinations", "posts_per_user", "followers", "tag_count", "countries",
            "countries_listed_twice", "first_names", "last_names",
        }  # fmt: skip
        assert "http" not in json.dumps(content)


class TestTitles:
    def test_they_are_clean_and_varied(self, writer: Writer) -> None:
        titles = [writer.title(CATEGORIES[n % 13]) for n in range(DRAWN)]
        assert all(title == title.strip() and "\n" not in title and "{" not in title for title in titles)
        assert all(1 <= len(title) <= 199 for title in titles)
        assert len(set(titles)) > DRAWN * 0.8
        assert all(title[0].isupper() or not title[0].isalpha() for title in titles if title.isascii())

    def test_words_are_those_of_the_category(self, writer: Writer) -> None:
        words = vocabulary()["categories"]
        for category in CATEGORIES:
            own = {*words[category]["things"], *words[category]["acts"]}
            title = writer.title(category).lower()
            assert any(word in title for word in own)


class TestDescriptions:
    def test_lengths_and_cuts(self, writer: Writer) -> None:
        texts = [writer.description("art") for _ in range(DRAWN)]
        assert all(len(one) <= CUT_AT for one in texts)
        cut = [one for one in texts if one.endswith(CUT_END)]
        assert all(len(one) == CUT_AT for one in cut)
        assert all("\u2026" not in one for one in texts if one not in cut)
        assert 0.25 < len(cut) / DRAWN < 0.5

    def test_none_is_taken_for_a_placeholder(self, writer: Writer) -> None:
        texts = {writer.description("travel") for _ in range(DRAWN)}
        assert not any(one.startswith("No description") or one in ("Untitled", "Art.", "") for one in texts)


class TestTagsAndLinks:
    def test_tags_of_a_row_are_distinct(self, writer: Writer) -> None:
        for _ in range(500):
            tags = writer.tags("quotes").split(",")
            assert len(set(tags)) == len(tags)

    def test_kinds_of_links(self, writer: Writer) -> None:
        assert "/videos/thumbnails/" in writer.link("video")
        assert "/videos/thumbnails/" in writer.link("multi-video(story page format)")
        endings = Counter(writer.link("image").rpartition(".")[2] for _ in range(DRAWN))
        assert endings["jpg"] / DRAWN == pytest.approx(0.82, abs=0.03)
        assert set(endings) == {"jpg", "png", "webp", "gif"}

    def test_links_are_never_alike(self, writer: Writer) -> None:
        assert len({writer.link("image") for _ in range(DRAWN)}) == DRAWN


class TestPosters:
    @pytest.mark.parametrize("users", [1, 2, 50, 5_000])
    def test_each_user_has_a_name_and_none_the_placeholders(self, users: int) -> None:
        posters = Posters(users, 100)
        names = [posters.name(user) for user in range(users)]
        assert len(set(names)) == users
        assert "User Info Error" not in names
        assert all(name == name.strip() and name for name in names)

    def test_a_name_does_not_depend_on_when_it_is_asked_for(self) -> None:
        posters = Posters(100, 100)
        assert [posters.name(user) for user in (5, 9, 5)] == [posters.name(user) for user in (5, 9, 5)]

    def test_shares_of_the_styles(self) -> None:
        posters = Posters(20_000, 3)
        names = [posters.name(user) for user in range(20_000)]
        assert sum("|" in name for name in names) / 20_000 == pytest.approx(0.155, abs=0.01)
        assert sum(not name.isascii() for name in names) / 20_000 == pytest.approx(0.027, abs=0.005)
        assert sum(len(name) > 120 for name in names) / 20_000 == pytest.approx(0.01, abs=0.003)
