"""Runs against a real HTTP server: what it took, what the ledger says and what the summary says must agree."""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from emulator.exceptions import NotSent, OptionsError, SourceEmpty, SourceError, UnexpectedAnswer
from emulator.ledger import Ledger
from emulator.ledger.tables import entries
from emulator.post import Dialect, EmulatorOptions, EmulatorSummary, run
from emulator.source import engine, show
from tests.unit.emulator.fake_gateway import Call, FakeGateway, Reply, fake_gateway

TABLES = ("pin", "geo", "user")
RETRIABLE = {"partition": None, "offset": None, "error_code": 50003, "error": "Timed out."}
TOO_LARGE = {"partition": None, "offset": None, "error_code": 50002, "error": "Too large."}


def go(source: str, gateway: FakeGateway, **changes: Any) -> EmulatorSummary:
    return run(EmulatorOptions(source, gateway.url, **{"posts": 40, "batch_size": 10, **changes}))


def in_ledger(source: str, result: str) -> Counter[tuple[str, int, int, int]]:
    """(table, ind, partition, offset) of what the ledger has with a result."""
    columns = (entries.c.table_name, entries.c.ind, entries.c.partition, entries.c.record_offset)
    with engine(source).connect() as connection:
        return Counter(tuple(row) for row in connection.execute(select(*columns).where(entries.c.outcome == result)))


def in_kafka(gateway: FakeGateway) -> Counter[tuple[str, int, int, int]]:
    return Counter((one.topic.split(".")[1], one.key, one.partition, one.offset) for one in gateway.taken)


def left_under_way(source: str) -> int:
    with engine(source).connect() as connection:
        return int(connection.execute(text("select count(*) from pinflow_intent")).scalar_one())


def once(reply: Reply, when: Callable[[Call], bool] = lambda call: call.number == 1) -> Callable[[Call], Reply]:
    """A script that answers so for the calls that ``when`` picks, and takes all others."""
    return lambda call: reply if when(call) else Reply()


