"""v2: produce JSON or binary records to a topic or to one of its partitions."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.rest_proxy.cluster import is_unknown_topic
from sandbox.rest_proxy.errors import (
    NO_SCHEMA_REGISTRY,
    RecordError,
    RestError,
    bad_request,
    unprocessable,
    v2_record_code,
)
from sandbox.rest_proxy.http import (
    EMBEDDED,
    V2_JSON,
    V2_MANAGEMENT,
    Proxy,
    answer,
    check_accept,
    media_type,
    proxy,
    read_body,
    unsupported_media_type,
)
from sandbox.rest_proxy.json_text import BrokenJsonError, dumps, loads
from sandbox.rest_proxy.producer import ANY_PARTITION, Outcome, Outgoing
from sandbox.rest_proxy.v2_metadata import partition_number

Serializer = Callable[[Any], bytes]
REQUEST_FIELDS = frozenset({"records", "key_schema", "key_schema_id", "value_schema", "value_schema_id"})
RECORD_FIELDS = frozenset({"key", "value", "partition"})
PARTITIONS_END = 2**31


async def produce(request: Request) -> Response:
    """``POST /topics/{topic}`` and ``POST /topics/{topic}/partitions/{partition}``.

    The answer is 200 also when records failed; each record has its own entry.
    """
    check_accept(request, *V2_MANAGEMENT)
    serializer = _serializer(request)
    fixed = partition_number(request) if "partition" in request.path_params else ANY_PARTITION
    records = _records(await read_body(request))
    outgoing = [_outgoing(record, serializer, fixed) for record in records]
    outcomes = await send(proxy(request), request.path_params["topic"], outgoing)
    entries = [_entry(outcome) for outcome in outcomes]
    content = {"offsets": entries, "key_schema_id": None, "value_schema_id": None}
    return answer(content, _status(entries), V2_JSON)


async def send(shared: Proxy, topic: str, records: list[Outgoing]) -> list[Outcome]:
    """Send records to a topic that may not exist, without waiting for it to appear.

    :returns: an outcome for each record.
    """
    try:
        count = await shared.cluster.partition_count(topic)
    except RestError as error:
        return [RecordError(error.code, error.message)] * len(records)
    if not count:
        return [RecordError(50003, f"Topic {topic} not present in metadata.")] * len(records)
    checked: Sequence[Outgoing | RecordError] = records
    if any(record.partition >= count for record in records):
        checked = [await _checked(shared, topic, count, record) for record in records]
    outcomes = await shared.producer.send(topic, checked)
    if any(map(is_unknown_topic, outcomes)):
        shared.cluster.forget(topic)
    return outcomes


async def _checked(shared: Proxy, topic: str, count: int, record: Outgoing) -> Outgoing | RecordError:
    if record.partition < count or await shared.cluster.has_partition(topic, record.partition):
        return record
    detail = f"Partition {record.partition} of topic {topic} with partition count {count}"
    return RecordError(50003, f"{detail} is not present in metadata.")


def _serializer(request: Request) -> Serializer:
    declared = EMBEDDED.get(media_type(request.headers.get("content-type")))
    if declared is None:
        raise unsupported_media_type()
    if declared not in SERIALIZERS:
        raise RestError(*NO_SCHEMA_REGISTRY)
    return SERIALIZERS[declared]


def _records(body: bytes) -> list[dict[str, Any]]:
    if not body.strip():
        raise unprocessable("Payload error. Request body is empty. Data is required.")
    try:
        document = loads(body)
    except BrokenJsonError as error:
        raise bad_request(f"The body is not JSON: {error}") from None
    if document is None:
        raise unprocessable("Payload error. Null input provided. Data is required.")
    if not isinstance(document, dict):
        raise bad_request("The body must be a JSON object with the list 'records'.")
    _refuse_unknown(document, REQUEST_FIELDS)
    records = document.get("records")
    if records is None or records == []:
        raise unprocessable("records must not be empty")
    if not isinstance(records, list):
        raise bad_request("'records' must be a list of objects.")
    return records


def _outgoing(record: Any, serializer: Serializer, fixed: int) -> Outgoing:
    if type(record) is not dict:
        raise bad_request("Each of 'records' must be an object with 'key', 'value' or 'partition'.")
    if not RECORD_FIELDS.issuperset(record):
        _refuse_unknown(record, RECORD_FIELDS)
    value, key, partition = record.get("value"), record.get("key"), record.get("partition")
    if partition is None:
        partition = fixed
    elif type(partition) is not int or not 0 <= partition < PARTITIONS_END:
        raise unprocessable(f"partition must be a whole number from 0, not {partition!r}")
    return Outgoing(
        None if value is None else serializer(value),
        None if key is None else serializer(key),
        partition,
    )


def _refuse_unknown(found: dict[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise unprocessable(f"Unrecognized field: {unknown[0]}")


def _binary(data: Any) -> bytes:
    try:
        return b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise unprocessable(f"{dumps(data).decode()[:100]} is not a base64 string.") from None


SERIALIZERS: dict[str, Serializer] = {"json": dumps, "binary": _binary}


def _entry(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, RecordError):
        return {"partition": None, "offset": None, "error_code": outcome.code, "error": outcome.message}
    if isinstance(outcome, KafkaError):
        return {"partition": None, "offset": None, "error_code": v2_record_code(outcome), "error": outcome.str()}
    return {"partition": outcome[0], "offset": outcome[1], "error_code": None, "error": None}


def _status(entries: list[dict[str, Any]]) -> int:
    """Authentication and authorisation failures are the only ones that the status shows."""
    for entry in entries:
        if entry["error_code"] in (40101, 40301):
            return int(entry["error_code"]) // 100
    return 200


ROUTES = [
    Route("/topics/{topic}", produce, methods=["POST"]),
    Route("/topics/{topic}/partitions/{partition}", produce, methods=["POST"]),
]
