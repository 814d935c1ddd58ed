"""What the package offers, and what it must not need."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import emulator
import emulator.ledger
import emulator.post
import emulator.source
from emulator import exceptions
from emulator.exceptions import Problem, SourceFileError

FOLDER = Path(emulator.__file__).parent
ALLOWED = {"botocore", "sqlalchemy", "httpx", "orjson", "emulator"}


def test_the_surface() -> None:
    assert emulator.__all__ == ["EmulatorOptions", "EmulatorSummary", "Ledger", "engine", "run"]
    assert emulator.post.__all__ == ["Dialect", "EmulatorOptions", "EmulatorSummary", "Target", "run"]
    assert emulator.source.__all__ == ["Seeded", "engine", "rows", "seed", "show", "tables"]
    assert emulator.ledger.__all__ == [
        "NOT_SENT",
        "REFUSED_ALL",
        "THROTTLED",
        "Attempt",
        "Earlier",
        "Ledger",
        "Outcome",
        "Path",
        "Result",
        "State",
    ]
    for module in (emulator, emulator.post, emulator.source, emulator.ledger):
        assert all(hasattr(module, name) for name in module.__all__)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_needs_neither_airflow_nor_spark_nor_the_sandbox(path: Path) -> None:
    assert imports(path) - set(sys.stdlib_module_names) <= ALLOWED


def test_it_works_without_orjson() -> None:
    program = """
import sys
sys.modules["orjson"] = None
from emulator.post import codec
assert codec.loads(codec.dumps({"a": "é"})) == {"a": "é"}
assert codec.dumps is codec._plain_dumps
assert codec.loads_concatenated(b'{"a":1}{"b":2}\\n') == [{"a": 1}, {"b": 2}]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn: list[tuple[int, str]] = []
    for line in (exceptions.__doc__ or "").splitlines():
        name = line.strip("│├└─ ").split(" ")[0]
        if isinstance(getattr(exceptions, name, None), type):
            drawn.append((line.index(name), name))
    parents: list[tuple[int, str]] = []
    for indent, name in drawn:
        while parents and parents[-1][0] >= indent:
            parents.pop()
        if parents:
            assert getattr(exceptions, parents[-1][1]) in getattr(exceptions, name).__bases__
        parents.append((indent, name))
    errors = {name for name, kind in vars(exceptions).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {name for _, name in drawn} == errors


def test_problems_say_where() -> None:
    error = SourceFileError(
        [Problem("a.csv", 3, "age", "'x' is not a whole number"), Problem("b.csv", 0, "", "is empty")], 9
    )
    assert str(error).splitlines() == [
        "9 problems in the files; nothing was loaded.",
        "  a.csv, line 3, column age: 'x' is not a whole number",
        "  b.csv: is empty",
        "  ... and 7 more",
        "Mend the files and load them again: they are taken whole or not at all.",
    ]
