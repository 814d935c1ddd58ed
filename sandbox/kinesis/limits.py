"""What a shard takes and gives a second (Kinesis Data Streams, quotas and limits).

Writes: 1,000 records and 1 MiB a second; reads: 5 calls and 2 MiB a second. Each is a bucket that holds
one second's worth, so a burst passes and a steady excess does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

WRITE_RECORDS, WRITE_BYTES = 1000.0, 2.0**20
READ_CALLS, READ_BYTES = 5.0, 2.0**21
MAXIMUM_RECORDS = 500
MAXIMUM_REQUEST_BYTES = 10 * 2**20


@dataclass
class Bucket:
    """A token bucket.

    :param rate: tokens a second, and how many it holds.
    """

    rate: float
    level: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.rate

    def fill(self, now: float) -> None:
        """Add what has trickled in since the last call."""
        self.level = min(self.rate, self.level + (now - self.at) * self.rate) if self.at else self.rate
        self.at = now

    def take(self, amount: float) -> None:
        """Take tokens; the level may fall below zero, which later calls pay for."""
        self.level -= amount


class Limits:
    """The limits of all shards.

    :param enabled: without it everything passes.
    :param clock: seconds, monotonic.
    """

    def __init__(self, *, enabled: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.enabled = enabled
        self._clock = clock
        self._buckets: dict[tuple[int, str], Bucket] = {}

    def admit_write(self, shard: int, size: int) -> bool:
        """Whether a shard takes one more record of this many bytes now."""
        return self._admit(shard, ("write-records", WRITE_RECORDS, 1), ("write-bytes", WRITE_BYTES, size))

    def admit_read(self, shard: int) -> bool:
        """Whether a shard answers one more call now; its bytes are charged afterwards."""
        return self._admit(shard, ("read-calls", READ_CALLS, 1), ("read-bytes", READ_BYTES, 0))

    def charge_read(self, shard: int, size: int) -> None:
        """Charge what a call returned, in bytes; too much delays the next call."""
        if self.enabled:
            self._bucket(shard, "read-bytes", READ_BYTES).take(size)

    def _admit(self, shard: int, *wanted: tuple[str, float, float]) -> bool:
        if not self.enabled:
            return True
        buckets = [(self._bucket(shard, name, rate), amount) for name, rate, amount in wanted]
        if any(bucket.level < min(amount, bucket.rate) or bucket.level <= 0 for bucket, amount in buckets):
            return False
        for bucket, amount in buckets:
            bucket.take(amount)
        return True

    def _bucket(self, shard: int, name: str, rate: float) -> Bucket:
        bucket = self._buckets.setdefault((shard, name), Bucket(rate))
        bucket.fill(self._clock())
        return bucket
