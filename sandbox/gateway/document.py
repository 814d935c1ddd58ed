"""Reads the OpenAPI document and refuses what API Gateway would refuse, or what this runner cannot run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft4Validator

from sandbox.gateway.faults import CustomResponse, Kind
from sandbox.gateway.templates import Template, TemplateError

ANY = "ANY"
EXTENSION = "x-amazon-apigateway-integration"
_METHODS = {name: name.upper() for name in ("get", "put", "post", "delete", "options", "head", "patch")}
_METHODS["x-amazon-apigateway-any-method"] = ANY
_KINDS = ("http_proxy", "http", "aws")
_PASSTHROUGH = ("when_no_match", "when_no_templates", "never")
_PATH_PARAMETER = re.compile(r"\{([^}+]+)\+?\}")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.(\w+)\}")
_PSEUDO = re.compile(r"\$\{(AWS::\w+)\}")
PSEUDO = {"AWS::AccountId": "000000000000", "AWS::Region": "us-east-1"}
"""CloudFormation's pseudo parameters as this runner fills them in."""
_MAX_TIMEOUT = 29_000


class DocumentError(ValueError):
    """A document that cannot be run; the text names the path, the method and what to do."""


@dataclass(frozen=True)
class IntegrationResponse:
    """What becomes of a back end's answer whose status matches a pattern; ``None`` is the default."""

    pattern: re.Pattern[str] | None
    status: int
    templates: Mapping[str, Template] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Integration:
    """How a method reaches its back end.

    :param kind: ``http_proxy``, ``http`` or ``aws``.
    :param timeout: seconds, at most API Gateway's 29.
    """

    kind: str
    method: str
    uri: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    passthrough: str = "when_no_match"
    responses: tuple[IntegrationResponse, ...] = ()
    timeout: float = _MAX_TIMEOUT / 1000

    @property
    def stage_variables(self) -> frozenset[str]:
        """The names of the stage variables that the URI needs."""
        return frozenset(_STAGE_VARIABLE.findall(self.uri))

    def address(self, variables: Mapping[str, str]) -> str:
        """The URI with the stage's variables filled in."""
        return _STAGE_VARIABLE.sub(lambda match: variables[match.group(1)], self.uri)


@dataclass(frozen=True)
class Method:
    """One method of a resource.

    :param required: parameters that a validator asks for, as (``path``, ``querystring`` or ``header``; name).
    :param models: validators of the body by media type.
    """

    path: str
    verb: str
    integration: Integration
    required: tuple[tuple[str, str], ...] = ()
    models: Mapping[str, Draft4Validator] = field(default_factory=dict)


@dataclass(frozen=True)
class Api:
    """A whole document: methods by path and verb, and customised gateway responses."""

    title: str
    resources: Mapping[str, Mapping[str, Method]]
    gateway_responses: Mapping[str, CustomResponse] = field(default_factory=dict)

    @property
    def methods(self) -> Iterator[Method]:
        """All methods."""
        return (method for resource in self.resources.values() for method in resource.values())


