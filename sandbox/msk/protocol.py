"""AWS's REST-JSON protocol from botocore's own service models: routes, input, checks, output.

https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.session
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

from sandbox.msk.errors import ApiError, bad_request

SERVICES = ("kafka", "kafkaconnect")
# Operations that newer models have; the one of MWAA's boto3 does not know them yet.
LATER = (
    ("kafkaconnect", "PauseConnector", "PUT", "/v1/connectors/{connectorArn}/pause"),
    ("kafkaconnect", "ResumeConnector", "PUT", "/v1/connectors/{connectorArn}/resume"),
    ("kafkaconnect", "RestartConnector", "POST", "/v1/connectors/{connectorArn}/restart"),
)


@dataclass(frozen=True)
class Operation:
    """One operation of a service.

    :param segments: the path, split at ``/``; ``{name}`` stands for any one segment.
    :param model: ``None`` when the installed botocore does not know it.
    """

    service: str
    name: str
    method: str
    segments: tuple[str, ...]
    model: OperationModel | None

    def match(self, method: str, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The path's parameters when a request is for this operation."""
        if method != self.method or len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for pattern, segment in zip(self.segments, segments, strict=True):
            if pattern.startswith("{"):
                found[pattern[1:-1]] = unquote(segment)
            elif pattern != segment:
                return None
        return found


class Routes:
    """All operations of the two services; their paths do not collide, but for those of tags."""

    def __init__(self) -> None:
        self._operations = list(_operations())

    def find(self, method: str, raw_path: str) -> tuple[Operation, dict[str, str]]:
        """The operation of a request.

        :param raw_path: not yet percent-decoded, because ARNs have slashes.
        :raises ApiError: there is none.
        """
        segments = tuple(raw_path.strip("/").split("/"))
        found = [(each, match) for each in self._operations if (match := each.match(method, segments)) is not None]
        for operation, match in found:
            if len(found) == 1 or f":{operation.service}:" in next(iter(match.values()), ""):
                return operation, match
        raise ApiError("NotFoundException", f"There is no operation {method} {unquote(raw_path)}.")


def _operations() -> Iterator[Operation]:
    session = botocore.session.get_session()
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            yield _operation(service, name, operation.http["method"], operation.http["requestUri"], operation)
        for owner, name, method, path in LATER:
            if owner == service and name not in model.operation_names:
                yield _operation(service, name, method, path, None)


def _operation(service: str, name: str, method: str, path: str, model: OperationModel | None) -> Operation:
    return Operation(service, name, method, tuple(path.strip("/").split("/")), model)


def read_input(operation: Operation, path: Mapping[str, str], query: str, body: Any) -> dict[str, Any]:
    """The input of an operation under the names of its model, checked against the model.

    :param query: the query string as it came.
    :param body: the parsed JSON body, ``None`` for none.
    :raises ApiError: BadRequestException.
    """
    if body is not None and not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.")
    if operation.model is None or operation.model.input_shape is None:
        return {**(body or {}), **path}
    shape, arguments = operation.model.input_shape, parse_qs(query, keep_blank_values=True)
    given: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire, where = member.serialization.get("name", name), member.serialization.get("location")
        if where == "uri":
            given[name] = path[wire]
        elif where == "querystring" and wire in arguments:
            given[name] = _argument(member, arguments[wire], wire)
        elif where is None and (body or {}).get(wire) is not None:
            given[name] = _parsed(member, (body or {})[wire])
    _check(given, shape)
    return given


def _argument(shape: Shape, values: list[str], wire: str) -> Any:
    if shape.type_name == "list":
        return values
    if shape.type_name not in ("integer", "long"):
        return values[0]
    try:
        return int(values[0])
    except ValueError:
        raise bad_request(f"{wire} must be a whole number, not {values[0]!r}.", wire) from None


def _parsed(shape: Shape, value: Any) -> Any:
    if shape.type_name == "structure" and isinstance(value, dict):
        wires = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        return {
            wires[wire][0]: _parsed(wires[wire][1], item)
            for wire, item in value.items()
            if wire in wires and item is not None
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_parsed(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _parsed(shape.value, item) for key, item in value.items()}
    return value


def _check(given: dict[str, Any], shape: Shape) -> None:
    report = ParamValidator().validate(given, shape)
    if report.has_errors():
        raise bad_request(report.generate_report())
    for path, message in _beyond(shape, given, ""):
        raise bad_request(f"{path}: {message}", path)


def _beyond(shape: Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    """What botocore leaves to the service: enumerations and maxima."""
    if shape.type_name == "structure":
        for name, item in value.items():
            yield from _beyond(shape.members[name], item, f"{path}.{name}".strip("."))
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _beyond(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield path, f"{value!r} is not one of {', '.join(shape.enum)}"
        if len(value) > shape.metadata.get("max", len(value)):
            yield path, f"is longer than {shape.metadata['max']} characters"
    elif shape.type_name in ("integer", "long") and value > shape.metadata.get("max", value):
        yield path, f"{value} is more than {shape.metadata['max']}"


def write_output(operation: Operation, output: Any) -> Any:
    """An operation's output under the names of the wire, times as ISO 8601."""
    shape = operation.model.output_shape if operation.model is not None else None
    return _written(shape, output) if shape is not None else _plain(output)


def _written(shape: Shape, value: Any) -> Any:
    if value is None:
        return None
    if shape.type_name == "structure":
        return {
            member.serialization.get("name", name): _written(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if shape.type_name == "list":
        return [_written(shape.member, item) for item in value]
    if shape.type_name == "timestamp":
        return iso_time(value)
    return value


def _plain(output: Any) -> Any:
    if isinstance(output, dict):
        return {name: _plain(value) for name, value in output.items() if value is not None}
    return output


def iso_time(seconds: float) -> str:
    """A time as MSK writes it: ``2026-11-21T08:59:17.622Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
