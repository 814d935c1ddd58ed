"""v2: the life of a consumer instance: create, subscribe or assign, read, commit, seek, delete.

https://docs.confluent.io/platform/current/kafka-rest/api.html#consumers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, TopicPartition
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.rest_proxy.consumers import DEFAULT_MAX_BYTES, FORMATS, Consumers, Instance, Settings
from sandbox.rest_proxy.errors import FORMAT_MISMATCH, NO_SCHEMA_REGISTRY, RestError, bad_request, unprocessable
from sandbox.rest_proxy.http import (
    EMBEDDED,
    V2_JSON,
    V2_MANAGEMENT,
    answer,
    check_accept,
    check_v2,
    media_type,
    read_body,
)
from sandbox.rest_proxy.json_text import BrokenJsonError, loads

ADMIN_SECONDS = 10.0
Place = tuple[str, int]


async def create(request: Request) -> Response:
    """``POST /consumers/{group}``; an empty body means the defaults."""
    check_v2(request)
    document = await _document(request, needed=False)
    if str(document.get("format", "")).lower() in set(EMBEDDED.values()) - set(FORMATS):
        raise RestError(*NO_SCHEMA_REGISTRY)
    group = request.path_params["group"]
    made = _consumers(request).create(group, Settings.read(document))
    base = f"{request.url.scheme}://{request.url.netloc}/consumers/{group}/instances/{made.settings.name}"
    return answer({"instance_id": made.settings.name, "base_uri": base}, media_type=V2_JSON)


async def delete(request: Request) -> Response:
    """``DELETE /consumers/{group}/instances/{instance}``."""
    await _consumers(request).delete(request.path_params["group"], request.path_params["instance"])
    return Response(status_code=204)


async def subscribe(request: Request) -> Response:
    """``POST .../subscription``: topics, or a pattern of their names."""
    instance = _instance(request)
    document = await _document(request)
    topics, pattern = document.get("topics"), document.get("topic_pattern")
    if (topics is None) == (pattern is None) or instance.assigned:
        detail = "Subscription to topics, partitions and pattern are mutually exclusive"
        raise RestError(409, 40903, f"Illegal state: {detail}")
    wanted = [f"^{str(pattern).removeprefix('^')}"] if topics is None else topics
    if not isinstance(wanted, list) or not all(isinstance(name, str) and name for name in wanted):
        raise unprocessable("'topics' must be a list of names.")
    await instance.run(instance.kafka.subscribe, wanted)
    instance.subscription, instance.pattern = wanted, None if pattern is None else str(pattern)
    return Response(status_code=204)


async def subscription(request: Request) -> Response:
    """``GET .../subscription``."""
    instance = _instance(request)
    topics = [] if instance.pattern is not None else instance.subscription
    return answer({"topics": topics}, media_type=V2_JSON)


async def unsubscribe(request: Request) -> Response:
    """``DELETE .../subscription``: also ends an assignment."""
    instance = _instance(request)
    await instance.run(instance.kafka.unsubscribe)
    await instance.run(instance.kafka.unassign)
    instance.subscription, instance.pattern, instance.assigned = [], None, False
    instance.ahead.clear()
    return Response(status_code=204)


async def records(request: Request) -> Response:
    """``GET .../records``: at first often ``[]``, because joining the group takes longer than the time-out."""
    instance = _instance(request, accept=False)
    check_accept(request, *V2_MANAGEMENT, *EMBEDDED)
    wanted = {EMBEDDED.get(media_type(entry)) for entry in request.headers.get("accept", "").split(",")}
    named = wanted - {None}
    if named and None not in wanted and instance.settings.format not in named:
        raise RestError(*FORMAT_MISMATCH)
    timeout, maximum = _number(request, "timeout"), _number(request, "max_bytes")
    limit = DEFAULT_MAX_BYTES if maximum is None or maximum < 0 else maximum
    found = await instance.run(instance.read, None if timeout is None or timeout < 0 else timeout, limit)
    return answer(found, media_type=f"application/vnd.kafka.{instance.settings.format}.v2+json")


async def assign(request: Request) -> Response:
    """``POST .../assignments``: partitions by hand, without the group."""
    instance = _instance(request)
    places = list(_places(await _document(request), "partitions"))
    if instance.subscription:
        detail = "Subscription to topics, partitions and pattern are mutually exclusive"
        raise RestError(409, 40903, f"Illegal state: {detail}")
    await instance.run(instance.kafka.assign, [TopicPartition(*place) for place in places])
    instance.assigned = True
    return Response(status_code=204)


async def assignments(request: Request) -> Response:
    """``GET .../assignments``."""
    instance = _instance(request)
    found = await instance.run(instance.kafka.assignment)
    places = [{"topic": place.topic, "partition": place.partition} for place in found]
    return answer({"partitions": places}, media_type=V2_JSON)


async def commit(request: Request) -> Response:
    """``POST .../offsets``: what was read, or the given offsets; each is that of the last record read."""
    instance = _instance(request)
    document = await _document(request, needed=False)
    arguments: dict[str, Any] = {"asynchronous": request.query_params.get("async", "false").lower() == "true"}
    if document.get("offsets"):
        given = _numbers(document, "offsets", "offset")
        arguments["offsets"] = [TopicPartition(*place, offset + 1) for place, offset in given.items()]
    await instance.run(lambda: _commit(instance, arguments))
    return answer({}, media_type=V2_JSON)


def _commit(instance: Instance, arguments: dict[str, Any]) -> None:
    try:
        instance.kafka.commit(**arguments)
    except KafkaException as error:
        # Nothing was read since the last commit.
        if error.args[0].code() != KafkaError._NO_OFFSET:
            raise


async def committed(request: Request) -> Response:
    """``GET .../offsets`` with the partitions in the body."""
    instance = _instance(request)
    places = [TopicPartition(*place) for place in _places(await _document(request), "partitions")]
    found = await instance.run(lambda: instance.kafka.committed(places, ADMIN_SECONDS))
    offsets = [
        {"topic": each.topic, "partition": each.partition, "offset": each.offset, "metadata": each.metadata or ""}
        for each in found
        if each.offset >= 0
    ]
    return answer({"offsets": offsets}, media_type=V2_JSON)


async def seek(request: Request) -> Response:
    """``POST .../positions``: to offsets, or to the first records from given times (ms or RFC 3339)."""
    instance = _instance(request)
    document = await _document(request)
    offsets = _numbers(document, "offsets", "offset")
    if times := _numbers(document, "timestamps", "timestamp"):
        asked = [TopicPartition(*place, moment) for place, moment in times.items()]
        found = await instance.run(lambda: instance.kafka.offsets_for_times(asked, ADMIN_SECONDS))
        offsets |= {(each.topic, each.partition): each.offset if each.offset >= 0 else OFFSET_END for each in found}
    await instance.run(instance.seek, offsets)
    return Response(status_code=204)


def _seek_to(offset: int) -> Callable[[Request], Any]:
    """``POST .../positions/beginning`` and ``.../end``."""

    async def seek_to_edge(request: Request) -> Response:
        instance = _instance(request)
        places = list(_places(await _document(request), "partitions"))
        await instance.run(instance.seek, dict.fromkeys(places, offset))
        return Response(status_code=204)

    return seek_to_edge


def _consumers(request: Request) -> Consumers:
    found: Consumers = request.app.state.consumers
    return found


def _instance(request: Request, *, accept: bool = True) -> Instance:
    if accept:
        check_v2(request)
    return _consumers(request).get(request.path_params["group"], request.path_params["instance"])


async def _document(request: Request, *, needed: bool = True) -> dict[str, Any]:
    body = await read_body(request)
    if not body.strip():
        if needed:
            raise unprocessable("Payload error. Request body is empty. Data is required.")
        return {}
    try:
        document = loads(body)
    except BrokenJsonError as error:
        raise bad_request(f"The body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise bad_request("The body must be a JSON object.")
    return document


def _entries(document: dict[str, Any], name: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    entries = document.get(name) or []
    if not isinstance(entries, list):
        raise unprocessable(f"'{name}' must be a list.")
    for entry in entries:
        topic, partition = (entry.get("topic"), entry.get("partition")) if isinstance(entry, dict) else (None, None)
        if not isinstance(topic, str) or type(partition) is not int or partition < 0:
            raise unprocessable(f"Each of '{name}' must be an object with 'topic' and 'partition'.")
        yield (topic, partition), entry


def _places(document: dict[str, Any], name: str) -> Iterator[Place]:
    return (place for place, _ in _entries(document, name))


def _numbers(document: dict[str, Any], name: str, member: str) -> dict[Place, int]:
    return {place: _moment(entry.get(member), member) for place, entry in _entries(document, name)}


def _moment(value: Any, member: str) -> int:
    if type(value) is int and value >= 0:
        return value
    if member == "timestamp" and isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1000)
        except ValueError:
            pass
    raise unprocessable(f"{member}={value!r} is not valid.")


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise RestError(404, 404, "HTTP 404 Not Found") from None


INSTANCE = "/consumers/{group}/instances/{instance}"
ROUTES = [
    Route("/consumers/{group}", create, methods=["POST"]),
    Route(INSTANCE, delete, methods=["DELETE"]),
    Route(f"{INSTANCE}/subscription", subscribe, methods=["POST"]),
    Route(f"{INSTANCE}/subscription", subscription),
    Route(f"{INSTANCE}/subscription", unsubscribe, methods=["DELETE"]),
    Route(f"{INSTANCE}/records", records),
    Route(f"{INSTANCE}/offsets", commit, methods=["POST"]),
    Route(f"{INSTANCE}/offsets", committed),
    Route(f"{INSTANCE}/positions", seek, methods=["POST"]),
    Route(f"{INSTANCE}/positions/beginning", _seek_to(OFFSET_BEGINNING), methods=["POST"]),
    Route(f"{INSTANCE}/positions/end", _seek_to(OFFSET_END), methods=["POST"]),
    Route(f"{INSTANCE}/assignments", assign, methods=["POST"]),
    Route(f"{INSTANCE}/assignments", assignments),
]
