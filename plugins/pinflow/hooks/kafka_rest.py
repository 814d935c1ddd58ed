"""A client of the Kafka REST Proxy, Confluent's API v2 and v3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from requests import Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, RequestException
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential
from urllib3.exceptions import NewConnectionError

from pinflow.exceptions import NotFound, NotSent, OutcomeUnknown, Rejected, Unavailable
from pinflow.hooks.signed_http import SignedHttpHook

V2_JSON = "application/vnd.kafka.json.v2+json"
V2 = "application/vnd.kafka.v2+json"
JSON = "application/json"
PORTION = 500
TIMEOUT = 60.0
UNCERTAIN = {2, 408, 429}


class Outcome(StrEnum):
    """What became of a record."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Record:
    """A record to produce.

    :param value: any JSON value; ``None`` is a tombstone.
    :param key: a text, or ``None``.
    :param timestamp: its time; the time of arrival when not given. API v3 only.
    :param partition: the partition; chosen by the key when not given.
    :param headers: names and texts. API v3 only.
    """

    value: Any
    key: str | None = None
    timestamp: datetime | None = None
    partition: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def v2(self) -> dict[str, Any]:
        """The record as ``POST /topics/{topic}`` takes it."""
        body = {"key": self.key, "value": self.value, "partition": self.partition}
        return {name: item for name, item in body.items() if item is not None or name == "value"}

    def v3(self) -> dict[str, Any]:
        """The record as ``POST .../records`` takes it."""
        from base64 import b64encode

        body: dict[str, Any] = {"value": {"type": "JSON", "data": self.value}}
        if self.key is not None:
            body["key"] = {"type": "STRING", "data": self.key}
        if self.partition is not None:
            body["partition_id"] = self.partition
        if self.timestamp is not None:
            body["timestamp"] = self.timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self.headers:
            body["headers"] = [
                {"name": name, "value": b64encode(text.encode()).decode()} for name, text in self.headers.items()
            ]
        return body


@dataclass(frozen=True)
class RecordOutcome:
    """What became of the record at ``index`` of the call.

    ``partition`` and ``offset`` are known for accepted records, ``code`` and ``message`` for the others.
    """

    index: int
    outcome: Outcome
    partition: int | None = None
    offset: int | None = None
    code: int | None = None
    message: str | None = None


@dataclass(frozen=True)
class Topic:
    """A topic as the proxy describes it."""

    name: str
    partitions: int
    replication_factor: int
    internal: bool = False


