"""v3: consumer groups, their members and how far they lag behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import OffsetSpec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.rest_proxy.errors import RestError
from sandbox.rest_proxy.http import answer, proxy
from sandbox.rest_proxy.v3_resources import Links, Resource, cluster_links

STATES = {
    ConsumerGroupState.PREPARING_REBALANCING: "PREPARING_REBALANCE",
    ConsumerGroupState.COMPLETING_REBALANCING: "COMPLETING_REBALANCE",
}


@dataclass(frozen=True)
class Lag:
    """How far a group is in one partition; ids are empty when no member has the partition."""

    topic: str
    partition: int
    current: int
    end: int
    consumer: str
    instance: str | None
    client: str

    @property
    def behind(self) -> int:
        """Records that the group has not read yet."""
        return max(self.end - self.current, 0)


async def list_groups(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/consumer-groups``."""
    links = await cluster_links(request)
    cluster = proxy(request).cluster
    listed = await cluster.wait_for(cluster.admin.list_consumer_groups(request_timeout=cluster.timeout))
    names = sorted(group.group_id for group in listed.valid)
    found = await cluster.ask(cluster.admin.describe_consumer_groups, names) if names else {}
    data = [_group(links, found[name]) for name in names if not isinstance(found[name], RestError)]
    return answer(links.listing("ConsumerGroup", ["consumer-groups"], data))


async def get_group(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/consumer-groups/{group}``."""
    links = await cluster_links(request)
    return answer(_group(links, await _known_group(request)))


async def list_consumers(request: Request) -> Response:
    """``GET .../consumer-groups/{group}/consumers``: the members."""
    links = await cluster_links(request)
    found = await _known_group(request)
    steps = ["consumer-groups", found.group_id, "consumers"]
    data = [
        links.resource(
            "Consumer",
            [*steps, member.member_id],
            {"consumer-group": found.group_id, "consumer": member.member_id},
            consumer_group_id=found.group_id,
            consumer_id=member.member_id,
            instance_id=member.group_instance_id,
            client_id=member.client_id,
            assignments=links.related(*steps, member.member_id, "assignments"),
        )
        for member in found.members
    ]
    return answer(links.listing("Consumer", steps, data))


async def list_lags(request: Request) -> Response:
    """``GET .../consumer-groups/{group}/lags``."""
    links = await cluster_links(request)
    group = request.path_params["group"]
    data = [_lag(links, group, lag) for lag in await _lags(request)]
    return answer(links.listing("ConsumerLag", ["consumer-groups", group, "lags"], data))


async def get_lag(request: Request) -> Response:
    """``GET .../consumer-groups/{group}/lags/{topic}/partitions/{partition}``."""
    links = await cluster_links(request)
    wanted = (request.path_params["topic"], request.path_params["partition"])
    for lag in await _lags(request):
        if (lag.topic, str(lag.partition)) == wanted:
            return answer(_lag(links, request.path_params["group"], lag))
    raise RestError(404, 404, f"Consumer lag for partition {wanted[1]} of topic {wanted[0]} cannot be found.")


async def get_lag_summary(request: Request) -> Response:
    """``GET .../consumer-groups/{group}/lag-summary``."""
    links = await cluster_links(request)
    group, lags = request.path_params["group"], await _lags(request)
    worst = max(lags, key=lambda lag: lag.behind)
    steps = ["consumer-groups", group]
    return answer(
        links.resource(
            "ConsumerGroupLagSummary",
            [*steps, "lag-summary"],
            {"consumer-group": group, "lag-summary": group},
            consumer_group_id=group,
            max_lag_consumer_id=worst.consumer,
            max_lag_instance_id=worst.instance,
            max_lag_client_id=worst.client,
            max_lag_topic_name=worst.topic,
            max_lag_partition_id=worst.partition,
            max_lag=worst.behind,
            total_lag=sum(lag.behind for lag in lags),
            max_lag_consumer=links.related(*steps, "consumers", worst.consumer),
            max_lag_partition=links.related("topics", worst.topic, "partitions", worst.partition),
        )
    )


async def _known_group(request: Request) -> Any:
    cluster, name = proxy(request).cluster, request.path_params["group"]
    found = await cluster.ask_one(cluster.admin.describe_consumer_groups, [name])
    if found.state == ConsumerGroupState.DEAD:
        raise RestError(404, 404, f"Consumer group {name} cannot be found.")
    return found


async def _lags(request: Request) -> list[Lag]:
    """The lags of the group in the path.

    :raises RestError: 404: there is no such group, or it has not committed anything.
    """
    cluster, group = proxy(request).cluster, await _known_group(request)
    request_for = [ConsumerGroupTopicPartitions(group.group_id)]
    committed = await cluster.ask_one(cluster.admin.list_consumer_group_offsets, request_for)
    known = [entry for entry in committed.topic_partitions if entry.offset >= 0]
    if not known:
        raise RestError(404, 404, f"Consumer group {group.group_id} has no committed offsets.")
    at = [TopicPartition(entry.topic, entry.partition) for entry in known]
    ends = await cluster.ask(cluster.admin.list_offsets, {each: OffsetSpec.latest() for each in at})
    owners = _owners(group)
    lags = []
    for entry, place in zip(known, at, strict=True):
        end = ends[place]
        if not isinstance(end, RestError):
            owner = owners.get((entry.topic, entry.partition), ("", None, ""))
            lags.append(Lag(entry.topic, entry.partition, entry.offset, end.offset, *owner))
    return sorted(lags, key=lambda lag: (lag.topic, lag.partition))


def _owners(group: Any) -> dict[tuple[str, int], tuple[str, str | None, str]]:
    return {
        (place.topic, place.partition): (member.member_id, member.group_instance_id, member.client_id)
        for member in group.members
        if member.assignment is not None
        for place in member.assignment.topic_partitions
    }


def _group(links: Links, found: Any) -> Resource:
    steps = ["consumer-groups", found.group_id]
    coordinator = links.related("brokers", found.coordinator.id) if found.coordinator is not None else None
    return links.resource(
        "ConsumerGroup",
        steps,
        {"consumer-group": found.group_id},
        consumer_group_id=found.group_id,
        is_simple=found.is_simple_consumer_group,
        partition_assignor=found.partition_assignor,
        state=STATES.get(found.state, found.state.name),
        type=found.type.name,
        coordinator=coordinator,
        consumers=links.related(*steps, "consumers"),
        lag_summary=links.related(*steps, "lag-summary"),
    )


def _lag(links: Links, group: str, lag: Lag) -> Resource:
    return links.resource(
        "ConsumerLag",
        ["consumer-groups", group, "lags", lag.topic, "partitions", lag.partition],
        {"consumer-group": group, "lag": f"{lag.topic}/partition={lag.partition}"},
        consumer_group_id=group,
        topic_name=lag.topic,
        partition_id=lag.partition,
        current_offset=lag.current,
        log_end_offset=lag.end,
        lag=lag.behind,
        consumer_id=lag.consumer,
        instance_id=lag.instance,
        client_id=lag.client,
    )


GROUPS = "/v3/clusters/{cluster}/consumer-groups"
ROUTES = [
    Route(GROUPS, list_groups),
    Route(f"{GROUPS}/{{group}}", get_group),
    Route(f"{GROUPS}/{{group}}/consumers", list_consumers),
    Route(f"{GROUPS}/{{group}}/lags", list_lags),
    Route(f"{GROUPS}/{{group}}/lags/{{topic}}/partitions/{{partition}}", get_lag),
    Route(f"{GROUPS}/{{group}}/lag-summary", get_lag_summary),
]
