"""Rows of the source as clients send them: fine ones, broken ones, and a seeded mix of both."""

from __future__ import annotations

import json
import random
from typing import Any

Row = dict[str, Any]

CATEGORIES = ("art", "beauty", "finance", "quotes", "travel")
COUNTRIES = ("Albania", "Cote d'Ivoire", "Svalbard & Jan Mayen Islands", "Åland")


def pin(ind: Any = 7528, **changes: Any) -> Row:
    """A pin without any placeholder."""
    return {
        "index": ind,
        "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf",
        "title": "Ten ideas",
        "description": "All about them…\u00a0",
        "poster_name": "A poster",
        "follower_count": "12.3k",
        "tag_list": "one,two",
        "is_image_or_video": "image",
        "image_src": "https://images.example/a.jpg",
        "downloaded": 1,
        "save_location": "Local save in /data/mens-fashion",
        "category": "mens-fashion",
        **changes,
    }


def geo(ind: Any = 7528, **changes: Any) -> Row:
    """A place."""
    return {
        "ind": ind,
        "timestamp": "2020-08-28 03:52:47",
        "latitude": -89.9787,
        "longitude": -173.293,
        "country": "Albania",
        **changes,
    }


def user(ind: Any = 7528, **changes: Any) -> Row:
    """A user."""
    return {
        "ind": ind,
        "first_name": "Abigail",
        "last_name": "Ali",
        "age": 20,
        "date_joined": "2015-10-24 11:23:51",
        **changes,
    }


MAKERS = {"pin": pin, "geo": geo, "user": user}


def without(row: Row, *names: str) -> Row:
    """The row without these fields."""
    return {name: value for name, value in row.items() if name not in names}


class Dirt:
    """A seeded source of lines of all sorts: good, dirty, repeated, conflicting and broken ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def lines(self, table: str, count: int) -> list[str]:
        """So many lines of a topic; about one in eight breaks the contract."""
        return [self.line(table, self.random.randrange(count)) for _ in range(count)]

    def line(self, table: str, ind: int) -> str:
        """One line, most likely a row of the table."""
        row = getattr(self, f"_{table}")(ind)
        if self.random.random() < 0.05:
            row["surprise"] = self.random.choice([1, "x", None, {"a": [1]}])
        return self._broken(table, row) if self.random.random() < 0.12 else json.dumps(row, ensure_ascii=False)

    def _broken(self, table: str, row: Row) -> str:
        key = "index" if table == "pin" else "ind"
        foreign = self.random.choice([other for other in MAKERS if other != table])
        needed = {"pin": "category", "geo": "country", "user": "last_name"}[table]
        values: dict[str, Row] = {"pin": {}, "geo": {"latitude": 90.1}, "user": {"age": 131}}
        moments: dict[str, Row] = {
            "pin": {},
            "geo": {"timestamp": "2020-02-30 00:00:00"},
            "user": {"date_joined": "soon"},
        }
        return self.random.choice(
            [
                "not json at all",
                json.dumps(row) + "}",
                json.dumps([row]),
                json.dumps(json.dumps(row)),
                json.dumps(MAKERS[foreign](row[key])),
                json.dumps(without(row, needed)),
                json.dumps(without(row, key)),
                json.dumps({**row, key: self.random.choice([1.5, "x", -1, True, 2**31, [1], ""])}),
                json.dumps({**row, **values[table]}),
                json.dumps({**row, **moments[table]}),
            ]
        )

    def _pin(self, ind: int) -> Row:
        pick = self.random.choice
        return pin(
            pick([ind, str(ind), float(ind)]),
            title=pick(["A", "No Title Data Available", " ", "Untitled", "with \n newline", None, '"quoted" \\ 😀']),
            description=pick(["Art.", "Untitled", "No description available Story format", "", "real… \u00a0"]),
            poster_name=pick(["Ann", "Bob | Bee", "User Info Error", "\u00a0"]),
            follower_count=pick(
                ["0", "437", "12.3k", "2M", "1.25M", "1,234", "User Info Error", "abc", "1.5", "9B", None]
            ),
            tag_list=pick(["a,b", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"]),
            image_src=pick(["https://images.example/b.png", "Image src error.", "Image src error"]),
            category=pick(CATEGORIES),
        )

    def _geo(self, ind: int) -> Row:
        pick = self.random.choice
        month, day, second = self.random.randint(1, 12), self.random.randint(1, 28), self.random.randint(0, 59)
        date, zone = f"{self.random.randint(2017, 2023)}-{month:02}-{day:02}", pick(["", "Z", "+02:00", ".123Z", ".5"])
        moment = pick([f"{date} 23:59:{second:02}", f"{date}T00:00:{second:02}", f"{date.replace('-', ':')} 12:00:00"])
        row = geo(
            ind,
            timestamp=moment + zone,
            latitude=pick([-90, 90.0, -89.9787, "12.5", None, 1e-05]),
            longitude=pick([-180, 180.0, -173.293, "-0.1", 5]),
            country=pick(COUNTRIES),
        )
        return without(row, "longitude") if self.random.random() < 0.05 else row

    def _user(self, ind: int) -> Row:
        pick = self.random.choice
        return user(
            ind,
            first_name=pick(["Abigail", "Zoë"]),
            age=pick([0, 17, 18, 24, 25, "35", 36, 50, 51.0, 130, None]),
            date_joined=f"{self.random.randint(2014, 2021)}-06-0{self.random.randint(1, 9)} 01:02:03",
        )
