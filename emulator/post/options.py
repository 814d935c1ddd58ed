"""What a run of the emulator is asked to do, and what it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import urlsplit

from emulator.exceptions import OptionsError
from emulator.ledger import Path

TABLES = ("pin", "geo", "user")


class Target(StrEnum):
    """Where posts go."""

    CONSOLE = "console"
    BATCH = "batch"
    STREAM = "stream"
    BOTH = "both"

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths that records take; none to the console."""
        return {Target.CONSOLE: (), Target.BATCH: (Path.BATCH,), Target.STREAM: (Path.STREAM,)}.get(self, tuple(Path))


class Dialect(StrEnum):
    """How times are written in the rows; no client sends a zone."""

    TEXT = "text"
    """``2020-08-28 03:52:47``, as most clients send it."""
    ISO = "iso"
    """``2020-08-28T03:52:47``."""
    COLONS = "colons"
    """``2020:08:28 03:52:47``."""


@dataclass(frozen=True)
class EmulatorOptions:
    """A run of the emulator.

    :param source_url: the source database, as :func:`emulator.source.engine` takes it; the ledger is there too.
    :param gateway_url: the gateway with its stage, ``http://127.0.0.1:8000/dev``; not needed for the console.
    :param prefix: topics are ``<prefix>.pin``, ``<prefix>.geo``, ``<prefix>.user``, streams ``streaming-<prefix>-pin``
        and so on.
    :param target: ``console`` prints the records; ``batch`` posts them through the gateway to the topics, ``stream`` to
        the streams, ``both`` each post to both in the same round.
    :param posts: how many random posts, with repeats, as people post; ``all`` takes each row once, in order.
    :param rate: posts a second; ``human`` pauses 0 to 2 s between posts; None is as fast as it goes.
    :param seed: the same seed draws the same posts, pauses and historic times.
    :param days: first and last day (UTC, both included) over which the records' timestamps are spread, in order; the
        records then go through REST v3. None lets the server stamp them as they arrive (REST v2). Not for streams:
        Kinesis stamps all records itself.
    :param batch_size: posts in a request at the most (500 for a stream); a post's records go out in the same round.
    :param connections: requests under way at the most, on as many kept connections.
    :param dialect: how times are written in the rows.
    :param attempts: how often records of unknown outcome are sent at the most.
    :param timeout: seconds to wait for an answer.
    :param linger: seconds that a post waits for company at the most.
    :param run_id: the run's name in the ledger, up to 64 characters; a new one by default. If the ledger has it, that
        run goes on: with the same options, what was accepted, or rejected for what it is, isn't sent again.
    """

    source_url: str
    gateway_url: str = ""
    prefix: str = "pinflow"
    target: Target | Literal["console", "batch", "stream", "both"] = Target.BATCH
    posts: int | Literal["all"] = 1_000
    rate: float | Literal["human"] | None = None
    seed: int = 100
    days: tuple[date, date] | None = None
    batch_size: int = 1_000
    connections: int = 6
    dialect: Dialect | Literal["text", "iso", "colons"] = Dialect.TEXT
    attempts: int = 10
    timeout: float = 60.0
    linger: float = 0.05
    run_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", _member(Target, self.target, "target"))
        object.__setattr__(self, "dialect", _member(Dialect, self.dialect, "dialect"))
        self._check_amounts()
        self._check_days()
        parts = urlsplit(self.gateway_url)
        if self.target != Target.CONSOLE and not (parts.scheme in ("http", "https") and parts.netloc):
            raise OptionsError(
                f"The gateway's address {self.gateway_url!r} can't be used: it isn't an http or https URL. "
                "Give it with its stage, like http://127.0.0.1:8000/dev."
            )

    @property
    def topics(self) -> dict[str, str]:
        """The topic of each table."""
        return {table: f"{self.prefix}.{table}" for table in TABLES}

    @property
    def streams(self) -> dict[str, str]:
        """The stream of each table."""
        return {table: f"streaming-{self.prefix}-{table}" for table in TABLES}

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths that records take."""
        return Target(self.target).paths

    def _check_amounts(self) -> None:
        if self.posts != "all" and (not isinstance(self.posts, int) or self.posts < 1):
            raise OptionsError(f"posts is {self.posts!r}; it must be a whole number of 1 or more, or 'all'.")
        if self.rate is not None and self.rate != "human" and not (_is_number(self.rate) and 0 < self.rate < 1e6):
            raise OptionsError(f"rate is {self.rate!r}; it must be posts a second, more than 0, or 'human', or None.")
        if self.run_id is not None and not 1 <= len(self.run_id) <= 64:
            raise OptionsError(f"run_id is {self.run_id!r}; it must have 1 to 64 characters.")
        for name in ("batch_size", "connections", "attempts"):
            if getattr(self, name) < 1:
                raise OptionsError(f"{name} is {getattr(self, name)}; it must be 1 or more.")

    def _check_days(self) -> None:
        if self.days is None:
            return
        if Path.STREAM in self.paths:
            raise OptionsError(
                f"days can't be given with the target {str(self.target)!r}: Kinesis stamps each record with the "
                "time of its arrival and takes no other. Leave the days out, or post with the target 'batch'."
            )
        first, last = self.days
        if last < first:
            raise OptionsError(f"The days {first}:{last} run backwards. Give the first day first.")
        if last > datetime.now(UTC).date():
            raise OptionsError(f"{last} is in the future (UTC), and Kafka takes no such records. End today or earlier.")


@dataclass(frozen=True)
class EmulatorSummary:
    """What a run did, or has done so far.

    :param wanted: posts that were asked for.
    :param posts: posts whose records were sent (or printed), in an earlier part of the same run as well.
    :param records: their records, three a post on each path.
    :param accepted: records that Kafka or Kinesis holds, each with its offset or sequence number in the ledger.
    :param rejected: records that were refused, with the reason in the ledger, or never sent at last.
    :param unknown: records that may be there, after the last attempt.
    :param retried: records that were sent again, counted each time.
    :param seconds: how long it took.
    :param first_timestamp: the earliest record timestamp (ISO 8601, UTC); None when nothing was sent.
    :param last_timestamp: the latest; for records that the server stamps, a moment after it.
    :param state: ``running``, ``finished``, ``stopped`` (on request) or ``failed``.
    :param error: why it failed, and what to do.
    :param paths: ``records``, ``accepted``, ``rejected``, ``unknown`` and ``retried`` of each path that was taken.
    """

    run_id: str
    wanted: int
    posts: int
    records: int
    accepted: int
    rejected: int
    unknown: int
    retried: int
    seconds: float
    first_timestamp: str | None
    last_timestamp: str | None
    state: str
    error: str | None = None
    paths: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Nothing was refused, nothing is unknown and the run didn't fail."""
        return not self.rejected and not self.unknown and self.state != "failed"

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


def _member[E: StrEnum](kind: type[E], value: str, name: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise OptionsError(f"{name} is {value!r}; it must be one of {', '.join(kind)}.") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
