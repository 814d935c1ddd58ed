"""The emulator through the real gateway and REST proxy into the real broker, with everything that can break broken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select

from emulator.post import EmulatorSummary, run
from emulator.source.tables import TABLES, key
from tests.integration.emulator.conftest import Lane

DAY_MS = 86_400_000


class TestBatch:
    def test_each_row_once_with_its_place_in_the_ledger(self, lane: Lane) -> None:
        before = time.time() * 1000
        summary = run(lane.options(posts="all", batch_size=300))
        after = time.time() * 1000
        held = lane.held()
        assert (summary.accepted, summary.rejected, summary.unknown, summary.state) == (6_000, 0, 0, "finished")
        assert lane.in_ledger() == Counter((one.table, one.ind, one.partition, one.offset) for one in held)
        for table in TABLES:
            assert sorted(one.ind for one in held if one.table == table) == list(range(2_000))
        assert {one.partition for one in held} == {0, 1, 2}
        first, last = map(milliseconds, (summary.first_timestamp, summary.last_timestamp))
        assert before - 1 <= first <= min(one.timestamp_ms for one in held)
        assert max(one.timestamp_ms for one in held) <= last <= after + 1

    def test_rows_arrive_as_they_are_in_the_source(self, lane: Lane) -> None:
        run(lane.options(posts=200))
        with lane.ledger._engine.connect() as connection:
            rows = {
                name: {row[0]: dict(row._mapping) for row in connection.execute(select(table).order_by(key(table)))}
                for name, table in TABLES.items()
            }
        for one in lane.held():
            assert one.key == str(one.ind).encode()
            wanted = rows[one.table][one.ind]
            assert one.value == {
                name: str(value) if isinstance(value, datetime) else value for name, value in wanted.items()
            }

    def test_historic_days(self, lane: Lane) -> None:
        summary = run(lane.options(posts="all", days=(date(2022, 3, 1), date(2022, 3, 4))))
        held = lane.held()
        assert summary.accepted == len(held) == 6_000
        start = int(datetime(2022, 3, 1, tzinfo=UTC).timestamp() * 1000)
        for table in TABLES:
            days = Counter((one.timestamp_ms - start) // DAY_MS for one in held if one.table == table)
            assert days == {0: 500, 1: 500, 2: 500, 3: 500}
            second_day = sorted(lane.ledger.accepted(table, start + DAY_MS, start + 2 * DAY_MS))
            assert second_day == sorted(
                (one.ind, one.partition, one.offset)
                for one in held
                if one.table == table and start + DAY_MS <= one.timestamp_ms < start + 2 * DAY_MS
            )
        times = {one.ind: one.timestamp_ms for one in held if one.table == "pin"}
        assert [times[ind] for ind in range(2_000)] == sorted(times.values())
        assert all(times[one.ind] == one.timestamp_ms for one in held)
        assert [milliseconds(summary.first_timestamp), milliseconds(summary.last_timestamp)] == [
            min(times.values()),
            max(times.values()),
        ]

    def test_a_topic_that_is_not_there(self, lane: Lane) -> None:
        lane.prefix = "none-such"
        summary = run(lane.options(posts=5_000))
        assert summary.accepted == 0
        assert summary.rejected + summary.unknown == summary.records
        assert not summary.clean
        assert lane.in_ledger() == Counter()

    def test_a_record_that_the_broker_refuses(self, lane: Lane) -> None:
        with lane.ledger._engine.begin() as connection:
            pin = TABLES["pin"]
            connection.execute(pin.update().where(pin.c["index"] == 7).values(description="x" * 1_500_000))
        summary = run(lane.options(posts="all"))
        assert (summary.accepted, summary.rejected, summary.unknown) == (5_999, 1, 0)
        assert lane.in_ledger() == lane.in_kafka()
        assert ("pin", 7) not in {(one.table, one.ind) for one in lane.held()}


class TestThingsBreak:
    """Something is killed in mid-run and comes back: nothing is lost, and the ledger is true."""

    def post_while(self, lane: Lane, trouble: Callable[[], None]) -> EmulatorSummary:
        done: list[EmulatorSummary] = []
        under_way = threading.Event()

        def told(summary: EmulatorSummary) -> None:
            if summary.accepted >= 300:
                under_way.set()

        options = lane.options(posts="all", batch_size=20, rate=400.0, attempts=20)
        thread = threading.Thread(target=lambda: done.append(run(options, on_progress=told)))
        thread.start()
        assert under_way.wait(60)
        trouble()
        thread.join(180)
        assert done
        return done[0]

    def check(self, lane: Lane, summary: EmulatorSummary) -> None:
        held, ledger = lane.in_kafka(), lane.in_ledger()
        assert summary.state == "finished"
        assert (summary.accepted, summary.rejected, summary.unknown) == (6_000, 0, 0)
        assert ledger <= held
        there = Counter((table, ind) for table, ind, _, _ in ledger)
        assert there == Counter((table, ind) for table in TABLES for ind in range(2_000))
        doubtful = {(table, ind) for table in TABLES for ind in lane.ledger.ambiguous(table)}
        assert {(table, ind) for table, ind, _, _ in held - ledger} <= doubtful

    @pytest.mark.parametrize("part", ["gateway", "rest-proxy"])
    def test_killed_and_started_again(self, lane: Lane, part: str) -> None:
        def trouble() -> None:
            os.kill(lane.platform.leader(part), signal.SIGKILL)
            lane.platform.up("gateway")

        summary = self.post_while(lane, trouble)
        assert summary.retried > 0
        self.check(lane, summary)

    def test_the_broker_is_killed_and_started_again(self, lane: Lane) -> None:
        def trouble() -> None:
            os.kill(lane.platform.leader("kafka"), signal.SIGKILL)
            lane.platform.up("gateway")

        self.check(lane, self.post_while(lane, trouble))

    def test_the_emulator_is_killed_and_goes_on(self, lane: Lane) -> None:
        command = [
            sys.executable, "-m", "emulator", "post", "--source", lane.source, "--gateway", lane.gateway,
            "--prefix", lane.prefix, "--posts", "all", "--batch-size", "20", "--run-id", "mine",
        ]  # fmt: skip
        process = subprocess.Popen([*command, "--rate", "500"], stdout=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 60
            while lane.ledger.totals()["user"]["accepted"] < 200:
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        cut: Any = lane.ledger.run("mine")
        assert cut["state"] == "running"
        held, ledger = lane.in_kafka(), lane.in_ledger()
        doubtful = {(table, ind) for table in TABLES for ind in lane.ledger.ambiguous(table)}
        assert ledger <= held
        assert {(table, ind) for table, ind, _, _ in held - ledger} <= doubtful
        subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)
        summary = run(lane.options(posts="all", run_id="mine"))
        assert summary.accepted == 6_000
        self.check(lane, summary)


def milliseconds(text: str | None) -> int:
    assert text is not None
    return round(datetime.fromisoformat(text).timestamp() * 1000)
