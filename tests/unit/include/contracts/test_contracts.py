from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator

from include import contracts

PIN: dict[str, Any] = {
    "index": 12,
    "unique_id": "0f6f6b5e-4a87-4c0b-9a39-111111111111",
    "title": "Ten ways to fold a map",
    "description": "Cut at the end\u2026\u00a0",
    "poster_name": "Ada | Maps",
    "follower_count": "12k",
    "tag_list": "maps,paper,folding",
    "is_image_or_video": "image",
    "image_src": "https://example.org/originals/a.jpg",
    "downloaded": 1,
    "save_location": "Local save in /data/travel",
    "category": "travel",
}
GEO: dict[str, Any] = {
    "ind": 12,
    "timestamp": "2020-08-28 03:52:47",
    "latitude": -89.9787,
    "longitude": -173.293,
    "country": "Cote d'Ivoire",
}
USER: dict[str, Any] = {
    "ind": 12,
    "first_name": "Abigail",
    "last_name": "Ali",
    "age": 20,
    "date_joined": "2015-10-24 11:23:51",
}
ROWS = {"pin": PIN, "geo": GEO, "user": USER}

# Every placeholder and dirty form of the source, by field; all are legal on the wire.
DIRTY_PIN: dict[str, list[Any]] = {
    "title": [
        "No Title Data Available",
        "",
        "   ",
        " outer blanks ",
        "two\nlines",
        "Untitled",
        '\U0001f600 "q" \\',
        None,
    ],
    "description": [
        "No description available Story format",
        "No description available",
        "No description available anything else",
        "Untitled",
        "Art.",
        "",
        "\u00a0",
        None,
    ],
    "poster_name": ["User Info Error", "", "a | b", "x" * 268, None],
    "follower_count": [
        "User Info Error",
        "12.3k",
        "5k",
        "991k",
        "2M",
        "1.25M",
        "437",
        "0",
        "1,234",
        "3B",
        "7m",
        "8K",
        " 9k ",
        "",
        "-4",
        "abc",
        "1.5",
        437,
        None,
    ],
    "tag_list": ["N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e", "", "one", None],
    "is_image_or_video": ["image", "video", "multi-video(story page format)"],
    "image_src": ["Image src error.", "Image src error", "https://example.org/videos/thumbnails/b.webp", "", None],
    "downloaded": [0, 1, "1", None],
    "save_location": ["Local save in /data/mens-fashion", "/data/art"],
    "index": [0, 7528, 2147483647, "7528", "0"],
}
TIMESTAMPS = [
    "2020-08-28 03:52:47",
    "2020-08-28T03:52:47",
    "2020:08:28 03:52:47",
    "2020:08:28T03:52:47",
    "2020-08-28T03:52:47.000",
    "2020-08-28 03:52:47.123456",
    "2020-08-28T03:52:47Z",
    "2020-08-28T03:52:47.000Z",
    "2020-08-28T03:52:47+02:00",
    "2020-08-28 03:52:47-0530",
]
NOT_TIMESTAMPS = [
    "",
    "yesterday",
    "2020-08-28",
    "28/08/2020 03:52:47",
    "2020-13-28 03:52:47",
    "2020-08-32 03:52:47",
    "2020-08-28 24:00:00",
    "2020-08-28 03:60:47",
    "2020:08-28 03:52:47",
    "2020-8-28 03:52:47",
    "1598586767",
    "2020-08-28 03:52",
    "x2020-08-28 03:52:47",
]


class TestSchema:
    @pytest.mark.parametrize("table", contracts.TABLES)
    def test_is_json_schema_of_2020_12(self, table: str) -> None:
        document = contracts.schema(table)
        Draft202012Validator.check_schema(document)
        assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"

    def test_each_table_has_one_file_and_each_file_a_table(self) -> None:
        assert {path.name for path in contracts.FOLDER.glob("*.json")} == {f"{table}.schema.json" for table in ROWS}

    def test_is_a_copy(self) -> None:
        contracts.schema("pin").clear()
        assert contracts.schema("pin")["title"] == "Pin"

    def test_an_unknown_table_names_those_that_exist(self) -> None:
        with pytest.raises(KeyError, match=r"There is no contract for 'pins'\. The tables are pin, geo, user"):
            contracts.schema("pins")

    def test_the_validator_is_compiled_once(self) -> None:
        assert contracts.validator("geo") is contracts.validator("geo")