def load(path: Path) -> Api:
    """Read a document, YAML or JSON.

    :raises DocumentError: it cannot be read or run.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DocumentError(
            f"The gateway document {path} cannot be read: {error.strerror}. Give another path."
        ) from None
    except yaml.YAMLError as error:
        raise DocumentError(
            f"The gateway document {path} is neither YAML nor JSON: {error}. Mend that place."
        ) from None
    return read(content)


def read(content: Any) -> Api:
    """Build the API from a parsed document.

    :raises DocumentError: it cannot be run.
    """
    if not isinstance(content, dict) or not str(content.get("openapi", "")).startswith("3.0"):
        raise DocumentError("This is not an OpenAPI 3.0 document: its `openapi` is not 3.0.x. Export it as OpenAPI 3.")
    paths = content.get("paths") or {}
    resources = {path: dict(_methods(content, path, item)) for path, item in paths.items()}
    if not any(resources.values()):
        raise DocumentError(
            f"The document has no method with {EXTENSION}. Add one to each method that is to be served."
        )
    customised = content.get("x-amazon-apigateway-gateway-responses") or {}
    return Api(
        title=str(content.get("info", {}).get("title", "")),
        resources=resources,
        gateway_responses={name: _custom(name, entry) for name, entry in customised.items()},
    )


def _custom(name: str, entry: dict[str, Any]) -> CustomResponse:
    if name not in (*Kind.__members__, "DEFAULT_4XX", "DEFAULT_5XX"):
        raise DocumentError(
            f"x-amazon-apigateway-gateway-responses names {name}, which this runner never sends. "
            f"Known are DEFAULT_4XX, DEFAULT_5XX, {', '.join(Kind.__members__)}."
        )
    status = entry.get("statusCode")
    return CustomResponse(
        int(status) if status else None, entry.get("responseTemplates") or {}, entry.get("responseParameters") or {}
    )


def _methods(content: dict[str, Any], path: str, item: dict[str, Any]) -> Iterator[tuple[str, Method]]:
    for key, operation in item.items():
        if key not in _METHODS:
            continue
        verb = _METHODS[key]
        where = f"{verb} {path}"
        if EXTENSION not in operation:
            raise DocumentError(
                f"{where} has no {EXTENSION}, so API Gateway cannot deploy it. Add it or drop the method."
            )
        parameters = [*(item.get("parameters") or []), *(operation.get("parameters") or [])]
        _check_path(where, path, parameters)
        bodies, wanted = _validator(content, operation, where)
        yield (
            verb,
            Method(
                path,
                verb,
                _integration(operation[EXTENSION], where),
                tuple(_required(parameters)) if wanted else (),
                dict(_models(content, operation, where)) if bodies else {},
            ),
        )


def _check_path(where: str, path: str, parameters: list[dict[str, Any]]) -> None:
    declared = {entry["name"] for entry in parameters if entry.get("in") == "path"}
    if missing := sorted(set(_PATH_PARAMETER.findall(path)) - declared):
        raise DocumentError(
            f"{where}: the path parameter {missing[0]} is not declared. Add it under parameters, in: path."
        )


def _required(parameters: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    places = {"query": "querystring", "header": "header", "path": "path"}
    return ((places[entry["in"]], entry["name"]) for entry in parameters if entry.get("required"))


def _validator(content: dict[str, Any], operation: dict[str, Any], where: str) -> tuple[bool, bool]:
    key = "x-amazon-apigateway-request-validator"
    name = operation.get(key) or content.get(key)
    if name is None:
        return False, False
    entry = (content.get("x-amazon-apigateway-request-validators") or {}).get(name)
    if entry is None:
        raise DocumentError(f"{where}: the request validator {name} is not defined. Add it to {key}s at the top.")
    return bool(entry.get("validateRequestBody")), bool(entry.get("validateRequestParameters"))


def _models(content: dict[str, Any], operation: dict[str, Any], where: str) -> Iterator[tuple[str, Draft4Validator]]:
    for media, entry in ((operation.get("requestBody") or {}).get("content") or {}).items():
        reference = (entry.get("schema") or {}).get("$ref", "")
        name = reference.removeprefix("#/components/schemas/")
        schema = (content.get("components", {}).get("schemas") or {}).get(name)
        if schema is None:
            raise DocumentError(
                f"{where}: the body's schema {reference or '(inline)'} is not a model of this document. "
                "Refer to one under #/components/schemas/."
            )
        yield media.lower(), Draft4Validator(schema)


def _integration(entry: dict[str, Any], where: str) -> Integration:
    kind = str(entry.get("type", "")).lower()
    if kind not in _KINDS:
        raise DocumentError(
            f"{where}: the integration type {kind or '(none)'} cannot be run here. Use {', '.join(_KINDS)}."
        )
    passthrough = str(entry.get("passthroughBehavior", "when_no_match")).lower()
    if passthrough not in _PASSTHROUGH:
        raise DocumentError(
            f"{where}: passthroughBehavior {passthrough} is unknown. Use one of {', '.join(_PASSTHROUGH)}."
        )
    if not entry.get("uri"):
        raise DocumentError(f"{where}: the integration has no uri. Add the back end's address.")
    integration = Integration(
        kind=kind,
        method=str(entry.get("httpMethod", "POST")).upper(),
        uri=_filled(str(entry["uri"]), where),
        parameters=entry.get("requestParameters") or {},
        templates=_templates(entry, "requestTemplates", where),
        passthrough=passthrough,
        responses=tuple(_responses(entry, where)),
        timeout=_timeout(entry, where),
    )
    _check_placeholders(integration, where)
    return integration


def _filled(uri: str, where: str) -> str:
    if unknown := sorted(set(_PSEUDO.findall(uri)) - set(PSEUDO)):
        raise DocumentError(
            f"{where}: the placeholder ${{{unknown[0]}}} in the uri is not filled in by this runner. "
            f"Use {', '.join(PSEUDO)}."
        )
    return _PSEUDO.sub(lambda match: PSEUDO[match.group(1)], uri)


def _timeout(entry: dict[str, Any], where: str) -> float:
    milliseconds = int(entry.get("timeoutInMillis", _MAX_TIMEOUT))
    if not 50 <= milliseconds <= _MAX_TIMEOUT:
        raise DocumentError(f"{where}: timeoutInMillis is {milliseconds}; API Gateway takes 50 to {_MAX_TIMEOUT}.")
    return milliseconds / 1000


def _responses(entry: dict[str, Any], where: str) -> Iterator[IntegrationResponse]:
    for pattern, response in (entry.get("responses") or {}).items():
        at = f"{where}, response {pattern}"
        try:
            compiled = None if pattern == "default" else re.compile(str(pattern))
        except re.error as error:
            raise DocumentError(f"{at}: the pattern is no regular expression: {error}. Mend it.") from None
        if "statusCode" not in response:
            raise DocumentError(f"{at} has no statusCode. Add the status that the client is to see.")
        templates = _templates(response, "responseTemplates", at)
        yield IntegrationResponse(
            compiled, int(response["statusCode"]), templates, response.get("responseParameters") or {}
        )


def _templates(entry: dict[str, Any], key: str, where: str) -> dict[str, Template]:
    made: dict[str, Template] = {}
    for media, source in (entry.get(key) or {}).items():
        try:
            made[media.lower()] = Template(source)
        except TemplateError as error:
            raise DocumentError(f"{where}, {key} {media}, {error}") from error
    return made


def _check_placeholders(integration: Integration, where: str) -> None:
    prefix = "integration.request.path."
    mapped = {name.removeprefix(prefix) for name in integration.parameters if name.startswith(prefix)}
    wanted = set(_PATH_PARAMETER.findall(_STAGE_VARIABLE.sub("", integration.uri)))
    if missing := sorted(wanted - mapped):
        raise DocumentError(
            f"{where}: {{{missing[0]}}} in the uri is filled by nothing. "
            f"Map it in requestParameters: {prefix}{missing[0]}: method.request.path.{missing[0]}."
        )
