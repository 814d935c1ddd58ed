"""JSON to and from bytes, by orjson where it is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def _plain_dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


dumps: Callable[[Any], bytes]
loads: Callable[[bytes | str], Any]
try:
    import orjson
except ModuleNotFoundError:
    dumps, loads = _plain_dumps, json.loads
else:
    dumps, loads = orjson.dumps, orjson.loads


def loads_concatenated(content: bytes) -> list[Any]:
    """Read JSON values that follow one another, with or without white space between them.

    :raises ValueError: what is there is not that; what was read up to there is lost.
    """
    lines = content.split(b"\n") if b"\n" in content else [content]
    try:
        return [loads(line) for line in lines if line.strip()]
    except ValueError:
        return _scan(content.decode("utf-8"))


def _scan(text: str) -> list[Any]:
    decoder, values, at = json.JSONDecoder(), [], 0
    while (at := len(text) - len(text[at:].lstrip())) < len(text):
        value, at = decoder.raw_decode(text, at)
        values.append(value)
    return values
