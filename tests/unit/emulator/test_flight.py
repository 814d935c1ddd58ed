"""Requests under way, with a gateway of the test's own and the real ledger."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from emulator.exceptions import DeliveryError, NotSent, OutcomeUnknown, Rejected
from emulator.ledger import Ledger, Outcome, Path, Result, State
from emulator.post.flight import Flight
from emulator.post.gateway import Gateway
from emulator.post.pacing import Backoff
from emulator.post.requests import Answer, Parcel, ProxyV2, Record, Request
from emulator.post.streams import Streams
from emulator.post.tally import Tally
from emulator.source import engine

GOOD = b'{"offsets":[{"partition":0,"offset":%d,"error_code":null,"error":null}]}'


class Scripted(Gateway):
    """A gateway that answers each request as the next entry of a list says; an error in it is raised."""

    def __init__(self, *entries: Answer | DeliveryError | Callable[[], Answer]) -> None:
        self.entries = iter(entries)
        self.requests: list[Request] = []
        self._lock = threading.Lock()

    def send(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            entry = next(self.entries)
        if isinstance(entry, DeliveryError):
            raise entry
        return entry if isinstance(entry, Answer) else entry()


def good(offset: int = 0) -> Answer:
    return Answer(200, GOOD % offset)


@pytest.fixture
def ledger(empty: str) -> Ledger:
    return Ledger(engine(empty))


@pytest.fixture
def make(ledger: Ledger) -> Iterator[Callable[..., Flight]]:
    """Makes flights with quick waits; their threads are gone at the end."""
    made: list[Flight] = []

    def build(gateway: Gateway, connections: int = 2, attempts: int = 3) -> Flight:
        flight = Flight(
            gateway,
            {Path.BATCH: ProxyV2("http://h/dev"), Path.STREAM: Streams("http://h/dev")},
            ledger,
            Tally("r", 1, tuple(Path)),
            connections=connections,
            attempts=attempts,
            backoff=Backoff(1, first=0.01),
        )
        made.append(flight)
        return flight

    yield build
    for flight in made:
        flight.__exit__(None, None, None)


def one(ind: int = 7, table: str = "geo") -> Parcel:
    return Parcel(table, f"pinflow.{table}", [Record(ind, b'{"ind":%d}' % ind, 0)])


def land(flight: Flight) -> None:
    end = time.monotonic() + 10
    while not flight.idle:
        assert time.monotonic() < end
        flight.step(0.02)


class TestRoom:
    def test_as_many_as_there_are_connections(self, make: Callable[..., Flight]) -> None:
        gate = threading.Event()

        def wait() -> Answer:
            assert gate.wait(10)
            return good()

        flight = make(Scripted(wait, wait), connections=2)
        assert flight.room
        assert flight.idle
        flight.launch([one()])
        assert flight.room
        flight.launch([one(8)])
        assert not flight.room
        assert not flight.idle
        gate.set()
        land(flight)
        assert flight.room

    def test_what_waits_for_another_attempt_takes_room(self, make: Callable[..., Flight]) -> None:
        flight = make(Scripted(NotSent("x", "y", wait=60)), connections=1)
        flight.launch([one()])
        while flight.due is None:
            flight.step(0.05)
        assert not flight.room
        assert not flight.idle
        assert 55 < flight.due - time.monotonic() <= 60
        flight.give_up()
        assert flight.idle

    def test_nothing_to_launch_is_nothing(self, make: Callable[..., Flight]) -> None:
        flight = make(Scripted())
        flight.launch([])
        assert flight.idle


class TestIntentFirst:
    def test_the_ledger_knows_before_the_gateway(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        known: list[set[int]] = []

        def look() -> Answer:
            known.append(ledger.ambiguous("geo"))
            return good(4)

        flight = make(Scripted(look))
        flight.launch([one()])
        land(flight)
        assert known == [{7}]
        assert ledger.ambiguous("geo") == set()
        assert list(ledger.accepted("geo")) == [(7, 0, 4)]

    def test_every_attempt_is_written_down_before_it_is_sent(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        unknown: list[int] = []

        def look() -> Answer:
            unknown.append(ledger.totals()["geo"]["unknown"])
            raise OutcomeUnknown("timeout", "late")

        flight = make(Scripted(look, look, look))
        flight.launch([one()])
        land(flight)
        assert unknown == [1, 2, 3]
        assert ledger.totals()["geo"] == {"accepted": 0, "rejected": 0, "unknown": 3}

    def test_a_fault_of_our_own_leaves_the_intent(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        def fault() -> Answer:
            raise ZeroDivisionError

        flight = make(Scripted(fault))
        flight.launch([one()])
        with pytest.raises(ZeroDivisionError):
            land(flight)
        assert ledger.ambiguous("geo") == {7}


class TestAttempts:
    def test_unknown_then_accepted(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        gateway = Scripted(OutcomeUnknown("timeout", "late"), good(9))
        flight = make(gateway)
        flight.launch([one()])
        land(flight)
        assert gateway.requests[0] == gateway.requests[1]
        summary = flight._tally.summary(State.FINISHED)
        assert (summary.accepted, summary.unknown, summary.retried) == (1, 0, 1)
        assert ledger.ambiguous("geo") == {7}
        assert flight.broken is None

    def test_not_sent_then_accepted_leaves_no_trace(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        flight = make(Scripted(NotSent("not_connected", "refused"), good(9)))
        flight.launch([one()])
        land(flight)
        assert ledger.totals()["geo"] == {"accepted": 1, "rejected": 0, "unknown": 0}

    @pytest.mark.parametrize(
        ("error", "result", "words"),
        [
            (OutcomeUnknown("http_500", "x"), Result.UNKNOWN, "After 3 attempts http_500: x."),
            (
                NotSent("not_connected", "refused"),
                Result.REJECTED,
                "took nothing in 3 attempts: not_connected: refused.",
            ),
        ],
    )
    def test_the_last_attempt(
        self, make: Callable[..., Flight], ledger: Ledger, error: DeliveryError, result: Result, words: str
    ) -> None:
        gateway = Scripted(error, error, error)
        flight = make(gateway)
        flight.launch([one()])
        land(flight)
        assert len(gateway.requests) == 3
        assert words in str(flight.broken)
        counts = ledger.totals()["geo"]
        assert counts[result] == (3 if result is Result.UNKNOWN else 1)

    def test_after_the_break_nothing_is_sent_again(self, make: Callable[..., Flight]) -> None:
        gateway = Scripted(Rejected("http_404", "Topic not found."), OutcomeUnknown("timeout", "late"))
        flight = make(gateway, connections=1)
        flight.launch([one(), one(8)])
        land(flight)
        assert len(gateway.requests) == 2
        assert "Topic not found." in str(flight.broken)
        summary = flight._tally.summary(State.FAILED)
        assert (summary.rejected, summary.unknown) == (1, 1)

    @pytest.mark.parametrize("code", ["http_400", "http_413", "http_422"])
    def test_a_refusal_of_these_records_breaks_nothing(self, make: Callable[..., Flight], code: str) -> None:
        flight = make(Scripted(Rejected(code, "bad")))
        flight.launch([one()])
        land(flight)
        assert flight.broken is None
        assert flight._tally.summary(State.FINISHED).rejected == 1


class TestGiveUp:
    @pytest.mark.parametrize(
        ("error", "final"),
        [(OutcomeUnknown("timeout", "late"), "unknown"), (NotSent("http_429", "slow down", 60), "rejected")],
    )
    def test_what_waited_is_counted_as_it_stands(
        self, make: Callable[..., Flight], ledger: Ledger, error: DeliveryError, final: str
    ) -> None:
        flight = make(Scripted(error))
        flight.launch([one()])
        while flight.due is None:
            flight.step(0.001)
        flight.give_up()
        assert flight.idle
        summary = flight._tally.summary(State.STOPPED).as_dict()
        assert {name: summary[name] for name in ("accepted", "rejected", "unknown")} == {
            "accepted": 0, "rejected": 0, "unknown": 0, final: 1,
        }  # fmt: skip
        assert ledger.totals()["geo"][final] == 1

    def test_the_tally_and_the_ledger_agree(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        flight = make(Scripted(good(1), OutcomeUnknown("timeout", "x"), NotSent("x", "y", 60)), connections=1)
        flight.launch([one(1), one(2), one(3)])
        end = time.monotonic() + 10
        while len(flight._waiting) < 2:
            assert time.monotonic() < end
            flight._settle(flight._take(0.05))
        flight.give_up()
        totals = ledger.totals()["geo"]
        summary = flight._tally.summary(State.STOPPED)
        assert (totals["accepted"], totals["rejected"], totals["unknown"]) == (1, 1, 1)
        assert (summary.accepted, summary.rejected, summary.unknown) == (1, 1, 1)


class TestTally:
    def test_counts_and_span(self) -> None:
        tally = Tally("r", 5)
        tally.count([Outcome(Result.ACCEPTED, 0, 1), Outcome(Result.UNKNOWN), Outcome(Result.ACCEPTED, 0, 2)])
        tally.span([5_000, 1_000])
        tally.span([2_000])
        tally.posts = 2
        found = tally.summary(State.FINISHED)
        assert (found.accepted, found.unknown, found.rejected, found.records, found.wanted) == (2, 1, 0, 6, 5)
        assert (found.first_timestamp, found.last_timestamp) == ("1970-01-01T00:00:01.000Z", "1970-01-01T00:00:05.000Z")
        assert not found.clean

    @pytest.mark.parametrize(
        ("state", "result", "clean"),
        [
            (State.FINISHED, Result.ACCEPTED, True),
            (State.STOPPED, Result.ACCEPTED, True),
            (State.FAILED, Result.ACCEPTED, False),
            (State.FINISHED, Result.REJECTED, False),
            (State.FINISHED, Result.UNKNOWN, False),
        ],
    )
    def test_clean(self, state: State, result: Result, clean: bool) -> None:
        tally = Tally("r", 1)
        tally.count([Outcome(result)])
        assert tally.summary(state).clean is clean


TAKEN = {"ShardId": "shardId-000000000002", "SequenceNumber": "4960"}
THROTTLED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded."}
REFUSED = {"ErrorCode": "AccessDeniedException", "ErrorMessage": "No."}


def records(*entries: object) -> Answer:
    return Answer(200, json.dumps({"FailedRecordCount": 0, "Records": entries}).encode())


def several(*inds: int) -> Parcel:
    rows = [Record(ind, b'{"ind":%d}' % ind, 0) for ind in inds]
    return Parcel("geo", "streaming-pinflow-geo", rows, Path.STREAM)


def keys(request: Request) -> list[str]:
    return [record["partition-key"] for record in json.loads(request.body)["records"]]


class TestThrottled:
    def test_only_they_are_sent_again_and_leave_no_trace(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        gateway = Scripted(records(TAKEN, THROTTLED, REFUSED, THROTTLED), records(THROTTLED, TAKEN), records(TAKEN))
        flight = make(gateway)
        flight.launch([several(1, 2, 3, 4)])
        land(flight)
        assert [keys(request) for request in gateway.requests] == [["1", "2", "3", "4"], ["2", "4"], ["2"]]
        assert ledger.totals(path=Path.STREAM)["geo"] == {"accepted": 3, "rejected": 1, "unknown": 0}
        assert [ind for ind, _ in ledger.streamed("geo")] == [1, 4, 2]
        summary = flight._tally.summary(State.FINISHED)
        assert (summary.accepted, summary.rejected, summary.retried) == (3, 1, 3)
        assert flight.broken is None

    def test_beside_unknown_ones_each_goes_its_way(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        gateway = Scripted(records(TAKEN, THROTTLED, "odd"), records(TAKEN), records(TAKEN))
        flight = make(gateway)
        flight.launch([several(1, 2, 3)])
        land(flight)
        assert sorted(keys(request) for request in gateway.requests[1:]) == [["2"], ["3"]]
        assert ledger.ambiguous("geo", Path.STREAM) == {3}
        assert sorted(ind for ind, _ in ledger.streamed("geo")) == [1, 2, 3]

    def test_attempts_are_bounded(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        gateway = Scripted(*[records(THROTTLED)] * 3)
        flight = make(gateway)
        flight.launch([several(1)])
        land(flight)
        assert "After 3 attempts ProvisionedThroughputExceededException: Rate exceeded." in str(flight.broken)
        assert ledger.totals(path=Path.STREAM)["geo"] == {"accepted": 0, "rejected": 1, "unknown": 0}
        assert flight._tally.summary(State.FAILED).rejected == 1
        assert ledger.ambiguous("geo", Path.STREAM) == set()

    def test_what_was_in_doubt_before_stays_so(self, make: Callable[..., Flight], ledger: Ledger) -> None:
        flight = make(Scripted(OutcomeUnknown("timeout", "late"), records(THROTTLED), records(THROTTLED)))
        flight.launch([several(1)])
        land(flight)
        assert ledger.totals(path=Path.STREAM)["geo"] == {"accepted": 0, "rejected": 0, "unknown": 1}
        summary = flight._tally.summary(State.FAILED)
        assert (summary.rejected, summary.unknown) == (0, 1)