class KafkaRestHook(SignedHttpHook):
    """Talk to a Kafka REST Proxy through a connection of type ``http``.

    API v3 is expected under ``/v3``. A base path (an API gateway's stage) goes into the connection's host, as in
    ``https://abc.execute-api.us-east-1.amazonaws.com/prod``; requests to such an address are signed, unless the
    connection has a login. Every error is one of ``pinflow.exceptions``.

    :param http_conn_id: the connection; its extra may hold ``timeout`` in seconds.
    :param aws_conn_id: the connection whose credentials sign.
    :param retry: how often a call that surely was not sent is made again.
    :param adapter: a transport for ``requests``; tests pass their own.
    """

    conn_name_attr = "http_conn_id"
    default_conn_name = "kafka_rest_default"
    conn_type = "http"
    hook_name = "Kafka REST Proxy"

    def __init__(
        self,
        http_conn_id: str = default_conn_name,
        retry: Retrying | None = None,
        adapter: HTTPAdapter | None = None,
        aws_conn_id: str | None = "aws_default",
    ) -> None:
        super().__init__(http_conn_id=http_conn_id, adapter=adapter, aws_conn_id=aws_conn_id)
        self.retry = retry or Retrying(
            retry=retry_if_exception_type(NotSent),
            stop=stop_after_attempt(4),
            wait=wait_exponential(multiplier=0.5, max=5),
            reraise=True,
        )

    @cached_property
    def session(self) -> Session:
        """One session with keep-alive for all calls of this hook."""
        return self.get_conn()

    @cached_property
    def cluster_id(self) -> str:
        """The id of the one cluster behind the proxy.

        :raises NotSent: the proxy cannot be reached.
        """
        return str(self._call("GET", "/v3/clusters")["data"][0]["cluster_id"])

    def topics(self) -> list[Topic]:
        """All topics, internal ones included."""
        return [_topic(entry) for entry in self._call("GET", self._v3("topics"))["data"]]

    def topic(self, name: str) -> Topic | None:
        """One topic, or ``None`` when there is none of this name."""
        try:
            return _topic(self._call("GET", self._v3("topics", name)))
        except NotFound:
            return None

    def create_topic(
        self, name: str, partitions: int, replication_factor: int, configs: Mapping[str, str] | None = None
    ) -> Topic:
        """Create a topic (``POST /v3/clusters/{c}/topics``).

        :raises Rejected: it exists (code 40002), or the cluster refuses the shape or a config.
        """
        body = {
            "topic_name": name,
            "partitions_count": partitions,
            "replication_factor": replication_factor,
            "configs": [{"name": key, "value": value} for key, value in (configs or {}).items()],
        }
        self._call("POST", self._v3("topics"), body)
        return Topic(name, partitions, replication_factor)

    def delete_topic(self, name: str) -> bool:
        """Delete a topic.

        :returns: whether there was one.
        """
        try:
            self._call("DELETE", self._v3("topics", name))
        except NotFound:
            return False
        return True

    def grow_partitions(self, name: str, partitions: int) -> None:
        """Raise the number of partitions (``PATCH``); it can never be lowered.

        :raises Rejected: the topic already has as many or more.
        """
        self._call("PATCH", self._v3("topics", name), {"partitions_count": partitions})

    def configs(self, name: str) -> dict[str, str | None]:
        """All configs of a topic, defaults included."""
        found = self._call("GET", self._v3("topics", name, "configs"))["data"]
        return {entry["name"]: entry["value"] for entry in found}

    def alter_configs(self, name: str, changes: Mapping[str, str | None]) -> None:
        """Set configs of a topic (``configs:alter``); ``None`` puts one back to the default."""
        data = [
            {"name": key, "operation": "DELETE"} if value is None else {"name": key, "value": value}
            for key, value in changes.items()
        ]
        self._call("POST", self._v3("topics", name, "configs:alter"), {"data": data})

    def produce(self, topic: str, records: Sequence[Record]) -> list[RecordOutcome]:
        """Produce through API v3, which carries timestamps and headers; 500 records a request.

        :returns: one outcome a record, in order. Records of a request that got no answer are ``unknown``.
        :raises NotSent: the proxy cannot be reached, and no record has gone out.
        :raises Rejected: the whole request was refused.
        """
        return self._portions(records, lambda portion: self._produce_v3(topic, portion))

    def produce_v2(self, topic: str, records: Sequence[Record]) -> list[RecordOutcome]:
        """Produce through API v2, as existing clients do; timestamps and headers cannot be sent.

        :returns: one outcome a record, in order, as with ``produce``.
        """
        return self._portions(records, lambda portion: self._produce_v2(topic, portion))

    def _produce_v3(self, topic: str, records: Sequence[Record]) -> list[RecordOutcome]:
        body = "".join(json.dumps(record.v3(), ensure_ascii=False) for record in records)
        answer = self._send("POST", self._v3("topics", topic, "records"), body.encode(), JSON)
        return [_v3_outcome(index, report) for index, report in enumerate(_concatenated(answer.text))]

    def _produce_v2(self, topic: str, records: Sequence[Record]) -> list[RecordOutcome]:
        body = json.dumps({"records": [record.v2() for record in records]}, ensure_ascii=False)
        answer = _decoded(self._send("POST", f"/topics/{topic}", body.encode(), V2_JSON, V2))
        return [_v2_outcome(index, entry) for index, entry in enumerate(answer["offsets"])]

    def _portions(
        self, records: Sequence[Record], send: Callable[[Sequence[Record]], list[RecordOutcome]]
    ) -> list[RecordOutcome]:
        outcomes: list[RecordOutcome] = []
        for start in range(0, len(records), PORTION):
            portion = records[start : start + PORTION]
            try:
                found = send(portion)
            except OutcomeUnknown as error:
                found = [RecordOutcome(i, Outcome.UNKNOWN, message=str(error)) for i in range(len(portion))]
            except NotSent:
                if not outcomes:
                    raise
                found = [RecordOutcome(i, Outcome.UNKNOWN, message="not sent") for i in range(len(portion))]
            absent = (RecordOutcome(i, Outcome.UNKNOWN, message="no report") for i in range(len(found), len(portion)))
            outcomes += [_moved(outcome, start) for outcome in (*found, *absent)]
        return outcomes

    def _v3(self, *parts: str) -> str:
        return "/".join(("/v3/clusters", self.cluster_id, *parts))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        answer = self._send(method, path, content, JSON if body is not None else None)
        return _decoded(answer) if answer.content else None

    def _send(
        self, method: str, path: str, content: bytes | None, content_type: str | None, accept: str = JSON
    ) -> Response:
        return self.retry.copy()(self._send_once, method, path, content, content_type, accept)

    def _send_once(
        self, method: str, path: str, content: bytes | None, content_type: str | None, accept: str
    ) -> Response:
        headers = {"Accept": accept} | ({"Content-Type": content_type} if content_type else {})
        session = self.session
        url = self.url_from_endpoint(path)
        timeout = self.merged_extra.get("timeout") or TIMEOUT
        try:
            answer = session.request(method, url, data=content, headers=headers, timeout=timeout)
        except RequestException as error:
            raise self._unanswered(error, method, url) from error
        if answer.status_code >= 400:
            raise self._refused(answer, method)
        return answer

    def _unanswered(self, error: RequestException, method: str, url: str) -> NotSent | OutcomeUnknown:
        mend = f"Look at the proxy and at the connection {self.http_conn_id}, then clear the task."
        if method == "GET" or _never_left(error):
            return NotSent(f"{method} {url} was not sent.", f"{error}.", mend, url=url)
        return OutcomeUnknown(f"{method} {url} got no answer.", f"{error}.", mend, url=url)

    def _refused(self, answer: Response, method: str) -> NotSent | OutcomeUnknown | Rejected:
        code, message = _error(answer)
        what = f"{method} {answer.url} answered {answer.status_code}."
        why = f"The proxy says: {message} (code {code})."
        data = {"status": answer.status_code, "code": code, "message": message}
        later = f"Wait for the proxy behind {self.http_conn_id}, then clear the task."
        if answer.status_code == 429 or (answer.status_code >= 500 and method == "GET"):
            return Unavailable(what, why, later, **data)
        if answer.status_code >= 500 or answer.status_code == 408:
            return OutcomeUnknown(what, why, later, **data)
        kind = NotFound if answer.status_code == 404 else Rejected
        return kind(what, why, "Correct the task's arguments or the cluster, then clear the task.", **data)


