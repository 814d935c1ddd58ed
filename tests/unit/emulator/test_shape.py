"""The generated rows against the published numbers (domain.md section 1), for several seeds."""

# ruff: noqa: DTZ001  the times of the source have no zone
from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, ClassVar

import pytest

from emulator.source.generate import generate

POSTS = 11_000
MEASURED = 2_179
ERROR = "User Info Error"
STORY = "No description available Story format"
NO_TAGS = "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"
MULTI = "multi-video(story page format)"
FIRST_KEYS = {
    "art": 0, "beauty": 894, "christmas": 1637, "diy-and-crafts": 2635, "education": 3465, "event-planning": 4330,
    "finance": 5080, "home-decor": 5865, "mens-fashion": 6729, "quotes": 7578, "tattoos": 8483, "travel": 9465,
    "vehicles": 10314,
}  # fmt: skip


@dataclass
class Sample:
    pin: list[tuple[Any, ...]]
    geo: list[tuple[Any, ...]]
    user: list[tuple[Any, ...]]

    def per_measured(self, test: Callable[[tuple[Any, ...]], bool]) -> float:
        """How many of 2,179 rows a test is true for."""
        return sum(map(test, self.pin)) * MEASURED / len(self.pin)

    def who(self, row: int) -> tuple[Any, ...]:
        return self.user[row][1:]


@pytest.fixture(scope="module", params=[100, 7, 20_251])
def rows(request: pytest.FixtureRequest) -> Sample:
    made = Sample([], [], [])
    for chunk in generate(POSTS, request.param):
        made.pin += chunk.pin
        made.geo += chunk.geo
        made.user += chunk.user
    return made


def followers(text: str) -> int:
    return int(text[:-1]) * {"k": 1_000, "M": 1_000_000}[text[-1]] if text[-1] in "kM" else int(text)


def age_group(age: int) -> str:
    return "18-24" if age <= 24 else "25-35" if age <= 35 else "36-50" if age <= 50 else "+50"


def medians(rows: Sample, chosen: list[int], group: Callable[[int], Any]) -> dict[Any, float]:
    """Median followers over the distinct users (name, age, joined, followers) of some rows, by group."""
    found: defaultdict[Any, set[tuple[Any, ...]]] = defaultdict(set)
    for row in chosen:
        if rows.pin[row][5] != ERROR:
            found[group(row)].add((*rows.who(row), followers(rows.pin[row][5])))
    return {name: statistics.median(user[-1] for user in users) for name, users in found.items()}


class TestKeysAndColumns:
    def test_keys_run_from_0(self, rows: Sample) -> None:
        for table in (rows.pin, rows.geo, rows.user):
            assert [row[0] for row in table] == list(range(POSTS))

    def test_unique_ids(self, rows: Sample) -> None:
        ids = {row[1] for row in rows.pin}
        assert len(ids) == POSTS
        pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
        assert all(pattern.fullmatch(one) for one in ids)

    def test_save_location_follows_the_category(self, rows: Sample) -> None:
        assert all(row[10] == f"Local save in /data/{row[11]}" for row in rows.pin)


class TestCategories:
    def test_unbroken_blocks_in_order(self, rows: Sample) -> None:
        names = [row[11] for row in rows.pin]
        assert names == sorted(names)
        assert sorted(set(names)) == list(FIRST_KEYS)

    def test_each_has_its_share(self, rows: Sample) -> None:
        counts = Counter(row[11] for row in rows.pin)
        assert all(0.065 <= count / POSTS <= 0.10 for count in counts.values())

    def test_blocks_begin_where_they_do(self, rows: Sample) -> None:
        first: dict[str, int] = {}
        for row in rows.pin:
            first.setdefault(row[11], row[0])
        # The real table has at least 11,101 rows, so that shares put each start up to 1% earlier.
        for name, start in FIRST_KEYS.items():
            assert start * 0.985 - 12 <= first[name] <= start + 12


