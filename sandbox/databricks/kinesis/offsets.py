"""The offset: how far each shard of each stream has been read. It is what Spark keeps in the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TRIM_HORIZON = "TRIM_HORIZON"
AT_TIMESTAMP = "AT_TIMESTAMP:"


@dataclass(frozen=True)
class Position:
    """How far a shard has been read.

    :param sequence: of the last record read; none = no record yet, reading begins at the offset's origin.
    :param time: milliseconds since 1970; everything that arrived before it has been read.
    :param behind: milliseconds behind the shard's end at that read.
    :param finished: the shard is closed and was read to its end.
    """

    sequence: str | None = None
    time: int = 0
    behind: int = 0
    finished: bool = False

    @property
    def number(self) -> int:
        """The sequence number, for comparing; -1 before the first record."""
        return int(self.sequence) if self.sequence is not None else -1


@dataclass(frozen=True)
class StreamPosition:
    """How far a stream has been read.

    :param created: when it was created, in milliseconds: which incarnation of its name it is.
    :param shards: by their ids.
    """

    created: int
    shards: Mapping[str, Position] = field(default_factory=dict)


@dataclass(frozen=True)
class Offset:
    """How far everything has been read.

    :param origin: where shards begin of which nothing was read yet: ``TRIM_HORIZON`` or ``AT_TIMESTAMP:<ms>``.
    :param initial: the offset before the first batch. Spark asks for it again when it repeats that batch, so the
        origin that counts is the one in the batch's end.
    """

    origin: str
    streams: Mapping[str, StreamPosition] = field(default_factory=dict)
    initial: bool = False

    @property
    def behind(self) -> int:
        """Milliseconds by which the shard that is furthest behind is behind."""
        return max((shard.behind for stream in self.streams.values() for shard in stream.shards.values()), default=0)

    def position(self, stream: str, shard: str) -> Position | None:
        """The position of a shard, if it has one."""
        found = self.streams.get(stream)
        return found.shards.get(shard) if found else None

    def document(self) -> dict[str, Any]:
        """As Spark keeps it. Equal offsets give equal JSON, because Spark compares the texts."""
        return {
            **({"initial": True} if self.initial else {}),
            "origin": self.origin,
            "streams": {
                name: {
                    "created": stream.created,
                    "shards": {shard: _shard(stream.shards[shard]) for shard in sorted(stream.shards)},
                }
                for name, stream in sorted(self.streams.items())
            },
            "maxMsBehindLatest": self.behind,
        }


def _shard(position: Position) -> dict[str, Any]:
    document = {
        "sequenceNumber": position.sequence,
        "millisBehindLatest": position.behind,
        "readUpToMs": position.time,
    }
    return {**document, "finished": True} if position.finished else document


def read_offset(document: Mapping[str, Any]) -> Offset:
    """The offset of a document that :meth:`Offset.document` made."""
    streams = {
        name: StreamPosition(
            stream["created"],
            {
                shard: Position(
                    found["sequenceNumber"],
                    found["readUpToMs"],
                    found["millisBehindLatest"],
                    found.get("finished", False),
                )
                for shard, found in stream["shards"].items()
            },
        )
        for name, stream in document["streams"].items()
    }
    return Offset(document["origin"], streams, document.get("initial", False))
