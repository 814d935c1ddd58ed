"""Results written as JSON_ARRAY, in chunks."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import pytest

from sandbox.databricks.sql import results
from sandbox.databricks.sql.results import Column, Result, ResultTooLargeError, chunks, text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        ("a", "a"),
        (5, "5"),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        (1e20, "1e+20"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (dt.date(2022, 3, 1), "2022-03-01"),
        (dt.datetime(2022, 3, 1, 5, tzinfo=dt.UTC), "2022-03-01T05:00:00.000Z"),
        (dt.datetime(2022, 3, 1, 5, 0, 0, 123456, dt.UTC), "2022-03-01T05:00:00.123456Z"),
        (dt.datetime(2022, 3, 1, 5), "2022-03-01T05:00:00.000"),  # noqa: DTZ001
        (b"ab", "YWI="),
        ([1, None, "ä"], '[1, null, "ä"]'),
        ({"k": dt.date(2022, 1, 2)}, '{"k": "2022-01-02"}'),
        ([{"a": [True]}], '[{"a": [true]}]'),
    ],
)
def test_values(value: object, written: str | None) -> None:
    assert text(value) == written


COLUMNS = [Column("id", "INT", "INT")]


def test_a_result_without_rows_is_one_empty_chunk() -> None:
    (chunk,) = chunks(Result(COLUMNS, []))
    assert (chunk.offset, chunk.rows) == (0, [])


def test_chunks_hold_all_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "CHUNK_BYTES", 100)
    found = list(chunks(Result(COLUMNS, ([number] for number in range(200)))))
    assert len(found) > 5
    assert [row for chunk in found for row in chunk.rows] == [[str(number)] for number in range(200)]
    assert [chunk.offset for chunk in found] == [
        sum(len(one.rows) for one in found[:index]) for index in range(len(found))
    ]


def test_the_row_limit_is_told() -> None:
    result = Result(COLUMNS, ([number] for number in range(5)), row_limit=3)
    (chunk,) = chunks(result)
    assert chunk.rows == [["0"], ["1"], ["2"]]
    assert result.truncated


def test_exactly_the_row_limit_is_not_truncated() -> None:
    result = Result(COLUMNS, ([number] for number in range(3)), row_limit=3)
    assert len(next(chunks(result)).rows) == 3
    assert not result.truncated


def test_more_than_an_inline_result_carries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "INLINE_BYTES", 1000)
    with pytest.raises(ResultTooLargeError, match="row_limit"):
        list(chunks(Result(COLUMNS, (["x" * 100] for _ in range(20)))))


def test_a_decimal_column_has_precision_and_scale() -> None:
    assert Column("d", "DECIMAL", "DECIMAL(5,2)", 5, 2).as_dict(1) == {
        "name": "d",
        "position": 1,
        "type_name": "DECIMAL",
        "type_text": "DECIMAL(5,2)",
        "type_precision": 5,
        "type_scale": 2,
    }
