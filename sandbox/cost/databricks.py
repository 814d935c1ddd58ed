"""What the notebooks and the warehouse need: machines, disks, DBUs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from emulator.post.options import TABLES
from sandbox.cost.account import Account, serverless_stream_minutes, warehouse
from sandbox.cost.assumptions import (
    ANSWERS_MINUTES,
    CLEAN_MINUTES,
    CLEAN_MINUTES_MILLION,
    CLUSTER_DISK_GB,
    SERVERLESS_DBU,
    SERVERLESS_MINUTES,
    SERVERLESS_STREAM_MINUTES,
)
from sandbox.cost.needs import Need, Stage
from sandbox.cost.prices import Prices
from sandbox.cost.workload import MONTH_DAYS, MONTH_HOURS, Workload


@dataclass(frozen=True)
class Compute:
    """The compute of a workload.

    :param prices: for the DBUs that machines and warehouses take.
    """

    account: Account
    workload: Workload
    prices: Prices

    def needs(self) -> Iterator[Need]:
        """Everything, for a month. ``pinflow_batch`` runs daily, whether somebody posted or not."""
        runs = len(TABLES)  # each table is a run with a cluster of its own
        for minutes, fixed in ((self._clean_minutes, True), (self._more_minutes, False)):
            what = "daily run" if fixed else "daily run, use"
            yield from self._run(Stage.BATCH, what, runs * minutes / 60 * MONTH_DAYS, fixed)
        yield from self._warehouse(Stage.BATCH, "warehouse, answers", self._answers_hours)
        if self.workload.streams:
            yield from self._run(Stage.STREAM, "streaming job", self._stream_hours * MONTH_DAYS, True)
            yield from self._warehouse(Stage.STREAM, "warehouse, supervision", self._watched_hours)

    @property
    def warehouse_hour(self) -> float:
        """What an hour of the warehouse costs."""
        return self.prices["databricks.serverless_sql_dbu"].cost(self._warehouse_dbu)

    @property
    def _clean_minutes(self) -> float:
        return (CLEAN_MINUTES if self.account.machines else SERVERLESS_MINUTES).value

    @property
    def _more_minutes(self) -> float:
        return CLEAN_MINUTES_MILLION.value * self.workload.posts_per_day / 1e6

    @property
    def _stream_hours(self) -> float:
        """Hours a day; serverless compute takes no trigger by time, so there the job runs every few minutes."""
        if self.account.machines:
            return self.workload.stream_hours
        return self.workload.stream_hours * min(1.0, SERVERLESS_STREAM_MINUTES.value / serverless_stream_minutes())

    @property
    def _answers_hours(self) -> float:
        return ANSWERS_MINUTES.value / 60 + warehouse()[1]

    @property
    def _watched_hours(self) -> float:
        """The heartbeats are asked for more often than the warehouse waits before it stops, so it never does."""
        watched = self.workload.supervised_hours
        return min(24.0 - self._answers_hours, watched + warehouse()[1]) if watched else 0.0

    @property
    def _warehouse_dbu(self) -> float:
        return self.prices["databricks.warehouse_dbu"].value(warehouse()[0])

    def _run(self, stage: Stage, what: str, hours: float, fixed: bool) -> Iterator[Need]:
        """Hours of a notebook's run in a month."""
        if not self.account.machines:
            dbus = hours * SERVERLESS_DBU.value
            yield Need(stage, f"{what}, serverless", "databricks.serverless_jobs_dbu", dbus, fixed=fixed)
            return
        photon = self.prices["databricks.photon_factor"].value() if self.account.photon else 1.0
        rate = self.prices["databricks.machine_dbu"]
        for kind, count in sorted(Counter(self.account.machines).items()):
            yield Need(stage, f"{what}, {count} {kind}", "ec2.hour", count * hours, kind, fixed)
        disks = len(self.account.machines) * CLUSTER_DISK_GB.value * hours / MONTH_HOURS
        yield Need(stage, f"{what}, disks", "ebs.gb_month", disks, fixed=fixed)
        dbus = photon * hours * sum(rate.value(kind) for kind in self.account.machines)
        yield Need(stage, f"{what}, DBUs", "databricks.jobs_dbu", dbus, fixed=fixed)

    def _warehouse(self, stage: Stage, what: str, hours_a_day: float) -> Iterator[Need]:
        dbus = hours_a_day * MONTH_DAYS * self._warehouse_dbu
        yield Need(stage, what, "databricks.serverless_sql_dbu", dbus, fixed=True)
