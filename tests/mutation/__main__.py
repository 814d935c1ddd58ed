"""Change the guarantee code one small place at a time, and see whether its tests notice.

    PYTHONPATH=$PWD:$PWD/plugins python -m tests.mutation [TARGET ...] [--json FILE]

What keeps a run from being started twice, an outcome from being told wrong or another one's thing from being taken, is
mutated: comparisons, `and` and `or`, `not`, constants, results, and calls whose result is not used. Each change runs in
a process that is forked after Airflow was imported. What survives is listed; `KNOWN` says why some may, and the exit
code is 1 when another one does.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib
import importlib.abc
import importlib.util
import io
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
UNIT = "tests/unit/plugins"
SECONDS = 120


@dataclass(frozen=True)
class Target:
    """Some functions of a module, and the tests that must notice a change of theirs."""

    module: str
    functions: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The module's file."""
        return ROOT / "plugins" / (self.module.replace(".", "/") + ".py")


TARGETS = {
    "retries": Target("pinflow.retries", (), (f"{UNIT}/test_exceptions.py",)),
    "kafka_rest": Target(
        "pinflow.hooks.kafka_rest",
        (
            "_send", "_send_once", "_unanswered", "_refused", "_never_left", "_error", "_decoded", "_portions",
            "_v3_outcome", "_v2_outcome", "_failed", "_moved",
        ),
        (f"{UNIT}/hooks/test_kafka_rest_hook.py",),
    ),
    "kinesis": Target(
        "pinflow.hooks.kinesis",
        (
            "settle", "answered", "failed", "give_up", "put_records", "_round", "_send", "_refused", "_reading",
            "_unfinished",
        ),
        (f"{UNIT}/hooks/test_kinesis_hook.py",),
    ),
    "databricks": Target(
        "pinflow.operators.databricks",
        (
            "execute_complete", "on_kill", "_run", "_noted", "_derived", "_submit", "_ended", "_token",
            "_forget",
        ),
        (f"{UNIT}/operators/test_databricks_operators.py",),
    ),
    "cloudformation": Target(
        "pinflow.operators.cloudformation",
        (
            "_step", "_create", "_carry_out", "_execute", "_not_made", "_remove", "_given_up", "_intent", "_name",
            "_renew", "_store", "_forget",
        ),
        (f"{UNIT}/operators/test_cloudformation_operators.py",),
    ),
    "api_gateway": Target(
        "pinflow.hooks.api_gateway", ("api", "deployment", "patches"),
        (f"{UNIT}/hooks/test_api_gateway_hook.py", f"{UNIT}/operators/test_api_gateway_operators.py"),
    ),
    "msk_connect": Target(
        "pinflow.operators.msk_connect",
        (
            "execute", "execute_complete", "_converge", "_settled", "_step", "_create", "_check_file", "_failed",
            "_update", "_check_fixed", "_finished", "_stored", "_old", "_store", "has_failed", "failed", "definition",
        ),
        (f"{UNIT}/operators/test_msk_connect_operators.py",),
    ),
    "msk_connect_hook": Target(
        "pinflow.hooks.msk_connect", ("differing", "fixed", "connector_arn", "connector", "plugin", "_servers"),
        (f"{UNIT}/operators/test_msk_connect_operators.py",),
    ),
    "msk": Target(
        "pinflow.operators.msk",
        ("execute", "execute_complete", "_converge", "_create", "_difference", "_update"),
        (f"{UNIT}/operators/test_msk_operators.py", f"{UNIT}/sensors/test_msk_sensor.py"),
    ),
    "waiting": Target(
        "pinflow.operators.waiting", ("_call", "_delete", "_kind", "_unanswered"),
        (f"{UNIT}/operators/test_waiting_operator.py", f"{UNIT}/operators/test_msk_operators.py"),
    ),
    "streaming": Target(
        "pinflow.operators.streaming",
        (
            "token", "execute_complete", "on_kill", "_begun", "_started", "_watching", "_drained", "_window", "_save",
            "_forget",
        ),
        (f"{UNIT}/operators/test_streaming_operator.py",),
    ),
    "streaming_hook": Target(
        "pinflow.hooks.streaming",
        ("active_runs", "adopt", "find_run", "stop_run", "has_ended"),
        (f"{UNIT}/hooks/test_streaming_hook.py", f"{UNIT}/operators/test_streaming_operator.py"),
    ),
}  # fmt: skip

