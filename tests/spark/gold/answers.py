"""Silver rows for the questions: a seeded many, and a hand-made few where each question has something to get wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from include import sql
from include.spark import schemas, tables
from tests.spark.lake import CATALOG, Lake

Row = dict[str, Any]


@dataclass
class Silver:
    """The clean rows of the three tables."""

    pins: list[Row] = field(default_factory=list)
    geos: list[Row] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)

    def post(self, category: str, **values: Any) -> None:
        """Add one post to all three tables; None for ``place`` or ``person`` leaves it without partner there."""
        ind = len(self.pins)
        pin = {"category": category, "poster_name": None, "follower_count": None}
        self.pins.append({"ind": ind, **{name: values.get(name, value) for name, value in pin.items()}})
        if values.get("place", True) is not None:
            moment = values.get("timestamp", utc(2019, 6, 1))
            self.geos.append({"ind": ind, "country": values.get("country", "Albania"), "timestamp": moment})
        if values.get("person", True) is not None:
            user = {"user_name": "Ann Ali", "age": 20, "date_joined": utc(2016, 1, 1)}
            self.users.append({"ind": ind, **{name: values.get(name, value) for name, value in user.items()}})

    def write(self, lake: Lake) -> None:
        """Make these the silver tables of a lake."""
        for table, rows in (("pin", self.pins), ("geo", self.geos), ("user", self.users)):
            tables.create(lake.spark, CATALOG, table)
            names = schemas.SILVER[table].names
            filled = [tuple(row.get(name) for name in names) for row in rows]
            frame = lake.spark.createDataFrame(filled, schemas.SILVER[table])
            frame.write.format("delta").mode("overwrite").saveAsTable(f"{CATALOG}.silver.{table}")


def utc(*parts: int) -> datetime:
    """A moment in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def answer(lake: Lake, query: sql.Query, **values: str | None) -> list[Row]:
    """The rows of a query in its order, without a table."""
    return lake.rows(f"SELECT * FROM ({sql.select(query, values)}) ORDER BY {query.order_by}")


def written(lake: Lake, query: sql.Query, **values: str | None) -> list[Row]:
    """Write a gold table with its statement and read it in its order."""
    lake.spark.sql(sql.statement(query, CATALOG, values)).collect()
    return lake.rows(f"SELECT * FROM {CATALOG}.gold.{query.name} ORDER BY {query.order_by}")


def seeded(seed: int, posts: int) -> Silver:
    """Posts with ties, users with many posts, namesakes, nulls and years on both sides of the limits."""
    draw, silver = random.Random(seed), Silver()
    users = [
        {
            "user_name": draw.choice(["Ann Ali", "Bob Bee", "Cid Cox", None]),
            "age": draw.choice([0, 17, 18, 24, 25, 35, 36, 50, 51, 60, 130, None]),
            "date_joined": utc(draw.randint(2014, 2021), 1, 1) + timedelta(seconds=draw.randint(-1, 1)),
            "country": draw.choice(["Albania", "Cote d'Ivoire", "Åland", "Zimbabwe"]),
            "poster_name": draw.choice(["p", "q", "ρ", None]),
        }
        for _ in range(posts // 3)
    ]
    for _ in range(posts):
        silver.post(
            draw.choice(["art", "beauty", "travel", "vehicles"]),
            **draw.choice(users),
            follower_count=draw.choice([None, 0, 1, 437, 12_300, 2_000_000, 8_000_000]),
            timestamp=utc(draw.randint(2017, 2023), 1, 1) + timedelta(seconds=draw.choice([-1, 0, 3_000_000])),
            place=draw.choice([True] * 20 + [None]),
            person=draw.choice([True] * 20 + [None]),
        )
    return silver