class TestLegalRows:
    @pytest.mark.parametrize("table", contracts.TABLES)
    def test_a_plain_row(self, table: str) -> None:
        assert contracts.problems(table, ROWS[table]) == []

    @pytest.mark.parametrize(
        ("field", "value"), [(field, value) for field, values in DIRTY_PIN.items() for value in values]
    )
    def test_dirty_values_of_a_pin(self, field: str, value: object) -> None:
        assert contracts.problems("pin", {**PIN, field: value}) == []

    def test_the_row_with_all_placeholders_at_once(self) -> None:
        row = {
            "index": 7528,
            "unique_id": "fbe53c66-3442-4773-b19e-d3ec6f54dddf",
            "title": "No Title Data Available",
            "description": "No description available Story format",
            "poster_name": "User Info Error",
            "follower_count": "User Info Error",
            "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",
            "is_image_or_video": "multi-video(story page format)",
            "image_src": "Image src error.",
            "downloaded": 0,
            "save_location": "Local save in /data/mens-fashion",
            "category": "mens-fashion",
        }
        assert contracts.problems("pin", row) == []

    def test_the_older_generation_has_no_poster(self) -> None:
        older = {name: value for name, value in PIN.items() if name != "poster_name"}
        assert len(older) == 11
        assert contracts.problems("pin", older) == []

    @pytest.mark.parametrize("table", contracts.TABLES)
    @pytest.mark.parametrize("key", ["index", "ind", "idx"])
    def test_any_name_of_the_key(self, table: str, key: str) -> None:
        row = {name: value for name, value in ROWS[table].items() if name not in contracts.KEY_FIELDS}
        assert contracts.problems(table, {**row, key: 3}) == []

    @pytest.mark.parametrize("text", TIMESTAMPS)
    def test_timestamp_dialects(self, text: str) -> None:
        assert contracts.problems("geo", {**GEO, "timestamp": text}) == []
        assert contracts.problems("user", {**USER, "date_joined": text}) == []

    @pytest.mark.parametrize("table", contracts.TABLES)
    def test_fields_that_nobody_knows(self, table: str) -> None:
        assert contracts.problems(table, {**ROWS[table], "colour": {"deep": [1, None]}}) == []

    @pytest.mark.parametrize(
        ("field", "value"), [("latitude", None), ("longitude", None), ("latitude", 90), ("longitude", -180)]
    )
    def test_coordinates_at_their_limits_or_null(self, field: str, value: object) -> None:
        assert contracts.problems("geo", {**GEO, field: value}) == []

    @pytest.mark.parametrize("age", [0, 20, 60, 130, "0", "20", "130"])
    def test_ages(self, age: object) -> None:
        assert contracts.problems("user", {**USER, "age": age}) == []

    @given(st.integers(min_value=0, max_value=2_147_483_647))
    def test_every_whole_number_in_range_is_a_key_as_number_and_as_text(self, key: int) -> None:
        assert contracts.problems("geo", {**GEO, "ind": key}) == []
        assert contracts.problems("geo", {**GEO, "ind": str(key)}) == []


