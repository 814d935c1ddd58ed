"""Knows the streams: when they were made, how long they keep records, and which shards they have."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sandbox.databricks.kinesis.client import KinesisClient, NotThereError, Shard, Summary
from sandbox.databricks.kinesis.cursor import Place
from sandbox.databricks.kinesis.errors import (
    KinesisSourceError,
    StreamMissingError,
    StreamRecreatedError,
    TrimmedDataError,
)
from sandbox.databricks.kinesis.offsets import Offset
from sandbox.databricks.kinesis.options import Options

SUMMARY_SECONDS = 600.0


class Catalog:
    """The streams of one query.

    :param clock: seconds, monotonic.
    """

    def __init__(self, client: KinesisClient, options: Options,
                 clock: Callable[[], float] = time.monotonic) -> None:  # fmt: skip
        self._client, self._options, self._clock = client, options, clock
        self._summaries: dict[str, Summary] = {}
        self._shards: dict[str, dict[str, Shard]] = {}
        self._described = self._listed = float("-inf")

    @property
    def shards(self) -> Mapping[str, Mapping[str, Shard]]:
        """The shards of each stream, by their ids, as last listed."""
        return self._shards

    def look(self, offset: Offset) -> None:
        """Ask for what has changed, no more often than the options say, and compare with an offset.

        :raises KinesisSourceError: the offset does not belong to these streams.
        """
        now = self._clock()
        if now - self._described >= SUMMARY_SECONDS:
            self._summaries = {stream: summary(self._client, stream) for stream in self._options.streams}
            self._described = now
        if now - self._listed >= self._options.shard_interval:
            for stream in self._options.streams:
                self._list(stream)
            self._listed = now
        self._compare(offset)

    def place(self, stream: str, shard: str, origin: str) -> Place:
        """A shard with what is known about its stream."""
        found = self._summaries[stream]
        return Place(stream, shard, origin, found.created, found.retention)

    def created(self, stream: str) -> int:
        """When a stream was made, in milliseconds."""
        return self._summaries[stream].created

    def retention(self, stream: str) -> int:
        """How long a stream keeps records, in milliseconds."""
        return self._summaries[stream].retention

    def _list(self, stream: str) -> None:
        try:
            found = {shard.id: shard for shard in self._client.shards(stream, self._options.page)}
        except NotThereError:
            raise StreamMissingError(stream) from None
        for shard, before in self._shards.get(stream, {}).items():
            if shard in found and found[shard].starting != before.starting:
                raise StreamRecreatedError(stream, f"shard {shard} begins at another sequence number than before.")
        self._shards[stream] = found

    def _compare(self, offset: Offset) -> None:
        for name, stream in offset.streams.items():
            if name not in self._summaries:
                raise KinesisSourceError(
                    f"The checkpoint holds positions of stream {name}, which streamName does not name any more. "
                    "They would be forgotten. Name the stream, or use another checkpoint."
                )
            if stream.created != self.created(name):
                raise recreated(name, stream.created, self.created(name))
            for shard, position in stream.shards.items():
                if shard not in self._shards[name] and not position.finished:
                    raise TrimmedDataError(
                        name, shard, position.sequence, "the shard has expired and was not read to its end."
                    )


def summary(client: KinesisClient, stream: str) -> Summary:
    """What is to be known of a stream.

    :raises StreamMissingError: there is none.
    """
    try:
        return client.summary(stream)
    except NotThereError:
        raise StreamMissingError(stream) from None


def recreated(stream: str, before: int, now: int) -> StreamRecreatedError:
    """The error for a stream with another creation time, in milliseconds."""
    return StreamRecreatedError(stream, f"it was created at {_moment(now)}, the checkpoint's at {_moment(before)}.")


def lost(client: KinesisClient, place: Place, position: str | None, why: str) -> KinesisSourceError:
    """The error for a position that is not there: of a stream that is gone, of another one, or trimmed.

    :param why: what was found, should it be trimmed.
    """
    try:
        now = summary(client, place.stream).created
    except StreamMissingError as missing:
        return missing
    if now != place.created:
        return recreated(place.stream, place.created, now)
    return TrimmedDataError(place.stream, place.shard, position, why)


def _moment(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(milliseconds / 1000)) + f".{milliseconds % 1000:03d} UTC"
