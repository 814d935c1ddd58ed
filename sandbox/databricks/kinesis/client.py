"""The calls to Kinesis: shards, iterators and pages of records."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.databricks.kinesis.errors import KinesisUnavailableError
from sandbox.databricks.kinesis.offsets import AT_TIMESTAMP, TRIM_HORIZON

THROTTLED = ("ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException",
             "ThrottlingException")  # fmt: skip
LASTING = ("ResourceNotFoundException", "AccessDeniedException", "InvalidArgumentException", "ValidationException",
           "UnrecognizedClientException", "InvalidSignatureException")  # fmt: skip
FIRST_WAIT, LONGEST_WAIT = 0.1, 3.0


class ThrottledError(Exception):
    """The shard gives no more at the moment."""


class ExpiredIteratorError(Exception):
    """An iterator is older than five minutes."""


class NotThereError(Exception):
    """A stream, shard or position that Kinesis does not know (any more)."""


@dataclass(frozen=True)
class Shard:
    """A shard as ListShards shows it.

    :param parents: the shards it was made of; none, one or two.
    :param starting: its first sequence number; that of an earlier incarnation of the stream is another.
    :param ending: set when it is closed.
    """

    id: str
    parents: tuple[str, ...]
    starting: str
    ending: str | None


@dataclass(frozen=True)
class Page:
    """An answer of GetRecords.

    :param records: as boto3 gives them.
    :param iterator: of the next page; none = the shard is closed and this was its end.
    :param behind: milliseconds from the shard's end.
    """

    records: list[dict[str, Any]]
    iterator: str | None
    behind: int


@dataclass(frozen=True)
class Summary:
    """What is to be known of a stream.

    :param created: in milliseconds; a stream that was made anew has another.
    :param retention: in milliseconds.
    """

    created: int
    retention: int


def backoff(attempt: int) -> float:
    """Seconds to wait before the next attempt: doubling, with jitter so that readers don't come all at once."""
    return random.uniform(0.5, 1.0) * min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt, 10))


class KinesisClient:
    """Kinesis through boto3, which is imported and connected at the first call.

    :param connection: options ``region``, ``endpoint`` and keys; what is missing comes from the environment.
    :param retries: how often a call is repeated when the service fails or is not there.
    """

    def __init__(
        self, connection: Mapping[str, str], retries: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._connection, self._retries, self._sleep = dict(connection), retries, sleep
        self._made: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}

    def shards(self, stream: str, page: int) -> list[Shard]:
        """All shards that still have something to read.

        :param page: how many one answer holds.
        """
        found: list[Shard] = []
        request: dict[str, Any] = {"StreamName": stream}
        while True:
            answer = self._call("list_shards", MaxResults=page, **request)
            found += [_shard(one) for one in answer["Shards"]]
            if not answer.get("NextToken"):
                return found
            request = {"NextToken": answer["NextToken"]}

    def summary(self, stream: str) -> Summary:
        """When a stream was made and how long it keeps records."""
        found = self._call("describe_stream_summary", StreamName=stream)["StreamDescriptionSummary"]
        created = int(found["StreamCreationTimestamp"].timestamp() * 1000)
        return Summary(created, int(found["RetentionPeriodHours"]) * 3_600_000)

    def iterator(self, stream: str, shard: str, *, after: str | None = None, at: str | None = None,
                 origin: str = TRIM_HORIZON) -> str:  # fmt: skip
        """An iterator.

        :param after: the sequence number behind which it begins.
        :param at: the sequence number with which it begins.
        :param origin: where it begins when neither is given.
        """
        start: dict[str, Any] = {"ShardIteratorType": TRIM_HORIZON}
        if sequence := after or at:
            kind = "AFTER_SEQUENCE_NUMBER" if after else "AT_SEQUENCE_NUMBER"
            start = {"ShardIteratorType": kind, "StartingSequenceNumber": sequence}
        elif origin.startswith(AT_TIMESTAMP):
            moment = int(origin.removeprefix(AT_TIMESTAMP)) / 1000
            start = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": moment}
        return str(self._call("get_shard_iterator", StreamName=stream, ShardId=shard, **start)["ShardIterator"])

    def records(self, iterator: str, limit: int) -> Page:
        """The next page.

        :param limit: of records.
        :raises ThrottledError: not now.
        :raises ExpiredIteratorError: a new one is needed.
        """
        answer = self._call("get_records", ShardIterator=iterator, Limit=limit)
        return Page(answer["Records"], answer.get("NextShardIterator"), int(answer.get("MillisBehindLatest") or 0))

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        from botocore import exceptions

        attempt = 0
        while True:
            try:
                answer: dict[str, Any] = getattr(self._client(), operation)(**request)
                return answer
            except exceptions.ClientError as error:
                failure: Exception = error
                _raise_known(operation, error.response.get("Error", {}))
            except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
                failure = error
            if attempt >= self._retries:
                raise KinesisUnavailableError(
                    f"Kinesis does not answer {operation}: {failure}. It was asked {attempt + 1} times. "
                    "See ./pinflow status, then start the query again: it goes on where it was."
                ) from failure
            self._sleep(backoff(attempt))
            attempt += 1

    def _client(self) -> Any:
        if self._made is None:
            import boto3
            from botocore.config import Config

            given = self._connection
            self._made = boto3.client(
                "kinesis",
                region_name=given.get("region"),
                endpoint_url=given.get("endpoint"),
                aws_access_key_id=given.get("awsAccessKey"),
                aws_secret_access_key=given.get("awsSecretKey"),
                aws_session_token=given.get("awsSessionToken"),
                config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30),
            )
        return self._made


def _raise_known(operation: str, error: Mapping[str, str]) -> None:
    code, text = error.get("Code", ""), error.get("Message", "")
    if operation == "get_records" and code in THROTTLED:
        raise ThrottledError(text)
    if code == "ExpiredIteratorException":
        raise ExpiredIteratorError(text)
    if code in ("ResourceNotFoundException", "InvalidArgumentException"):
        raise NotThereError(text)
    if code in LASTING:
        raise KinesisUnavailableError(
            f"Kinesis refuses {operation}: {code}: {text} The source needs ListShards, GetShardIterator, GetRecords "
            "and DescribeStreamSummary. Check the region, the endpoint and the keys."
        )


def _shard(found: Mapping[str, Any]) -> Shard:
    parents = tuple(found[name] for name in ("ParentShardId", "AdjacentParentShardId") if found.get(name))
    numbers = found["SequenceNumberRange"]
    return Shard(found["ShardId"], parents, numbers["StartingSequenceNumber"], numbers.get("EndingSequenceNumber"))