class TestAllIsWell:
    def test_each_record_is_there_once_and_in_the_ledger(self, source: str) -> None:
        with fake_gateway() as gateway:
            summary = go(source, gateway)
        assert in_ledger(source, "accepted") == in_kafka(gateway)
        assert len(gateway.taken) == 120
        assert summary.as_dict() | {"seconds": 0, "run_id": "", "first_timestamp": "", "last_timestamp": ""} == {
            "run_id": "", "wanted": 40, "posts": 40, "records": 120, "accepted": 120, "rejected": 0, "unknown": 0,
            "retried": 0, "seconds": 0, "first_timestamp": "", "last_timestamp": "", "state": "finished", "error": None,
            "paths": {"batch": {"records": 120, "accepted": 120, "rejected": 0, "unknown": 0, "retried": 0}},
        }  # fmt: skip
        assert summary.clean
        assert left_under_way(source) == 0

    def test_rows_are_sent_as_they_are(self, source: str) -> None:
        with fake_gateway() as gateway:
            go(source, gateway, posts="all", batch_size=1_000)
        assert [one.key for one in gateway.taken if one.topic == "pinflow.pin"] == list(range(300))
        rows = {
            name: {
                row[0]: dict(row._mapping) for row in engine(source).connect().execute(text(f"select * from {name}"))
            }
            for name in ("pinterest_data", "geolocation_data", "user_data")
        }
        for one in gateway.taken:
            table = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}[one.topic.split(".")[1]]
            wanted = rows[table][one.key]
            for name in {"timestamp", "date_joined"} & wanted.keys():
                wanted[name] = wanted[name][:19]
            assert one.value == wanted
            assert list(one.value) == list(wanted)

    @pytest.mark.parametrize(
        ("dialect", "form"),
        [(Dialect.TEXT, "%Y-%m-%d %H:%M:%S"), ("iso", "%Y-%m-%dT%H:%M:%S"), ("colons", "%Y:%m:%d %H:%M:%S")],
    )
    def test_dialects_of_time(self, source: str, dialect: str, form: str) -> None:
        with fake_gateway() as gateway:
            go(source, gateway, dialect=dialect)
        texts = [
            value for one in gateway.taken for name, value in one.value.items() if name in ("timestamp", "date_joined")
        ]
        assert len(texts) == 80
        assert all(datetime.strptime(one, form).replace(tzinfo=UTC).strftime(form) == one for one in texts)

    def test_the_three_records_of_a_post_go_together(self, source: str) -> None:
        with fake_gateway() as gateway:
            go(source, gateway, connections=1)
        rounds = [gateway.calls[at : at + 3] for at in range(0, len(gateway.calls), 3)]
        for one in rounds:
            keys = [[record["key"] for record in call.records] for call in one]
            assert keys[0] == keys[1] == keys[2]
            assert sorted(call.topic for call in one) == ["pinflow.geo", "pinflow.pin", "pinflow.user"]
            assert len(keys[0]) == 10

    def test_sampling_is_seeded(self, source: str) -> None:
        keys = []
        for seed in (5, 5, 6):
            with fake_gateway() as gateway:
                go(source, gateway, seed=seed, connections=1)
            keys.append([one.key for one in gateway.taken])
        assert keys[0] == keys[1] != keys[2]

    def test_connections_are_kept_and_few(self, source: str) -> None:
        with fake_gateway() as gateway:
            go(source, gateway, posts=100, batch_size=5, connections=3)
        assert len(gateway.calls) == 60
        assert len({call.client for call in gateway.calls}) <= 3

    def test_no_more_requests_at_a_time_than_allowed(self, source: str) -> None:
        lock, now, most = threading.Lock(), [0], [0]

        def script(_: Call) -> Reply:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.01)
            with lock:
                now[0] -= 1
            return Reply()

        with fake_gateway(script) as gateway:
            go(source, gateway, connections=2)
        assert most[0] == 2

    def test_span_is_that_of_the_posting(self, source: str) -> None:
        before = datetime.now(UTC)
        with fake_gateway() as gateway:
            summary = go(source, gateway)
        assert summary.first_timestamp is not None
        assert summary.last_timestamp is not None
        first, last = map(datetime.fromisoformat, (summary.first_timestamp, summary.last_timestamp))
        assert before - timedelta(milliseconds=1) <= first <= last <= datetime.now(UTC) + timedelta(milliseconds=1)

    def test_progress(self, source: str) -> None:
        told: list[EmulatorSummary] = []
        with fake_gateway() as gateway:
            summary = run(EmulatorOptions(source, gateway.url, posts=10), on_progress=told.append)
        assert told[-1] == summary

    def test_large_rows_make_smaller_requests(self, source: str) -> None:
        with engine(source).begin() as connection:
            connection.execute(text("update pinterest_data set description = :long"), {"long": "x" * 1_500_000})
        with fake_gateway() as gateway:
            summary = go(source, gateway, posts=7, batch_size=100)
        assert summary.accepted == 21
        assert max(len(call.records) for call in gateway.calls) == 3


