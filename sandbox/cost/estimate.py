"""The estimate: everything that is needed in a month, with its price."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from include.config.settings import Settings
from sandbox.cost import assumptions, resources
from sandbox.cost.account import Account
from sandbox.cost.databricks import Compute
from sandbox.cost.needs import Need, Stage
from sandbox.cost.prices import Price, Prices
from sandbox.cost.usage import Usage, shards_needed
from sandbox.cost.workload import GIB, MONTH_DAYS, Sample, Workload, measured

NOT_INCLUDED = (
    "tax", "support plans", "free tiers and credits", "discounts, commitments and spot prices",
    "data that leaves AWS or the region", "the network of the Databricks workspace", "workers that MWAA adds",
    "endpoints that MWAA makes itself", "what else goes through the NAT gateway",
    "growth of the source database and its backups", "failed and repeated runs, backfills",
)  # fmt: skip

FULL = 0.85
"""How full a broker's volume should get at the most, as MSK advises."""


@dataclass(frozen=True)
class Line:
    """A need with its price.

    :param usd: a month.
    """

    need: Need
    price: Price
    usd: float

    @property
    def each(self) -> float:
        """The price of ``per`` units; the mean over the tiers where there are some."""
        if self.price.tiers:
            return self.usd / self.need.quantity * self.price.per if self.need.quantity else self.price.tiers[0].value
        return self.price.value(self.need.kind)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        need, price = self.need, self.price
        return {
            "stage": str(need.stage), "what": need.what, "fixed": need.fixed, "quantity": need.quantity,
            "unit": price.unit, "each": self.each, "per": price.per, "usd_month": self.usd,
            "price": price.name, "type": need.kind or None, "page": price.page,
        }  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """What a workload costs a month."""

    workload: Workload
    prices: Prices
    lines: tuple[Line, ...]
    remarks: tuple[str, ...]

    @property
    def fixed(self) -> float:
        """What is paid even if nobody posts."""
        return math.fsum(line.usd for line in self.lines if line.need.fixed)

    @property
    def used(self) -> float:
        """What the posts add."""
        return math.fsum(line.usd for line in self.lines if not line.need.fixed)

    @property
    def total(self) -> float:
        """Both."""
        return self.fixed + self.used

    @property
    def per_1000_posts(self) -> float | None:
        """The total over the month's posts, by the thousand; none without posts."""
        posts = self.workload.posts_per_day * MONTH_DAYS
        return self.total / posts * 1000 if posts else None

    @property
    def stages(self) -> dict[str, float]:
        """What each stage costs."""
        return {
            str(stage): math.fsum(line.usd for line in self.lines if line.need.stage is stage)
            for stage in Stage
            if any(line.need.stage is stage for line in self.lines)
        }

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        prices = {key: getattr(self.prices, key) for key in ("as_of", "currency", "region", "checked", "statement")}
        return {
            "workload": asdict(self.workload),
            "prices": prices | {"as_of": self.prices.as_of.isoformat()},
            "usd_month": {"fixed": self.fixed, "use": self.used, "total": self.total},
            "usd_per_1000_posts": self.per_1000_posts,
            "stages": self.stages,
            "lines": [line.as_dict() for line in self.lines],
            "remarks": list(self.remarks),
            "assumptions": [asdict(one) for one in assumptions.ALL],
            "not_included": list(NOT_INCLUDED),
        }


def estimate(
    workload: Workload,
    settings: Settings,
    prices: Prices,
    given: Mapping[tuple[str, str], str] | None = None,
    sample: Sample | None = None,
) -> Estimate:
    """What a workload costs a month on an account with all stacks.

    :param given: parameters of templates, as :func:`sandbox.cost.account.parameters` reads them.
    :param sample: rows to measure; the emulator's by default.
    :raises sandbox.cost.errors.CostError: a price is missing, or something cannot be costed.
    """
    if workload.serverless:
        settings = replace(settings, workspace=replace(settings.workspace, cluster={}))
    account, rows = Account(settings, given or {}), sample or measured()
    usage, compute = Usage(account, workload, rows), Compute(account, workload, prices)
    needs = merged([*resources.of(account), *usage.needs(), *compute.needs()])
    lines = tuple(
        Line(need, prices[need.price], prices[need.price].cost(need.quantity, need.kind))
        for need in needs
        if need.quantity
    )
    return Estimate(workload, prices, lines, tuple(remarks(usage, compute)))


def merged(needs: Iterable[Need]) -> list[Need]:
    """Needs that differ by their quantity only are one; in the order of the stages."""
    found: dict[Need, float] = {}
    for need in needs:
        key = replace(need, quantity=0.0)
        found[key] = found.get(key, 0.0) + need.quantity
    order = list(Stage)
    made = [replace(key, quantity=quantity) for key, quantity in found.items()]
    return sorted(made, key=lambda need: (order.index(need.stage), not need.fixed))


def remarks(usage: Usage, compute: Compute) -> Iterable[str]:
    """What somebody should know who reads the numbers."""
    account, workload = usage.account, usage.workload
    settings = account.settings
    if settings.region != compute.prices.region:
        yield f"The prices are those of {compute.prices.region}, the settings are of {settings.region}."
    needed = shards_needed(workload, usage.sample)
    if workload.streams and needed > settings.streams.shard_count:
        yield (
            f"Each stream needs {needed} shards at the peak, and the settings say {settings.streams.shard_count}: "
            f"set streams.shard_count to {needed}."
        )
    if (filled := _broker_gib(usage)) > (volume := _volume(account)):
        yield (
            f"The topics' retention fills {filled:,.0f} GiB of each broker, and its volume has {volume:,.0f}: "
            f"--set kafka.VolumeGiB={math.ceil(filled / FULL)}."
        )
    if workload.supervised_hours:
        yield (
            f"While pinflow_streaming watches, the SQL warehouse never stops: {compute.warehouse_hour:.2f} USD an "
            f"hour, {compute.warehouse_hour * 24 * MONTH_DAYS:,.0f} a month without a gap."
        )


def _broker_gib(usage: Usage) -> float:
    kafka = usage.account.settings.kafka
    days = float(kafka.topic_configs.get("retention.ms", "604800000")) / 86_400_000
    brokers = int(usage.account.properties("kafka", "Cluster")["NumberOfBrokerNodes"])
    return usage.record_bytes * days * kafka.replication_factor / brokers / GIB


def _volume(account: Account) -> float:
    nodes = account.properties("kafka", "Cluster")["BrokerNodeGroupInfo"]
    return float(nodes["StorageInfo"]["EBSStorageInfo"]["VolumeSize"])
