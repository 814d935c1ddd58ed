"""v3 records: from the request's JSON to Kafka's bytes, and from outcomes to reports."""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sandbox.rest_proxy.errors import (
    NO_SCHEMA_REGISTRY,
    PARTITION_NOT_FOUND,
    UNKNOWN_TOPIC_PARTITION,
    RecordError,
    RestError,
    v3_record_code,
)
from sandbox.rest_proxy.http import Proxy
from sandbox.rest_proxy.json_text import dumps
from sandbox.rest_proxy.producer import ANY_PARTITION, NOW, Headers, Outcome, Outgoing

FIELDS = frozenset({"partition_id", "headers", "key", "value", "timestamp", "original_size"})
SCHEMA_FIELDS = frozenset({"schema", "schema_id", "schema_version", "subject", "subject_name_strategy"})
DATA_FIELDS = frozenset({"type", "data"}) | SCHEMA_FIELDS
SCHEMA_TYPES = frozenset({"AVRO", "JSONSCHEMA", "PROTOBUF"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - only for its text without a zone
PARTITIONS_END = 2**31

Part = tuple[str, int]
"""Type and serialised size of a key or value."""


class Decoded(NamedTuple):
    """A record ready to go, and what its report says about key and value."""

    record: Outgoing
    key: Part | None
    value: Part | None


def decode(document: Any) -> Decoded | RecordError:
    """Read one record of a request.

    :returns: the record, or why it is refused.
    """
    try:
        return _decode(document)
    except RecordError as error:
        return error


def _decode(document: Any) -> Decoded:
    if type(document) is not dict:
        raise _bad("a record must be a JSON object.")
    if not FIELDS.issuperset(document):
        raise _bad(f"Unrecognized field: {min(set(document) - FIELDS)}")
    partition = document.get("partition_id")
    value, value_part = _data(document.get("value"))
    key, key_part = _data(document.get("key"))
    record = Outgoing(
        value,
        key,
        ANY_PARTITION if partition is None else _partition(partition),
        _timestamp(document.get("timestamp")),
        _headers(document.get("headers")),
    )
    return Decoded(record, key_part, value_part)


def _data(entry: Any) -> tuple[bytes | None, Part | None]:
    if entry is None:
        return None, None
    if type(entry) is not dict or not DATA_FIELDS.issuperset(entry):
        raise _bad("key and value must be objects with 'type' and 'data'.")
    kind, data = entry.get("type"), entry.get("data")
    if kind is None or (isinstance(kind, str) and kind in SCHEMA_TYPES):
        raise RecordError(*NO_SCHEMA_REGISTRY[1:])
    if len(entry) > 2 and not SCHEMA_FIELDS.isdisjoint(entry):
        raise _bad(f"'{min(SCHEMA_FIELDS & set(entry))}' cannot be used with type {kind}.")
    encoder = ENCODERS.get(kind) if isinstance(kind, str) else None
    if encoder is None:
        raise _bad(f"type={_shown(kind)} is not one of BINARY, JSON, STRING, AVRO, JSONSCHEMA, PROTOBUF.")
    if data is None:
        return None, (kind, 0)
    encoded = encoder(data)
    return encoded, (kind, len(encoded))


def _binary(data: Any) -> bytes:
    try:
        return b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise _bad(f"data={_shown(data)} is not a base64 string.") from None


def _string(data: Any) -> bytes:
    if type(data) is not str:
        raise _bad(f"data={_shown(data)} is not a string.")
    try:
        return data.encode()
    except UnicodeEncodeError:
        raise _bad("data has half of a surrogate pair, which UTF-8 cannot hold.") from None


ENCODERS = {"BINARY": _binary, "JSON": dumps, "STRING": _string}


def _partition(number: Any) -> int:
    if type(number) is not int or number >= PARTITIONS_END:
        raise _bad(f"partition_id={_shown(number)} is not a whole number.")
    if number < 0:
        raise RecordError(*PARTITION_NOT_FOUND[1:])
    return number


def _timestamp(text: Any) -> int:
    if text is None:
        return NOW
    try:
        past = datetime.fromisoformat(text) - EPOCH
    except (TypeError, ValueError):
        raise _bad(f"timestamp={_shown(text)} is not an RFC 3339 date and time with a zone.") from None
    milliseconds = (past.days * 86400 + past.seconds) * 1000 + past.microseconds // 1000
    # librdkafka reads 0 as "now", so the very first millisecond of 1970 cannot be written either.
    if milliseconds <= 0:
        raise _bad(f"Invalid timestamp: {milliseconds}. Timestamp should be after 1970-01-01T00:00:00Z.")
    return milliseconds


def _headers(entries: Any) -> Headers | None:
    if not entries:
        return None
    if type(entries) is not list:
        raise _bad("headers must be a list of objects with 'name' and 'value'.")
    return [_header(entry) for entry in entries]


def _header(entry: Any) -> tuple[str, bytes | None]:
    if type(entry) is not dict or type(entry.get("name")) is not str or not {"name", "value"}.issuperset(entry):
        raise _bad("a header must be an object with the text 'name' and the base64 text 'value'.")
    value = entry.get("value")
    try:
        return entry["name"], None if value is None else b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise _bad(f"header value={_shown(value)} is not a base64 string.") from None


def _shown(value: Any) -> str:
    text = dumps(value).decode()
    return text[:100].strip('"') if isinstance(value, str) else text[:100]


def _bad(detail: str) -> RecordError:
    return RecordError(400, f"Bad Request: {detail}")


async def place(shared: Proxy, topic: str, decoded: list[Decoded | RecordError]) -> list[Outgoing | RecordError]:
    """Find the records whose topic or partition does not exist, without waiting for it to appear."""
    try:
        count = await shared.cluster.partition_count(topic)
    except RestError as error:
        return [
            entry if isinstance(entry, RecordError) else RecordError(error.code, error.message) for entry in decoded
        ]
    return [
        entry if isinstance(entry, RecordError) else await _placed(shared, topic, count, entry.record)
        for entry in decoded
    ]


async def _placed(shared: Proxy, topic: str, count: int, record: Outgoing) -> Outgoing | RecordError:
    if not count:
        return RecordError(*UNKNOWN_TOPIC_PARTITION[1:])
    if record.partition < count or await shared.cluster.has_partition(topic, record.partition):
        return record
    detail = f"Partition {record.partition} of topic {topic} with partition count {count}"
    return RecordError(50003, f"{detail} is not present in metadata.")


def report(decoded: Decoded | RecordError, outcome: Outcome, cluster: str, topic: str) -> dict[str, Any]:
    """The report of one record, whether it was taken or not; what does not apply is left out."""
    if isinstance(outcome, RecordError):
        return {"error_code": outcome.code, "message": outcome.message}
    if not isinstance(outcome, tuple):
        return {"error_code": v3_record_code(outcome), "message": outcome.str()}
    partition, offset, timestamp = outcome
    made: dict[str, Any] = {
        "error_code": 200,
        "cluster_id": cluster,
        "topic_name": topic,
        "partition_id": partition,
        "offset": offset,
        "timestamp": instant(timestamp),
    }
    key, value = (None, None) if isinstance(decoded, RecordError) else (decoded.key, decoded.value)
    if key is not None:
        made["key"] = {"type": key[0], "size": key[1]}
    if value is not None:
        made["value"] = {"type": value[0], "size": value[1]}
    return made


def instant(milliseconds: int) -> str:
    """A time as Java writes it: ``2021-02-05T19:14:42Z``, with milliseconds only where there are some."""
    seconds, rest = divmod(milliseconds, 1000)
    text = (NAIVE_EPOCH + timedelta(seconds=seconds)).isoformat()
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"
