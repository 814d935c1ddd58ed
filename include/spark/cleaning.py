"""The cleaning rules, one function a table: a frame with ``fields`` in, the same frame with the clean columns out.

The rules are the same for batch and stream, since only the text of a record is looked at.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from include.spark.document import field
from include.spark.values import decimal_number, followers, moment, whole_number, without_placeholder

KEYS = ("index", "ind", "idx")
SAVE_PREFIX = "Local save in "
NO_FOLLOWERS = ("User Info Error",)


def clean(frame: DataFrame, table: str) -> DataFrame:
    """Add the clean columns of ``pin``, ``geo`` or ``user`` to a frame with ``fields``.

    :param frame: as :func:`include.spark.document.with_fields` makes it.
    :raises KeyError: there is no such table.
    """
    return {"pin": clean_pin, "geo": clean_geo, "user": clean_user}[table](frame)


def clean_pin(frame: DataFrame) -> DataFrame:
    """The columns of a clean pin, and ``follower_warning``: a follower count was there and could not be read."""
    count = field("follower_count")
    return frame.withColumns(
        {
            "ind": whole_number(field(*KEYS)),
            "unique_id": field("unique_id"),
            "title": without_placeholder(field("title"), ["No Title Data Available"]),
            "description": without_placeholder(field("description"), ["Untitled"], "No description available"),
            "follower_count": followers(count),
            "poster_name": without_placeholder(field("poster_name"), ["User Info Error"]),
            "tag_list": without_placeholder(field("tag_list"), ["N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"]),
            "is_image_or_video": field("is_image_or_video"),
            "image_src": without_placeholder(field("image_src"), ["Image src error.", "Image src error"]),
            "save_location": F.regexp_replace(field("save_location"), f"^{SAVE_PREFIX}", ""),
            "category": field("category"),
            "follower_warning": followers(count).isNull() & without_placeholder(count, NO_FOLLOWERS).isNotNull(),
        }
    )


def clean_geo(frame: DataFrame) -> DataFrame:
    """The columns of a clean place. Coordinates are null unless both numbers are there and can be read."""
    latitude, longitude = decimal_number(field("latitude")), decimal_number(field("longitude"))
    return frame.withColumns(
        {
            "ind": whole_number(field(*KEYS)),
            "country": field("country"),
            "coordinates": F.when(latitude.isNotNull() & longitude.isNotNull(), F.array(latitude, longitude)),
            "timestamp": moment(field("timestamp")),
        }
    )


def clean_user(frame: DataFrame) -> DataFrame:
    """The columns of a clean user. The name is null unless both parts are there."""
    return frame.withColumns(
        {
            "ind": whole_number(field(*KEYS)),
            "user_name": F.concat(field("first_name"), F.lit(" "), field("last_name")),
            "age": whole_number(field("age")),
            "date_joined": moment(field("date_joined")),
        }
    )
