"""What ends a query that reads Kinesis.

::

    KinesisSourceError
    ├── OptionError              an option that is unknown, missing or wrong
    ├── TriggerError             availableNow, where the source was not told of it
    ├── StreamMissingError       there is no such stream
    ├── StreamRecreatedError     the stream is not the one that the checkpoint belongs to
    ├── TrimmedDataError         records were removed by the stream's retention before they were read
    └── KinesisUnavailableError  the service refuses or does not answer
"""

from __future__ import annotations

MEND = (
    "Start from a new checkpoint: ./pinflow streaming reset keeps the old one beside it, and the next start reads from "
    "initialPosition."
)


class KinesisSourceError(Exception):
    """An error of the source; its text says what, why and what to do."""


class OptionError(KinesisSourceError):
    """An option that is unknown, missing or wrong."""


class TriggerError(KinesisSourceError):
    """The trigger ``availableNow`` on a source that cannot know of it, and would read only a part."""

    def __init__(self) -> None:
        super().__init__(
            "The trigger availableNow would end before all records are read. PySpark 4.1 does not tell a Python source "
            "of its trigger; the notebook runner does, for queries on spark.readStream.format('kinesis'), and this "
            "query was not among them. Start it on that DataFrame itself, not through a view or SQL text."
        )


class StreamMissingError(KinesisSourceError):
    """There is no stream of that name."""

    def __init__(self, stream: str) -> None:
        super().__init__(
            f"There is no stream {stream}: it was deleted, or never made. "
            "Make it (./pinflow up, then the DAG pinflow_provision), or take it out of streamName."
        )
        self.stream = stream


class StreamRecreatedError(KinesisSourceError):
    """The stream was deleted and made anew under its name.

    :param why: what was found.
    """

    def __init__(self, stream: str, why: str) -> None:
        super().__init__(
            f"Stream {stream} is not the one that this checkpoint belongs to: {why} "
            f"It was deleted and created again, so its old positions mean nothing. {MEND}"
        )
        self.stream = stream


class TrimmedDataError(KinesisSourceError):
    """Records may be lost, because the stream's retention passed the position.

    :param position: how far the shard was read.
    :param why: what was found.
    """

    def __init__(self, stream: str, shard: str, position: str | None, why: str) -> None:
        place = f"sequence number {position}" if position else "its beginning"
        super().__init__(
            f"Records of stream {stream}, shard {shard}, after {place} may be lost: {why} "
            f"What retention has removed cannot be had again. {MEND}"
        )
        self.stream, self.shard, self.position = stream, shard, position


class KinesisUnavailableError(KinesisSourceError):
    """The service refuses or does not answer, after all attempts."""
