"""Reads the arguments that all actions share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.kinesis.errors import KinesisError, invalid, not_found
from sandbox.kinesis.store import Shard, Store, Stream

ACCOUNT, REGION = "000000000000", "us-east-1"
NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}\Z")


def arn(name: str) -> str:
    """The ARN of a stream."""
    return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"


def stream_name(body: Mapping[str, Any]) -> str:
    """The name from ``StreamName`` or ``StreamARN``.

    :raises KinesisError: neither is there, or the name cannot be one.
    """
    name = body.get("StreamName") or str(body.get("StreamARN") or body.get("ResourceARN") or "").rpartition("/")[2]
    if not name:
        raise invalid("Either StreamName or StreamARN must be provided.")
    if not isinstance(name, str) or not NAME.match(name):
        raise KinesisError(
            "ValidationException",
            f"1 validation error detected: Value '{name}' at 'streamName' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: [a-zA-Z0-9_.-]+ and have length 1 to 128",
        )
    return name


def existing(store: Store, body: Mapping[str, Any]) -> Stream:
    """The stream that a request names.

    :raises KinesisError: there is none.
    """
    name = stream_name(body)
    found = store.stream(name)
    if found is None:
        raise not_found(f"Stream {name} under account {ACCOUNT} not found.")
    return found


def shard_of(store: Store, stream: Stream, shard_id: object) -> Shard:
    """A shard of a stream by its id.

    :raises KinesisError: there is none.
    """
    for shard in store.shards(stream.name):
        if shard.shard_id == shard_id:
            return shard
    raise not_found(f"Could not find shard {shard_id} in stream {stream.name} under account {ACCOUNT}.")


def whole(body: Mapping[str, Any], name: str, default: int | None, low: int, high: int) -> int:
    """A whole number within bounds.

    :raises KinesisError: it is missing without a default, of another type, or out of bounds.
    """
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise invalid(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    return value
