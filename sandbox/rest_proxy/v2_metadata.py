"""v2: brokers, topics, partitions and offsets.

https://docs.confluent.io/platform/current/kafka-rest/api.html#crest-api-v2
"""

from __future__ import annotations

import asyncio
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec, PartitionMetadata, TopicMetadata
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.rest_proxy.cluster import INTERNAL_TOPICS
from sandbox.rest_proxy.errors import PARTITION_NOT_FOUND, TOPIC_NOT_FOUND, RestError, from_kafka
from sandbox.rest_proxy.http import V2_JSON, answer, check_v2, proxy


async def root(request: Request) -> Response:
    """``/``: an empty object; shows whether the media types are right."""
    check_v2(request)
    return answer({}, media_type=V2_JSON)


async def brokers(request: Request) -> Response:
    """``GET /brokers``."""
    check_v2(request)
    found = await proxy(request).cluster.metadata()
    return answer({"brokers": sorted(found.brokers)}, media_type=V2_JSON)


async def topics(request: Request) -> Response:
    """``GET /topics``: names, without Kafka's own."""
    check_v2(request)
    found = await proxy(request).cluster.metadata()
    return answer(sorted(set(found.topics) - INTERNAL_TOPICS), media_type=V2_JSON)


async def topic(request: Request) -> Response:
    """``GET /topics/{topic}``: configuration and partitions."""
    found = await known_topic(request)
    name = request.path_params["topic"]
    configs = await topic_configs(request, name)
    content = {"name": name, "configs": configs, "partitions": [_partition(each) for each in _sorted(found)]}
    return answer(content, media_type=V2_JSON)


async def partitions(request: Request) -> Response:
    """``GET /topics/{topic}/partitions``."""
    found = await known_topic(request)
    return answer([_partition(each) for each in _sorted(found)], media_type=V2_JSON)


async def partition(request: Request) -> Response:
    """``GET /topics/{topic}/partitions/{partition}``."""
    return answer(_partition(await known_partition(request)), media_type=V2_JSON)


async def offsets(request: Request) -> Response:
    """``GET /topics/{topic}/partitions/{partition}/offsets``."""
    found = await known_partition(request)
    first, end = await watermarks(request, request.path_params["topic"], found.id)
    return answer({"beginning_offset": first, "end_offset": end}, media_type=V2_JSON)


async def known_topic(request: Request) -> TopicMetadata:
    """The topic of the path.

    :raises RestError: 404 / 40401; 406 for a wrong ``Accept``.
    """
    check_v2(request)
    found = await proxy(request).cluster.topic(request.path_params["topic"])
    if found is None:
        raise RestError(*TOPIC_NOT_FOUND)
    return found


async def known_partition(request: Request) -> PartitionMetadata:
    """The partition of the path.

    :raises RestError: 404 / 40401 or 40402.
    """
    found = (await known_topic(request)).partitions.get(partition_number(request))
    if found is None:
        raise RestError(*PARTITION_NOT_FOUND)
    return found


def partition_number(request: Request) -> int:
    """The partition number of the path.

    :raises RestError: 404: it is not a number, so that there is no such path.
    """
    try:
        return int(request.path_params["partition"])
    except ValueError:
        raise RestError(404, 404, "HTTP 404 Not Found") from None


async def watermarks(request: Request, name: str, number: int) -> tuple[int, int]:
    """The first offset of a partition and the one that comes next."""
    cluster, at = proxy(request).cluster, TopicPartition(name, number)
    first, end = await asyncio.gather(
        cluster.ask_one(cluster.admin.list_offsets, {at: OffsetSpec.earliest()}),
        cluster.ask_one(cluster.admin.list_offsets, {at: OffsetSpec.latest()}),
    )
    return first.offset, end.offset


async def topic_configs(request: Request, name: str) -> dict[str, str | None]:
    """The configuration of a topic as names and values."""
    from confluent_kafka.admin import ConfigResource

    cluster = proxy(request).cluster
    try:
        found = await cluster.ask_one(cluster.admin.describe_configs, [ConfigResource("topic", name)])
    except KafkaException as error:
        raise from_kafka(error.args[0]) from error
    return {entry.name: entry.value for entry in found.values()}


def _sorted(found: TopicMetadata) -> list[PartitionMetadata]:
    return [found.partitions[number] for number in sorted(found.partitions)]


def _partition(found: PartitionMetadata) -> dict[str, Any]:
    replicas = [
        {"broker": broker, "leader": broker == found.leader, "in_sync": broker in found.isrs}
        for broker in found.replicas
    ]
    return {"partition": found.id, "leader": found.leader, "replicas": replicas}


ROUTES = [
    Route("/", root, methods=["GET", "POST"]),
    Route("/brokers", brokers),
    Route("/topics", topics),
    Route("/topics/{topic}", topic),
    Route("/topics/{topic}/partitions", partitions),
    Route("/topics/{topic}/partitions/{partition}", partition),
    Route("/topics/{topic}/partitions/{partition}/offsets", offsets),
]
