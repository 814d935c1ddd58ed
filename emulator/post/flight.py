"""Requests under way: sent from threads, written to the ledger before and after, sent again when nobody knows."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from queue import Empty, Queue
from types import TracebackType
from typing import Self

from emulator.exceptions import DeliveryError, NotSent, Rejected
from emulator.ledger import NOT_SENT, REFUSED_ALL, Attempt, Ledger, Outcome, Path, Result
from emulator.post.gateway import Gateway
from emulator.post.pacing import Backoff
from emulator.post.requests import Parcel, Proxy, Record
from emulator.post.tally import Tally


@dataclass(order=True)
class Batch:
    """Records of one table that go out together.

    :param due: when it may be sent, in seconds of the monotonic clock.
    :param doubtful: whether an earlier attempt may have been taken.
    """

    due: float
    number: int
    table: str = field(compare=False)
    topic: str = field(compare=False)
    records: Sequence[Record] = field(compare=False)
    path: Path = field(compare=False, default=Path.BATCH)
    attempt: int = field(compare=False, default=1)
    doubtful: bool = field(compare=False, default=False)


@dataclass(frozen=True)
class _Back:
    """A batch that came back, with outcomes or the error that stands for all of them."""

    batch: Batch
    intent: Attempt
    carried: Future[tuple[list[Outcome], DeliveryError | None]]
    answered_ms: int


class Flight:
    """Sends batches, at most so many at a time, and keeps the ledger and the tally.

    All methods are for one thread; the requests themselves run in others.

    :param proxies: how the records of each path are sent.
    :param connections: requests under way at the most; more than that makes :attr:`room` false.
    :param attempts: how often records of unknown outcome are sent at the most.
    """

    def __init__(
        self,
        gateway: Gateway,
        proxies: Mapping[Path, Proxy],
        ledger: Ledger,
        tally: Tally,
        *,
        connections: int,
        attempts: int,
        backoff: Backoff,
    ) -> None:
        self._gateway, self._proxies, self._ledger, self._tally = gateway, proxies, ledger, tally
        self._connections, self._attempts, self._backoff = connections, attempts, backoff
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="emulator")
        # Not a SimpleQueue: a signal during its get(timeout) can make CPython 3.12 wait for ever.
        self._back: Queue[_Back] = Queue()
        self._waiting: list[Batch] = []
        self._numbers = count(1)
        self._sent = 0
        self.broken: str | None = None
        """Why it is of no use to send more, once that is known."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._threads.shutdown()

    @property
    def room(self) -> bool:
        """Whether more may be sent now; those that wait for another attempt take room too."""
        return self._sent + len(self._waiting) < self._connections

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or waiting."""
        return not self._sent and not self._waiting

    @property
    def due(self) -> float | None:
        """When the next resend is due (monotonic seconds)."""
        return self._waiting[0].due if self._waiting else None

    def launch(self, parcels: Iterable[Parcel]) -> None:
        """Write records down as about to be sent, and send them."""
        self._send([Batch(0.0, next(self._numbers), *parcel) for parcel in parcels])

    def step(self, timeout: float) -> None:
        """Send what is due again, and take in what came back, waiting for something up to ``timeout`` seconds."""
        due = []
        while self._waiting and self._waiting[0].due <= time.monotonic():
            due.append(heapq.heappop(self._waiting))
        if due:
            self._send(due)
        self._settle(self._take(timeout))

    def give_up(self) -> None:
        """Send nothing again: what waited for that is counted as it stands."""
        waiting, self._waiting = self._waiting, []
        settled = [
            (self._intent(batch, int(time.time() * 1000)), self._abandon(batch, "the run ended before."))
            for batch in waiting
        ]
        if settled:
            self._ledger.settle(settled)

    def _send(self, batches: list[Batch]) -> None:
        if not batches:
            return
        now = int(time.time() * 1000)
        pairs = [(batch, self._intent(batch, now)) for batch in batches]
        self._ledger.intend(intent for _, intent in pairs)
        for batch, intent in pairs:
            carried = self._threads.submit(self._carry, batch)
            carried.add_done_callback(partial(self._land, batch, intent))
        self._sent += len(pairs)

    def _intent(self, batch: Batch, now: int) -> Attempt:
        stamps = self._proxies[batch.path].stamps
        return Attempt(
            intent_id=f"{self._tally.run_id}/{batch.number}/{batch.attempt}",
            run_id=self._tally.run_id,
            table=batch.table,
            topic=batch.topic,
            attempt=batch.attempt,
            inds=[record.ind for record in batch.records],
            timestamps=[now if stamps else record.timestamp_ms for record in batch.records],
            path=batch.path,
        )

    def _carry(self, batch: Batch) -> tuple[list[Outcome], DeliveryError | None]:
        """Runs in a thread of the pool."""
        try:
            proxy = self._proxies[batch.path]
            answer = self._gateway.send(proxy.request(batch.topic, batch.records))
            return proxy.outcomes(answer, len(batch.records)), None
        except DeliveryError as error:
            return [], error

    def _land(self, batch: Batch, intent: Attempt, carried: Future[tuple[list[Outcome], DeliveryError | None]]) -> None:
        self._back.put(_Back(batch, intent, carried, int(time.time() * 1000) + 1))

    def _take(self, timeout: float) -> list[_Back]:
        found = []
        try:
            found.append(self._back.get(timeout=timeout) if timeout > 0 else self._back.get_nowait())
            while True:
                found.append(self._back.get_nowait())
        except Empty:
            return found

    def _settle(self, found: list[_Back]) -> None:
        if not found:
            return
        self._sent -= len(found)
        settled = [(back.intent, self._judge(back)) for back in found]
        self._ledger.settle(settled)

    def _judge(self, back: _Back) -> list[Outcome | None]:
        """The rows that the ledger gets; the batch, or what is unknown of it, is put off or counted."""
        batch = back.batch
        outcomes, error = back.carried.result()
        last = batch.attempt >= self._attempts or self.broken is not None
        if isinstance(error, NotSent):
            return [*self._not_sent(batch, error, last)]
        outcomes = [_of(error)] * len(batch.records) if error else outcomes
        self._note_span(back)
        if isinstance(error, Rejected) and error.code in REFUSED_ALL:
            self._break(f"The gateway refused {batch.topic}: {error}. {ADVICE_REFUSED}")
        unknown = [at for at, outcome in enumerate(outcomes) if outcome.result is Result.UNKNOWN]
        throttled = [at for at, outcome in enumerate(outcomes) if outcome.throttled]
        settled = (one for one in outcomes if one.result is not Result.UNKNOWN and not one.throttled)
        self._tally.count(settled, batch.path)
        if unknown and not last:
            self._put_off(replace(batch, doubtful=True), [batch.records[at] for at in unknown], None)
        elif unknown:
            cause = outcomes[unknown[-1]]
            self._break(f"After {batch.attempt} attempts {cause.code}: {cause.reason}. {ADVICE_UNKNOWN}")
            self._tally.count([cause] * len(unknown), batch.path)
        return self._throttled(batch, outcomes, throttled, last) if throttled else [*outcomes]

    def _throttled(
        self, batch: Batch, outcomes: list[Outcome], throttled: list[int], last: bool
    ) -> list[Outcome | None]:
        """Put off the records that were surely not taken, or count them; the rows that the ledger gets.

        The others of their request have theirs, so these go on under a number of their own.
        """
        cause = outcomes[throttled[-1]]
        if not last:
            own = replace(batch, number=next(self._numbers))
            self._put_off(own, [batch.records[at] for at in throttled], None)
        else:
            self._break(f"After {batch.attempt} attempts {cause.code}: {cause.reason}. {ADVICE_THROTTLED}")
            final = Outcome(Result.UNKNOWN) if batch.doubtful else cause
            self._tally.count([final] * len(throttled), batch.path)
        silent = set(throttled) if batch.doubtful or not last else set()
        return [None if at in silent else outcome for at, outcome in enumerate(outcomes)]

    def _not_sent(self, batch: Batch, error: NotSent, last: bool) -> list[Outcome]:
        if not last:
            self._put_off(batch, batch.records, error.wait)
            return []
        self._break(f"The gateway took nothing in {batch.attempt} attempts: {error}. {ADVICE_NOT_SENT}")
        return self._abandon(batch, str(error))

    def _abandon(self, batch: Batch, reason: str) -> list[Outcome]:
        """Count a batch that isn't sent again, and say what the ledger gets: nothing new if it may have been taken."""
        if batch.doubtful:
            self._tally.count([Outcome(Result.UNKNOWN)] * len(batch.records), batch.path)
            return []
        outcomes = [Outcome(Result.REJECTED, code=NOT_SENT, reason=f"Never sent: {reason}")] * len(batch.records)
        self._tally.count(outcomes, batch.path)
        return outcomes

    def _put_off(self, batch: Batch, records: Sequence[Record], wait: float | None) -> None:
        self._tally.resend(len(records), batch.path)
        pause = max(wait or 0.0, self._backoff.seconds(batch.attempt))
        again = replace(batch, due=time.monotonic() + pause, records=records, attempt=batch.attempt + 1)
        heapq.heappush(self._waiting, again)

    def _break(self, reason: str) -> None:
        self.broken = self.broken or reason

    def _note_span(self, back: _Back) -> None:
        self._tally.span(back.intent.timestamps)
        if self._proxies[back.batch.path].stamps:
            self._tally.span([back.answered_ms])


ADVICE_REFUSED = "Check the address, the stage, the topics or streams and the rights, and start a new run."
ADVICE_UNKNOWN = (
    "The ledger has the posts that may be there; see that the gateway and what is behind it work, and start a new run."
)
ADVICE_THROTTLED = "Give the stream more shards or post at a lower rate, and let this run go on, or start a new one."
ADVICE_NOT_SENT = "See that the gateway runs at that address, and start a new run."


def _of(error: DeliveryError) -> Outcome:
    result = Result.REJECTED if isinstance(error, Rejected) else Result.UNKNOWN
    return Outcome(result, code=error.code, reason=error.reason)
