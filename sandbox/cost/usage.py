"""What posts need on AWS beyond what exists: requests, shards, objects, bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

from emulator.post.options import TABLES, EmulatorOptions
from emulator.post.streams import RECORDS_MOST
from sandbox.cost.account import Account, serverless_stream_minutes
from sandbox.cost.assumptions import (
    ACCESS_LINE,
    AIRFLOW_LOG_GB,
    BROKER_LOG_GB,
    LAKE_COPIES,
    MICROBATCH_GETS,
    MICROBATCH_PUTS,
    MICROBATCH_SECONDS,
    OLD_VERSIONS,
    PROXY_LINE,
    READS,
    SINK_LINES,
    STREAM_COPIES,
    UPLOAD_CALLS,
)
from sandbox.cost.needs import Need, Stage
from sandbox.cost.workload import DAY_SECONDS, GIB, MONTH_DAYS, MONTH_HOURS, Sample, Workload

SHARD_RECORDS, SHARD_BYTES = 1_000.0, 1024.0 * 1024.0
"""What a shard takes a second: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html"""
LCU_BYTES, LCU_CONNECTIONS = GIB, 800.0
"""Bytes an hour and new connections a second of an LCU: https://aws.amazon.com/elasticloadbalancing/pricing/"""
FREE_RETENTION_HOURS, EXTENDED_RETENTION_HOURS = 24, 168
HOPS = 3
"""Ways of a record on which it may change zone: balancer to host, host to broker, broker to worker."""
COMPRESSED_TOGETHER = 1_000
HOURLY_FOLDERS = 24.0


def shards_needed(workload: Workload, sample: Sample) -> int:
    """Shards that each stream needs in the busiest second; one at least."""
    records = workload.rate * workload.peak
    return max(1, math.ceil(records / SHARD_RECORDS), math.ceil(records * sample.largest_stream() / SHARD_BYTES))


def posts_together(workload: Workload, most: int) -> float:
    """Posts in a request: as told, or of one emulator those within its linger of the first; no more than it takes."""
    gathered = 1 + workload.rate * _option("linger")
    return min(float(most), gathered if workload.posts_per_request is None else workload.posts_per_request)


