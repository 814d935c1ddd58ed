"""What the code calls in AWS, found in its syntax tree, in the words of IAM."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

KINDS = ("hooks", "operators", "sensors", "triggers")
NOT_CALLS = {"exceptions", "get_paginator", "get_waiter", "meta", "can_paginate"}

IAM_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "s3": {
        "CreateBucket": ("s3:CreateBucket",),
        "HeadBucket": ("s3:ListBucket",),
        "ListObjectsV2": ("s3:ListBucket",),
        "ListObjectVersions": ("s3:ListBucketVersions",),
        "DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
        "DeleteBucket": ("s3:DeleteBucket",),
    },
    "resourcegroupstaggingapi": {"GetResources": ("tag:GetResources",)},
}
"""Operations whose IAM actions have other names.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""


@dataclass(frozen=True, order=True)
class Call:
    """An operation that a file calls."""

    service: str
    operation: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.service} {self.operation}"

    @property
    def actions(self) -> tuple[str, ...]:
        """What IAM asks for: the operation's name, save where ``IAM_NAMES`` or API Gateway's rule say otherwise.

        API Gateway's actions are HTTP methods:
        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-iam-policy-examples.html
        """
        if self.service in IAM_NAMES:
            return IAM_NAMES[self.service][self.operation]
        model = _model(self.service)
        if self.service == "apigateway":
            return (f"apigateway:{model.operation_model(self.operation).http['method']}",)
        prefix = model.metadata.get("signingName") or model.metadata["endpointPrefix"]
        return (f"{prefix}:{self.operation}",)


def of_package(package: Path) -> set[Call]:
    """The calls of hooks, operators, sensors, triggers and waiters of a provider package.

    A file's service is the ``client_type`` of the hook of the same file name; a file that has calls and no such hook
    is an error, as are calls that the service does not have.
    """
    services = {path.stem: found for path in (package / "hooks").glob("*.py") if (found := client_type(path))}
    found: set[Call] = set()
    for path in sorted(entry for kind in KINDS for entry in (package / kind).glob("*.py")):
        found |= set(of_file(path, services.get(path.stem), package.parent))
    for path in sorted((package / "waiters").glob("*.json")):
        found |= set(_of_waiters(path, services, package.parent))
    return found


def of_file(path: Path, service: str | None, root: Path) -> Iterator[Call]:
    """The calls of one file: ``….conn.<operation>``, ``get_paginator("…")``, ``_call("…")`` and boto3 clients.

    ``_delete("…")`` is a ``_call`` for which it is no error that there is nothing to delete.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    boto = {node.args[0].value for node in ast.walk(tree) if _is_boto_client(node)}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        for pattern in _patterns(node):
            serving = service or (next(iter(boto)) if len(boto) == 1 else None)
            assert serving, f"{path.name}:{node.lineno} calls {pattern}, but hooks/{path.name} names no client_type"  # type: ignore[attr-defined]
            operations = [name for xform, name in _operations(serving).items() if re.fullmatch(pattern, xform)]
            assert operations, f"{path.name}:{node.lineno}: {serving} has no operation {pattern}"  # type: ignore[attr-defined]
            for operation in operations:
                yield Call(serving, operation, str(path.relative_to(root)), node.lineno)  # type: ignore[attr-defined]


def client_type(path: Path) -> str | None:
    """The service of a hook's file: ``kwargs["client_type"] = "kafka"``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Subscript):
            continue
        key = node.targets[0].slice
        if isinstance(key, ast.Constant) and key.value == "client_type" and isinstance(node.value, ast.Constant):
            return str(node.value.value)
    return None


def _patterns(node: ast.AST) -> Iterable[str]:
    """Regular expressions of the operations, as Python writes them, that a node calls."""
    if isinstance(node, ast.Attribute) and _is_client(node.value) and node.attr not in NOT_CALLS:
        yield re.escape(node.attr)
    if not isinstance(node, ast.Call) or not node.args:
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "get_paginator" or (name in ("_call", "_delete") and isinstance(node.func, ast.Attribute)):
        yield from _texts(node.args[0])


def _texts(node: ast.expr) -> Iterable[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if re.fullmatch("[a-z]+(_[a-z0-9]+)+", node.value):  # not an HTTP method
            yield re.escape(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z]+" for part in node.values
        )
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def _is_client(node: ast.expr) -> bool:
    """``self.conn``, ``self.hook.conn`` and the like, or a variable named ``client``."""
    return (isinstance(node, ast.Attribute) and node.attr == "conn") or (
        isinstance(node, ast.Name) and node.id == "client"
    )


def _is_boto_client(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "client"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("boto3", "session")
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
    )


def _of_waiters(path: Path, services: dict[str, str], root: Path) -> Iterator[Call]:
    service = services.get(path.stem, path.stem)
    for entry in json.loads(path.read_text(encoding="utf-8"))["waiters"].values():
        yield Call(service, entry["operation"], str(path.relative_to(root)), 0)


@cache
def _model(service: str) -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def _operations(service: str) -> dict[str, str]:
    """Operations of a service by the name that boto3 gives them."""
    from botocore import xform_name

    return {xform_name(name): name for name in _model(service).operation_names}
