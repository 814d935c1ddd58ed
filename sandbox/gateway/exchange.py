"""What comes in and what goes out: the request and the response as every module here sees them."""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote

Headers = tuple[tuple[str, str], ...]
DEFAULT_MEDIA_TYPE = "application/json"


def header(headers: Headers, name: str) -> str | None:
    """The value of the last header of this name, whatever its case; ``None`` without one."""
    wanted = name.lower()
    return next((value for key, value in reversed(headers) if key.lower() == wanted), None)


def media_type(headers: Headers) -> str:
    """The content type without its parameters, lower case; API Gateway takes JSON when there is none."""
    return (header(headers, "content-type") or DEFAULT_MEDIA_TYPE).split(";", 1)[0].strip().lower()


def _extended_id() -> str:
    return base64.urlsafe_b64encode(os.urandom(11)).decode()


@dataclass(frozen=True)
class Request:
    """One request below a stage.

    :param method: upper case.
    :param stage: the stage's name.
    :param variables: the stage's variables.
    :param path: the path below the stage as it was sent, percent-encoded, with its first slash.
    :param query: the query as it was sent, without the question mark.
    :param path_values: the values of the resource's path parameters, percent-encoded.
    :param source_ip: the client's address.
    """

    method: str
    stage: str
    variables: Mapping[str, str]
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    path_values: Mapping[str, str] = field(default_factory=dict)
    source_ip: str = "127.0.0.1"
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    extended_id: str = field(default_factory=_extended_id)
    received: float = field(default_factory=time.time)

    def below(self, stage: str, path: str, values: Mapping[str, str], body: bytes) -> Request:
        """The same request with its stage cut off, its path parameters found and its body read."""
        return replace(self, stage=stage, path=path, path_values=values, body=body)

    @cached_property
    def querystring(self) -> dict[str, str]:
        """The decoded query; of a repeated name the last value, as in mapping templates."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @cached_property
    def path_parameters(self) -> dict[str, str]:
        """The decoded path parameters."""
        return {name: unquote(value) for name, value in self.path_values.items()}

    @cached_property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return media_type(self.headers)

    @property
    def text(self) -> str:
        """The body as text; without binary media types API Gateway reads every body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    @cached_property
    def document(self) -> Any:
        """The body as parsed JSON.

        :raises ValueError: it is not JSON.
        """
        return json.loads(self.text)


@dataclass(frozen=True)
class Response:
    """One answer to the client, or of a back end."""

    status: int
    headers: Headers = ()
    body: bytes = b""