def _option(name: str) -> float:
    """A default of the emulator."""
    return float(next(entry.default for entry in fields(EmulatorOptions) if entry.name == name))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Usage:
    """What a workload does on an account in a day."""

    account: Account
    workload: Workload
    sample: Sample

    @cached_property
    def batch_requests(self) -> float:
        """Requests a day to the REST proxy, one a table."""
        return len(TABLES) * self.workload.posts_per_day / posts_together(self.workload, int(_option("batch_size")))

    @cached_property
    def stream_requests(self) -> float:
        """Requests a day to the streams, one a table."""
        if not self.workload.streams:
            return 0.0
        most = min(RECORDS_MOST, int(_option("batch_size")))
        return len(TABLES) * self.workload.posts_per_day / posts_together(self.workload, most)

    @cached_property
    def objects(self) -> float:
        """Objects a day that the sink writes.

        A partition's object ends after ``rotate.schedule.interval.ms`` if something came (posts come at random, so now
        and then nothing does), or with ``flush.size`` records.
        """
        interval = float(self.account.sink["rotate.schedule.interval.ms"]) / 1000
        windows = DAY_SECONDS / interval if interval > 0 else HOURLY_FOLDERS
        partitions = self.account.settings.kafka.partitions
        in_window = self.workload.posts_per_day / partitions / windows
        begun = max(1 - math.exp(-in_window), in_window / float(self.account.sink["flush.size"]))
        return len(TABLES) * partitions * windows * begun

    @cached_property
    def landed_bytes(self) -> float:
        """Bytes a day in the landing."""
        if not self.objects:
            return 0.0
        records = len(TABLES) * self.workload.posts_per_day / self.objects
        return self.workload.posts_per_day * self.sample.landed_bytes(records)

    @cached_property
    def lake_bytes(self) -> float:
        """Bytes a day that the tables grow by, old versions with them."""
        copies = LAKE_COPIES.value + (STREAM_COPIES.value if self.workload.streams else 0)
        row = self.sample.landed_bytes(COMPRESSED_TOGETHER)
        return self.workload.posts_per_day * row * copies * OLD_VERSIONS.value

    @cached_property
    def microbatches(self) -> float:
        """Micro-batches a day in which something came."""
        hours = self.workload.stream_hours
        step = MICROBATCH_SECONDS.value if self.account.machines else 60 * serverless_stream_minutes()
        return hours * 3600 / step * (1 - math.exp(-self.workload.rate * step))

    @cached_property
    def record_bytes(self) -> float:
        """Bytes a day of records with their keys, on one path."""
        return self.workload.posts_per_day * self.sample.record_bytes()

    def needs(self) -> Iterator[Need]:
        """Everything, for a month."""
        yield from self._network()
        yield from self._gateway()
        yield from self._kafka()
        yield from self._landing()
        if self.workload.streams:
            yield from self._kinesis()
            yield from self._stream()
        yield from self._storage()
        yield from self._logs()

    def _network(self) -> Iterator[Need]:
        """Airflow runs the emulator, which posts to the gateway's public address."""
        posted = self.sample.batch_bytes() + (self.sample.stream_bytes() if self.workload.streams else 0)
        through = _month(self.workload.posts_per_day * posted) / GIB
        yield Need(Stage.NETWORK, "posts through the NAT gateway", "nat.gb", through)
        crossings = HOPS * (self.account.zones - 1) / self.account.zones
        crossed = _month(self.record_bytes) * crossings * 2 / GIB
        yield Need(Stage.NETWORK, "records between zones", "transfer.zone_gb", crossed)

    def _gateway(self) -> Iterator[Need]:
        requests = _month(self.batch_requests + self.stream_requests)
        yield Need(Stage.GATEWAY, "API requests", "apigateway.request", requests)

    def _kafka(self) -> Iterator[Need]:
        hour = self.workload.posts_per_day * self.sample.batch_bytes() / 24
        busy = max(hour / LCU_BYTES, self.batch_requests / DAY_SECONDS / LCU_CONNECTIONS)
        yield Need(Stage.KAFKA, "load balancer, use", "nlb.lcu_hour", busy * MONTH_HOURS)

    def _landing(self) -> Iterator[Need]:
        connect = self.account.settings.connect
        mcu = connect.mcu_count * connect.worker_count
        what = f"MSK Connect, {connect.worker_count} workers of {connect.mcu_count} MCU"
        yield Need(Stage.LANDING, what, "mskconnect.mcu_hour", mcu * MONTH_HOURS, fixed=True)
        yield Need(Stage.LANDING, "S3 writes", "s3.put", _month(self.objects) * UPLOAD_CALLS.value)
        yield Need(Stage.LANDING, "S3 reads", "s3.get", _month(self.objects) * READS.value)

    def _kinesis(self) -> Iterator[Need]:
        had = self.account.settings.streams.shard_count
        more = max(0, shards_needed(self.workload, self.sample) - had)
        for count, fixed in ((had, True), (more, False)):
            yield from self._shards(len(TABLES) * count, fixed)
        units = _month(self.workload.posts_per_day * self.sample.payload_units())
        yield Need(Stage.KINESIS, "PUT payload units", "kinesis.put_unit", units)
        old = max(0, self.account.settings.streams.retention_hours - EXTENDED_RETENTION_HOURS) / 24
        kept = self.record_bytes * min(old, self.workload.days_of_history) / GIB
        yield Need(Stage.KINESIS, "records older than seven days", "kinesis.long_term_gb_month", kept)

    def _stream(self) -> Iterator[Need]:
        yield Need(Stage.STREAM, "S3 writes", "s3.put", _month(self.microbatches) * MICROBATCH_PUTS.value)
        yield Need(Stage.STREAM, "S3 reads", "s3.get", _month(self.microbatches) * MICROBATCH_GETS.value)

    def _shards(self, count: int, fixed: bool) -> Iterator[Need]:
        what, hours = f"{count} {'' if fixed else 'more '}shards", count * MONTH_HOURS
        yield Need(Stage.KINESIS, what, "kinesis.shard_hour", hours, fixed=fixed)
        if self.account.settings.streams.retention_hours > FREE_RETENTION_HOURS:
            yield Need(Stage.KINESIS, f"{what}, retention", "kinesis.extended_shard_hour", hours, fixed=fixed)

    def _storage(self) -> Iterator[Need]:
        """In one line, since its tiers are filled together."""
        history = self.workload.days_of_history
        kept = self.landed_bytes * min(history, self.account.landing_days) + self.lake_bytes * history
        yield Need(Stage.STORAGE, "S3, landing and lake", "s3.gb_month", kept / GIB)

    def _logs(self) -> Iterator[Need]:
        """Airflow's and the proxy's hosts write theirs from inside the VPC."""
        brokers = int(self.account.properties("kafka", "Cluster")["NumberOfBrokerNodes"])
        steady = {"kafka": brokers * BROKER_LOG_GB.value, "airflow": AIRFLOW_LOG_GB.value}
        used = {
            "gateway": _month((self.batch_requests + self.stream_requests) * ACCESS_LINE.value) / GIB,
            "rest-proxy": _month(self.batch_requests * PROXY_LINE.value) / GIB,
            "connect": _month(self.objects * SINK_LINES.value) / GIB,
        }
        for logs, fixed in ((steady, True), (used, False)):
            yield Need(
                Stage.OPERATIONS, _named("logs written", fixed), "logs.ingested_gb", sum(logs.values()), fixed=fixed
            )
            kept = sum(size / MONTH_DAYS * self._log_days(name) for name, size in logs.items())
            yield Need(Stage.OPERATIONS, _named("logs kept", fixed), "logs.kept_gb_month", kept, fixed=fixed)
            inside = logs["airflow"] if fixed else logs["rest-proxy"]
            way = "endpoint.gb" if self._private else "nat.gb"
            yield Need(Stage.NETWORK, _named("logs on their way", fixed), way, inside, fixed=fixed)

    def _log_days(self, name: str) -> float:
        """Airflow's log groups are MWAA's own, which keep everything."""
        history = self.workload.days_of_history
        return history if name == "airflow" else min(history, self.account.log_days(name))

    @property
    def _private(self) -> bool:
        kinds = [
            one["Properties"]
            for one in self.account.stacks["network"].values()
            if one["Type"] == "AWS::EC2::VPCEndpoint"
        ]
        return any(one["VpcEndpointType"] == "Interface" for one in kinds)


def _named(what: str, fixed: bool) -> str:
    return what if fixed else f"{what}, use"


def _month(a_day: float) -> float:
    return a_day * MONTH_DAYS
