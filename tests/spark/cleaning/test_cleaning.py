"""The clean columns: every rule of the cleaning, with expectations written by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from include.spark import contract, schemas
from tests.independent import Record, clean
from tests.spark.lake import rows
from tests.spark.posts import Dirt, geo, pin, user, without

ALL_ERROR = pin(
    title="No Title Data Available",
    description="No description available Story format",
    poster_name="User Info Error",
    follower_count="User Info Error",
    tag_list="N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",
    is_image_or_video="multi-video(story page format)",
    image_src="Image src error.",
    downloaded=0,
)
PLACEHOLDERS = [
    ("title", "No Title Data Available", None),
    ("title", " No Title Data Available\u00a0", None),
    ("title", "", None),
    ("title", " \u00a0\n", None),
    ("title", None, None),
    ("title", "no title data available", "no title data available"),
    ("title", "Untitled", "Untitled"),
    ("title", "None", "None"),
    ("title", " outer blanks ", " outer blanks "),
    ("title", "inner\nnewline", "inner\nnewline"),
    ("description", "No description available Story format", None),
    ("description", "No description available", None),
    ("description", " No description available, sorry", None),
    ("description", "Untitled", None),
    ("description", "", None),
    ("description", "Art.", "Art."),
    ("description", "Untitled work", "Untitled work"),
    ("description", "There is No description available", "There is No description available"),
    ("description", "cut off…\u00a0", "cut off…\u00a0"),
    ("description", '😀 "quoted" \\ back | pipe', '😀 "quoted" \\ back | pipe'),
    ("poster_name", "User Info Error", None),
    ("poster_name", "User Info Error.", "User Info Error."),
    ("poster_name", "", None),
    ("poster_name", "x" * 268, "x" * 268),
    ("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e", None),
    ("tag_list", " ", None),
    ("tag_list", "N,o", "N,o"),
    ("image_src", "Image src error.", None),
    ("image_src", "Image src error", None),
    ("image_src", "Image src error..", "Image src error.."),
    ("image_src", "https://images.example/a.webp", "https://images.example/a.webp"),
    ("image_src", "", None),
    ("save_location", "Local save in /data/art", "/data/art"),
    ("save_location", "/data/Local save in /x", "/data/Local save in /x"),
    ("save_location", "Local save in Local save in /x", "Local save in /x"),
    ("save_location", "Local save in", "Local save in"),
    ("is_image_or_video", "multi-video(story page format)", "multi-video(story page format)"),
    ("follower_count", "0", 0),
    ("follower_count", "12.3k", 12_300),
    ("follower_count", "2M", 2_000_000),
    ("follower_count", 437, 437),
    ("follower_count", "abc", None),
    ("title", 5, "5"),
]


def cleaned(spark: Any, table: str, *values: Any) -> list[dict[str, Any]]:
    frame = spark.createDataFrame([(json.dumps(value),) for value in values], "raw string")
    names = [column.name for column in schemas.TARGETS[table]]
    return rows(contract.accepted(contract.examine(frame, table)).select(*names))


@pytest.fixture(scope="module")
def by_number(spark: Any) -> dict[int, dict[str, Any]]:
    pins = [pin(number, **{name: value}) for number, (name, value, _) in enumerate(PLACEHOLDERS)]
    return {row["ind"]: row for row in cleaned(spark, "pin", *pins)}


class TestPin:
    @pytest.mark.parametrize(("number", "case"), list(enumerate(PLACEHOLDERS)), ids=lambda part: repr(part)[:60])
    def test_placeholder_becomes_null_and_text_stays(self, by_number: Any, number: int, case: Any) -> None:
        name, _, expected = case
        assert by_number[number][name] == expected

    def test_a_row_of_placeholders_is_kept(self, spark: Any) -> None:
        assert cleaned(spark, "pin", ALL_ERROR) == [
            {
                "ind": 7528,
                "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf",
                "title": None,
                "description": None,
                "follower_count": None,
                "poster_name": None,
                "tag_list": None,
                "is_image_or_video": "multi-video(story page format)",
                "image_src": None,
                "save_location": "/data/mens-fashion",
                "category": "mens-fashion",
            }
        ]

    def test_steps_add_up(self, spark: Any) -> None:
        """A row with a dirty title only keeps the other columns' cleaning."""
        row = cleaned(spark, "pin", pin(title="No Title Data Available", follower_count="2M"))[0]
        assert (row["title"], row["follower_count"], row["save_location"]) == (None, 2_000_000, "/data/mens-fashion")

    def test_older_generation_has_no_poster(self, spark: Any) -> None:
        row = cleaned(spark, "pin", {**without(pin(), "poster_name", "index"), "idx": 9})[0]
        assert (row["ind"], row["poster_name"], row["title"]) == (9, None, "Ten ideas")

    @pytest.mark.parametrize(
        ("count", "expected"),
        [
            ("abc", True),
            ("1.5", True),
            ("-3", True),
            ("9B", True),
            ("User Info Error", False),
            ("", False),
            (None, False),
            ("0", False),
        ],
    )
    def test_unread_follower_count_is_warned_of(self, spark: Any, count: str | None, expected: bool) -> None:
        frame = spark.createDataFrame([(json.dumps(pin(follower_count=count)),)], "raw string")
        assert rows(contract.examine(frame, "pin"))[0]["follower_warning"] is expected


