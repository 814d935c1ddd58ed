from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from include.config.settings import Settings, load
from sandbox.cost import prices as price_lists
from sandbox.cost.estimate import Estimate, estimate
from sandbox.cost.prices import Prices
from sandbox.cost.workload import Sample, Workload

Estimated = Callable[..., Estimate]
DAYS = 730 / 24
"""Days of a month."""


def row(size: int) -> bytes:
    """A JSON object of so many bytes."""
    return b'{"a":"%b"}' % (b"x" * (size - 8))


SAMPLE = Sample({"pin": [row(1_000)] * 10, "geo": [row(100)] * 10, "user": [row(100)] * 10})
"""Ten posts of 1,200 bytes, numbered 0 to 9."""


def of(found: Estimate, price: str, *, what: str = "", fixed: bool | None = None) -> float:
    """The quantity of a price, of all its lines or of those that are called so."""
    return sum(
        line.need.quantity
        for line in found.lines
        if line.price.name == price and what in line.need.what and fixed in (None, line.need.fixed)
    )


def usd(found: Estimate, price: str) -> float:
    """What the lines of a price cost."""
    return sum(line.usd for line in found.lines if line.price.name == price)


def changed(settings: Settings, **parts: Mapping[str, Any]) -> Settings:
    """Settings with some fields of some parts changed."""
    return replace(settings, **{name: replace(getattr(settings, name), **fields) for name, fields in parts.items()})


@pytest.fixture
def settings() -> Settings:
    return changed(load("aws"), connect={"overrides": {"rotate.schedule.interval.ms": "10000"}})


PINNED = {
    "msk.broker_hour": {"kafka.m7g.large": 0.2, "kafka.t3.small": 0.05},
    "msk.storage_gb_month": {"": 0.1},
    "databricks.machine_dbu": {"m6id.large": 0.5, "m5d.large": 0.3},
    "databricks.photon_factor": {"": 3.0},
    "databricks.warehouse_dbu": {"2X-Small": 4.0},
    "databricks.serverless_sql_dbu": {"": 0.7},
}
"""Prices that tests reckon with, whatever the file says."""


@pytest.fixture
def prices() -> Prices:
    found = price_lists.load()
    pinned = {name: replace(found[name], values=values) for name, values in PINNED.items()}
    return replace(found, table={**found.table, **pinned})


@pytest.fixture
def estimated(settings: Settings, prices: Prices) -> Estimated:
    """The estimate of so many posts a day; options go to the workload, ``given`` and ``settings`` to the account."""

    def run(posts: float, *, given: Any = None, place: Settings | None = None, **options: Any) -> Estimate:
        return estimate(Workload(posts, **options), place or settings, prices, given, SAMPLE)

    return run
