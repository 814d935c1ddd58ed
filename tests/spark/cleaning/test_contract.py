"""Which records are quarantined and why; each case written by hand, all judged in one Spark job a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from include import contracts
from include.spark import contract
from tests.independent import cleaning as independent
from tests.spark.lake import rows
from tests.spark.posts import geo, pin, user, without


@dataclass(frozen=True)
class Case:
    """A record, the reason it must get (None: it is kept) and a part of the detail."""

    name: str
    table: str
    value: Any
    reason: str | None
    detail: str = ""

    @property
    def title(self) -> str:
        return f"{self.table}: {self.name}"

    @property
    def raw(self) -> str:
        return self.value if isinstance(self.value, str) else json.dumps(self.value)


OLD_PIN = without(pin(), "poster_name")
CASES = [
    Case("fine", "pin", pin(), None),
    Case("older generation", "pin", OLD_PIN, None),
    Case("without downloaded", "pin", without(pin(), "downloaded"), None),
    Case("key as text", "pin", pin(index="7528"), None),
    Case("key idx", "pin", {**without(pin(), "index"), "idx": 5}, None),
    Case("key ind", "pin", {**without(pin(), "index"), "ind": 5}, None),
    Case("extra field", "pin", pin(role="admin"), None),
    Case("all null but the key", "pin", dict.fromkeys(pin()) | {"index": 1}, None),
    Case("text", "pin", "hello", "not_json"),
    Case("cut off", "pin", json.dumps(pin())[:-1], "not_json"),
    Case("two objects", "pin", json.dumps(pin()) + json.dumps(pin()), "not_json"),
    Case("single quotes", "pin", str(pin()), "not_json"),
    Case("blank line", "pin", "", "not_json"),
    Case("name twice", "pin", '{"index":1,"index":2}', "not_json", "twice"),
    Case("list", "pin", [pin()], "not_an_object", "ARRAY"),
    Case("number", "pin", "5", "not_an_object", "BIGINT"),
    Case("JSON null", "pin", "null", "not_an_object", "VOID"),
    Case("JSON in a text", "pin", json.dumps(json.dumps(pin())), "not_an_object", "STRING"),
    Case("user row", "pin", user(), "wrong_topic", "user"),
    Case("geo row", "pin", geo(), "wrong_topic", "geo"),
    Case("pin and user at once", "pin", {**pin(), **user()}, None),
    Case(
        "console test record", "pin", {"index": 1, "name": "x", "age": 30, "role": "y"}, "missing_fields", "unique_id"
    ),
    Case("empty object", "pin", {}, "missing_fields", "category"),
    Case("one field gone", "pin", without(pin(), "category", "title"), "missing_fields", "title, category"),
    Case("no key", "pin", without(pin(), "index"), "missing_key"),
    Case("null key", "pin", pin(index=None), "missing_key"),
    Case("null key but ind", "pin", {**pin(index=None), "ind": 4}, None),
    Case("fraction key", "pin", pin(index=1.5), "bad_key", "1.5"),
    Case("true key", "pin", pin(index=True), "bad_key", "true"),
    Case("nested key", "pin", pin(index={"n": 1}), "bad_key"),
    Case("list key", "pin", pin(index=[1]), "bad_key"),
    Case("negative key", "pin", pin(index=-1), "bad_key", "-1"),
    Case("large key", "pin", pin(index=2**31), "bad_key", "2147483648"),
    Case("huge key", "pin", pin(index=10**60), "bad_key"),
    Case("empty key", "pin", pin(index=""), "bad_key"),
    Case("word key", "pin", pin(index="seven"), "bad_key", "seven"),
    Case("fine", "geo", geo(), None),
    Case("colon date", "geo", geo(timestamp="2020:08:28 03:52:47"), None),
    Case("edge", "geo", geo(latitude=-90, longitude=180), None),
    Case("numbers as text", "geo", geo(latitude="-89.9787", longitude="5"), None),
    Case("null latitude", "geo", geo(latitude=None), None),
    Case("no longitude", "geo", without(geo(), "longitude"), None),
    Case("pin row", "geo", pin(), "wrong_topic", "pin"),
    Case("old pin row", "geo", OLD_PIN, "wrong_topic", "pin"),
    Case("no timestamp", "geo", without(geo(), "timestamp"), "missing_fields", "timestamp"),
    Case("null timestamp", "geo", geo(timestamp=None), "bad_timestamp", "null"),
    Case("impossible day", "geo", geo(timestamp="2020-02-30 00:00:00"), "bad_timestamp", "2020-02-30"),
    Case("word", "geo", geo(timestamp="soon"), "bad_timestamp", "soon"),
    Case("epoch", "geo", geo(timestamp=1598586767), "bad_timestamp"),
    Case("north of north", "geo", geo(latitude=90.0001), "bad_coordinates", "90.0001"),
    Case("too far west", "geo", geo(longitude=-180.0001), "bad_coordinates"),
    Case("swapped", "geo", geo(latitude=-173.293, longitude=-89.9787), "bad_coordinates"),
    Case("not a number", "geo", geo(latitude="NaN"), "bad_coordinates", "NaN"),
    Case("without end", "geo", geo(latitude="Infinity"), "bad_coordinates"),
    Case("word latitude", "geo", geo(latitude="north"), "bad_coordinates", "north"),
    Case("bad beside null", "geo", geo(latitude=None, longitude=181), "bad_coordinates"),
    Case("true latitude", "geo", geo(latitude=True), "bad_coordinates"),
    Case("timestamp before coordinates", "geo", geo(timestamp="x", latitude=91), "bad_timestamp"),
    Case("fine", "user", user(), None),
    Case("age as text", "user", user(age="20"), None),
    Case("no age known", "user", user(age=None), None),
    Case("oldest", "user", user(age=130), None),
    Case("newborn", "user", user(age=0), None),
    Case("pin row", "user", pin(), "wrong_topic", "pin"),
    Case("no age field", "user", without(user(), "age"), "missing_fields", "age"),
    Case("too old", "user", user(age=131), "bad_age", "131"),
    Case("negative age", "user", user(age=-1), "bad_age", "-1"),
    Case("half a year", "user", user(age=20.5), "bad_age", "20.5"),
    Case("word age", "user", user(age="twenty"), "bad_age", "twenty"),
    Case("empty age", "user", user(age=""), "bad_age"),
    Case("bad date", "user", user(date_joined="2015-10-24"), "bad_timestamp", "date_joined"),
    Case("null date", "user", user(date_joined=None), "bad_timestamp"),
    Case("key before date", "user", user(ind="x", date_joined="x"), "bad_key"),
]


@pytest.fixture(scope="module")
def judged(spark: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for table in ("pin", "geo", "user"):
        cases = [case for case in CASES if case.table == table]
        frame = spark.createDataFrame(
            [(number, case.raw) for number, case in enumerate(cases)], "number int, raw string"
        )
        columns = ("number", "reason", "detail", "extra_fields", "follower_warning", "raw")
        for row in rows(contract.examine(frame, table).select(*columns)):
            found[cases[row["number"]].title] = row
    return found


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.title)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


class TestReason:
    def test_is_the_expected_one(self, judged: Any, case: Case) -> None:
        assert judged[case.title]["reason"] == case.reason

    def test_detail_says_what_is_wrong(self, judged: Any, case: Case) -> None:
        assert (judged[case.title]["detail"] is None) == (case.reason is None)
        assert case.detail in (judged[case.title]["detail"] or "")

    def test_raw_stays_whole(self, judged: Any, case: Case) -> None:
        assert judged[case.title]["raw"] == case.raw

    def test_the_independent_calculation_agrees(self, case: Case) -> None:
        assert independent.judge(case.table, case.raw)[0] == case.reason

    def test_each_reason_has_a_case(self) -> None:
        assert {case.reason for case in CASES} == {*contract.REASONS, None}


class TestExtraFields:
    def test_unknown_fields_are_counted(self, judged: Any) -> None:
        found = {title: row["extra_fields"] for title, row in judged.items()}
        assert found["pin: extra field"] == 1
        assert found["pin: fine"] == found["pin: key idx"] == found["pin: older generation"] == 0
        assert found["pin: pin and user at once"] == 4
        assert found["pin: text"] == found["pin: list"] == 0

    def test_the_position_is_known(self, spark: Any) -> None:
        position: dict[str, Any] = {"kafka_topic": "t", "kafka_partition": 0, "kafka_offset": 1, "kafka_timestamp": 2}
        frame = spark.createDataFrame([(json.dumps(pin(**position)),)], "raw string")
        assert rows(contract.examine(frame, "pin").select("extra_fields", "reason")) == [
            {"extra_fields": 0, "reason": None}
        ]


class TestContract:
    @pytest.mark.parametrize("table", ["pin", "geo", "user"])
    def test_required_fields_are_those_of_the_published_contract(self, table: str) -> None:
        assert sorted(contracts.schema(table)["required"]) == sorted(independent.NEEDED[table])

    def test_every_row_stays_and_every_column(self, spark: Any) -> None:
        frame = spark.createDataFrame([("x", 1), ("[]", 2), (json.dumps(pin()), 3)], "raw string, shard int")
        examined = contract.examine(frame, "pin")
        assert {"raw", "shard"} <= set(examined.columns)
        assert not {"document", "fields", "verdict"} & set(examined.columns)
        assert sorted(row["shard"] for row in rows(contract.rejected(examined))) == [1, 2]
        assert [row["shard"] for row in rows(contract.accepted(examined))] == [3]

    def test_a_long_detail_is_cut(self, spark: Any) -> None:
        frame = spark.createDataFrame([(json.dumps(pin(index="x" * 5000)),)], "raw string")
        assert len(rows(contract.examine(frame, "pin"))[0]["detail"]) == contract.DETAIL_LENGTH

    def test_unwraps_on_request_only(self, spark: Any) -> None:
        frame = spark.createDataFrame([(json.dumps(json.dumps(pin())),)], "raw string")
        assert rows(contract.examine(frame, "pin"))[0]["reason"] == "not_an_object"
        assert rows(contract.examine(frame, "pin", unwrap=True))[0]["ind"] == 7528
