"""The half-open interval: which folders it lists and which moments it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from include.spark.interval import Interval


class TestParse:
    @pytest.mark.parametrize(
        "text",
        [
            "2022-03-01T00:00:00Z",
            "2022-03-01T00:00:00+00:00",
            "2022-03-01",
            " 2022-03-01 00:00:00 ",
            "2022-03-01T02:00:00+02:00",
        ],
    )
    def test_is_utc(self, text: str) -> None:
        assert Interval.parse(text, "2022-03-02").start == datetime(2022, 3, 1, tzinfo=UTC)

    @pytest.mark.parametrize("text", ["", "today", "2022-02-30", "01.03.2022"])
    def test_refuses_what_is_no_time(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"interval_end is .* which is no time.*Write it in ISO 8601"):
            Interval.parse("2022-03-01", text)

    @pytest.mark.parametrize("end", ["2022-03-01T00:00:00Z", "2022-02-28", "2022-03-01T01:00:00+02:00"])
    def test_refuses_an_empty_span(self, end: str) -> None:
        with pytest.raises(ValueError, match=r"holds no time.*Give an end after the start"):
            Interval.parse("2022-03-01", end)


class TestFolders:
    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            ("2022-03-01T05:00:00", "2022-03-01T06:00:00", ["year=2022/month=03/day=01/hour={05}"]),
            ("2022-03-01T05:59:59.999", "2022-03-01T06:00:00.001", ["year=2022/month=03/day=01/hour={05,06}"]),
            ("2022-03-01T05:10:00", "2022-03-01T05:20:00", ["year=2022/month=03/day=01/hour={05}"]),
            (
                "2021-12-31T22:00:00",
                "2022-01-01T01:00:00",
                ["year=2021/month=12/day=31/hour={22,23}", "year=2022/month=01/day=01/hour={00}"],
            ),
        ],
    )
    def test_are_the_hours_touched(self, start: str, end: str, expected: list[str]) -> None:
        assert Interval.parse(start, end).folders() == expected

    def test_a_day_has_24_hours_and_not_the_next_midnight(self) -> None:
        folders = Interval.parse("2022-03-01", "2022-03-02").folders()
        assert folders == [f"year=2022/month=03/day=01/hour={{{','.join(f'{hour:02}' for hour in range(24))}}}"]


class TestConditions:
    @pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
    def test_hold_the_start_and_not_the_end(self, spark: Any, zone: str) -> None:
        interval = Interval.parse("2022-03-01T05:10:00", "2022-03-02T00:00:00")
        moments = ["05:09:59.999999Z", "05:10:00Z", "23:59:59.999999Z", "24:00:00Z"]
        texts = [f"2022-03-01 {text}" for text in moments[:3]] + ["2022-03-02 00:00:00Z"]
        spark.conf.set("spark.sql.session.timeZone", zone)
        frame = spark.createDataFrame([(text,) for text in texts], "text string")
        found = frame.selectExpr("text", "CAST(text AS TIMESTAMP) AS t").where(interval.predicate("t")).collect()
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        assert [row["text"] for row in found] == texts[1:3]

    @pytest.mark.parametrize(
        ("end", "last"), [("2022-03-03", "2022-03-02"), ("2022-03-03T00:00:00.000001", "2022-03-03")]
    )
    def test_days_end_with_the_last_moment(self, end: str, last: str) -> None:
        interval = Interval.parse("2022-03-01T05:10:00", end)
        assert interval.days("day") == f"day >= DATE'2022-03-01' AND day <= DATE'{last}'"