def _never_left(error: RequestException) -> bool:
    if isinstance(error, ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, RequestsConnectionError) and isinstance(reason, NewConnectionError)


def _error(answer: Response) -> tuple[int | None, str]:
    try:
        body = answer.json()
        return body["error_code"], body["message"]
    except (ValueError, KeyError, TypeError):
        return None, answer.text[:500] or answer.reason


def _decoded(answer: Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise OutcomeUnknown(
            f"{answer.url} answered {answer.status_code} with a body that is not JSON.",
            f"It starts with {answer.text[:100]!r}.",
            "Check that the connection points at a Kafka REST Proxy, then clear the task.",
        ) from error


def _concatenated(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    position = 0
    while (position := _skip_blanks(text, position)) < len(text):
        try:
            report, position = decoder.raw_decode(text, position)
        except ValueError:
            return
        yield report


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _topic(entry: Mapping[str, Any]) -> Topic:
    return Topic(
        entry["topic_name"], entry["partitions_count"], entry["replication_factor"], entry.get("is_internal", False)
    )


def _v3_outcome(index: int, report: Mapping[str, Any]) -> RecordOutcome:
    if report["error_code"] == 200:
        return RecordOutcome(index, Outcome.ACCEPTED, report["partition_id"], report["offset"])
    return _failed(index, report["error_code"], report.get("message"))


def _v2_outcome(index: int, entry: Mapping[str, Any]) -> RecordOutcome:
    if entry.get("error_code") is None:
        return RecordOutcome(index, Outcome.ACCEPTED, entry["partition"], entry["offset"])
    return _failed(index, entry["error_code"], entry.get("error"))


def _failed(index: int, code: int, message: str | None) -> RecordOutcome:
    uncertain = code in UNCERTAIN or 500 <= code < 600 or code == 50003
    return RecordOutcome(index, Outcome.UNKNOWN if uncertain else Outcome.REJECTED, code=code, message=message)


def _moved(outcome: RecordOutcome, by: int) -> RecordOutcome:
    from dataclasses import replace

    return replace(outcome, index=outcome.index + by)