class TestPlaces:
    def test_ranges_and_six_digits(self, rows: Sample) -> None:
        for _, _, latitude, longitude, _ in rows.geo:
            assert -90 <= latitude <= 90
            assert -180 <= longitude <= 180
            assert latitude == float(f"{latitude:.6g}")
            assert longitude == float(f"{longitude:.6g}")

    def test_times_are_distinct_over_five_years_without_trend(self, rows: Sample) -> None:
        times = [row[1] for row in rows.geo]
        assert len(set(times)) == POSTS
        assert all(one.microsecond == 0 for one in times)
        assert datetime(2017, 10, 19, 15, 13) <= min(times) <= datetime(2017, 11, 1)
        assert datetime(2022, 10, 6) <= max(times) <= datetime(2022, 10, 19, 17, 54)
        years = Counter(one.year for one in times)
        assert all(2_000 <= years[year] <= 2_400 for year in (2018, 2019, 2020, 2021))
        halves = [statistics.mean(one.timestamp() for one in part) for part in (times[:5_500], times[5_500:])]
        assert abs(halves[0] - halves[1]) < 90 * 86_400

    def test_countries(self, rows: Sample) -> None:
        counts = Counter(row[4] for row in rows.geo)
        assert 225 <= len(counts) <= 243
        assert {"Albania", "Algeria", "Afghanistan"} <= {name for name, _ in counts.most_common(12)}
        assert any("'" in name for name in counts)
        assert any("&" in name for name in counts)
        assert any("(" in name for name in counts)


class TestUsers:
    def test_poster_person_and_place_are_one(self, rows: Sample) -> None:
        place_of: dict[Any, set[Any]] = defaultdict(set)
        user_of: dict[Any, set[Any]] = defaultdict(set)
        poster_of: dict[Any, set[Any]] = defaultdict(set)
        for pin, geo, user in zip(rows.pin, rows.geo, rows.user, strict=True):
            place_of[user[1:]].add(geo[2:])
            user_of[pin[4]].add(user[1:])
            poster_of[geo[2:]].add(pin[4])
        for found in (place_of, user_of, poster_of):
            assert all(len(others) == 1 for others in found.values())

    def test_the_placeholder_is_one_made_up_user(self, rows: Sample) -> None:
        errors = [row for row in range(POSTS) if rows.pin[row][4] == ERROR]
        assert len({rows.who(row) for row in errors}) == 1
        assert 70 <= len(errors) <= 95
        assert rows.user[errors[0]][3] == 20

    def test_posts_per_user_have_a_long_tail(self, rows: Sample) -> None:
        sizes = Counter(Counter(map(rows.who, range(POSTS))).values())
        users = sum(sizes.values())
        assert users == pytest.approx(4_826 * POSTS / 10_281, rel=0.05)
        assert sizes[1] / users == pytest.approx(0.73, abs=0.02)
        assert sizes[2] / users == pytest.approx(0.12, abs=0.02)
        assert sizes[3] / users == pytest.approx(0.05, abs=0.01)
        assert sorted(sizes)[-1] == 244
        assert 136 in sizes

    def test_names_repeat_so_that_they_are_no_key(self, rows: Sample) -> None:
        names = Counter(f"{first} {last}" for first, last, _, _ in {rows.who(row) for row in range(POSTS)})
        assert 100 <= sum(count > 1 for count in names.values()) <= 350
        assert 2 <= max(names.values()) <= 6

    def test_ages_and_joining_dates(self, rows: Sample) -> None:
        assert {row[3] for row in rows.user} == set(range(20, 61))
        joined = [row[4] for row in rows.user]
        assert datetime(2015, 10, 21) <= min(joined)
        assert max(joined) < datetime(2017, 10, 20)
        posts = Counter(one.year for one in joined)
        assert posts[2015] / POSTS == pytest.approx(0.42, abs=0.04)
        assert posts[2016] / POSTS == pytest.approx(0.42, abs=0.04)
        users = Counter(user[-1].year for user in {rows.who(row) for row in range(POSTS)})
        scale = POSTS / 10_281
        assert users[2015] == pytest.approx(791 * scale, rel=0.12)
        assert users[2016] == pytest.approx(2_517 * scale, rel=0.08)
        assert users[2017] == pytest.approx(1_518 * scale, rel=0.08)

    def test_users_with_one_post_are_unskewed(self, rows: Sample) -> None:
        size = Counter(map(rows.who, range(POSTS)))
        single = [row for row in range(POSTS) if size[rows.who(row)] == 1]
        assert statistics.mean(rows.user[row][3] for row in single) == pytest.approx(40, abs=0.7)
        assert statistics.mean(rows.geo[row][2] for row in single) == pytest.approx(0, abs=3)
        assert statistics.mean(rows.geo[row][3] for row in single) == pytest.approx(0, abs=6)

    def test_minimum_of_k(self, rows: Sample) -> None:
        """The least of k uniform draws from [a, b) is a + (b - a) / (k + 1) on average."""
        size = Counter(map(rows.who, range(POSTS)))
        for posts in (2, 3, 5):
            places = {rows.who(row): rows.geo[row][2] for row in range(POSTS) if size[rows.who(row)] == posts}
            assert statistics.mean(places.values()) == pytest.approx(-90 + 180 / (posts + 1), abs=14)

    def test_one_category_holds_most_posts_of_a_busy_user(self, rows: Sample) -> None:
        categories: defaultdict[Any, Counter[str]] = defaultdict(Counter)
        for row in range(POSTS):
            if rows.pin[row][4] != ERROR:
                categories[rows.who(row)][rows.pin[row][11]] += 1
        busy = [counts for counts in categories.values() if counts.total() >= 3]
        share = sum(max(counts.values()) for counts in busy) / sum(counts.total() for counts in busy)
        assert share == pytest.approx(0.82, abs=0.03)


