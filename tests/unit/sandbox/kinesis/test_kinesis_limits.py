"""The limits of a shard, with a clock that the test moves."""

from __future__ import annotations

from sandbox.kinesis.limits import Limits


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(limits: Limits, shard: int, records: int, size: int) -> int:
    return sum(limits.admit_write(shard, size) for _ in range(records))


def test_a_shard_takes_a_thousand_records_in_a_burst_and_then_none() -> None:
    limits = Limits(enabled=True, clock=Clock())
    assert admitted(limits, 1, 1500, 10) == 1000


def test_half_a_second_later_it_takes_five_hundred_more() -> None:
    clock = Clock()
    limits = Limits(enabled=True, clock=clock)
    admitted(limits, 1, 1500, 10)
    clock.now += 0.5
    assert admitted(limits, 1, 1500, 10) == 500


def test_a_mebibyte_a_second_counts_before_a_thousand_records() -> None:
    limits = Limits(enabled=True, clock=Clock())
    assert admitted(limits, 1, 100, 2**18) == 4


def test_a_record_of_the_whole_second_s_bytes_passes() -> None:
    limits = Limits(enabled=True, clock=Clock())
    assert limits.admit_write(1, 2**20)
    assert not limits.admit_write(1, 1)


def test_shards_do_not_share_their_limits() -> None:
    limits = Limits(enabled=True, clock=Clock())
    admitted(limits, 1, 1000, 10)
    assert admitted(limits, 2, 1000, 10) == 1000


def test_five_reads_a_second() -> None:
    clock = Clock()
    limits = Limits(enabled=True, clock=clock)
    assert [limits.admit_read(1) for _ in range(6)] == [True] * 5 + [False]
    clock.now += 0.2
    assert limits.admit_read(1)


def test_a_large_answer_delays_the_next_read() -> None:
    clock = Clock()
    limits = Limits(enabled=True, clock=clock)
    assert limits.admit_read(1)
    limits.charge_read(1, 10 * 2**20)
    clock.now += 3.9
    assert not limits.admit_read(1)
    clock.now += 0.2
    assert limits.admit_read(1)


def test_without_limits_everything_passes() -> None:
    limits = Limits(enabled=False, clock=Clock())
    assert admitted(limits, 1, 5000, 2**20) == 5000
    assert all(limits.admit_read(1) for _ in range(50))
