"""Records as requests to the gateway's route to Kinesis, and its answers as outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from emulator.exceptions import NotSent, OutcomeUnknown, Rejected
from emulator.ledger import Outcome, Result
from emulator.post.codec import loads
from emulator.post.requests import Answer, Record, Request, odd, unexpected, whole

RECORDS_MOST = 500
"""Records in a request (PutRecords takes no more)."""
BYTES_MOST = 4 * 1024 * 1024
"""Bytes of a request's body."""
FRAME = 200
"""Bytes of a body that aren't its entries; a stream's name has up to 128."""
ALONE = 1_000_000
"""A row of more bytes goes alone: a shard takes 1 MiB, and Kinesis refuses a request whole for one record."""
NOT_TAKEN = frozenset({"ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"})
"""Errors of a whole request that may pass later."""
SHARD = re.compile(r"shardId-([0-9]{12})")


class Streams:
    """``PUT <base>/streams/<stream>/records``: the records get the time of their arrival.

    The partition key is the post's number, so that the records of a post stay in order.
    https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
    """

    stamps = True

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")

    def request(self, topic: str, records: Sequence[Record]) -> Request:
        """One object with a list of records."""
        body = b'{"StreamName":"%b","records":[%b]}' % (topic.encode(), b",".join(map(_entry, records)))
        return Request(f"{self._base}/streams/{topic}/records", "application/json", body, "PUT")

    def outcomes(self, answer: Answer, count: int) -> list[Outcome]:
        """Read ``Records``, one entry a record.

        Entries of throttled records are rejected with Kinesis' code: see :attr:`emulator.ledger.Outcome.throttled`.

        :raises NotSent: the request was turned away for now.
        :raises Rejected: the whole request was refused.
        :raises OutcomeUnknown: the answer doesn't tell, which is also true of a 200 without one entry a record.
        """
        if answer.status != 200:
            raise _refused(answer)
        entries = _content(answer.body).get("Records")
        if not isinstance(entries, list) or len(entries) != count:
            raise unexpected(answer, f"{count} records")
        return [_outcome(entry) for entry in entries]


def portions(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Cut records into requests that Kinesis takes; one that it may find too large goes alone."""
    portion, size = list[Record](), FRAME
    for record in records:
        if len(record.value) > ALONE:
            yield [record]
            continue
        length = len(_entry(record)) + 1
        if len(portion) == RECORDS_MOST or (portion and size + length > BYTES_MOST):
            yield portion
            portion, size = [], FRAME
        portion.append(record)
        size += length
    if portion:
        yield portion


def _entry(record: Record) -> bytes:
    return b'{"data":%b,"partition-key":"%d"}' % (record.value, record.ind)


def _content(body: bytes) -> dict[str, Any]:
    try:
        content = loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _outcome(entry: Any) -> Outcome:
    if not isinstance(entry, dict):
        return odd(entry)
    if isinstance(code := entry.get("ErrorCode"), str) and code:
        return Outcome(Result.REJECTED, code=code[:64], reason=str(entry.get("ErrorMessage")))
    shard, sequence = SHARD.fullmatch(str(entry.get("ShardId"))), entry.get("SequenceNumber")
    if shard and isinstance(sequence, str) and sequence.isdecimal():
        return Outcome(Result.ACCEPTED, int(shard[1]), sequence=sequence)
    return odd(entry)


def _refused(answer: Answer) -> NotSent | Rejected | OutcomeUnknown:
    """As the status says; of a refusal, Kinesis' own code tells more."""
    error, kind = whole(answer), _content(answer.body).get("__type")
    if not isinstance(error, Rejected) or not isinstance(kind, str) or not kind:
        return error
    code = kind.rpartition("#")[2][:64]
    return NotSent(code, error.reason) if code in NOT_TAKEN else Rejected(code, error.reason)
