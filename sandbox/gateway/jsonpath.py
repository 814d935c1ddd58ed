"""The JSONPath of mapping templates. Plain paths are walked here; filters and wildcards go to jsonpath-ng."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MISSING: Any = object()
_PLAIN = re.compile(r"""\.([\w-]+)|\[(\d+)\]|\[\s*'([^']*)'\s*\]|\[\s*"([^"]*)"\s*\]""")


class PathError(ValueError):
    """A path that is not JSONPath."""


def find(path: str, document: object) -> Any:
    """What a path leads to, or ``MISSING``; of several matches the first.

    :raises PathError: the path cannot be read.
    """
    steps = _steps(path)
    if steps is None:
        return next((match.value for match in _compiled(path).find(document)), MISSING)
    value: Any = document
    for step in steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else MISSING
        else:
            value = value.get(step, MISSING) if isinstance(value, dict) else MISSING
        if value is MISSING:
            return MISSING
    return value


@lru_cache(maxsize=8192)
def _steps(path: str) -> tuple[str | int, ...] | None:
    if not path.startswith("$"):
        raise PathError(f"The JSONPath {path!r} does not begin with $. Write it as '$.field'.")
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        match = _PLAIN.match(path, position)
        if match is None:
            return None
        name, index, single, double = match.groups()
        steps.append(int(index) if index is not None else next(x for x in (name, single, double) if x is not None))
        position = match.end()
    return tuple(steps)


@lru_cache(maxsize=256)
def _compiled(path: str) -> Any:
    from jsonpath_ng.exceptions import JSONPathError
    from jsonpath_ng.ext import parse

    try:
        return parse(path)
    except JSONPathError as error:
        raise PathError(f"The JSONPath {path!r} cannot be read: {error}.") from error
