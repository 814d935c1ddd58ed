"""v3: topics."""

from __future__ import annotations

from typing import Any

from confluent_kafka.admin import NewPartitions, NewTopic, TopicMetadata
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.rest_proxy.cluster import INTERNAL_TOPICS
from sandbox.rest_proxy.errors import EMPTY_BODY, UNKNOWN_TOPIC_PARTITION, RestError, bad_request
from sandbox.rest_proxy.http import (
    JSON,
    answer,
    check_accept,
    media_type,
    proxy,
    read_body,
    unsupported_media_type,
)
from sandbox.rest_proxy.json_text import BrokenJsonError, loads
from sandbox.rest_proxy.v3_resources import Links, Resource, cluster_links

BROKER_DEFAULT = -1
CREATE_FIELDS = {
    "topic_name": str,
    "partitions_count": int,
    "replication_factor": int,
    "replicas_assignments": dict,
    "configs": list,
    "validate_only": bool,
}


async def list_topics(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/topics``."""
    links = await cluster_links(request)
    found = (await proxy(request).cluster.metadata()).topics
    data = [topic_resource(links, found[name]) for name in sorted(found) if name not in INTERNAL_TOPICS]
    return answer(links.listing("Topic", ["topics"], data))


async def get_topic(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/topics/{topic}``."""
    links = await cluster_links(request)
    return answer(topic_resource(links, await known_topic(request)))


async def create_topic(request: Request) -> Response:
    """``POST /v3/clusters/{cluster}/topics``: 201, or 200 when it was only to be checked."""
    links = await cluster_links(request)
    wanted = await json_object(request, CREATE_FIELDS)
    cluster, name = proxy(request).cluster, wanted.get("topic_name")
    if not name:
        raise bad_request("Missing required creator property 'topic_name'.")
    only_check = wanted.get("validate_only") or False
    await cluster.ask_one(cluster.admin.create_topics, [_new_topic(wanted)], validate_only=only_check)
    if only_check:
        return answer(_described(links, name, wanted))
    await cluster.settle(lambda: cluster.serves(name, 1))
    made = await cluster.topic(name)
    content = topic_resource(links, made) if made is not None else _described(links, name, wanted)
    return answer(content, 201)


async def add_partitions(request: Request) -> Response:
    """``PATCH /v3/clusters/{cluster}/topics/{topic}``: more partitions."""
    links = await cluster_links(request)
    found = await known_topic(request)
    wanted = (await json_object(request, {"partitions_count": int})).get("partitions_count")
    if wanted is None:
        raise bad_request("Missing required creator property 'partitions_count'.")
    cluster, name, count = proxy(request).cluster, request.path_params["topic"], len(found.partitions)
    if wanted <= count:
        raise RestError(400, 40002, f"Topic already has {count} partitions.")
    await cluster.ask_one(cluster.admin.create_partitions, [NewPartitions(name, wanted)])
    await cluster.settle(lambda: cluster.serves(name, wanted))
    return answer(topic_resource(links, await known_topic(request)))


async def delete_topic(request: Request) -> Response:
    """``DELETE /v3/clusters/{cluster}/topics/{topic}``."""
    await cluster_links(request)
    cluster, name = proxy(request).cluster, request.path_params["topic"]
    await cluster.ask_one(cluster.admin.delete_topics, [name])
    cluster.forget(name)
    await cluster.settle(lambda: cluster.is_gone(name))
    return Response(status_code=204)


async def known_topic(request: Request) -> TopicMetadata:
    """The topic of the path.

    :raises RestError: 404 / 40403.
    """
    check_accept(request, JSON)
    found = await proxy(request).cluster.topic(request.path_params["topic"])
    if found is None:
        raise RestError(*UNKNOWN_TOPIC_PARTITION)
    return found


async def json_object(request: Request, fields: dict[str, type]) -> dict[str, Any]:
    """The request's body as an object with fields of these types; ``null`` counts as absent.

    :raises RestError: 415, 422 for no body, 400 for anything else that is wrong.
    """
    declared = request.headers.get("content-type")
    if declared is not None and media_type(declared) != JSON:
        raise unsupported_media_type()
    body = await read_body(request)
    if not body.strip():
        raise RestError(*EMPTY_BODY)
    try:
        document = loads(body)
    except BrokenJsonError as error:
        raise bad_request(f"The body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise bad_request("The body must be a JSON object.")
    for name, value in document.items():
        if name not in fields:
            raise bad_request(f"Unrecognized field: {name}")
        if value is not None and type(value) is not fields[name]:
            raise bad_request(f"Cannot deserialize '{name}': {fields[name].__name__} expected.")
    return document


def topic_resource(links: Links, found: TopicMetadata) -> Resource:
    """A topic as it is."""
    factor = max((len(partition.replicas) for partition in found.partitions.values()), default=0)
    return _resource(links, found.topic, len(found.partitions), factor)


def _described(links: Links, name: str, wanted: dict[str, Any]) -> Resource:
    """A topic as it would be."""
    assigned = wanted.get("replicas_assignments") or {}
    count = len(assigned) or wanted.get("partitions_count") or 0
    factor = len(next(iter(assigned.values()), [])) or wanted.get("replication_factor") or 0
    return _resource(links, name, count, factor)


def _resource(links: Links, name: str, partitions: int, factor: int) -> Resource:
    steps = ["topics", name]
    return links.resource(
        "Topic",
        steps,
        {"topic": name},
        topic_name=name,
        is_internal=name in INTERNAL_TOPICS,
        replication_factor=factor,
        partitions_count=partitions,
        partitions=links.related(*steps, "partitions"),
        configs=links.related(*steps, "configs"),
        partition_reassignments=links.related(*steps, "partitions", "-", "reassignment"),
        authorized_operations=[],
    )


def _new_topic(wanted: dict[str, Any]) -> NewTopic:
    configs = {name: value for name, value in map(_config, wanted.get("configs") or []) if value is not None}
    assigned = wanted.get("replicas_assignments")
    if assigned:
        return NewTopic(wanted["topic_name"], len(assigned), replica_assignment=_assignment(assigned), config=configs)
    count = wanted.get("partitions_count")
    factor = wanted.get("replication_factor")
    return NewTopic(
        wanted["topic_name"],
        BROKER_DEFAULT if count is None else count,
        BROKER_DEFAULT if factor is None else factor,
        config=configs,
    )


def _config(entry: Any) -> tuple[str, str | None]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise bad_request("Each of 'configs' must be an object with 'name' and 'value'.")
    value = entry.get("value")
    return entry["name"], None if value is None else str(value)


def _assignment(assigned: dict[str, Any]) -> list[list[int]]:
    try:
        ordered = [assigned[str(number)] for number in range(len(assigned))]
    except KeyError as error:
        raise bad_request(f"'replicas_assignments' must name every partition from 0; {error} is missing.") from None
    if not all(isinstance(brokers, list) and all(type(each) is int for each in brokers) for brokers in ordered):
        raise bad_request("'replicas_assignments' must give a list of broker ids for each partition.")
    return ordered


ROUTES = [
    Route("/v3/clusters/{cluster}/topics", list_topics),
    Route("/v3/clusters/{cluster}/topics", create_topic, methods=["POST"]),
    Route("/v3/clusters/{cluster}/topics/{topic}", get_topic),
    Route("/v3/clusters/{cluster}/topics/{topic}", add_partitions, methods=["PATCH"]),
    Route("/v3/clusters/{cluster}/topics/{topic}", delete_topic, methods=["DELETE"]),
]
