"""What the REST API answers when it cannot do as asked.

ApiError
├── UnauthenticatedError       401 UNAUTHENTICATED
├── InvalidParameterError      400 INVALID_PARAMETER_VALUE
├── MalformedRequestError      400 MALFORMED_REQUEST
├── InvalidStateError          400 INVALID_STATE
├── AlreadyExistsError         400 RESOURCE_ALREADY_EXISTS
├── NotFoundError              404 RESOURCE_DOES_NOT_EXIST
└── UnsupportedError    501 NOT_IMPLEMENTED
"""

from __future__ import annotations


class ApiError(Exception):
    """An error that is answered as ``{"error_code": ..., "message": ...}``.

    :param message: what is wrong, why, and what to do.
    :param error_code: overrides the class's own code.
    """

    status = 500
    error_code = "INTERNAL_ERROR"

    def __init__(self, message: str, error_code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code or type(self).error_code

    def body(self) -> dict[str, str]:
        """The JSON object of the answer."""
        return {"error_code": self.error_code, "message": self.message}


class UnauthenticatedError(ApiError):
    """No token, or a wrong one."""

    status, error_code = 401, "UNAUTHENTICATED"


class InvalidParameterError(ApiError):
    """A field that is missing, of the wrong type or out of range."""

    status, error_code = 400, "INVALID_PARAMETER_VALUE"


class MalformedRequestError(ApiError):
    """A body that is not a JSON object."""

    status, error_code = 400, "MALFORMED_REQUEST"


class InvalidStateError(ApiError):
    """The thing exists, but not in a state in which this can be done."""

    status, error_code = 400, "INVALID_STATE"


class AlreadyExistsError(ApiError):
    """The name is taken."""

    status, error_code = 400, "RESOURCE_ALREADY_EXISTS"


class NotFoundError(ApiError):
    """No such run, job, path, scope, secret or statement."""

    status, error_code = 404, "RESOURCE_DOES_NOT_EXIST"


class UnsupportedError(ApiError):
    """Databricks has it, this server does not."""

    status, error_code = 501, "NOT_IMPLEMENTED"
