"""Which shards may be read: after a reshard, parents before their children."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sandbox.databricks.kinesis.client import Shard
from sandbox.databricks.kinesis.offsets import Position


def readable(shards: Iterable[Shard], positions: Mapping[str, Position]) -> list[str]:
    """The shards whose parents have all been read to the end and that have not been so themselves.

    A parent that is not listed any more has expired, so there is nothing of it to wait for.

    :param shards: as listed.
    :param positions: at the start of a batch, so that a child never shares a batch with its parents.
    """
    listed = {shard.id: shard for shard in shards}

    def done(shard: str) -> bool:
        return shard not in listed or (shard in positions and positions[shard].finished)

    return [one for one, shard in listed.items() if not done(one) and all(done(parent) for parent in shard.parents)]


def beginning(shard: Shard, positions: Mapping[str, Position], now: int) -> Position:
    """The position of a shard that is listed for the first time.

    Whatever it holds arrived after its parents were last looked at, or else after all others were.

    :param positions: of the stream; none = the stream is new, and begins with what it holds now.
    :param now: in milliseconds.
    """
    known = [positions[parent].time for parent in shard.parents if parent in positions]
    known = known or [position.time for position in positions.values() if not position.finished]
    return Position(time=min(known, default=now))