class TestFollowers:
    def test_forms(self, rows: Sample) -> None:
        values = Counter(row[5] for row in rows.pin)
        thousands = {text for text in values if text.endswith("k")}
        assert all(1 <= int(text[:-1]) <= 991 for text in thousands)
        assert {text for text in values if text.endswith("M")} <= {f"{n}M" for n in (1, 2, 3, 4, 5, 6, 8, 15)}
        plain = {text for text in values if text[-1].isdigit()}
        assert all(0 <= int(text) <= 970 for text in plain)
        assert thousands | plain | {text for text in values if text.endswith("M")} | {ERROR} == set(values)

    def test_shares_of_the_forms(self, rows: Sample) -> None:
        assert rows.per_measured(lambda pin: pin[5].endswith("k")) == pytest.approx(1_600, rel=0.08)
        assert rows.per_measured(lambda pin: pin[5][-1].isdigit()) == pytest.approx(395, rel=0.25)
        assert rows.per_measured(lambda pin: pin[5].endswith("M")) == pytest.approx(167, rel=0.45)
        assert 4 <= rows.per_measured(lambda pin: pin[5] == "0") <= 25

    @pytest.mark.parametrize(
        ("low", "high", "quartiles"),
        [
            (1, 1, (244, 3_000, 18_000)),
            (2, 2, (5_000, 19_000, 61_000)),
            (3, 5, (17_000, 46_000, 172_000)),
            (6, 19, (30_000, 96_000, 383_000)),
            (20, 999, (54_000, 500_000, 942_000)),
        ],
    )
    def test_they_rise_with_the_posts(self, rows: Sample, low: int, high: int, quartiles: tuple[int, ...]) -> None:
        size = Counter(map(rows.who, range(POSTS)))
        counts = {
            rows.who(row): followers(rows.pin[row][5])
            for row in range(POSTS)
            if low <= size[rows.who(row)] <= high and rows.pin[row][5] != ERROR
        }
        found = statistics.quantiles(counts.values(), n=4)
        rel = 0.15 if high < 20 else 0.6
        assert found == pytest.approx(quartiles, rel=rel)

    def test_few_users_have_two_neighbouring_counts(self, rows: Sample) -> None:
        counts: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows.pin:
            counts[row[4]].add(row[5])
        double = [sorted(found, key=followers) for found in counts.values() if len(found) > 1]
        assert 5 <= len(double) <= 30
        for less, more in double:
            assert followers(more) - followers(less) == 1_000


