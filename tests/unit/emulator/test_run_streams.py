"""Runs to the streams, and to both, against a real HTTP server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import inspect, select, text

from emulator.ledger import Ledger, Path
from emulator.ledger.tables import entries
from emulator.post import EmulatorOptions, EmulatorSummary, run
from emulator.source import engine
from tests.unit.emulator.fake_gateway import Call, FakeGateway, Reply, fake_gateway, sequence

TABLES = ("pin", "geo", "user")
SLOW = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded."}
BROKEN = {"ErrorCode": "InternalFailure", "ErrorMessage": "Internal service failure."}
REFUSED = {"ErrorCode": "KMSDisabledException", "ErrorMessage": "The key is off."}


def go(source: str, gateway: FakeGateway, **changes: Any) -> EmulatorSummary:
    return run(EmulatorOptions(source, gateway.url, **{"posts": 40, "batch_size": 10, "target": "stream", **changes}))


def in_streams(gateway: FakeGateway) -> Counter[tuple[str, int, str]]:
    """(table, ind, sequence number) of what the fake Kinesis holds."""
    return Counter(
        (one.topic.split("-")[-1], one.key, sequence(one.partition, one.offset))
        for one in gateway.taken
        if one.topic.startswith("streaming-")
    )


def in_kafka(gateway: FakeGateway) -> Counter[tuple[str, int, int, int]]:
    return Counter(
        (one.topic.split(".")[1], one.key, one.partition, one.offset) for one in gateway.taken if "." in one.topic
    )


def streamed(source: str, run_id: str | None = None) -> Counter[tuple[str, int, str]]:
    ledger = Ledger(engine(source))
    return Counter((table, *row) for table in TABLES for row in ledger.streamed(table, run_id))


def accepted(source: str) -> Counter[tuple[str, int, int, int]]:
    ledger = Ledger(engine(source))
    return Counter((table, *row) for table in TABLES for row in ledger.accepted(table))


def first(reply: Reply) -> Callable[[Call], Reply]:
    """A script that answers so to the first request to a stream."""
    seen = threading.Event()

    def script(call: Call) -> Reply:
        if not call.stream or seen.is_set():
            return Reply()
        seen.set()
        return reply

    return script


class TestStream:
    def test_each_record_is_there_once_and_in_the_ledger(self, source: str) -> None:
        with fake_gateway() as gateway:
            summary = go(source, gateway)
        assert len(gateway.taken) == 120
        assert {call.path for call in gateway.calls} == {
            f"/streams/streaming-pinflow-{name}/records" for name in TABLES
        }
        assert streamed(source) == in_streams(gateway)
        assert (summary.records, summary.accepted, summary.state, summary.clean) == (120, 120, "finished", True)
        assert summary.as_dict()["paths"] == {
            "stream": {"records": 120, "accepted": 120, "rejected": 0, "unknown": 0, "retried": 0}
        }

    def test_rows_of_the_ledger(self, source: str) -> None:
        with fake_gateway() as gateway:
            go(source, gateway, run_id="mine")
        with engine(source).connect() as connection:
            rows = connection.execute(select(entries)).all()
        assert {(row.run_id, row.path, row.outcome, row.record_offset) for row in rows} == {
            ("mine", "stream", "accepted", None)
        }
        assert all(row.topic == f"streaming-pinflow-{row.table_name}" for row in rows)
        assert all(row.partition == row.ind % 3 for row in rows)

    def test_the_batch_path_s_readers_see_none_of_it(self, source: str) -> None:
        script = first(Reply(close="after"))
        with fake_gateway(script) as gateway:
            go(source, gateway)
        ledger = Ledger(engine(source))
        assert accepted(source) == Counter()
        assert [ledger.ambiguous(table) for table in TABLES] == [set(), set(), set()]
        assert all(not any(counts.values()) for counts in ledger.totals().values())
        assert sum(counts["accepted"] for counts in ledger.totals(path=Path.STREAM).values()) == 120
        assert sum(len(ledger.ambiguous(table, Path.STREAM)) for table in TABLES) == len(
            {record["partition-key"] for record in gateway.calls[0].records}
        )

    def test_of_one_run(self, source: str) -> None:
        with fake_gateway() as gateway:
            go(source, gateway, run_id="one", posts=3)
            before = in_streams(gateway)
            go(source, gateway, run_id="two", posts=5, seed=7)
        assert streamed(source, "one") == before
        assert streamed(source, "two") == in_streams(gateway) - before
        assert streamed(source, "none") == Counter()

    @pytest.mark.parametrize(
        ("errors", "counts"),
        [
            ({1: SLOW, 4: BROKEN}, (120, 0, 0, 2)),
            ({2: REFUSED}, (119, 1, 0, 0)),
            ({0: REFUSED, 3: SLOW}, (119, 1, 0, 1)),
            (dict.fromkeys(range(10), SLOW), (120, 0, 0, 10)),
        ],
    )
    def test_entries_that_failed(self, source: str, errors: dict[int, Any], counts: tuple[int, ...]) -> None:
        with fake_gateway(first(Reply(errors=errors))) as gateway:
            summary = go(source, gateway)
        assert (summary.accepted, summary.rejected, summary.unknown, summary.retried) == counts
        assert streamed(source) == in_streams(gateway)
        assert sum(in_streams(gateway).values()) == counts[0]
        one = gateway.calls[0]
        again = [record for at, record in enumerate(one.records) if at in errors and errors[at] != REFUSED]
        assert not again or any(call.records == again for call in gateway.calls[1:] if call.topic == one.topic)
        assert not any(Ledger(engine(source)).ambiguous(table, Path.STREAM) for table in TABLES)

    @pytest.mark.parametrize(
        "reply",
        [Reply(close="after"), Reply(close="before"), Reply(504, {"message": "Network error"}, take=True),
         Reply(200, b"OK", take=True), Reply(cut_at=4)],
        ids=["lost after", "lost before", "504", "no json", "entries missing"],
    )  # fmt: skip
    def test_what_is_unknown_is_sent_again_and_the_ledger_is_true(self, source: str, reply: Reply) -> None:
        with fake_gateway(first(reply)) as gateway:
            summary = go(source, gateway)
        assert (summary.accepted, summary.rejected, summary.unknown, summary.retried) == (120, 0, 0, 10)
        held, known = in_streams(gateway), streamed(source)
        ledger = Ledger(engine(source))
        assert known <= held
        doubtful = {(table, ind) for table in TABLES for ind in ledger.ambiguous(table, Path.STREAM)}
        assert {(table, ind) for table, ind, _ in held - known} <= doubtful
        assert len(doubtful) == len({record["partition-key"] for record in gateway.calls[0].records})
        assert [call for call in gateway.calls[1:] if call.records == gateway.calls[0].records]

    def test_throttled_to_the_end(self, source: str) -> None:
        script = lambda call: Reply(errors=dict.fromkeys(range(len(call.records)), SLOW))  # noqa: E731
        with fake_gateway(script) as gateway:
            summary = go(source, gateway, posts=1_000, attempts=2)
        assert summary.state == "failed"
        assert "Give the stream more shards" in str(summary.error)
        assert (summary.accepted, summary.unknown, summary.rejected) == (0, 0, summary.records)

    def test_a_stream_that_is_not_there_ends_the_run(self, source: str) -> None:
        reply = Reply(400, {"__type": "ResourceNotFoundException", "message": "Stream x not found."})
        with fake_gateway(lambda _: reply) as gateway:
            summary = go(source, gateway, posts=10_000)
        assert summary.state == "failed"
        assert "Stream x not found." in str(summary.error)
        assert len(gateway.calls) <= 12


class TestBoth:
    def test_each_post_takes_both_ways_in_one_round(self, source: str) -> None:
        with fake_gateway() as gateway:
            summary = go(source, gateway, target="both", connections=1)
        assert streamed(source) == in_streams(gateway)
        assert accepted(source) == in_kafka(gateway)
        rounds = [gateway.calls[at : at + 6] for at in range(0, len(gateway.calls), 6)]
        for one in rounds:
            inds = [[int(r["partition-key"] if call.stream else r["key"]) for r in call.records] for call in one]
            assert all(found == inds[0] for found in inds)
            assert len({call.topic for call in one}) == 6
        each = {"records": 120, "accepted": 120, "rejected": 0, "unknown": 0, "retried": 0}
        assert summary.as_dict()["paths"] == {"batch": each, "stream": each}
        assert (summary.posts, summary.records, summary.accepted) == (40, 240, 240)

    def test_the_same_rows_on_both(self, source: str) -> None:
        with fake_gateway() as gateway:
            go(source, gateway, target="both")
        rows = {"batch": Counter[str](), "stream": Counter[str]()}
        for one in gateway.taken:
            rows["batch" if "." in one.topic else "stream"][f"{one.topic[-3:]} {json.dumps(one.value)}"] += 1
        assert rows["batch"] == rows["stream"]

    def test_trouble_of_one_path_is_counted_there(self, source: str) -> None:
        with fake_gateway(first(Reply(errors={0: REFUSED, 1: SLOW}))) as gateway:
            summary = go(source, gateway, target="both")
        paths = summary.as_dict()["paths"]
        assert paths["batch"] == {"records": 120, "accepted": 120, "rejected": 0, "unknown": 0, "retried": 0}
        assert paths["stream"] == {"records": 120, "accepted": 119, "rejected": 1, "unknown": 0, "retried": 1}
        assert (summary.accepted, summary.rejected, summary.retried) == (239, 1, 1)

    def test_a_run_goes_on_on_both_paths(self, source: str) -> None:
        stop = threading.Event()

        def script(call: Call) -> Reply:
            if call.number == 13:
                stop.set()
            return Reply()

        options = {"posts": 100, "batch_size": 5, "target": "both", "run_id": "mine", "connections": 1}
        with fake_gateway(script) as gateway:
            stopped = run(EmulatorOptions(source, gateway.url, **options), stop=stop)  # type: ignore[arg-type]
            assert stopped.state == "stopped"
            assert 0 < len(gateway.taken) < 600
            summary = run(EmulatorOptions(source, gateway.url, **options))  # type: ignore[arg-type]
        assert streamed(source, "mine") == in_streams(gateway)
        assert accepted(source) == in_kafka(gateway)
        assert len(gateway.taken) == summary.accepted == 600
        assert {counts["accepted"] for counts in summary.paths.values()} == {300}

    def test_throttled_to_the_end_and_gone_on_with(self, source: str) -> None:
        slow = lambda call: Reply(errors=dict.fromkeys(range(len(call.records)), SLOW) if call.stream else {})  # noqa: E731
        options = {"posts": 20, "batch_size": 20, "target": "both", "run_id": "mine", "attempts": 2}
        with fake_gateway(slow) as gateway:
            failed = run(EmulatorOptions(source, gateway.url, **options))  # type: ignore[arg-type]
            assert (failed.state, failed.accepted, failed.rejected) == ("failed", 60, 60)
            gateway.script = lambda _: Reply()
            summary = run(EmulatorOptions(source, gateway.url, **options))  # type: ignore[arg-type]
        assert (summary.state, summary.accepted, summary.rejected) == ("finished", 120, 0)
        assert sum(in_kafka(gateway).values()) == sum(in_streams(gateway).values()) == 60

    def test_the_own_command_line(self, source: str) -> None:
        with fake_gateway() as gateway:
            command = [sys.executable, "-m", "emulator", "post", "--source", source, "--gateway", gateway.url]
            done = subprocess.run(
                [*command, "--to", "both", "--posts", "4"], check=True, capture_output=True, timeout=30
            )
            refused = subprocess.run(
                [*command, "--to", "stream", "--days", "2022-03-01"], check=False, capture_output=True, timeout=30
            )
        assert json.loads(done.stdout)["paths"]["stream"]["accepted"] == 12
        assert (refused.returncode, refused.stdout) == (2, b"")
        assert b"Kinesis stamps each record" in refused.stderr


class TestOlderLedger:
    """A ledger of a version that knew no streams."""

    def make_old(self, url: str) -> None:
        Ledger(engine(url))
        with engine(url).begin() as connection:
            connection.execute(text("ALTER TABLE pinflow_ledger DROP COLUMN sequence"))
            connection.execute(
                text(
                    "INSERT INTO pinflow_ledger (run_id, path, table_name, ind, attempt, outcome, topic, partition, "
                    "record_offset, timestamp_ms) VALUES ('old', 'batch', 'pin', 7, 1, 'accepted', 't', 1, 99, 5)"
                )
            )

    def test_it_gets_the_column_and_keeps_its_rows(self, source: str) -> None:
        self.make_old(source)
        with fake_gateway() as gateway:
            go(source, gateway, posts=2)
        assert list(Ledger(engine(source)).accepted("pin")) == [(7, 1, 99)]
        assert streamed(source) == in_streams(gateway)

    def test_several_at_once(self, source: str) -> None:
        self.make_old(source)
        start = threading.Barrier(4)

        def open_it(_: int) -> None:
            start.wait(10)
            Ledger(engine(source))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(open_it, range(4)))
        names = [column["name"] for column in inspect(engine(source)).get_columns("pinflow_ledger")]
        assert names.count("sequence") == 1