class TestGeo:
    def test_columns(self, spark: Any) -> None:
        assert cleaned(spark, "geo", geo()) == [
            {
                "ind": 7528,
                "country": "Albania",
                "coordinates": [-89.9787, -173.293],
                "timestamp": datetime(2020, 8, 28, 3, 52, 47, tzinfo=UTC),
            }
        ]

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"latitude": 12.3456, "longitude": 0}, [12.3456, 0.0]),
            ({"latitude": "-89.9787"}, [-89.9787, -173.293]),
            ({"latitude": None}, None),
            ({"longitude": None}, None),
        ],
    )
    def test_coordinates_are_doubles_in_order(self, spark: Any, changes: Any, expected: Any) -> None:
        assert cleaned(spark, "geo", geo(**changes))[0]["coordinates"] == expected

    @pytest.mark.parametrize("country", ["Cote d'Ivoire", "Antarctica (the territory South of 60 deg S)", "Åland"])
    def test_country_is_not_rewritten(self, spark: Any, country: str) -> None:
        assert cleaned(spark, "geo", geo(country=country))[0]["country"] == country


class TestUser:
    def test_columns(self, spark: Any) -> None:
        assert cleaned(spark, "user", {**without(user(), "ind"), "idx": "3", "age": "20"}) == [
            {
                "ind": 3,
                "user_name": "Abigail Ali",
                "age": 20,
                "date_joined": datetime(2015, 10, 24, 11, 23, 51, tzinfo=UTC),
            }
        ]

    def test_half_a_name_is_none(self, spark: Any) -> None:
        assert cleaned(spark, "user", user(first_name=None))[0]["user_name"] is None


class TestSchemas:
    @pytest.mark.parametrize("table", ["pin", "geo", "user"])
    def test_clean_columns_have_the_written_types(self, spark: Any, table: str) -> None:
        frame = contract.examine(spark.createDataFrame([("{}",)], "raw string"), table)
        for column in schemas.TARGETS[table]:
            assert frame.schema[column.name].dataType.simpleString() == column.dataType.simpleString()


class TestConservation:
    @pytest.mark.parametrize("table", ["pin", "geo", "user"])
    @pytest.mark.parametrize("seed", [1, 2])
    def test_every_line_is_clean_or_quarantined_as_the_independent_calculation_says(
        self, spark: Any, table: str, seed: int
    ) -> None:
        lines = Dirt(seed).lines(table, 400)
        frame = spark.createDataFrame(list(enumerate(lines)), "offset int, raw string")
        examined = contract.examine(frame, table)
        reasons = {row["offset"]: row["reason"] for row in rows(examined.select("offset", "reason"))}
        expected = clean(table, [Record(line, offset=offset) for offset, line in enumerate(lines)])
        quarantined = {entry.record.offset: entry.reason for entry in expected.quarantined}
        assert reasons == {offset: quarantined.get(offset) for offset in range(len(lines))}
        assert 20 < len(quarantined) < 120
        assert len(set(quarantined.values())) >= 6
