"""The three tables of posts, and what is known of where their rows come from.

One post is one row in each of the three; the keys hold the same number. Coordinates are eight-byte numbers, so that a
user's own rows keep every digit (the original's are four bytes wide, and generated ones have six digits).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime, Double, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.mysql import DATETIME, MEDIUMTEXT

metadata = MetaData()

_OPTIONS: dict[str, Any] = {
    f"{kind}_{name}": value
    for kind in ("mysql", "mariadb")
    for name, value in (("charset", "utf8mb4"), ("engine", "InnoDB"))
}
_TEXT = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
_TIME = DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")

pinterest_data = Table(
    "pinterest_data",
    metadata,
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("unique_id", _TEXT),
    Column("title", _TEXT),
    Column("description", _TEXT),
    Column("poster_name", _TEXT),
    Column("follower_count", _TEXT),
    Column("tag_list", _TEXT),
    Column("is_image_or_video", _TEXT),
    Column("image_src", _TEXT),
    Column("downloaded", Integer),
    Column("save_location", _TEXT),
    Column("category", _TEXT),
    **_OPTIONS,
)

geolocation_data = Table(
    "geolocation_data",
    metadata,
    Column("ind", Integer, primary_key=True, autoincrement=False),
    Column("timestamp", _TIME),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("country", _TEXT),
    **_OPTIONS,
)

user_data = Table(
    "user_data",
    metadata,
    Column("ind", Integer, primary_key=True, autoincrement=False),
    Column("first_name", _TEXT),
    Column("last_name", _TEXT),
    Column("age", Integer),
    Column("date_joined", _TIME),
    **_OPTIONS,
)

origin = Table(
    "pinflow_origin",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("posts", Integer, nullable=False),
    Column("seed", Integer),
    Column("generator", Integer),
    **_OPTIONS,
)

TABLES: dict[str, Table] = {"pin": pinterest_data, "geo": geolocation_data, "user": user_data}
"""The tables by the short names that topics and streams use."""


def key(table: Table) -> Column[Any]:
    """The column that holds the post's number: ``index`` of the pins, ``ind`` of the others."""
    return next(iter(table.primary_key.columns))