_TEXT = "only how much of an answer an error shows"
KNOWN: dict[tuple[str, str], str] = {
    (
        "_never_left",
        "operand 0: isinstance(error, RequestsConnectionError) and isinstance(reason, NewConnectionError)",
    ): "equivalent: only a ConnectionError of requests carries a NewConnectionError",
    ("_reading", "constant: 400"): "equivalent: any status below 500 means that the service has refused",
    ("active_runs", "constant: 0"): "equivalent: 1970 is before every run that has begun, by a millisecond or two",
    ("_drained", "result: return False"): "equivalent: None is no as well",
    ("_window", "comparison: now < window.end + STALE_SECONDS"): "equivalent: no clock hits the moment to the bit",
    ("_update", "result: return False"): "equivalent: None is no as well",
    ("_name", "constant: 32"): "equivalent: a name of any length up to 128 tells change sets apart",
    ("_error", "operand 1: answer.text[:500] or answer.reason"): _TEXT,
    ("_error", "constant: 500"): _TEXT,
    ("_decoded", "constant: 100"): _TEXT,
}
"""Survivors that may: (function, change) and why no test can or need notice."""

WARM = (
    "pytest",
    "boto3",
    "airflow.sdk",
    "airflow.providers.amazon.aws.operators.base_aws",
    "airflow.providers.amazon.aws.triggers.base",
    "airflow.providers.databricks.operators.databricks",
    "airflow.providers.http.hooks.http",
)
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
LOGS = ("log", "logger")


@dataclass(frozen=True)
class Mutant:
    """A change: where, what, and the module's text with it."""

    function: str
    line: int
    change: str
    source: str


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Each small change of one node, with the node that takes its place."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        other = COMPARISONS[type(node.ops[0])]
        yield "comparison", ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield "and/or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for left_out in range(len(node.values)):
            rest = [value for number, value in enumerate(node.values) if number != left_out]
            yield f"operand {left_out}", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield "constant", ast.Constant(node.value + 1)
    elif isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 1 and _is_loaded(node):
        for left_out in range(len(node.elts)):
            rest = [value for number, value in enumerate(node.elts) if number != left_out]
            yield (
                f"element {left_out}",
                ast.Tuple(rest, ast.Load()) if isinstance(node, ast.Tuple) else type(node)(rest),
            )
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "result", ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and not _is_log(node.value):
        yield "call", ast.Pass()
    elif isinstance(node, ast.IfExp):
        yield "condition", ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.If) and isinstance(node.test, ast.Name | ast.Call | ast.Attribute):
        yield "condition", ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


def mutants(target: Target) -> Iterator[Mutant]:
    """All changes of a target's functions; of the whole module when it names none."""
    tree = ast.parse(target.path.read_text(encoding="utf-8"))
    for function, scope in _scopes(tree, target.functions):
        for parent, field, index, node in _places(scope):
            for change, other in changes(node):
                yield Mutant(function, getattr(node, "lineno", 0), f"{change}: {ast.unparse(node)}",
                             _with(tree, parent, field, index, other))  # fmt: skip


def _scopes(tree: ast.Module, names: Sequence[str]) -> Iterator[tuple[str, ast.AST]]:
    if not names:
        yield "module", tree
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            yield node.name, node


