"""Errors in AWS's form."""

from __future__ import annotations

STATUS = {
    "BadRequestException": 400,
    "ClusterConnectivityException": 409,
    "ConflictException": 409,
    "InternalServerErrorException": 500,
    "KafkaRequestException": 400,
    "KafkaTimeoutException": 409,
    "NotFoundException": 404,
    "NotImplementedException": 501,
    "ServiceUnavailableException": 503,
    "TopicExistsException": 409,
    "UnknownTopicOrPartitionException": 404,
}


class ApiError(Exception):
    """An error that the client gets.

    :param name: AWS's name of the exception; it decides the HTTP status.
    :param message: what went wrong and what to do.
    :param parameter: the input member that is wrong, where there is one.
    """

    def __init__(self, name: str, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.name, self.message, self.parameter = name, message, parameter

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.name]

    def body(self) -> dict[str, str]:
        """The JSON body."""
        return {"message": self.message, **({"invalidParameter": self.parameter} if self.parameter else {})}


def bad_request(message: str, parameter: str | None = None) -> ApiError:
    """The input is wrong."""
    return ApiError("BadRequestException", message, parameter)


def not_found(message: str, parameter: str | None = None) -> ApiError:
    """What the input names does not exist."""
    return ApiError("NotFoundException", message, parameter)


def conflict(message: str, parameter: str | None = None) -> ApiError:
    """What exists stands against the request."""
    return ApiError("ConflictException", message, parameter)
