"""What ends a query that reads Kinesis.

::

    KinesisSourceError
    ├── OptionError           an option that is unknown, missing or wrong
    ├── TrimmedDataError      records were removed by the stream's retention before they were read
    ├── StreamRecreatedError  the stream is not the one that the checkpoint belongs to
    └── KinesisUnavailable    the service refuses or does not answer
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


class TrimmedDataError(KinesisSourceError):
    """Records may be lost, because the stream's retention passed the position.

    :param position: how far the shard was read.
    :param why: what was found.
    """

    def __init__(self, stream: str, shard: str, position: str, why: str) -> None:
        super().__init__(
            f"Records of stream {stream}, shard {shard}, after {position} may be lost: {why} "
            f"What retention has removed cannot be had again. {MEND}"
        )
        self.stream, self.shard, self.position = stream, shard, position


class StreamRecreatedError(KinesisSourceError):
    """The stream was deleted and made anew under its name.

    :param why: what was found.
    """

    def __init__(self, stream: str, why: str) -> None:
        super().__init__(
            f"Stream {stream} is not the stream that this checkpoint belongs to: {why} "
            f"It was deleted and created again, so the positions mean nothing in it. {MEND}"
        )
        self.stream = stream


class KinesisUnavailable(KinesisSourceError):
    """The service refuses or does not answer, after all attempts."""