class TestDays:
    DAYS = (date(2022, 3, 1), date(2022, 3, 2))

    def test_records_carry_their_time_in_order(self, source: str) -> None:
        with fake_gateway() as gateway:
            summary = go(source, gateway, days=self.DAYS, connections=1)
        assert all(call.v3 for call in gateway.calls)
        times = [str(one.timestamp) for one in gateway.taken if one.topic == "pinflow.geo"]
        assert len(times) == 40
        assert times == sorted(times)
        assert sum(one.startswith("2022-03-01") for one in times) == 20
        assert [summary.first_timestamp, summary.last_timestamp] == [times[0], times[-1]]

    def test_the_ledger_knows_the_exact_time(self, source: str) -> None:
        with fake_gateway() as gateway:
            go(source, gateway, days=self.DAYS)
        noon = int(datetime(2022, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
        ledger = Ledger(engine(source))
        found = list(ledger.accepted("user", noon, noon + 86_400_000))
        wanted = [
            (one.key, one.partition, one.offset)
            for one in gateway.taken
            if one.topic == "pinflow.user" and "2022-03-01T12" <= str(one.timestamp) < "2022-03-02T12"
        ]
        assert sorted(found) == sorted(wanted)
        assert ledger.totals(noon, noon + 86_400_000)["user"]["accepted"] == len(wanted) == 20

    def test_a_resend_has_the_same_time(self, source: str) -> None:
        with fake_gateway(once(Reply(close="after"))) as gateway:
            go(source, gateway, days=self.DAYS)
        first = gateway.calls[0]
        again = next(call for call in gateway.calls[1:] if call.topic == first.topic and call.records == first.records)
        assert again.records == first.records

    def test_a_gateway_without_v3(self, source: str) -> None:
        with fake_gateway() as gateway:
            gateway.clusters = {"message": "Missing Authentication Token"}
            with pytest.raises(UnexpectedAnswer, match="Missing Authentication Token"):
                go(source, gateway, days=self.DAYS)
        assert gateway.calls == []

    def test_nobody_there(self, source: str) -> None:
        options = EmulatorOptions(source, "http://127.0.0.1:1/dev", days=self.DAYS, attempts=2)
        with pytest.raises(NotSent, match="doesn't answer"):
            run(options)


class TestRejected:
    def test_single_records_are_not_resent(self, source: str) -> None:
        with fake_gateway(once(Reply(errors={3: TOO_LARGE}))) as gateway:
            summary = go(source, gateway)
        assert (summary.accepted, summary.rejected, summary.unknown, summary.retried) == (119, 1, 0, 0)
        assert summary.state == "finished"
        assert not summary.clean
        assert in_ledger(source, "accepted") == in_kafka(gateway)
        refused = gateway.calls[0].records[3]["key"]
        ((table, ind, *position),) = in_ledger(source, "rejected")
        assert (f"pinflow.{table}", ind) == (gateway.calls[0].topic, refused)
        assert position == [None, None]

    def test_code_and_reason_are_kept(self, source: str) -> None:
        with fake_gateway(once(Reply(errors={0: TOO_LARGE}))) as gateway:
            go(source, gateway)
        with engine(source).connect() as connection:
            query = select(entries.c.code, entries.c.reason).where(entries.c.outcome == "rejected")
            assert [tuple(row) for row in connection.execute(query)] == [("50002", "Too large.")]

    def test_a_refused_request_that_is_one_of_many(self, source: str) -> None:
        reply = Reply(413, {"error_code": 413, "message": "Too large."})
        with fake_gateway(once(reply)) as gateway:
            summary = go(source, gateway)
        assert (summary.accepted, summary.rejected, summary.state) == (110, 10, "finished")

    @pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 415])
    def test_what_all_requests_would_meet_ends_the_run(self, source: str, status: int) -> None:
        script = lambda _: Reply(status, {"error_code": 40401, "message": "Topic not found."})  # noqa: E731
        with fake_gateway(script) as gateway:
            summary = go(source, gateway, posts=10_000)
        assert summary.state == "failed"
        assert summary.error is not None
        assert "Topic not found." in summary.error
        assert len(gateway.calls) <= 12
        assert summary.rejected == sum(in_ledger(source, "rejected").values()) == summary.records