def _places(scope: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    for parent in _but_logs(scope):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, ast.AST):
                yield parent, field, None, value
            elif isinstance(value, list):
                yield from (
                    (parent, field, number, item) for number, item in enumerate(value) if isinstance(item, ast.AST)
                )


def _but_logs(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what is below it, without what is only logged."""
    if not (isinstance(node, ast.Call) and _is_log(node)):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _but_logs(child)


def _with(tree: ast.Module, parent: ast.AST, field: str, index: int | None, other: ast.AST) -> str:
    """The module's text with one node in another's place."""
    before = getattr(parent, field) if index is None else getattr(parent, field)[index]
    try:
        _put(parent, field, index, other)
        return ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree)))
    finally:
        _put(parent, field, index, before)


def _put(parent: ast.AST, field: str, index: int | None, node: Any) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _is_loaded(node: ast.Tuple | ast.List | ast.Set) -> bool:
    """Whether it is a value of constants or names, not what is assigned to."""
    loaded = isinstance(node, ast.Set) or isinstance(node.ctx, ast.Load)
    return loaded and all(isinstance(value, ast.Constant | ast.Attribute) for value in node.elts)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_log(call: ast.Call) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(owner, ast.Attribute) and owner.attr in LOGS


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Gives one module with another text."""

    def __init__(self, target: Target, source: str) -> None:
        self.target, self.source = target, source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """The module, if it is ours."""
        if fullname != self.target.module:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(self.target.path))

    def get_source(self, fullname: str) -> str:
        """The changed text."""
        return self.source

    def get_filename(self, fullname: str) -> str:
        """The file, for data files beside it."""
        return str(self.target.path)

    def exec_module(self, module: Any) -> None:
        """Run the changed text as if it were the file's."""
        module.__file__ = str(self.target.path)
        exec(compile(self.source, str(self.target.path), "exec"), module.__dict__)


def noticed(target: Target, source: str, seconds: float) -> bool:
    """Whether the target's tests fail with this text; still running after so many seconds, they hang and count too."""
    child = os.fork()
    if child == 0:
        os._exit(_run(target, source))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _run(target: Target, source: str) -> int:
    import pytest

    sys.meta_path.insert(0, Mutated(target, source))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    with contextlib.redirect_stdout(io.StringIO()):
        return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *target.tests]))


def main(arguments: Sequence[str]) -> int:
    """Run the targets; 1 when a change survives that is not known to."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="which of them; all by default")
    parser.add_argument("--json", type=Path, help="write the survivors to a file")
    given = parser.parse_args(arguments)
    _warm_up()
    survivors: list[dict[str, Any]] = []
    total = 0
    for name in given.targets or TARGETS:
        target = TARGETS[name]
        begun = time.monotonic()
        if noticed(target, target.path.read_text(encoding="utf-8"), SECONDS):
            print(f"{name}: its tests fail as it is")
            return 2
        seconds = min(SECONDS, 20 + 4 * (time.monotonic() - begun))
        for mutant in mutants(target):
            total += 1
            if not noticed(target, mutant.source, seconds):
                why = KNOWN.get((mutant.function, mutant.change))
                survivors.append({"target": name, "function": mutant.function, "line": mutant.line,
                                  "change": mutant.change, "known": why})  # fmt: skip
                print(
                    f"{name}.{mutant.function}:{mutant.line} survived: {mutant.change}" + (f" - {why}" if why else "")
                )
        print(f"{name}: done, {total} changes so far, {len(survivors)} survived", flush=True)
    print(f"{total} changes, {total - len(survivors)} noticed, {len(survivors)} survived")
    if given.json:
        given.json.write_text(json.dumps({"changes": total, "survivors": survivors}, indent=1))
    return int(any(entry["known"] is None for entry in survivors))


def _warm_up() -> None:
    """Import what every child would import, but nothing of ours."""
    os.chdir(ROOT)
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pinflow-mutation-"))
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    for name in WARM:
        importlib.import_module(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
