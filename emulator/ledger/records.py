"""What is written to the ledger: attempts to send records, and what came of each record."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class Path(StrEnum):
    """Which way records take."""

    BATCH = "batch"
    STREAM = "stream"


class Result(StrEnum):
    """What is known of a record that was sent."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


NOT_SENT = "not_sent"
"""The code of records that were surely never sent."""
REFUSED_ALL = frozenset(
    {
        "bad_url",
        *(f"http_{status}" for status in (301, 302, 303, 307, 308, 401, 403, 404, 405, 415)),
        *("ResourceNotFoundException", "AccessDeniedException", "UnrecognizedClientException"),
    }
)
"""Codes of refusals that say nothing of the records: any request to that address would have met them."""
THROTTLED = frozenset({"ProvisionedThroughputExceededException", "InternalFailure"})
"""Kinesis' codes of single records of a request that it surely did not take, and may take later.

https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
"""


class Outcome(NamedTuple):
    """What came of one record.

    :param result: accepted, rejected or unknown.
    :param partition: the partition, or the shard's number, that took it, when accepted.
    :param offset: its offset there; None for a shard.
    :param code: a short code of the error.
    :param reason: the error's text.
    :param sequence: its sequence number in the stream, when a shard took it.
    """

    result: Result
    partition: int | None = None
    offset: int | None = None
    code: str | None = None
    reason: str | None = None
    sequence: str | None = None

    @property
    def throttled(self) -> bool:
        """Whether the record was surely not taken and may be sent again."""
        return self.result is Result.REJECTED and self.code in THROTTLED


@dataclass(frozen=True)
class Attempt:
    """One request with records of one table, about to be sent.

    :param intent_id: unique in the ledger.
    :param attempt: 1 for the first time, one more each time the same records are sent again.
    :param inds: the posts' numbers, in the order of the request.
    :param timestamps: the record timestamps in milliseconds, one each; where the server stamps them, the time of
        sending, which is the earliest that they can have.
    """

    intent_id: str
    run_id: str
    table: str
    topic: str
    attempt: int
    inds: Sequence[int]
    timestamps: Sequence[int]
    path: Path = Path.BATCH


@dataclass(frozen=True)
class Earlier:
    """What the ledger knew of a run before it went on.

    :param resumed: whether there was anything.
    :param settled: by path and table, how often each post was accepted, or rejected for what it is: these aren't sent
        again.
    :param results: how many records those are, by path.
    :param span: the earliest and latest record timestamp, or nothing.
    """

    resumed: bool = False
    settled: defaultdict[tuple[Path, str], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    results: defaultdict[Path, Counter[Result]] = field(default_factory=lambda: defaultdict(Counter))
    span: list[int] = field(default_factory=list)