class TestUnknown:
    @pytest.mark.parametrize(
        "reply",
        [
            Reply(close="after"),
            Reply(close="before"),
            Reply(500, {"error_code": 500, "message": "x"}, take=True),
            Reply(502, b"<html>Bad gateway</html>"),
            Reply(504, {"message": "Endpoint request timed out"}, take=True),
            Reply(200, b"OK", take=True),
            Reply(200, {"__type": "InternalFailure", "message": "x"}),
            Reply(200, b"", take=True),
        ],
        ids=["lost after", "lost before", "500", "502", "504", "no json", "error in a 200", "empty"],
    )
    def test_resent_under_the_same_identity_and_the_ledger_is_true(self, source: str, reply: Reply) -> None:
        with fake_gateway(once(reply)) as gateway:
            summary = go(source, gateway)
        assert (summary.accepted, summary.rejected, summary.unknown, summary.retried) == (120, 0, 0, 10)
        assert summary.clean
        accepted, held = in_ledger(source, "accepted"), in_kafka(gateway)
        assert accepted <= held
        surplus = held - accepted
        table = gateway.calls[0].topic.split(".")[1]
        first = {record["key"] for record in gateway.calls[0].records}
        assert {(one[0], one[1]) for one in surplus} <= {(table, key) for key in first}
        assert sum(surplus.values()) == (10 if reply.take or reply.close == "after" else 0)
        assert Ledger(engine(source)).ambiguous(table) == first
        assert [call for call in gateway.calls[1:] if call.records == gateway.calls[0].records]

    def test_only_what_is_unknown_is_resent(self, source: str) -> None:
        with fake_gateway(once(Reply(errors={2: RETRIABLE, 5: TOO_LARGE, 7: RETRIABLE}))) as gateway:
            summary = go(source, gateway)
        assert (summary.accepted, summary.rejected, summary.unknown, summary.retried) == (119, 1, 0, 2)
        first = gateway.calls[0]
        again = next(call for call in gateway.calls if len(call.records) == 2)
        assert again.records == [first.records[2], first.records[7]]
        assert again.topic == first.topic

    def test_v3_reports_that_are_missing(self, source: str) -> None:
        with fake_gateway(once(Reply(cut_at=4))) as gateway:
            summary = go(source, gateway, days=(date(2022, 3, 1), date(2022, 3, 1)))
        assert (summary.accepted, summary.retried) == (120, 6)
        assert in_ledger(source, "accepted") == in_kafka(gateway)

    def test_an_answer_that_takes_too_long(self, source: str) -> None:
        release = threading.Event()

        def script(call: Call) -> Reply:
            if call.number == 1:
                release.wait(10)
            return Reply()

        with fake_gateway(script) as gateway:
            summary = go(source, gateway, timeout=0.3)
            release.set()
        assert (summary.accepted, summary.unknown, summary.retried) == (120, 0, 10)

    def test_kept_connections_that_the_server_closed_meanwhile(self, source: str) -> None:
        with fake_gateway(lambda _: Reply(hang_up=True)) as gateway:
            summary = go(source, gateway)
        assert summary.accepted == 120
        assert summary.clean
        assert in_ledger(source, "accepted") <= in_kafka(gateway)

    def test_attempts_are_bounded_and_each_is_in_the_ledger(self, source: str) -> None:
        with fake_gateway(lambda _: Reply(503, {"message": "Service Unavailable"})) as gateway:
            summary = go(source, gateway, posts=5_000, attempts=3)
        assert summary.state == "failed"
        assert summary.error is not None
        assert "http_503" in summary.error
        assert summary.accepted == summary.rejected == 0
        assert summary.unknown == summary.records
        with engine(source).connect() as connection:
            attempts = connection.execute(select(entries.c.attempt).distinct()).scalars().all()
        assert max(attempts) == 3
        assert sum(in_ledger(source, "unknown").values()) == sum(len(call.records) for call in gateway.calls)
        assert left_under_way(source) == 0

    def test_one_bad_request_does_not_hold_up_the_others(self, source: str) -> None:
        def script(call: Call) -> Reply:
            return Reply(503, b"") if call.topic == "pinflow.geo" and call.records[0]["key"] == first else Reply()

        with fake_gateway() as gateway:
            go(source, gateway)
            first = gateway.taken[0].key
        with fake_gateway(script) as gateway:
            summary = go(source, gateway, attempts=2)
        assert summary.unknown == 10
        assert summary.accepted == 110


class TestNotSent:
    def test_throttled_requests_are_sent_later_and_leave_no_doubt(self, source: str) -> None:
        reply = Reply(429, {"message": "Too Many Requests"}, {"Retry-After": "0.2"})
        with fake_gateway(once(reply, lambda call: call.number <= 3)) as gateway:
            begun = time.monotonic()
            summary = go(source, gateway)
        assert time.monotonic() - begun >= 0.2
        assert (summary.accepted, summary.unknown, summary.retried) == (120, 0, 30)
        assert in_ledger(source, "accepted") == in_kafka(gateway)
        assert all(not Ledger(engine(source)).ambiguous(table) for table in TABLES)

    def test_nobody_there_at_all(self, source: str) -> None:
        summary = run(EmulatorOptions(source, "http://127.0.0.1:1/dev", posts=5_000, batch_size=10, attempts=2))
        assert summary.state == "failed"
        assert summary.error is not None
        assert "See that the gateway runs" in summary.error
        assert (summary.accepted, summary.unknown) == (0, 0)
        assert summary.rejected == summary.records < 15_000
        assert all(not Ledger(engine(source)).ambiguous(table) for table in TABLES)
        assert summary.first_timestamp is None

    def test_doubt_is_not_forgotten_when_later_attempts_are_not_sent(self, source: str) -> None:
        replies = iter([Reply(close="after")])

        def script(_: Call) -> Reply:
            return next(replies, Reply(429, {"message": "Too Many Requests"}))

        with fake_gateway(script) as gateway:
            summary = go(source, gateway, posts=10, attempts=2)
        assert (summary.unknown, summary.rejected) == (10, 20)
        table = gateway.calls[0].topic.split(".")[1]
        assert len(Ledger(engine(source)).ambiguous(table)) == len(
            {record["key"] for record in gateway.calls[0].records}
        )