class TestMediansThatFall:
    """The table of domain.md, for samples of as many rows as it was measured over."""

    def samples(self, rows: Sample) -> list[list[int]]:
        return [Random(number).sample(range(POSTS), MEASURED) for number in range(9)]

    def test_by_age_group(self, rows: Sample) -> None:
        found = [medians(rows, chosen, lambda row: age_group(rows.user[row][3])) for chosen in self.samples(rows)]
        typical = {name: statistics.median(one[name] for one in found) for name in found[0]}
        assert typical["18-24"] > typical["25-35"] > typical["36-50"] > typical["+50"]
        assert 30_000 <= typical["18-24"] <= 130_000
        assert 13_000 <= typical["25-35"] <= 37_000
        assert 4_000 <= typical["36-50"] <= 10_000
        assert 1_000 <= typical["+50"] <= 9_000

    def test_by_joining_year(self, rows: Sample) -> None:
        found = [medians(rows, chosen, lambda row: rows.user[row][4].year) for chosen in self.samples(rows)]
        typical = {year: statistics.median(one[year] for one in found) for year in (2015, 2016, 2017)}
        assert typical[2015] > typical[2016] > typical[2017]
        assert 30_000 <= typical[2015] <= 160_000
        assert 9_000 <= typical[2016] <= 25_000
        assert 2_000 <= typical[2017] <= 6_500

    def test_over_all_rows(self, rows: Sample) -> None:
        found = medians(rows, list(range(POSTS)), lambda row: age_group(rows.user[row][3]))
        assert found["18-24"] > found["25-35"] > found["36-50"] > found["+50"]
        found = medians(rows, list(range(POSTS)), lambda row: rows.user[row][4].year)
        assert found[2015] > found[2016] > found[2017]

    def test_median_latitude_by_age_group(self, rows: Sample) -> None:
        groups: defaultdict[str, list[float]] = defaultdict(list)
        for geo, user in zip(rows.geo, rows.user, strict=True):
            groups[age_group(user[3])].append(geo[2])
        found = {name: statistics.median(values) for name, values in groups.items()}
        assert found == pytest.approx({"18-24": -83, "25-35": -52, "36-50": -24, "+50": -2}, abs=9)


class TestDirtyValues:
    COMBINATIONS: ClassVar[dict[tuple[str, ...], tuple[dict[str, int], int]]] = {
        (): ({"image": 1_916, "video": 61}, 1),
        ("description",): ({"image": 30, "video": 2}, 1),
        ("untitled",): ({"image": 1}, 1),
        ("tags",): ({"image": 11, "video": 3}, 1),
        ("story",): ({MULTI: 100}, 1),
        ("story", "tags"): ({MULTI: 1}, 1),
        ("story", "image"): ({MULTI: 37}, 0),
        ("title", "story", "poster", "followers", "tags", "image"): ({MULTI: 17}, 0),
    }

    def placeholders(self, pin: tuple[Any, ...]) -> tuple[str, ...]:
        tests = {
            "title": pin[2] == "No Title Data Available",
            "story": pin[3] == STORY,
            "description": pin[3] == "No description available",
            "untitled": pin[3] == "Untitled",
            "poster": pin[4] == ERROR,
            "followers": pin[5] == ERROR,
            "tags": pin[6] == NO_TAGS,
            "image": pin[8] == "Image src error.",
        }
        return tuple(name for name, true in tests.items() if true)

    def test_combinations_have_their_exact_frequencies(self, rows: Sample) -> None:
        found = Counter((self.placeholders(pin), pin[7], pin[9]) for pin in rows.pin)
        wanted = {
            (names, kind, downloaded): count * POSTS / MEASURED
            for names, (kinds, downloaded) in self.COMBINATIONS.items()
            for kind, count in kinds.items()
        }
        assert found.keys() == wanted.keys()
        for combination, count in wanted.items():
            assert abs(found[combination] - count) <= 1, combination

    @pytest.mark.parametrize(
        ("test", "of_measured"),
        [
            (lambda pin: pin[2] == "", 1),
            (lambda pin: "\n" in pin[2], 4),
            (lambda pin: pin[2] != pin[2].strip() and pin[2] != "", 4),
            (lambda pin: pin[3] == "Art.", 1),
            (lambda pin: "\\" in pin[3], 1),
        ],
        ids=["empty title", "newline in title", "blanks around title", "Art.", "backslash"],
    )
    def test_rare_values_occur(self, rows: Sample, test: Callable[[tuple[Any, ...]], bool], of_measured: int) -> None:
        assert rows.per_measured(test) == pytest.approx(of_measured, abs=0.25)

    def test_kinds_and_downloads(self, rows: Sample) -> None:
        kinds = Counter(row[7] for row in rows.pin)
        assert kinds[MULTI] / POSTS == pytest.approx(0.07, abs=0.005)
        assert kinds["video"] / POSTS == pytest.approx(0.03, abs=0.005)
        assert sum(row[9] for row in rows.pin) / POSTS == pytest.approx(0.975, abs=0.001)


