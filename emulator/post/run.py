"""One run of the emulator."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import repeat
from secrets import token_hex
from threading import Event
from typing import Protocol, TextIO

import httpx

from emulator.exceptions import NotSent
from emulator.ledger import Earlier, Ledger, Path, State
from emulator.post.buffer import Buffer
from emulator.post.console import print_posts
from emulator.post.flight import Flight
from emulator.post.gateway import Gateway
from emulator.post.options import Dialect, EmulatorOptions, EmulatorSummary, Target
from emulator.post.pacing import Backoff, Pacer
from emulator.post.reader import Reader
from emulator.post.requests import Proxy, ProxyV2, ProxyV3
from emulator.post.sampling import offsets, timestamps
from emulator.post.streams import Streams
from emulator.post.tally import Tally
from emulator.source.database import engine, reach

LOOK_SECONDS = 0.2
"""How often a stop is looked for while nothing happens."""
REPORT_SECONDS = 0.5


class Stop(Protocol):
    """Tells a run to stop; ``threading.Event`` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


type Progress = Callable[[EmulatorSummary], object]


def run(
    options: EmulatorOptions,
    *,
    on_progress: Progress | None = None,
    stop: Stop | None = None,
    transport: httpx.BaseTransport | None = None,
    out: TextIO | None = None,
) -> EmulatorSummary:
    """Post rows of the source database as people would, and write the outcome of each record to the ledger.

    A stop (and the end) waits for what is under way and sends nothing again. Records of unknown outcome are sent again
    under the same key, value and timestamp; rejected ones are not. When all requests would fail alike, the run ends
    as ``failed``, with the reason in ``error``.

    :param on_progress: called with the counts so far about twice a second, and at the end.
    :param stop: looked at about five times a second.
    :param transport: what carries the requests, for tests.
    :param out: where the console target prints; standard output by default.
    :raises SourceUnavailable: the source database can't be opened.
    :raises SourceEmpty: it holds no posts.
    :raises NotSent: with ``days``, the gateway can't be asked for its cluster.
    :raises UnexpectedAnswer: with ``days``, its answer is no list of clusters.
    """
    database = engine(options.source_url)
    try:
        reach(database)
        work = _Run(options, Reader(database, Dialect(options.dialect)), on_progress, stop or Event())
        if options.target == Target.CONSOLE:
            return work.console(out or sys.stdout)
        with Gateway(options.gateway_url, options.connections, options.timeout, transport) as gateway:
            return work.post(gateway, Ledger(database))
    finally:
        database.dispose()


class _Run:
    def __init__(self, options: EmulatorOptions, reader: Reader, on_progress: Progress | None, stop: Stop) -> None:
        self._options, self._stop, self._on_progress = options, stop, on_progress
        posts = len(reader.keys) if options.posts == "all" else options.posts
        rows = (
            reader.everything() if options.posts == "all" else reader.at(offsets(len(reader.keys), posts, options.seed))
        )
        times: Iterator[int] = timestamps(options.days, posts, options.seed) if options.days else repeat(0)
        self._posts = zip(rows, times, strict=False)
        self._tally = Tally(options.run_id or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{token_hex(4)}", posts, options.paths)
        self._backoff = Backoff(options.seed)
        self._reported = 0.0

    def console(self, out: TextIO) -> EmulatorSummary:
        """Print the records."""
        stopped = print_posts(self._options, self._posts, self._tally, self._stop, out)
        return self._report(State.STOPPED if stopped else State.FINISHED)

    def post(self, gateway: Gateway, ledger: Ledger) -> EmulatorSummary:
        """Post the records through the gateway, to Kafka, Kinesis or both."""
        options, tally = self._options, self._tally
        proxies = {path: self._proxy(gateway, path) for path in options.paths}
        mode = "days {}:{}".format(*options.days) if options.days else "now"
        earlier = ledger.begin(tally.run_id, target=str(options.target), mode=mode, seed=options.seed)
        tally.take_over(earlier)
        if earlier.resumed and any(proxy.stamps for proxy in proxies.values()):
            tally.span([int(time.time() * 1000)])
        state = State.FAILED
        try:
            flight = Flight(
                gateway,
                proxies,
                ledger,
                tally,
                connections=options.connections,
                attempts=options.attempts,
                backoff=self._backoff,
            )
            with flight:
                state = self._post(flight, earlier)
        finally:
            ledger.finish(tally.run_id, state, tally.posts, tally.first_ms, tally.last_ms)
        return self._report(state)

    def _proxy(self, gateway: Gateway, path: Path) -> Proxy:
        if path is Path.STREAM:
            return Streams(self._options.gateway_url)
        if not self._options.days:
            return ProxyV2(self._options.gateway_url)
        for attempt in range(1, self._options.attempts + 1):
            try:
                return ProxyV3(self._options.gateway_url, gateway.cluster_id())
            except NotSent:
                if attempt == self._options.attempts or self._stop.is_set():
                    raise
                time.sleep(self._backoff.seconds(attempt))
        raise AssertionError("unreachable: attempts is 1 or more")

    def _post(self, flight: Flight, earlier: Earlier) -> State:
        pacer = Pacer(self._options.rate, time.monotonic(), self._options.seed)
        buffer = Buffer(self._options, self._posts, pacer, earlier.settled)
        while not (self._stop.is_set() or flight.broken or (buffer.done and flight.idle)):
            if flight.room and buffer.fill(time.monotonic()):
                self._tally.posts += len(buffer.posts)
                flight.launch(buffer.take())
                flight.step(0)
            else:
                flight.step(self._patience(flight, buffer))
            self._progress()
        stopped = self._stop.is_set() and not (buffer.done and flight.idle)
        flight.give_up()
        while not flight.idle:
            flight.step(LOOK_SECONDS)
            flight.give_up()
        self._tally.error = flight.broken
        return State.FAILED if flight.broken else State.STOPPED if stopped else State.FINISHED

    def _patience(self, flight: Flight, buffer: Buffer) -> float:
        """Seconds until something may have to be done, if nothing comes back before."""
        moments = [flight.due] if flight.due is not None else []
        if flight.room and not buffer.done:
            moments.append(buffer.due)
        wait = min(moments, default=float("inf")) - time.monotonic()
        return min(max(wait, 0.001), LOOK_SECONDS)

    def _progress(self) -> None:
        if self._on_progress and time.monotonic() - self._reported >= REPORT_SECONDS:
            self._reported = time.monotonic()
            self._on_progress(self._tally.summary(State.RUNNING))

    def _report(self, state: State) -> EmulatorSummary:
        summary = self._tally.summary(state)
        if self._on_progress:
            self._on_progress(summary)
        return summary