class TestStop:
    def test_stops_cleanly_and_waits_for_what_is_under_way(self, source: str) -> None:
        stop = threading.Event()

        def script(call: Call) -> Reply:
            if call.number == 5:
                stop.set()
            return Reply()

        with fake_gateway(script) as gateway:
            summary = run(EmulatorOptions(source, gateway.url, posts=100_000, batch_size=5), stop=stop)
        assert summary.state == "stopped"
        assert summary.clean
        assert 0 < summary.posts < 100_000
        assert summary.accepted == summary.records == len(gateway.taken)
        assert in_ledger(source, "accepted") == in_kafka(gateway)
        assert Ledger(engine(source)).runs()[0]["state"] == "stopped"

    def test_a_stop_ends_the_waiting_for_another_attempt(self, source: str) -> None:
        stop = threading.Event()

        def script(call: Call) -> Reply:
            if call.number == 6:
                stop.set()
            return Reply(503, b"")

        with fake_gateway(script) as gateway:
            begun = time.monotonic()
            summary = run(EmulatorOptions(source, gateway.url, posts=100_000, batch_size=5), stop=stop)
        assert time.monotonic() - begun < 5
        assert summary.state == "stopped"
        assert summary.unknown == summary.records > 0


class TestRate:
    def test_posts_a_second(self, source: str) -> None:
        with fake_gateway() as gateway:
            summary = go(source, gateway, posts=30, rate=60)
        assert summary.accepted == 90
        assert 0.45 <= summary.seconds < 3
        assert 10 < len(gateway.calls) <= 90


class TestGoingOn:
    def test_a_finished_run_has_nothing_left_to_send(self, source: str) -> None:
        with fake_gateway() as gateway:
            first = go(source, gateway, run_id="mine")
            second = go(source, gateway, run_id="mine")
        assert len(gateway.taken) == 120
        assert (second.run_id, second.accepted, second.posts) == ("mine", 120, 40)
        assert second.first_timestamp == first.first_timestamp
        assert len(Ledger(engine(source)).runs()) == 1

    def test_what_was_not_sent_or_is_unknown_is_sent(self, source: str) -> None:
        stop = threading.Event()

        def script(call: Call) -> Reply:
            if call.number == 7:
                stop.set()
                return Reply(close="before")
            return Reply()

        with fake_gateway(script) as gateway:
            options = EmulatorOptions(source, gateway.url, posts=200, batch_size=10, run_id="mine", connections=1)
            run(options, stop=stop)
            sent = len(gateway.taken)
            assert 0 < sent < 600
            summary = run(options)
        assert (summary.accepted, summary.unknown, summary.state) == (600, 0, "finished")
        assert len(gateway.taken) == 600
        assert in_ledger(source, "accepted") == in_kafka(gateway)
        with fake_gateway() as whole:
            go(source, whole, posts=200)
        wanted = Counter((one.topic, one.key) for one in whole.taken)
        assert Counter((one.topic, one.key) for one in gateway.taken) == wanted

    @pytest.mark.parametrize(
        "trouble", [Reply(404, {"error_code": 40401, "message": "Topic not found."}), Reply(429, {}), Reply(503, b"")]
    )
    def test_what_could_not_be_taken_is_sent_when_things_are_mended(self, source: str, trouble: Reply) -> None:
        with fake_gateway(lambda _: trouble) as gateway:
            first = go(source, gateway, run_id="mine", attempts=2)
            assert first.state == "failed"
        with fake_gateway() as gateway:
            second = go(source, gateway, run_id="mine")
        assert (second.accepted, second.rejected, second.unknown, second.state) == (120, 0, 0, "finished")
        assert len(gateway.taken) == 120

    def test_what_was_rejected_for_what_it_is_is_not(self, source: str) -> None:
        with fake_gateway(once(Reply(errors={3: TOO_LARGE}))) as gateway:
            go(source, gateway, run_id="mine")
            second = go(source, gateway, run_id="mine")
        assert (second.accepted, second.rejected) == (119, 1)
        assert len(gateway.taken) == 119


class TestSource:
    def test_an_empty_source(self, empty: str) -> None:
        with pytest.raises(SourceEmpty, match="seed"):
            run(EmulatorOptions(empty, "http://127.0.0.1:1/dev"))

    def test_a_post_without_its_place(self, source: str) -> None:
        with engine(source).begin() as connection:
            connection.execute(text("delete from geolocation_data where ind = 7"))
        with fake_gateway() as gateway, pytest.raises(SourceError, match="Post 7 has no row in geolocation_data"):
            go(source, gateway, posts="all")
        assert Ledger(engine(source)).runs()[0]["state"] == "failed"

    def test_keys_need_not_be_without_gaps(self, source: str) -> None:
        with engine(source).begin() as connection:
            for table, key in (("pinterest_data", '"index"'), ("geolocation_data", "ind"), ("user_data", "ind")):
                connection.execute(text(f"delete from {table} where {key} % 3 = 1"))
        with fake_gateway() as gateway:
            go(source, gateway, posts="all")
        assert sorted({one.key for one in gateway.taken}) == [n for n in range(300) if n % 3 != 1]


