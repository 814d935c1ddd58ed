"""Kinesis Data Streams: streams with their shards and tags, and records with an outcome each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_random_exponential

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

WAITERS = Path(__file__).parents[1] / "waiters" / "kinesis.json"
MAXIMUM_RECORDS = 500
MAXIMUM_REQUEST_BYTES = 5 * 2**20
RESEND = Retrying(stop=stop_after_attempt(10), wait=wait_random_exponential(multiplier=0.1, max=5))
"""How often and after which pause, in seconds with jitter, records that were not taken are sent again."""

_THROTTLED = frozenset({"ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"})
_FAILED = frozenset({"InternalFailure", "InternalFailureException", "ServiceUnavailable"})
_INVALID = frozenset({"InvalidArgumentException", "ValidationException", "SerializationException"})


class StreamMode(StrEnum):
    """Who counts the shards: the account (``PROVISIONED``) or AWS (``ON_DEMAND``)."""

    PROVISIONED = "PROVISIONED"
    ON_DEMAND = "ON_DEMAND"


@dataclass(frozen=True)
class StreamSpec:
    """What a stream should be; ``None`` leaves a property as it is.

    :param name: its name, which is its identity.
    :param mode: ``PROVISIONED`` or ``ON_DEMAND``.
    :param shard_count: open shards, of a provisioned stream only.
    :param retention_hours: 24 to 8760.
    :param tags: tags that it should have; others stay.
    :raises ValueError: a number is out of bounds, or shards are asked of an on-demand stream.
    """

    name: str
    mode: StreamMode | None = None
    shard_count: int | None = None
    retention_hours: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.shard_count is not None and self.mode is StreamMode.ON_DEMAND:
            raise ValueError(f"{self.name}: an ON_DEMAND stream has no shard_count of its own. Leave it out.")
        if self.shard_count is not None and self.shard_count < 1:
            raise ValueError(f"{self.name}: shard_count is {self.shard_count}. Ask for at least 1.")
        if self.retention_hours is not None and not 24 <= self.retention_hours <= 8760:
            raise ValueError(f"{self.name}: retention_hours is {self.retention_hours}. Kinesis keeps 24 to 8760 hours.")


def next_shard_count(now: int, target: int) -> int:
    """The next step of ``UpdateShardCount`` towards a target: at most twice and at least half of what is open.

    https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateShardCount.html
    """
    return min(target, now * 2) if target > now else max(target, math.ceil(now / 2))


@dataclass(frozen=True)
class Record:
    """A record to put.

    :param partition_key: 1 to 256 characters; it decides the shard.
    :param data: at most what the stream takes, 1 MiB by default with the key.
    """

    partition_key: str
    data: bytes

    @property
    def size(self) -> int:
        """What counts against the limits, in bytes."""
        return len(self.data) + len(self.partition_key.encode())


class OutcomeState(StrEnum):
    """What is known of a record that was put."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """What became of one record.

    :param state: ``unknown`` when a call's answer was lost and no later call was answered with success.
    :param attempts: how often it was sent.
    :param code: the last error's code, empty when accepted.
    """

    state: OutcomeState
    attempts: int
    shard_id: str = ""
    sequence_number: str = ""
    code: str = ""
    reason: str = ""


@dataclass
class _Pending:
    """A record on its way; ``doubtful`` once it may have been taken without our knowing."""

    record: Record
    attempts: int = 0
    doubtful: bool = False
    code: str = ""
    reason: str = ""
    outcome: Outcome | None = None

    @property
    def entry(self) -> dict[str, Any]:
        """As ``PutRecords`` takes it."""
        return {"Data": self.record.data, "PartitionKey": self.record.partition_key}

    def settle(self, state: OutcomeState, **found: str) -> None:
        """Note the outcome."""
        self.outcome = Outcome(state, self.attempts, **found)

    def answered(self, result: Mapping[str, str]) -> None:
        """Read this record's part of an answer."""
        if "ErrorCode" not in result:
            self.settle(OutcomeState.ACCEPTED, shard_id=result["ShardId"], sequence_number=result["SequenceNumber"])
        else:
            self.failed(result["ErrorCode"], result.get("ErrorMessage", ""))

    def failed(self, code: str, reason: str) -> None:
        """Note an error; it stays pending when another try may help."""
        self.code, self.reason = code, reason
        if code not in _THROTTLED | _FAILED:
            self.give_up()

    def give_up(self) -> None:
        """Settle it as it stands."""
        state = OutcomeState.UNKNOWN if self.doubtful else OutcomeState.REJECTED
        self.settle(state, code=self.code, reason=self.reason)


