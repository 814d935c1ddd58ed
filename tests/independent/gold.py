"""The ten questions answered with dictionaries and loops.

Each takes the clean rows of the three tables (dictionaries by column, one a post; times aware and in UTC) and gives a
list of dictionaries in the result's order. ``as_of`` matters to the last question only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
Rows = Sequence[Row]


def most_popular_category_by_country(pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None) -> list[Row]:
    """Posts by country and category."""
    return _popular(_joined(pins, geos), "country", lambda post: post["country"])


def most_popular_category_by_year(pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None) -> list[Row]:
    """Posts by year and category, 2018 to 2022."""

    def year(post: Row) -> int | None:
        found = _year(post["timestamp"])
        return found if found in range(2018, 2023) else None

    return _popular(_joined(pins, geos), "post_year", year)


def most_popular_category_by_age_group(pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None) -> list[Row]:
    """Posts by age group and category."""
    return _popular(_joined(pins, users), "age_group", lambda post: age_group(post["age"]))


def most_followed_user_by_country(pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None) -> list[Row]:
    """The posters with the highest count of each country."""
    best: dict[str, int] = {}
    posters = _posters(pins, geos)
    for (country, _), followers in posters.items():
        best[country] = max(followers, best.get(country, -1))
    rows = [
        {"country": country, "poster_name": name, "follower_count": followers}
        for (country, name), followers in posters.items()
        if followers == best[country]
    ]
    return sorted(rows, key=lambda row: (row["country"], -row["follower_count"], row["poster_name"]))


def country_with_most_followed_user(pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None) -> list[Row]:
    """The posters with the highest count of all."""
    rows = most_followed_user_by_country(pins, geos, users)
    top = max((row["follower_count"] for row in rows), default=None)
    return [row for row in rows if row["follower_count"] == top]


def median_followers_by_age_group(pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None) -> list[Row]:
    """The median over distinct users of each age group."""
    return _medians(pins, users, ("age_group",), lambda user: (age_group(user["age"]),))


def users_joined_by_year(pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None) -> list[Row]:
    """Distinct users by joining year."""
    distinct = {(user["user_name"], user["age"], user["date_joined"]) for user in users}
    years = Counter(_join_year(joined) for _, _, joined in distinct)
    return [
        {"join_year": year, "number_users_joined": years[year]} for year in sorted(y for y in years if y is not None)
    ]


def median_followers_by_join_year(pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None) -> list[Row]:
    """The median over distinct users of each joining year."""
    return _medians(pins, users, ("join_year",), lambda user: (_join_year(user["date_joined"]),))


def median_followers_by_join_year_and_age_group(
    pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None
) -> list[Row]:
    """The median over distinct users of each joining year and age group."""
    return _medians(
        pins,
        users,
        ("join_year", "age_group"),
        lambda user: (_join_year(user["date_joined"]), age_group(user["age"])),
    )


def most_popular_category_this_year(pins: Rows, geos: Rows, users: Rows, as_of: datetime | None = None) -> list[Row]:
    """Posts by category from the start of the year of ``as_of`` to ``as_of``; by default the latest post's time."""
    posts = _joined(pins, geos)
    if not posts:
        return []
    until = as_of or max(post["timestamp"] for post in posts)
    start = datetime(until.year, 1, 1, tzinfo=UTC)
    rows = _popular([post for post in posts if start <= post["timestamp"] <= until], "post_year", lambda _: until.year)
    return [{**row, "as_of": until} for row in rows]


def age_group(age: int | None) -> str | None:
    """``18-24``, ``25-35``, ``36-50``, ``+50`` or none."""
    if age is None or age < 18:
        return None
    for oldest, name in ((24, "18-24"), (35, "25-35"), (50, "36-50")):
        if age <= oldest:
            return name
    return "+50"


def _joined(left: Rows, right: Rows) -> list[Row]:
    partners = {row["ind"]: row for row in right}
    return [{**row, **partners[row["ind"]]} for row in left if row["ind"] in partners]


def _popular(posts: Rows, name: str, group: Callable[[Row], Any]) -> list[Row]:
    counts: dict[Any, Counter[str]] = defaultdict(Counter)
    for post in posts:
        if group(post) is not None and post["category"] is not None:
            counts[group(post)][post["category"]] += 1
    return [
        {name: key, "category": category, "category_count": count}
        for key in sorted(counts)
        for category, count in sorted(counts[key].items())
        if count == max(counts[key].values())
    ]


def _posters(pins: Rows, geos: Rows) -> dict[tuple[str, str], int]:
    posters: dict[tuple[str, str], int] = {}
    for post in _joined(pins, geos):
        key, followers = (post["country"], post["poster_name"]), post["follower_count"]
        if None not in key and followers is not None:
            posters[key] = max(followers, posters.get(key, -1))
    return posters


def _medians(pins: Rows, users: Rows, names: tuple[str, ...], group: Callable[[Row], tuple[Any, ...]]) -> list[Row]:
    distinct = {
        (post["user_name"], post["age"], post["date_joined"], post["follower_count"])
        for post in _joined(pins, users)
        if post["follower_count"] is not None
    }
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for _, age, joined, followers in distinct:
        key = group({"age": age, "date_joined": joined})
        if None not in key:
            groups[key].append(followers)
    return [
        dict(zip((*names, "median_follower_count"), (*key, _median(groups[key])), strict=True))
        for key in sorted(groups)
    ]


def _median(values: list[int]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[middle])
    return (ordered[middle - 1] + ordered[middle]) / 2


def _year(moment: datetime | None) -> int | None:
    return None if moment is None else moment.astimezone(UTC).year


def _join_year(moment: datetime | None) -> int | None:
    year = _year(moment)
    return year if year in range(2015, 2021) else None
