"""Each field's reading, case by case; the expectations are written by hand. One Spark job a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import functions as F

from include.spark import values
from tests.spark.lake import rows


def reading(spark: Any, cases: dict[str | None, Any], reader: Callable[[Any], Any]) -> dict[str | None, Any]:
    frame = spark.createDataFrame([(text,) for text in cases], "text string")
    return {row["text"]: row["value"] for row in rows(frame.select("text", reader(F.col("text")).alias("value")))}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


FOLLOWERS: dict[str | None, int | None] = {
    "12.3k": 12_300,
    "5k": 5_000,
    "991k": 991_000,
    "1k": 1_000,
    "2M": 2_000_000,
    "15M": 15_000_000,
    "1.25M": 1_250_000,
    "1B": 1_000_000_000,
    "2.147483647B": 2_147_483_647,
    "437": 437,
    "0": 0,
    "0k": 0,
    "1,234": 1_234,
    "1,234,567": 1_234_567,
    "1,234.5k": 1_234_500,
    "2m": 2_000_000,
    "3K": 3_000,
    "1b": 1_000_000_000,
    " 437 ": 437,
    "\u00a012 k\u00a0": 12_000,
    "1.2345k": 1_235,
    "1.2344999999999999999k": 1_234,
    "1.2345000000000000000k": 1_235,
    "0.0005k": 1,
    "0.0004k": 0,
    "0.00049999999999999999999999k": 0,
    "1.0000005M": 1_000_001,
    "2147483647": 2_147_483_647,
    "0000000000000000000000000000000437": 437,
    "2147483648": None,
    "3B": None,
    "99999999999999999999999999": None,
    "-5": None,
    "-5k": None,
    "+5k": None,
    "abc": None,
    "1.5": None,
    "437.0": None,
    "k": None,
    "5kk": None,
    "5 k M": None,
    ".5k": None,
    "5.k": None,
    "1,23": None,
    "1,2345": None,
    "12345,678": None,
    "1e3": None,
    "٣k": None,
    "User Info Error": None,
    "": None,
    "true": None,
    None: None,
}


@pytest.fixture(scope="module")
def followers(spark: Any) -> dict[str | None, Any]:
    return reading(spark, FOLLOWERS, values.followers)


class TestFollowers:
    @pytest.mark.parametrize(("text", "expected"), list(FOLLOWERS.items()))
    def test_reads_exactly_or_not_at_all(self, followers: Any, text: str | None, expected: int | None) -> None:
        assert followers[text] == expected


MOMENTS: dict[str | None, datetime | None] = {
    "2020-08-28 03:52:47": utc(2020, 8, 28, 3, 52, 47),
    "2020-08-28T03:52:47": utc(2020, 8, 28, 3, 52, 47),
    "2020:08:28 03:52:47": utc(2020, 8, 28, 3, 52, 47),
    "2020:08:28T03:52:47Z": utc(2020, 8, 28, 3, 52, 47),
    "2020-08-28T03:52:47.000Z": utc(2020, 8, 28, 3, 52, 47),
    "2020-08-28 03:52:47.5": utc(2020, 8, 28, 3, 52, 47, 500_000),
    "2020-08-28T03:52:47.123456789": utc(2020, 8, 28, 3, 52, 47, 123_456),
    "2020-08-28T03:52:47+02:00": utc(2020, 8, 28, 1, 52, 47),
    "2020-08-28T03:52:47-0530": utc(2020, 8, 28, 9, 22, 47),
    "2020-08-28T03:52:47.25+02": utc(2020, 8, 28, 1, 52, 47, 250_000),
    "2020:08:28 03:52:47+00:00": utc(2020, 8, 28, 3, 52, 47),
    " 2020-08-28 03:52:47 ": utc(2020, 8, 28, 3, 52, 47),
    "2019-12-31 23:59:59": utc(2019, 12, 31, 23, 59, 59),
    "2020-02-29 00:00:00": utc(2020, 2, 29),
    "2021-02-29 00:00:00": None,
    "2020-02-30 00:00:00": None,
    "2020-13-01 00:00:00": None,
    "2020-08-28 24:00:00": None,
    "2020-08-28 03:52:60": None,
    "0000-00-00 00:00:00": None,
    "2020-08:28 03:52:47": None,
    "2020/08/28 03:52:47": None,
    "28-08-2020 03:52:47": None,
    "2020-08-28": None,
    "2020-08-28 03:52": None,
    "2020-08-28 03:52:47 Europe/Berlin": None,
    "2020-08-28 03:52:47+19:00": None,
    "1598586767": None,
    "soon": None,
    "": None,
    None: None,
}


@pytest.fixture(scope="module", params=["UTC", "America/New_York", "Asia/Kolkata"])
def moments(request: pytest.FixtureRequest, spark: Any) -> Iterator[dict[str | None, Any]]:
    spark.conf.set("spark.sql.session.timeZone", request.param)
    yield reading(spark, MOMENTS, values.moment)
    spark.conf.set("spark.sql.session.timeZone", "UTC")


class TestMoment:
    @pytest.mark.parametrize(("text", "expected"), list(MOMENTS.items()))
    def test_is_utc_whatever_the_session_says(self, moments: Any, text: str | None, expected: datetime | None) -> None:
        assert moments[text] == expected


WHOLE: dict[str | None, int | None] = {
    "7528": 7528,
    "0": 0,
    "007": 7,
    " 7 ": 7,
    "7528.0": 7528,
    "2147483647": 2_147_483_647,
    "2147483648": None,
    "1.5": None,
    "-1": None,
    "+1": None,
    "1e3": None,
    "7.": None,
    "true": None,
    '{"a":1}': None,
    "": None,
    "٧": None,
    None: None,
}
DEGREES: dict[str | None, float | None] = {
    "-89.9787": -89.9787,
    "-173.293": -173.293,
    "12": 12.0,
    "+12.50": 12.5,
    "1.0E-5": 1e-5,
    "-0.0": 0.0,
    " 3.5 ": 3.5,
    "NaN": None,
    "Infinity": None,
    "1d": None,
    "1f": None,
    "0x10": None,
    ".5": None,
    "1,5": None,
    "true": None,
    "": None,
    None: None,
}


@pytest.fixture(scope="module")
def whole(spark: Any) -> dict[str | None, Any]:
    return reading(spark, WHOLE, values.whole_number)


@pytest.fixture(scope="module")
def degrees(spark: Any) -> dict[str | None, Any]:
    return reading(spark, DEGREES, values.decimal_number)


class TestNumbers:
    @pytest.mark.parametrize(("text", "expected"), list(WHOLE.items()))
    def test_whole_number(self, whole: Any, text: str | None, expected: int | None) -> None:
        assert whole[text] == expected

    @pytest.mark.parametrize(("text", "expected"), list(DEGREES.items()))
    def test_double_keeps_every_digit(self, degrees: Any, text: str | None, expected: float | None) -> None:
        assert degrees[text] == expected

    def test_an_offset_may_be_larger_than_an_int(self, spark: Any) -> None:
        read = reading(spark, {"9007199254740993": None}, lambda text: values.whole_number(text, "bigint"))
        assert read == {"9007199254740993": 9_007_199_254_740_993}