class KinesisStreamsHook(AwsBaseHook):
    """A wrapper around ``boto3.client("kinesis")`` for data streams.

    Arguments are those of ``AwsBaseHook``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "kinesis"
        super().__init__(*args, **kwargs)

    @property
    def waiter_path(self) -> PathLike[str]:
        """Our own waiters: those of boto know one good state and no bad one."""
        return WAITERS

    def summary(self, name: str) -> dict[str, Any] | None:
        """``DescribeStreamSummary`` of a stream, or ``None`` when there is none."""
        try:
            answer = self.conn.describe_stream_summary(StreamName=name)
        except self.conn.exceptions.ResourceNotFoundException:
            return None
        return dict(answer["StreamDescriptionSummary"])

    def streams(self, prefix: str = "") -> list[str]:
        """The names of all streams that begin so, over all pages."""
        pages = self.conn.get_paginator("list_streams").paginate()
        return [name for page in pages for name in page["StreamNames"] if name.startswith(prefix)]

    def describe(self, name: str) -> dict[str, Any] | None:
        """``DescribeStream`` with the shards of all pages, closed ones among them; ``None`` when there is none."""
        pages = self.conn.get_paginator("describe_stream").paginate(StreamName=name)
        try:
            described = [page["StreamDescription"] for page in pages]
        except self.conn.exceptions.ResourceNotFoundException:
            return None
        shards = [shard for page in described for shard in page["Shards"]]
        return {**described[0], "Shards": shards, "HasMoreShards": False}

    def tags(self, name: str) -> dict[str, str]:
        """The tags of a stream, over all pages."""
        found: dict[str, str] = {}
        after: dict[str, str] = {}
        while True:
            answer = self.conn.list_tags_for_stream(StreamName=name, **after)
            found.update({entry["Key"]: entry["Value"] for entry in answer["Tags"]})
            if not answer["HasMoreTags"]:
                return found
            after = {"ExclusiveStartTagKey": answer["Tags"][-1]["Key"]}

    def put_records(self, name: str, records: Sequence[Record], policy: Retrying = RESEND) -> list[Outcome]:
        """Put records, and send only those again that were not taken and may be taken later.

        A record whose answer was lost is sent again as well, so it may be in the stream twice; readers tell by its key.
        Calls that Kinesis refuses as a whole are halved until only the records at fault are left out.

        :param policy: how often and after which pause; its ``stop`` and ``wait`` count.
        :returns: one outcome a record, in the records' order.
        """
        pending = [_Pending(record) for record in records]
        for batch in _batches(pending):
            resend = policy.copy(retry=retry_if_result(bool), retry_error_callback=_unfinished)
            resend(self._round, name, batch)
            for entry in batch:
                if entry.outcome is None:
                    entry.give_up()
        return [entry.outcome for entry in pending if entry.outcome is not None]

    def _round(self, name: str, batch: Sequence[_Pending]) -> int:
        """Send what is pending once.

        :returns: how many are pending still.
        """
        self._send(name, [entry for entry in batch if entry.outcome is None])
        left = [entry for entry in batch if entry.outcome is None]
        if left:
            self.log.info("%s did not take %d of %d records: %s", name, len(left), len(batch), left[0].code)
        return len(left)

    def _send(self, name: str, entries: Sequence[_Pending]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        for entry in entries:
            entry.attempts += 1
        try:
            answer = self.conn.put_records(StreamName=name, Records=[entry.entry for entry in entries])
        except (BotoCoreError, ClientError) as error:
            self._refused(name, entries, error)
            return
        for entry, result in zip(entries, answer["Records"], strict=True):
            entry.answered(result)

    def _refused(self, name: str, entries: Sequence[_Pending], error: BotoCoreError | ClientError) -> None:
        code, reason, doubtful = _reading(error)
        if code in _INVALID and len(entries) > 1:
            middle = len(entries) // 2
            for half in (entries[:middle], entries[middle:]):
                for entry in half:
                    entry.attempts -= 1
                self._send(name, half)
            return
        for entry in entries:
            entry.doubtful = entry.doubtful or doubtful
            entry.failed(code, reason)


def _reading(error: BotoCoreError | ClientError) -> tuple[str, str, bool]:
    """Code, reason and whether the records may have been taken nevertheless."""
    from botocore import exceptions as errors

    if isinstance(error, errors.ClientError):
        found = error.response["Error"]
        broken = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500
        return "InternalFailure" if broken else found["Code"], found.get("Message", ""), broken
    if isinstance(error, errors.ParamValidationError):
        return "ValidationException", str(error), False
    if isinstance(error, errors.ConnectionError):  # no connection was made
        return "ServiceUnavailable", str(error), False
    if isinstance(error, errors.HTTPClientError):
        return "ServiceUnavailable", str(error), True
    return type(error).__name__, str(error), False


def _unfinished(_: RetryCallState) -> None:
    """After the last attempt no error: what is still pending has an outcome too."""


def _batches(entries: Sequence[_Pending]) -> Iterator[list[_Pending]]:
    """Cut into calls of at most 500 records and 5 MiB."""
    batch: list[_Pending] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) == MAXIMUM_RECORDS or size + entry.record.size > MAXIMUM_REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.record.size
    if batch:
        yield batch
