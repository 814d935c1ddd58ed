"""The ledger: what it says while others write, and after a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from emulator.ledger import Attempt, Ledger, Outcome, Path, Result, State
from emulator.source import engine
from tests.unit.emulator.fake_gateway import Call, Reply, fake_gateway

PROGRAM = """
import sys
from emulator.post import EmulatorOptions, run
run(EmulatorOptions(sys.argv[1], sys.argv[2], posts=100_000, batch_size=20, run_id="killed"))
"""


def attempt(name: str = "r/1/1", inds: tuple[int, ...] = (1, 2), times: tuple[int, ...] = (1_000, 2_000)) -> Attempt:
    return Attempt(name, "r", "geo", "pinflow.geo", 1, inds, times)


@pytest.fixture
def ledger(empty: str) -> Ledger:
    return Ledger(engine(empty))


class TestAttempts:
    def test_an_attempt_under_way_is_unknown(self, ledger: Ledger) -> None:
        ledger.intend([attempt()])
        assert ledger.ambiguous("geo") == {1, 2}
        assert ledger.ambiguous("pin") == set()
        assert ledger.totals()["geo"] == {"accepted": 0, "rejected": 0, "unknown": 2}
        assert ledger.totals(1_500, 2_500)["geo"]["unknown"] == 1

    def test_outcomes_take_its_place(self, ledger: Ledger) -> None:
        ledger.intend([attempt()])
        rejected = Outcome(Result.REJECTED, code="50002", reason="Too large.")
        ledger.settle([(attempt(), [Outcome(Result.ACCEPTED, 2, 40), rejected])])
        assert ledger.ambiguous("geo") == set()
        assert list(ledger.accepted("geo")) == [(1, 2, 40)]
        assert ledger.totals() == {
            "pin": {"accepted": 0, "rejected": 0, "unknown": 0},
            "geo": {"accepted": 1, "rejected": 1, "unknown": 0},
            "user": {"accepted": 0, "rejected": 0, "unknown": 0},
        }

    def test_an_attempt_that_was_never_sent_leaves_nothing(self, ledger: Ledger) -> None:
        ledger.intend([attempt()])
        ledger.settle([(attempt(), [])])
        assert ledger.totals()["geo"] == {"accepted": 0, "rejected": 0, "unknown": 0}

    def test_doubt_stays_after_a_later_success(self, ledger: Ledger) -> None:
        for number, outcome in ((1, Outcome(Result.UNKNOWN, code="timeout")), (2, Outcome(Result.ACCEPTED, 0, 5))):
            one = attempt(f"r/1/{number}", (9,), (1_000,))
            ledger.intend([one])
            ledger.settle([(one, [outcome])])
        assert ledger.ambiguous("geo") == {9}
        assert list(ledger.accepted("geo")) == [(9, 0, 5)]

    def test_ranges_are_half_open(self, ledger: Ledger) -> None:
        one = attempt(inds=(1, 2, 3), times=(1_000, 2_000, 3_000))
        ledger.intend([one])
        ledger.settle([(one, [Outcome(Result.ACCEPTED, 0, n) for n in range(3)])])
        assert [ind for ind, _, _ in ledger.accepted("geo", 1_000, 3_000)] == [1, 2]
        assert [ind for ind, _, _ in ledger.accepted("geo", start_ms=2_000)] == [2, 3]
        assert [ind for ind, _, _ in ledger.accepted("geo", end_ms=2_000)] == [1]
        assert ledger.totals(2_000, 3_000)["geo"]["accepted"] == 1

    def test_offsets_beyond_four_bytes(self, ledger: Ledger) -> None:
        one = attempt(inds=(1,), times=(1_900_000_000_000,))
        ledger.intend([one])
        ledger.settle([(one, [Outcome(Result.ACCEPTED, 0, 2**40)])])
        assert list(ledger.accepted("geo")) == [(1, 0, 2**40)]


class TestRuns:
    def test_begin_and_finish(self, ledger: Ledger) -> None:
        assert ledger.begin("r", target="batch", mode="now", seed=5).resumed is False
        assert ledger.runs()[0]["state"] == "running"
        ledger.finish("r", State.FINISHED, 12, 1_000, 2_000)
        found = ledger.run("r")
        assert found is not None
        assert found["finished_at"] >= found["started_at"]
        assert {name: found[name] for name in ("target", "mode", "seed", "posts", "state")} == {
            "target": "batch", "mode": "now", "seed": 5, "posts": 12, "state": "finished",
        }  # fmt: skip
        assert (found["first_timestamp_ms"], found["last_timestamp_ms"]) == (1_000, 2_000)
        assert ledger.run("other") is None

    def test_a_run_that_goes_on(self, ledger: Ledger) -> None:
        ledger.begin("r", target="batch", mode="now", seed=5)
        for name, inds in (("r/1/1", (1, 2)), ("r/2/1", (3, 1)), ("r/3/1", (8, 9))):
            ledger.intend([attempt(name, inds)])
        ledger.settle([(attempt("r/1/1"), [Outcome(Result.ACCEPTED, 0, 0), Outcome(Result.UNKNOWN)])])
        ledger.settle([(attempt("r/2/1", (3, 1)), [Outcome(Result.REJECTED), Outcome(Result.ACCEPTED, 0, 1)])])
        earlier = ledger.begin("r", target="batch", mode="now", seed=5)
        assert earlier.settled == {(Path.BATCH, "geo"): {1: 2, 3: 1}}
        assert earlier.results == {Path.BATCH: {Result.ACCEPTED: 2, Result.REJECTED: 1}}
        assert earlier.span == [1_000, 2_000]
        assert ledger.ambiguous("geo") == {2, 8, 9}
        assert ledger.totals()["geo"]["unknown"] == 3

    def test_forget(self, ledger: Ledger) -> None:
        ledger.begin("r", target="batch", mode="now", seed=5)
        ledger.intend([attempt()])
        ledger.forget()
        assert ledger.runs() == []
        assert ledger.totals()["geo"]["unknown"] == 0


class TestReaders:
    def test_reading_while_another_writes(self, ledger: Ledger, empty: str) -> None:
        failures: list[BaseException] = []

        def write() -> None:
            try:
                for number in range(60):
                    one = attempt(f"r/{number}/1", tuple(range(200)), (5,) * 200)
                    ledger.intend([one])
                    ledger.settle([(one, [Outcome(Result.ACCEPTED, 0, number * 200 + n) for n in range(200)])])
            except BaseException as error:
                failures.append(error)
                raise

        writer = threading.Thread(target=write)
        reader = Ledger(engine(empty))
        writer.start()
        seen = []
        while writer.is_alive():
            seen.append(len(list(reader.accepted("geo"))))
            reader.totals()
        writer.join()
        assert not failures
        assert seen == sorted(seen)
        assert all(count % 200 == 0 for count in seen)
        assert len({offset for _, _, offset in reader.accepted("geo")}) == 12_000


class TestKill:
    def test_after_a_kill_the_ledger_says_the_truth(self, source: str) -> None:
        """SIGKILL in mid-flight: each record that is there is accepted or ambiguous, and the run can go on."""
        reached, release = threading.Event(), threading.Event()

        def script(call: Call) -> Reply:
            if call.number > 20:
                reached.set()
                release.wait(20)
            return Reply()

        with fake_gateway(script) as gateway:
            process = subprocess.Popen([sys.executable, "-c", PROGRAM, source, gateway.url], env=dict(os.environ))
            try:
                assert reached.wait(30)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(10)
                release.set()
            ledger = Ledger(engine(source))
            with gateway._lock:
                held = {(one.topic, one.key, one.partition, one.offset) for one in gateway.taken}
        accepted = {(f"pinflow.{t}", *row) for t in ("pin", "geo", "user") for row in ledger.accepted(t)}
        doubtful = {(f"pinflow.{t}", ind) for t in ("pin", "geo", "user") for ind in ledger.ambiguous(t)}
        assert len(accepted) > 100
        assert accepted <= held
        assert {(topic, ind) for topic, ind, _, _ in held - accepted} <= doubtful
        assert doubtful
        assert ledger.runs()[0]["state"] == "running"

    def test_the_file_is_whole_after_it(self, source: str) -> None:
        with fake_gateway() as gateway:
            process = subprocess.Popen([sys.executable, "-c", PROGRAM, source, gateway.url], env=dict(os.environ))
            try:
                while len(gateway.calls) < 12:
                    assert process.poll() is None
                    threading.Event().wait(0.01)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(10)
        with closing(sqlite3.connect(source.removeprefix("sqlite:///"))) as connection:
            assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
