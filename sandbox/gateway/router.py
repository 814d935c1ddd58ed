"""Finds the resource, then the method: the most specific resource wins even when it lacks the method, as on AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.gateway.document import ANY, Api, Method
from sandbox.gateway.faults import Fault, Kind


@dataclass
class _Node:
    """One path segment; ``variable`` and ``greedy`` hold the parameter's name and what is below it."""

    methods: Mapping[str, Method] | None = None
    static: dict[str, _Node] = field(default_factory=dict)
    variable: tuple[str, _Node] | None = None
    greedy: tuple[str, _Node] | None = None


_Match = tuple[Mapping[str, Method], dict[str, str]]


class Router:
    """The resources of a document as a tree."""

    def __init__(self, api: Api) -> None:
        self._root = _Node()
        for path, methods in api.resources.items():
            self._add(path, methods)

    def match(self, verb: str, path: str) -> tuple[Method, dict[str, str]]:
        """The method for a request and the values of its path parameters, percent-encoded as they were sent.

        A path's last slash does not choose another resource; a greedy parameter keeps it.

        :raises Fault: no resource, or the resource has no such method (both 403 on AWS).
        """
        found = _walk(self._root, path.removeprefix("/"))
        methods, values = found or ({}, {})
        method = methods.get(verb) or methods.get(ANY)
        if method is None:
            raise Fault(Kind.MISSING_AUTHENTICATION_TOKEN)
        return method, values

    def _add(self, path: str, methods: Mapping[str, Method]) -> None:
        node = self._root
        for segment in path.strip("/").split("/") if path != "/" else ():
            node = _child(node, segment)
        node.methods = methods


def _child(node: _Node, segment: str) -> _Node:
    if not segment.startswith("{"):
        return node.static.setdefault(segment, _Node())
    name = segment.strip("{}")
    if name.endswith("+"):
        node.greedy = node.greedy or (name[:-1], _Node())
        return node.greedy[1]
    node.variable = node.variable or (name, _Node())
    return node.variable[1]


def _walk(node: _Node, rest: str) -> _Match | None:
    if not rest:
        return (node.methods, {}) if node.methods is not None else None
    segment, _, below = rest.partition("/")
    if segment in node.static and (found := _walk(node.static[segment], below)):
        return found
    if node.variable and segment and (found := _walk(node.variable[1], below)):
        return found[0], {node.variable[0]: segment, **found[1]}
    if node.greedy and node.greedy[1].methods is not None:
        return node.greedy[1].methods, {node.greedy[0]: rest}
    return None