class TestProblems:
    def test_the_console_test_record_lacks_the_fields_of_a_pin(self) -> None:
        found = contracts.problems("pin", {"index": 1, "name": "x", "age": 3, "role": "y"})
        assert found == [f"{field}: is missing" for field in sorted(set(PIN) - {"index", "poster_name", "downloaded"})]

    def test_a_pin_in_the_user_topic(self) -> None:
        found = contracts.problems("user", PIN)
        assert found == [f"{name}: is missing" for name in ("age", "date_joined", "first_name", "last_name")]

    @pytest.mark.parametrize("table", contracts.TABLES)
    def test_no_key(self, table: str) -> None:
        row = {name: value for name, value in ROWS[table].items() if name not in contracts.KEY_FIELDS}
        assert contracts.problems(table, row) == ["key: is missing; a row has one of index, ind, idx"]

    @pytest.mark.parametrize("key", [-1, 2_147_483_648, 1.5, "abc", "", "1.0", "-1", "007", None, True, [1], {"a": 1}])
    def test_bad_keys(self, key: object) -> None:
        [text] = contracts.problems("geo", {**GEO, "ind": key})
        assert text == f"ind: {json.dumps(key)} is not a whole number in its range, nor the text of one"

    @pytest.mark.parametrize("text", NOT_TIMESTAMPS)
    def test_bad_timestamps(self, text: str) -> None:
        expected = f"{json.dumps(text)} is not a date and time such as 2020-08-28 03:52:47"
        assert contracts.problems("geo", {**GEO, "timestamp": text}) == [f"timestamp: {expected}"]
        assert contracts.problems("user", {**USER, "date_joined": text}) == [f"date_joined: {expected}"]

    def test_a_timestamp_as_number(self) -> None:
        assert contracts.problems("geo", {**GEO, "timestamp": 1598586767}) == ["timestamp: 1598586767 is not a text"]

    @pytest.mark.parametrize(
        ("field", "value", "text"),
        [
            ("latitude", 90.5, "latitude: 90.5 is more than 90"),
            ("latitude", -91, "latitude: -91 is less than -90"),
            ("longitude", 180.01, "longitude: 180.01 is more than 180"),
            ("longitude", "12", 'longitude: "12" is not a number or null'),
            ("country", 3, "country: 3 is not a text or null"),
        ],
    )
    def test_bad_places(self, field: str, value: object, text: str) -> None:
        assert contracts.problems("geo", {**GEO, field: value}) == [text]

    @pytest.mark.parametrize("age", [-1, 131, "131", "twenty", 20.5, None])
    def test_bad_ages(self, age: object) -> None:
        [text] = contracts.problems("user", {**USER, "age": age})
        assert text.startswith(f"age: {json.dumps(age)} is not a whole number in its range")

    @pytest.mark.parametrize("row", [None, [], "text", 3, True])
    @pytest.mark.parametrize("table", contracts.TABLES)
    def test_not_an_object(self, table: str, row: object) -> None:
        assert contracts.problems(table, row) == [f"row: {json.dumps(row)} is not an object"]

    def test_several_problems_are_all_told_in_order(self) -> None:
        found = contracts.problems("geo", {"ind": "x", "latitude": 100, "longitude": 200, "country": "Aruba"})
        assert [text.split(":")[0] for text in found] == ["ind", "latitude", "longitude", "timestamp"]

    def test_long_values_are_cut(self) -> None:
        [text] = contracts.problems("geo", {**GEO, "timestamp": "x" * 500})
        assert len(text) < 140


class TestModel:
    @pytest.mark.parametrize("table", contracts.TABLES)
    def test_is_draft_4_without_lists_of_types(self, table: str) -> None:
        model = contracts.model(table)
        Draft4Validator.check_schema(model)
        assert not {"$schema", "$id"} & set(model)
        assert "null" not in json.dumps(model["properties"]).replace("turns them into null", "")
        assert all(not isinstance(rule.get("type"), list) for rule in model["properties"].values())

    @pytest.mark.parametrize("table", contracts.TABLES)
    def test_takes_every_row_that_the_contract_takes(self, table: str) -> None:
        model = Draft4Validator(contracts.model(table))
        rows = [
            ROWS[table],
            *({**PIN, name: value} for name, values in DIRTY_PIN.items() for value in values if table == "pin"),
        ]
        assert [row for row in rows if not model.is_valid(row)] == []

    @pytest.mark.parametrize(
        ("table", "row"),
        [
            ("pin", {"index": 1}),
            ("pin", {**PIN, "index": "x"}),
            ("pin", {**PIN, "category": 5}),
            ("pin", {name: value for name, value in PIN.items() if name != "index"}),
            ("geo", {**GEO, "timestamp": "never"}),
            ("geo", {**GEO, "latitude": 95}),
            ("user", {**USER, "age": 131}),
            ("user", []),
        ],
    )
    def test_refuses_what_has_no_shape(self, table: str, row: object) -> None:
        assert not Draft4Validator(contracts.model(table)).is_valid(row)
