"""The section "What it costs" of docs/aws.md says what the command computes."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from include.config.settings import load
from sandbox.cost import prices
from sandbox.cost.account import parameters
from sandbox.cost.estimate import Estimate, estimate
from sandbox.cost.workload import Workload
from sandbox.supervisor.home import ROOT

SECTION = (ROOT / "docs/aws.md").read_text().partition("## What it costs")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line.startswith("| ")]


def found(posts: float, *words: str, **options: Any) -> Estimate:
    return estimate(Workload(posts, **options), load("aws"), prices.load(), parameters(words))


@pytest.fixture(scope="module")
def shown() -> Estimate:
    return found(100_000)


def test_the_table_s_lines_are_those_of_one_dollar_or_more(shown: Estimate) -> None:
    large = [line for line in shown.lines if line.usd >= 1]
    expected = [
        [str(line.need.stage), line.need.what, "fixed" if line.need.fixed else "use", f"{line.usd:,.2f}"]
        for line in large
    ]
    rest = sum(line.usd for line in shown.lines if line.usd < 1)
    count = len(shown.lines) - len(large)
    expected.append(["all", f"{count} lines of less than 1 USD", "both", f"{rest:,.2f}"])
    assert ROWS[1 : 1 + len(expected)] == expected


def test_its_sums(shown: Estimate) -> None:
    sums = {row[1].strip("*"): row[3].strip("*") for row in ROWS if row[1].startswith("**")}
    assert sums == {
        "fixed, even without posts": f"{shown.fixed:,.2f}",
        "by use": f"{shown.used:,.2f}",
        "total": f"{shown.total:,.2f}",
    }
    assert f"\n{shown.per_1000_posts:.2f} USD for 1,000 posts." in SECTION


def test_the_trial() -> None:
    words, cost = re.findall(r"`(--posts-per-day 1000 .*?)` costs ([\d,.]+)\.\n", SECTION)[0]
    told = shlex.split(words)
    given = dict(zip(told[::2], told[1::2], strict=True))
    chosen = [value for key, value in zip(told[::2], told[1::2], strict=True) if key == "--set"]
    assert set(given) == {"--posts-per-day", "--stream-hours", "--set"}
    cheap = found(float(given["--posts-per-day"]), *chosen, stream_hours=float(given["--stream-hours"]))
    assert f"{cheap.total:,.2f}" == cost


def test_the_other_numbers() -> None:
    watched = found(100_000, supervised_hours=24)
    assert f"`--supervised-hours 24` costs\n  {watched.total:,.2f} in all" in SECTION
    single = found(10_000_000, posts_per_request=1)
    assert f"`--posts-per-request 1`, {single.total:,.2f} at 10,000,000 posts" in SECTION


def test_it_says_of_when_the_prices_are_and_that_they_must_be_checked() -> None:
    file = prices.load()
    assert f"**They are of {file.as_of}, written down without access to the internet" in SECTION
    assert not file.checked, "somebody checked the prices: say so in docs/aws.md, README.md and here"


def test_a_budget_that_would_be_overrun_at_once_is_not_advised(shown: Estimate) -> None:
    (advised,) = re.findall(r"MonthlyUsd=(\d+)", (ROOT / "docs/aws.md").read_text())
    assert float(advised) > shown.total
