"""v3: the cluster and its brokers."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.rest_proxy.errors import RestError
from sandbox.rest_proxy.http import answer, proxy
from sandbox.rest_proxy.v3_resources import Links, Resource, cluster_links


async def list_clusters(request: Request) -> Response:
    """``GET /v3/clusters``: exactly one."""
    links = Links(request, await proxy(request).cluster.cluster_id())
    metadata = {"self": links.base, "next": None}
    data = [await _cluster(request, links)]
    return answer({"kind": "KafkaClusterList", "metadata": metadata, "data": data})


async def get_cluster(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}``."""
    return answer(await _cluster(request, await cluster_links(request)))


async def list_brokers(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/brokers``."""
    links = await cluster_links(request)
    nodes = (await _describe(request)).nodes
    brokers = [_broker(links, node) for node in sorted(nodes, key=lambda node: int(node.id))]
    return answer(links.listing("Broker", ["brokers"], brokers))


async def get_broker(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/brokers/{broker}``."""
    links = await cluster_links(request)
    wanted = request.path_params["broker"]
    for node in (await _describe(request)).nodes:
        if str(node.id) == wanted:
            return answer(_broker(links, node))
    raise RestError(404, 404, f"Broker {wanted} cannot be found.")


async def _describe(request: Request) -> Any:
    cluster = proxy(request).cluster
    return await cluster.describe()


async def _cluster(request: Request, links: Links) -> Resource:
    controller = (await _describe(request)).controller
    return links.resource(
        "Cluster",
        [],
        {},
        controller=links.related("brokers", controller.id) if controller is not None else None,
        acls=links.related("acls"),
        brokers=links.related("brokers"),
        broker_configs=links.related("broker-configs"),
        consumer_groups=links.related("consumer-groups"),
        topics=links.related("topics"),
        partition_reassignments=links.related("topics", "-", "partitions", "-", "reassignment"),
    )


def _broker(links: Links, node: Any) -> Resource:
    steps = ["brokers", node.id]
    return links.resource(
        "Broker",
        steps,
        {"broker": node.id},
        broker_id=int(node.id),
        host=node.host,
        port=node.port,
        rack=node.rack,
        configs=links.related(*steps, "configs"),
        partition_replicas=links.related(*steps, "partition-replicas"),
    )


ROUTES = [
    Route("/v3/clusters", list_clusters),
    Route("/v3/clusters/{cluster}", get_cluster),
    Route("/v3/clusters/{cluster}/brokers", list_brokers),
    Route("/v3/clusters/{cluster}/brokers/{broker}", get_broker),
]
