"""Errors as Kinesis answers them (JSON 1.1: ``__type`` and ``message``)."""

from __future__ import annotations


class KinesisError(Exception):
    """An error answer.

    :param kind: the exception's name in the API reference.
    :param message: what the client reads.
    :param status: the HTTP status.
    """

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind, self.message, self.status = kind, message, status

    def body(self) -> dict[str, str]:
        """The JSON of the answer."""
        return {"__type": self.kind, "message": self.message}


def invalid(message: str) -> KinesisError:
    """An argument that Kinesis refuses."""
    return KinesisError("InvalidArgumentException", message)


def not_found(message: str) -> KinesisError:
    """A stream or shard that is not there."""
    return KinesisError("ResourceNotFoundException", message)


def in_use(message: str) -> KinesisError:
    """A stream that exists already, or is being changed."""
    return KinesisError("ResourceInUseException", message)


def throttled(stream: str, shard: str) -> KinesisError:
    """More than a shard takes."""
    return KinesisError("ProvisionedThroughputExceededException", throttle_message(stream, shard))


def throttle_message(stream: str, shard: str) -> str:
    """The text of a throttled record or call."""
    return f"Rate exceeded for shard {shard} in stream {stream} under account 000000000000."
