from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from emulator.post.options import TABLES
from sandbox.cost.errors import WorkloadError
from sandbox.cost.usage import posts_together, shards_needed
from sandbox.cost.workload import Sample, Workload, landed, measured, payload_units
from tests.unit.sandbox.cost.conftest import SAMPLE, row


class TestWorkload:
    @pytest.mark.parametrize(
        ("name", "value", "text"),
        [
            ("posts_per_day", -1, "--posts-per-day is -1. It must be a number from 0 to 1,000,000,000,000. "),
            ("posts_per_day", float("nan"), "--posts-per-day is nan. "),
            ("posts_per_day", float("inf"), "--posts-per-day is inf. "),
            ("days_of_history", -1, "--days-of-history is -1. It must be a number from 0 to 36,500. "),
            ("stream_hours", 25, "--stream-hours is 25. It must be a number from 0 to 24. "),
            ("supervised_hours", -0.5, "--supervised-hours is -0.5. It must be a number from 0 to 24. "),
            ("posts_per_request", 0, "--posts-per-request is 0. It must be a number from 1 to 1,000,000. "),
            ("peak", 0.5, "--peak is 0.5. It must be a number from 1 to 1,000,000. "),
        ],
    )
    def test_amounts_that_make_no_sense(self, name: str, value: float, text: str) -> None:
        given: dict[str, Any] = {"posts_per_day": 1.0, name: value}
        with pytest.raises(WorkloadError) as refused:
            Workload(**given)
        assert str(refused.value).startswith(text)

    def test_it_is_watched_only_while_it_runs(self) -> None:
        assert Workload(1, stream_hours=2, supervised_hours=2).streams
        with pytest.raises(WorkloadError, match="runs 2 hours a day"):
            Workload(1, stream_hours=2, supervised_hours=3)
        assert not Workload(1, stream_hours=0, supervised_hours=0).streams


class TestPayloadUnits:
    @pytest.mark.parametrize(
        ("size", "units"), [(1, 1), (25_599, 1), (25_600, 1), (25_601, 2), (51_200, 2), (51_201, 3), (1_048_576, 41)]
    )
    def test_begun_ones_count_whole(self, size: int, units: int) -> None:
        assert payload_units(size) == units

    def test_of_a_post(self) -> None:
        sample = Sample({"pin": [row(25_601), row(100)], "geo": [row(100)] * 2, "user": [row(100)] * 2})
        assert sample.payload_units() == 3.5  # pin: 2 and 1, geo 1, user 1


class TestSizes:
    def test_a_post_s_records_with_their_keys(self) -> None:
        assert SAMPLE.record_bytes() == 1_000 + 100 + 100 + 3  # keys 0 to 9
        assert SAMPLE.largest_stream() == 1_000

    def test_requests_have_the_emulator_s_form(self) -> None:
        batch = len('{"records":[{"key":0,"value":}]}')
        assert SAMPLE.batch_bytes() == 1_200 + 3 * batch
        stream = len('{"StreamName":"","records":[{"data":,"partition-key":"0"}]}')
        assert SAMPLE.stream_bytes() == 1_200 + 3 * stream

    def test_landed_rows_are_rows_with_the_sink_s_fields(self) -> None:
        (first, _) = landed("pin", [row(100)] * 2)
        added = json.loads(first)
        assert set(added) == {"a", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp"}
        assert added["a"] == "x" * 92

    def test_objects_hold_so_many_rows(self) -> None:
        def zipped(name: str, count: int) -> float:
            return sum(
                len(gzip.compress(b"\n".join(landed(name, SAMPLE.rows[name])[start : start + count]), mtime=0))
                for start in range(0, 10, count)
            )

        for together, count in ((0.3, 1), (1.6, 2), (5.0, 5), (1e9, 10)):
            assert SAMPLE.landed_bytes(together) == sum(zipped(name, count) for name in TABLES) / 10
        assert SAMPLE.landed_bytes(1) > SAMPLE.landed_bytes(10)

    def test_the_emulator_s_rows(self) -> None:
        """What 1,000 posts of seed 100 have, counted apart on 2026-11-21: 654.418, 109.099 and 99.145 bytes a row."""
        rows = measured().rows
        sizes = {name: sum(map(len, entries)) / len(entries) for name, entries in rows.items()}
        assert sizes == pytest.approx({"pin": 654.418, "geo": 109.099, "user": 99.145})
        assert {len(entries) for entries in rows.values()} == {1_000}
        assert all(json.loads(entry) for entries in rows.values() for entry in entries[:5])
        assert measured().payload_units() == 3


class TestShards:
    @pytest.mark.parametrize(
        ("a_day", "peak", "shards"),
        [
            (0, 5, 1),
            (86_400_000, 1, 1),  # 1,000 a second, and a row has 1,000 bytes
            (86_400_000 + 86_400, 1, 2),  # 1,001 a second
            (17_280_000, 5, 1),  # 200 x 5 = 1,000
            (17_280_000, 6, 2),  # 200 x 6 = 1,200
            (100_000_000, 5, 6),  # 1,157.4 x 5 = 5,787
        ],
    )
    def test_of_records(self, a_day: float, peak: float, shards: int) -> None:
        assert shards_needed(Workload(a_day, peak=peak), SAMPLE) == shards

    def test_of_bytes(self) -> None:
        sample = Sample({"pin": [row(4_096)], "geo": [row(100)], "user": [row(100)]})
        full = 256 * 86_400  # 256 x 4,096 = 1 MiB a second
        assert shards_needed(Workload(full, peak=1), sample) == 1
        assert shards_needed(Workload(full + 86_400, peak=1), sample) == 2


class TestTogether:
    def test_what_comes_within_the_linger_of_50_ms(self) -> None:
        assert posts_together(Workload(0), 1_000) == 1
        assert posts_together(Workload(20 * 86_400), 1_000) == pytest.approx(2)  # 20 a second x 0.05 s = 1 more
        assert posts_together(Workload(1e9), 500) == 500  # 11,574 x 0.05 = 578, and no more than 500 fit

    def test_as_told(self) -> None:
        assert posts_together(Workload(1e9, posts_per_request=1), 500) == 1
        assert posts_together(Workload(1, posts_per_request=700), 500) == 500
