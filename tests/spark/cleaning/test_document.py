"""How strictly the text of a record is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.spark.document import with_fields
from tests.spark.lake import rows

NOT_JSON = [
    "",
    "  ",
    "not json",
    "{",
    '{"a":1',
    '{"a":1} trailing',
    '{"a":1}{"a":2}',
    '{"a":1},{"a":2}',
    '{"a":1}]',
    '{"a":1}}',
    '{"a":1}],[',
    '{"a":1},"b":2',
    '1],"value":[2',
    "{'a':1}",
    "{a:1}",
    '{"a":1,}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":01}',
    '{"a":+1}',
    '{"a":.5}',
    '{"a":1,"a":1}',
    '{"a":"control \x01"}',
    '{"a":"\\q"}',
    '// remark\n{"a":1}',
    "None",
    "True",
]
FIELDS: dict[str, dict[str, str | None]] = {
    '{"a":1}': {"a": "1"},
    ' {"a" : 1 }\r': {"a": "1"},
    "{}": {},
    '{"a":null}': {"a": None},
    '{"a":"null"}': {"a": "null"},
    '{"a":true,"b":false}': {"a": "true", "b": "false"},
    '{"a":"7528","b":7528}': {"a": "7528", "b": "7528"},
    '{"a":-89.9787}': {"a": "-89.9787"},
    '{"a":{"b":[1]}}': {"a": '{"b":[1]}'},
    '{"a":"line\\nbreak \\"quoted\\" \\ud83d\\ude00"}': {"a": 'line\nbreak "quoted" 😀'},
    '{"":"empty name","a.b":"dot","A":"case"}': {"": "empty name", "a.b": "dot", "A": "case"},
}
NOT_AN_OBJECT = ["[1]", "5", "true", "null", '"text"', '[{"a":1}]', '"{\\"a\\":1}"']


@pytest.fixture(scope="module")
def read(spark: Any) -> dict[str, dict[str, Any]]:
    frame = spark.createDataFrame([(raw,) for raw in [*NOT_JSON, *FIELDS, *NOT_AN_OBJECT]], "raw string")
    found = with_fields(frame).selectExpr("raw", "fields", "document IS NOT NULL AS valid")
    return {row["raw"]: row for row in rows(found)}


@pytest.fixture(scope="module")
def unwrapped(spark: Any) -> dict[str, Any]:
    inner = json.dumps({"a": 1})
    cases = {"plain": inner, "wrapped": json.dumps(inner), "text": '"no json"', "broken": "{", "list": "[1]"}
    frame = spark.createDataFrame(list(cases.items()), "name string, raw string")
    found = with_fields(frame, unwrap=True).selectExpr("name", "fields", "document IS NOT NULL AS valid")
    return {row["name"]: (row["valid"], row["fields"]) for row in rows(found)}


class TestStrictly:
    @pytest.mark.parametrize("raw", NOT_JSON)
    def test_what_is_not_one_json_value_has_no_document(self, read: dict[str, dict[str, Any]], raw: str) -> None:
        assert not read[raw]["valid"]
        assert read[raw]["fields"] is None

    @pytest.mark.parametrize(("raw", "expected"), list(FIELDS.items()))
    def test_fields_are_text(self, read: dict[str, dict[str, Any]], raw: str, expected: dict[str, str | None]) -> None:
        assert read[raw]["fields"] == expected

    @pytest.mark.parametrize("raw", NOT_AN_OBJECT)
    def test_other_values_have_a_document_but_no_fields(self, read: dict[str, dict[str, Any]], raw: str) -> None:
        assert read[raw]["valid"]
        assert read[raw]["fields"] is None


class TestUnwrap:
    def test_looks_into_a_text(self, unwrapped: dict[str, Any]) -> None:
        assert unwrapped["wrapped"] == (True, {"a": "1"})

    def test_leaves_the_others(self, unwrapped: dict[str, Any]) -> None:
        assert unwrapped["plain"] == (True, {"a": "1"})
        assert unwrapped["text"] == (True, None)
        assert unwrapped["broken"] == (False, None)
        assert unwrapped["list"] == (True, None)
