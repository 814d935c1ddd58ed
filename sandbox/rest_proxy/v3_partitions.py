"""v3: partitions, their replicas and offsets."""

from __future__ import annotations

from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec, PartitionMetadata
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.rest_proxy.errors import UNKNOWN_TOPIC_PARTITION, RestError, bad_request
from sandbox.rest_proxy.http import answer, proxy
from sandbox.rest_proxy.v2_metadata import partition_number
from sandbox.rest_proxy.v3_resources import Links, Resource, cluster_links
from sandbox.rest_proxy.v3_topics import known_topic

OFFSET_TYPES = {
    "earliest": {"earliest_offset": OffsetSpec.earliest()},
    "latest": {"latest_offset": OffsetSpec.latest()},
    "earliest_and_latest": {"earliest_offset": OffsetSpec.earliest(), "latest_offset": OffsetSpec.latest()},
}


async def list_partitions(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/topics/{topic}/partitions``."""
    links = await cluster_links(request)
    found = await known_topic(request)
    data = [_partition(links, found.topic, found.partitions[number]) for number in sorted(found.partitions)]
    return answer(links.listing("Partition", ["topics", found.topic, "partitions"], data))


async def get_partition(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/topics/{topic}/partitions/{partition}``."""
    links = await cluster_links(request)
    return answer(_partition(links, request.path_params["topic"], await _known_partition(request)))


async def get_offset(request: Request) -> Response:
    """``GET .../partitions/{partition}/offset``: the ends of a partition, query ``offset_type``."""
    links = await cluster_links(request)
    topic, number = request.path_params["topic"], (await _known_partition(request)).id
    wanted = request.query_params.get("offset_type", "earliest_and_latest")
    if wanted not in OFFSET_TYPES:
        raise bad_request(f"offset_type={wanted} is not one of {', '.join(OFFSET_TYPES)}.")
    cluster, at = proxy(request).cluster, TopicPartition(topic, number)
    offsets = {
        name: (await cluster.ask_one(cluster.admin.list_offsets, {at: spec})).offset
        for name, spec in OFFSET_TYPES[wanted].items()
    }
    steps = ["topics", topic, "partitions", number]
    names: dict[str, str | int] = {"topic": topic, "partition": number}
    return answer(
        links.resource(
            "PartitionWithOffsets", [*steps, "offset"], names, topic_name=topic, partition_id=number, **offsets
        )
    )


async def list_replicas(request: Request) -> Response:
    """``GET .../partitions/{partition}/replicas``."""
    links = await cluster_links(request)
    topic, found = request.path_params["topic"], await _known_partition(request)
    data = [_replica(links, topic, found, broker) for broker in found.replicas]
    return answer(links.listing("Replica", ["topics", topic, "partitions", found.id, "replicas"], data))


async def get_replica(request: Request) -> Response:
    """``GET .../partitions/{partition}/replicas/{broker}``."""
    links = await cluster_links(request)
    topic, found = request.path_params["topic"], await _known_partition(request)
    wanted = request.path_params["broker"]
    if wanted not in map(str, found.replicas):
        raise RestError(404, 404, f"Replica {wanted} cannot be found.")
    return answer(_replica(links, topic, found, int(wanted)))


async def _known_partition(request: Request) -> PartitionMetadata:
    found = (await known_topic(request)).partitions.get(partition_number(request))
    if found is None:
        raise RestError(*UNKNOWN_TOPIC_PARTITION)
    return found


def _partition(links: Links, topic: str, found: PartitionMetadata) -> Resource:
    steps = ["topics", topic, "partitions", found.id]
    leader = links.related(*steps, "replicas", found.leader) if found.leader >= 0 else None
    return links.resource(
        "Partition",
        steps,
        {"topic": topic, "partition": found.id},
        topic_name=topic,
        partition_id=found.id,
        leader=leader,
        replicas=links.related(*steps, "replicas"),
        reassignment=links.related(*steps, "reassignment"),
    )


def _replica(links: Links, topic: str, found: PartitionMetadata, broker: int) -> Resource:
    return links.resource(
        "Replica",
        ["topics", topic, "partitions", found.id, "replicas", broker],
        {"topic": topic, "partition": found.id, "replica": broker},
        topic_name=topic,
        partition_id=found.id,
        broker_id=broker,
        is_leader=broker == found.leader,
        is_in_sync=broker in found.isrs,
        broker=links.related("brokers", broker),
    )


PARTITIONS = "/v3/clusters/{cluster}/topics/{topic}/partitions"
ROUTES = [
    Route(PARTITIONS, list_partitions),
    Route(f"{PARTITIONS}/{{partition}}", get_partition),
    Route(f"{PARTITIONS}/{{partition}}/offset", get_offset),
    Route(f"{PARTITIONS}/{{partition}}/replicas", list_replicas),
    Route(f"{PARTITIONS}/{{partition}}/replicas/{{broker}}", get_replica),
]
