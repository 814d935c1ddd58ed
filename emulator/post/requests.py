"""Records as requests to Kafka's REST proxy, and its answers as outcomes, in both versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from emulator.exceptions import NotSent, OutcomeUnknown, Rejected
from emulator.ledger import Outcome, Path, Result
from emulator.post.codec import loads, loads_concatenated

V2 = "application/vnd.kafka.json.v2+json"
V3 = "application/json"
REFUSED = {1, 50002}
"""Codes of single records that mean a refusal although they look like a server's fault: v2's error that isn't worth a
retry, in old and new servers."""
SHOWN = 300


@dataclass(frozen=True)
class Request:
    """One request with records."""

    url: str
    content_type: str
    body: bytes
    method: str = "POST"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    retry_after: str | None = None


class Record(NamedTuple):
    """One record to send: the post's number is the key; ``value`` is the row as JSON."""

    ind: int
    value: bytes
    timestamp_ms: int


class Parcel(NamedTuple):
    """Records of one table that go out in one request.

    :param topic: the topic or the stream.
    """

    table: str
    topic: str
    records: Sequence[Record]
    path: Path = Path.BATCH


class Proxy(Protocol):
    """A way to produce records: a version of the REST proxy's interface, or the gateway's route to Kinesis."""

    stamps: bool
    """Whether the server sets the timestamps."""

    def request(self, topic: str, records: Sequence[Record]) -> Request:
        """The request that produces these records."""
        ...

    def outcomes(self, answer: Answer, count: int) -> list[Outcome]:
        """What came of each of ``count`` records, in their order.

        :raises NotSent: the server turned the request away unread (429).
        :raises Rejected: the whole request was refused.
        :raises OutcomeUnknown: the answer doesn't tell.
        """
        ...


class ProxyV2:
    """``POST <base>/topics/<topic>``: the records get the time of their arrival.

    https://docs.confluent.io/platform/current/kafka-rest/api.html#post--topics-(string-topic_name)
    """

    stamps = True

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")

    def request(self, topic: str, records: Sequence[Record]) -> Request:
        """One object with a list of records."""
        body = b",".join([b'{"key":%d,"value":%b}' % (record.ind, record.value) for record in records])
        return Request(f"{self._base}/topics/{topic}", V2, b'{"records":[%b]}' % body)

    def outcomes(self, answer: Answer, count: int) -> list[Outcome]:
        """Read ``offsets``, one entry a record; 401 and 403 can carry them as well."""
        if answer.status != 200 and answer.status not in (401, 403):
            raise whole(answer)
        entries = _offsets(answer.body)
        if entries is None or len(entries) != count:
            raise whole(answer) if answer.status != 200 else unexpected(answer, f"{count} offsets")
        return [_v2_outcome(entry) for entry in entries]


class ProxyV3:
    """``POST <base>/v3/clusters/<id>/topics/<topic>/records``: the records carry their time.

    https://docs.confluent.io/platform/current/kafka-rest/api.html#records-v3
    """

    stamps = False

    def __init__(self, base: str, cluster_id: str) -> None:
        self._base = f"{base.rstrip('/')}/v3/clusters/{cluster_id}"

    def request(self, topic: str, records: Sequence[Record]) -> Request:
        """Objects one after the other."""
        body = b"\n".join(
            [
                b'{"key":{"type":"JSON","data":%d},"value":{"type":"JSON","data":%b},"timestamp":"%b"}'
                % (record.ind, record.value, iso(record.timestamp_ms).encode())
                for record in records
            ]
        )
        return Request(f"{self._base}/topics/{topic}/records", V3, body)

    def outcomes(self, answer: Answer, count: int) -> list[Outcome]:
        """Read the reports, one a record; records without one (the stream broke off) are unknown."""
        if answer.status != 200:
            raise whole(answer)
        try:
            reports = loads_concatenated(answer.body)
        except ValueError:
            raise unexpected(answer, f"{count} reports") from None
        if not 1 <= len(reports) <= count:
            raise unexpected(answer, f"{count} reports")
        missing = Outcome(Result.UNKNOWN, code="no_report", reason="The answer ended before this record's report.")
        return [_v3_outcome(report) for report in reports] + [missing] * (count - len(reports))


def iso(timestamp_ms: int) -> str:
    """A timestamp in RFC 3339, UTC, with milliseconds."""
    moment = datetime.fromtimestamp(timestamp_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{timestamp_ms % 1000:03d}Z"


def _offsets(body: bytes) -> list[Any] | None:
    try:
        content = loads(body)
    except ValueError:
        return None
    entries = content.get("offsets") if isinstance(content, dict) else None
    return entries if isinstance(entries, list) else None


def _v2_outcome(entry: Any) -> Outcome:
    if not isinstance(entry, dict):
        return odd(entry)
    get = entry.get
    if (code := get("error_code")) is not None:
        return _failed(code, get("error"))
    if type(partition := get("partition")) is int and type(offset := get("offset")) is int and offset >= 0:
        return Outcome(Result.ACCEPTED, partition, offset)
    return odd(entry)


def _v3_outcome(report: Any) -> Outcome:
    if not isinstance(report, dict):
        return odd(report)
    get = report.get
    if (code := get("error_code")) != 200:
        return _failed(code, get("message"))
    if type(partition := get("partition_id")) is int and type(offset := get("offset")) is int and offset >= 0:
        return Outcome(Result.ACCEPTED, partition, offset)
    return odd(report)


def _failed(code: Any, reason: Any) -> Outcome:
    if type(code) is not int:
        return odd({"error_code": code, "message": reason})
    status = code if code < 1000 else code // 100
    refused = code in REFUSED or (400 <= status < 500 and status not in (408, 429))
    return Outcome(Result.REJECTED if refused else Result.UNKNOWN, code=str(code), reason=str(reason))


def odd(entry: Any) -> Outcome:
    """The outcome of a record whose report is none."""
    return Outcome(Result.UNKNOWN, code="unexpected_body", reason=f"Not a report of a record: {entry!r}"[:SHOWN])


def whole(answer: Answer) -> NotSent | Rejected | OutcomeUnknown:
    """What an answer that isn't a 200 says of the whole request."""
    code, reason = f"http_{answer.status}", _message(answer.body)
    if answer.status == 429:
        return NotSent(code, reason, _seconds(answer.retry_after))
    if 300 <= answer.status < 500 and answer.status != 408:
        return Rejected(code, reason)
    return OutcomeUnknown(code, reason)


def unexpected(answer: Answer, wanted: str) -> OutcomeUnknown:
    """An answer of another form, which doesn't tell what was taken."""
    return OutcomeUnknown("unexpected_body", f"{wanted} expected, but the answer is: {_text(answer.body)}")


def _message(body: bytes) -> str:
    try:
        content = loads(body)
    except ValueError:
        return _text(body)
    if isinstance(content, dict) and isinstance(content.get("message"), str):
        code = content.get("error_code")
        return f"{code}: {content['message']}" if code else content["message"]
    return _text(body)


def _text(body: bytes) -> str:
    return body[:SHOWN].decode("utf-8", "replace") or "(empty)"


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None
