"""Parameters of statements: read from the request, written as SQL."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from sandbox.databricks.errors import InvalidParameterError
from sandbox.databricks.sql.parameters import literal, read_parameters


@pytest.mark.parametrize(
    ("kind", "given", "value", "written"),
    [
        ("STRING", "it's", "it's", r"'it\'s'"),
        ("STRING", "back\\slash", "back\\slash", r"'back\\slash'"),
        (None, "plain", "plain", "'plain'"),
        ("INT", "5", 5, "CAST(5 AS INT)"),
        ("int", "-5", -5, "CAST(-5 AS INT)"),
        ("LONG", "5", 5, "CAST(5 AS BIGINT)"),
        ("BIGINT", str(2**40), 2**40, f"CAST({2**40}L AS BIGINT)"),
        ("SHORT", "7", 7, "CAST(7 AS SMALLINT)"),
        ("BYTE", "7", 7, "CAST(7 AS TINYINT)"),
        ("BOOLEAN", "True", True, "CAST(TRUE AS BOOLEAN)"),
        ("BOOLEAN", "false", False, "CAST(FALSE AS BOOLEAN)"),
        ("DOUBLE", "1.5", 1.5, "CAST(CAST('1.5' AS DOUBLE) AS DOUBLE)"),
        ("DECIMAL(10,2)", "1.50", Decimal("1.50"), "CAST(1.50BD AS DECIMAL(10,2))"),
        ("DECIMAL", "12", Decimal(12), "CAST(12BD AS DECIMAL(10,0))"),
        ("DATE", "2022-03-01", dt.date(2022, 3, 1), "CAST(DATE'2022-03-01' AS DATE)"),
        (
            "TIMESTAMP",
            "2022-03-01T05:00:00Z",
            dt.datetime(2022, 3, 1, 5, tzinfo=dt.UTC),
            "CAST(TIMESTAMP'2022-03-01 05:00:00+00:00' AS TIMESTAMP)",
        ),
        (
            "TIMESTAMP",
            "2022-03-01 05:00:00",
            dt.datetime(2022, 3, 1, 5, tzinfo=dt.UTC),
            "CAST(TIMESTAMP'2022-03-01 05:00:00+00:00' AS TIMESTAMP)",
        ),
    ],
)
def test_types(kind: str | None, given: str, value: object, written: str) -> None:
    (parameter,) = read_parameters([{"name": "p", "value": given} | ({"type": kind} if kind else {})])
    assert parameter.value == value
    assert parameter.literal == written


@pytest.mark.parametrize("kind", ["STRING", "BIGINT", "DATE", "TIMESTAMP", "DECIMAL(5,1)"])
def test_no_value_is_null_of_its_type(kind: str) -> None:
    (parameter,) = read_parameters([{"name": "p", "type": kind}])
    assert parameter.literal == f"CAST(NULL AS {kind})"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"value": "1"}, "has no name"),
        ({"name": "p", "value": "x", "type": "INT"}, "'x', which is not a INT"),
        ({"name": "p", "value": str(2**31), "type": "INT"}, "is not a INT"),
        ({"name": "p", "value": "200", "type": "BYTE"}, "is not a BYTE"),
        ({"name": "p", "value": "maybe", "type": "BOOLEAN"}, "is not a BOOLEAN"),
        ({"name": "p", "value": "1/3", "type": "DECIMAL(5,2)"}, "is not a DECIMAL"),
        ({"name": "p", "value": "tomorrow", "type": "DATE"}, "is not a DATE"),
        ({"name": "p", "value": "1", "type": "ARRAY<INT>"}, "has the type 'ARRAY<INT>'"),
    ],
)
def test_what_cannot_be_read_is_refused(entry: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message.replace("<", "<")):
        read_parameters([entry])


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="given twice"):
        read_parameters([{"name": "p", "value": "1"}, {"name": "p", "value": "2"}])


def test_a_value_without_a_literal_is_refused() -> None:
    with pytest.raises(TypeError, match="list has no SQL literal"):
        literal([1])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (3, "3"),
        (2**33, f"{2**33}L"),
        (dt.datetime(2022, 1, 1), "TIMESTAMP_NTZ'2022-01-01 00:00:00'"),  # noqa: DTZ001
    ],
)
def test_literals_of_python_values(value: object, written: str) -> None:
    assert literal(value) == written