class TestConsole:
    def printed(self, source: str, **changes: Any) -> Iterator[dict[str, Any]]:
        out = io.StringIO()
        run(EmulatorOptions(source, target="console", posts=5, **changes), out=out)
        yield from map(json.loads, out.getvalue().splitlines())

    def test_json_lines(self, source: str) -> None:
        found = list(self.printed(source))
        assert [one["topic"] for one in found] == ["pinflow.pin", "pinflow.geo", "pinflow.user"] * 5
        assert all(one["key"] in (one["value"].get("ind"), one["value"].get("index")) for one in found)
        assert "timestamp" not in found[0]

    def test_with_days(self, source: str) -> None:
        times = [one["timestamp"] for one in self.printed(source, days=(date(2022, 3, 1), date(2022, 3, 1)))]
        assert times == sorted(times)
        assert all(one.startswith("2022-03-01T") for one in times)

    def test_the_same_posts_as_through_the_gateway(self, source: str) -> None:
        with fake_gateway() as gateway:
            go(source, gateway, posts=5, connections=1)
        assert sorted(one["key"] for one in self.printed(source)) == sorted(one.key for one in gateway.taken)

    def test_a_stop_ends_it(self, source: str) -> None:
        stop = threading.Event()

        class Paper(io.StringIO):
            def flush(self) -> None:
                if self.getvalue().count("\n") >= 9:
                    stop.set()

        out = Paper()
        summary = run(EmulatorOptions(source, target="console", posts=10_000), stop=stop, out=out)
        assert (summary.state, summary.posts) == ("stopped", 3)
        assert len(out.getvalue().splitlines()) == 9

    def test_at_a_rate(self, source: str) -> None:
        begun = time.monotonic()
        assert len(list(self.printed(source, rate=20))) == 15
        assert time.monotonic() - begun >= 0.2

    def test_the_ledger_gets_nothing(self, source: str) -> None:
        list(self.printed(source))
        assert Ledger(engine(source)).runs() == []


class TestOptions:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"posts": 0}, "posts is 0"),
            ({"posts": "some"}, "'all'"),
            ({"rate": 0}, "rate is 0"),
            ({"rate": "fast"}, "rate is 'fast'"),
            ({"rate": float("nan")}, "rate is nan"),
            ({"batch_size": 0}, "batch_size is 0"),
            ({"connections": 0}, "connections is 0"),
            ({"target": "moon"}, "console, batch"),
            ({"dialect": "latin"}, "text, iso, colons"),
            ({"gateway_url": "gateway/dev"}, "with its stage"),
            ({"gateway_url": ""}, "with its stage"),
            ({"days": (date(2022, 3, 2), date(2022, 3, 1))}, "backwards"),
            ({"days": (date(2022, 3, 2), date(2999, 3, 1))}, "future"),
            ({"run_id": "x" * 65}, "64"),
        ],
    )
    def test_what_makes_no_sense(self, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(OptionsError, match=words):
            EmulatorOptions(**{"source_url": "sqlite://", "gateway_url": "http://h/dev", **changes})


class TestTwoAtATime:
    def test_two_runs_share_a_source_and_a_ledger(self, source: str) -> None:
        summaries: list[EmulatorSummary] = []
        with fake_gateway() as gateway:
            threads = [
                threading.Thread(target=lambda seed=seed: summaries.append(go(source, gateway, seed=seed, posts=200)))
                for seed in (1, 2)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert [summary.accepted for summary in summaries] == [600, 600]
        assert len({summary.run_id for summary in summaries}) == 2
        assert in_ledger(source, "accepted") == in_kafka(gateway)
        assert left_under_way(source) == 0

    def test_the_source_can_be_read_and_shown_meanwhile(self, source: str) -> None:
        shown: list[int] = []

        def script(call: Call) -> Reply:
            shown.append(show(source, rows=0)["tables"]["pinterest_data"])
            return Reply()

        with fake_gateway(script) as gateway:
            assert go(source, gateway).accepted == 120
        assert shown == [300] * 12
