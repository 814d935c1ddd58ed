"""v3: topic configurations."""

from __future__ import annotations

from typing import Any

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.rest_proxy.cluster import INTERNAL_TOPICS
from sandbox.rest_proxy.errors import RestError, bad_request
from sandbox.rest_proxy.http import answer, proxy
from sandbox.rest_proxy.v3_resources import Links, Resource, cluster_links
from sandbox.rest_proxy.v3_topics import json_object, known_topic

OPERATIONS = {"SET": AlterConfigOpType.SET, "DELETE": AlterConfigOpType.DELETE}
ENTRY_FIELDS = frozenset({"name", "value", "operation"})


async def list_configs(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/topics/{topic}/configs``."""
    links = await cluster_links(request)
    await known_topic(request)
    name = request.path_params["topic"]
    data = [_resource(links, name, entry) for entry in (await _describe(request, [name]))[name]]
    return answer(links.listing("TopicConfig", ["topics", name, "configs"], data))


async def list_all_configs(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/topics/-/configs``: those of every topic."""
    links = await cluster_links(request)
    names = sorted(set((await proxy(request).cluster.metadata()).topics) - INTERNAL_TOPICS)
    found = await _describe(request, names) if names else {}
    data = [_resource(links, name, entry) for name, entries in found.items() for entry in entries]
    return answer(links.listing("TopicConfig", ["topics", "-", "configs"], data))


async def get_config(request: Request) -> Response:
    """``GET /v3/clusters/{cluster}/topics/{topic}/configs/{name}``."""
    links = await cluster_links(request)
    await known_topic(request)
    return answer(_resource(links, request.path_params["topic"], await _known_config(request)))


async def set_config(request: Request) -> Response:
    """``PUT /v3/clusters/{cluster}/topics/{topic}/configs/{name}``."""
    await cluster_links(request)
    await known_topic(request)
    wanted = await json_object(request, {"value": str})
    await _known_config(request)
    await _alter(request, [_entry(request.path_params["name"], "SET", wanted.get("value"))], only_check=False)
    return Response(status_code=204)


async def reset_config(request: Request) -> Response:
    """``DELETE /v3/clusters/{cluster}/topics/{topic}/configs/{name}``: back to the default."""
    await cluster_links(request)
    await known_topic(request)
    await _known_config(request)
    await _alter(request, [_entry(request.path_params["name"], "DELETE", None)], only_check=False)
    return Response(status_code=204)


async def alter_configs(request: Request) -> Response:
    """``POST /v3/clusters/{cluster}/topics/{topic}/configs:alter``: several at once, all or none."""
    await cluster_links(request)
    await known_topic(request)
    wanted = await json_object(request, {"data": list, "validate_only": bool})
    if not wanted.get("data"):
        raise bad_request("Missing required creator property 'data'.")
    entries = [_wanted_entry(entry) for entry in wanted["data"]]
    known = {entry.name for entry in await _entries(request)}
    for entry in entries:
        if entry.name not in known:
            raise _unknown_config(request, entry.name)
    await _alter(request, entries, only_check=wanted.get("validate_only") or False)
    return Response(status_code=204)


def _wanted_entry(entry: Any) -> ConfigEntry:
    if not isinstance(entry, dict) or not ENTRY_FIELDS.issuperset(entry) or not isinstance(entry.get("name"), str):
        raise bad_request("Each of 'data' must be an object with 'name', 'value' and 'operation'.")
    value = entry.get("value")
    return _entry(entry["name"], entry.get("operation") or "SET", None if value is None else str(value))


def _entry(name: str, operation: str, value: str | None) -> ConfigEntry:
    kind = OPERATIONS.get(operation) if isinstance(operation, str) else None
    if kind is None:
        raise bad_request(f"operation={operation!r} of {name} is not SET or DELETE.")
    if kind is AlterConfigOpType.SET and value is None:
        raise bad_request(f"The new value of {name} is missing.")
    return ConfigEntry(name, value, incremental_operation=kind)


async def _alter(request: Request, entries: list[ConfigEntry], *, only_check: bool) -> None:
    cluster = proxy(request).cluster
    change = ConfigResource(ConfigResource.Type.TOPIC, request.path_params["topic"], incremental_configs=entries)
    await cluster.ask_one(cluster.admin.incremental_alter_configs, [change], validate_only=only_check)
    if not only_check:
        await cluster.settle(lambda: _shown(request, entries))


async def _shown(request: Request, entries: list[ConfigEntry]) -> bool:
    """Whether the brokers show a change; a DELETE leaves no value of the topic's own."""
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    now = {entry.name: entry.value for entry in await _entries(request) if entry.source == own}
    return all(now.get(entry.name) == entry.value for entry in entries)


async def _known_config(request: Request) -> ConfigEntry:
    wanted = request.path_params["name"]
    for entry in await _entries(request):
        if entry.name == wanted:
            return entry
    raise _unknown_config(request, wanted)


def _unknown_config(request: Request, name: str) -> RestError:
    topic, cluster = request.path_params["topic"], request.path_params["cluster"]
    return RestError(404, 404, f"Config {name} cannot be found for TOPIC {topic} in cluster {cluster}.")


async def _entries(request: Request) -> list[ConfigEntry]:
    name = request.path_params["topic"]
    return (await _describe(request, [name]))[name]


async def _describe(request: Request, names: list[str]) -> dict[str, list[ConfigEntry]]:
    cluster = proxy(request).cluster
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    found = await cluster.ask(cluster.admin.describe_configs, resources)
    # A topic that was deleted meanwhile has no configuration any more.
    good = {resource.name: entries for resource, entries in found.items() if not isinstance(entries, RestError)}
    return {name: sorted(good[name].values(), key=lambda entry: entry.name) for name in names if name in good}


def _resource(links: Links, topic: str, entry: ConfigEntry) -> Resource:
    return links.resource(
        "TopicConfig",
        ["topics", topic, "configs", entry.name],
        {"topic": topic, "config": entry.name},
        topic_name=topic,
        name=entry.name,
        value=entry.value,
        is_default=entry.is_default,
        is_read_only=entry.is_read_only,
        is_sensitive=entry.is_sensitive,
        source=_source(entry),
        synonyms=[
            {"name": synonym.name, "value": synonym.value, "source": _source(synonym)}
            for synonym in entry.synonyms.values()
        ],
    )


def _source(entry: ConfigEntry) -> str:
    return str(ConfigSource(entry.source).name)


TOPIC = "/v3/clusters/{cluster}/topics/{topic}"
ROUTES = [
    Route("/v3/clusters/{cluster}/topics/-/configs", list_all_configs),
    Route(f"{TOPIC}/configs", list_configs),
    Route(f"{TOPIC}/configs:alter", alter_configs, methods=["POST"]),
    Route(f"{TOPIC}/configs/{{name}}", get_config),
    Route(f"{TOPIC}/configs/{{name}}", set_config, methods=["PUT"]),
    Route(f"{TOPIC}/configs/{{name}}", reset_config, methods=["DELETE"]),
]