class TestText:
    def test_lengths(self, rows: Sample) -> None:
        longest = {at: max(len(row[at]) for row in rows.pin) for at in (2, 3, 4, 6)}
        assert 100 <= longest[2] <= 201
        assert longest[3] == 180
        assert 150 <= longest[4] <= 268
        assert longest[6] <= 254

    def test_cut_descriptions(self, rows: Sample) -> None:
        cut = [row[3] for row in rows.pin if row[3].endswith("\u2026\u00a0")]
        assert all(len(text) == 180 for text in cut)
        assert 0.25 <= len(cut) / POSTS <= 0.45

    def test_nine_tags_without_blanks_between(self, rows: Sample) -> None:
        counts = Counter(row[6].count(",") + 1 for row in rows.pin if row[6] != NO_TAGS)
        assert counts[9] / counts.total() == pytest.approx(0.998, abs=0.002)
        assert set(counts) <= {9, 8, 7, 3}
        assert not any(", " in row[6] for row in rows.pin if row[6] != NO_TAGS)

    @pytest.mark.parametrize(
        ("test", "of_measured", "rel"),
        [
            (lambda pin: not pin[3].isascii(), 941, 0.2),
            (lambda pin: not pin[2].isascii(), 217, 0.2),
            (lambda pin: not pin[4].isascii(), 59, 0.7),
            (lambda pin: not pin[6].isascii(), 18, 0.5),
            (lambda pin: "|" in pin[4], 340, 0.35),
            (lambda pin: '"' in pin[2] + pin[3], 59, 0.3),
            (lambda pin: any(ord(one) > 0x1F000 or ord(one) == 0x2728 for one in pin[2] + pin[3]), 32, 0.5),
        ],
        ids=["descriptions", "titles", "posters", "tags", "pipes", "quotes", "emoji"],
    )
    def test_signs(self, rows: Sample, test: Callable[[tuple[Any, ...]], bool], of_measured: int, rel: float) -> None:
        assert rows.per_measured(test) == pytest.approx(of_measured, rel=rel)

    def test_links(self, rows: Sample) -> None:
        originals = re.compile(r"https://i\.pinimg\.com/originals/../../../[0-9a-f]{32}\.(jpg|png|webp|gif)")
        endings: Counter[str] = Counter()
        for row in rows.pin:
            if row[7] == "image":
                match = originals.fullmatch(row[8])
                assert match
                endings[match[1]] += 1
            else:
                assert row[8] == "Image src error." or "/videos/thumbnails/" in row[8]
        assert endings["jpg"] / endings.total() == pytest.approx(0.82, abs=0.02)
        assert endings["png"] / endings.total() == pytest.approx(0.15, abs=0.02)
        assert set(endings) == {"jpg", "png", "webp", "gif"}
