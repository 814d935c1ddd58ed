"""All parts of the sandbox, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module

from sandbox.supervisor.part import Part

MODULES = (
    "sandbox.aws.part",
    "sandbox.kafka.part",
    "sandbox.connect.part",
    "sandbox.kinesis.part",
    "sandbox.rest_proxy.part",
    "sandbox.gateway.part",
    "sandbox.msk.part",
    "sandbox.databricks.part",
    "sandbox.airflow.part",
)


class UnknownPartError(LookupError):
    """A name that no part has; the text lists those that exist."""


def parts() -> tuple[Part, ...]:
    """Every part of the sandbox."""
    found: list[Part] = []
    for name in MODULES:
        module = import_module(name)
        found.extend(getattr(module, "PARTS", None) or [module.PART])
    return tuple(found)


def select(available: Sequence[Part], names: Iterable[str]) -> tuple[Part, ...]:
    """The named parts with all they require, in dependency order.

    :raises UnknownPartError: a name that no part has.
    """
    by_name = {part.name: part for part in available}
    chosen: dict[str, Part] = {}

    def add(name: str) -> None:
        if name in chosen:
            return
        if name not in by_name:
            raise UnknownPartError(f"There is no part {name!r}. The parts are: {', '.join(by_name)}.")
        for required in by_name[name].requires:
            add(required)
        chosen[name] = by_name[name]

    for name in names:
        add(name)
    return tuple(chosen.values())


def dependents(available: Sequence[Part], names: Iterable[str]) -> tuple[str, ...]:
    """The named parts and all that need them, those that need most first."""
    wanted = set(names)
    while more := {part.name for part in available if wanted & set(part.requires)} - wanted:
        wanted |= more
    ordered = [part.name for part in select(available, wanted) if part.name in wanted]
    return tuple(reversed(ordered))
