"""Who may import whom (DESIGN section 2), read from the source of every file of the repository."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AIRFLOW = {"airflow"}
SPARK = {"pyspark", "delta"}
OURS = {"pinflow", "include", "emulator", "sandbox", "dags", "tests", "benchmarks"}
HEAVY = {"pandas", "numpy", "pyspark", "boto3", "botocore", "databricks", "confluent_kafka", "duckdb"}

WALLS = {
    "dags": {"sandbox", "tests", "benchmarks", "emulator"} | SPARK,
    "plugins": {"sandbox", "tests", "benchmarks", "dags"} | SPARK,
    "include/spark": {"sandbox", "tests", "benchmarks", "dags", "pinflow", "emulator"} | AIRFLOW,
    "include/sql": {"sandbox", "tests", "benchmarks", "dags", "pinflow", "emulator"} | AIRFLOW | SPARK,
    "include/config": {"sandbox", "tests", "benchmarks", "dags", "pinflow", "emulator"} | AIRFLOW | SPARK,
    "include/aws": {"sandbox", "tests", "benchmarks", "dags", "pinflow", "emulator"} | AIRFLOW | SPARK,
    "include/contracts": {"sandbox", "tests", "benchmarks", "dags", "pinflow", "emulator"} | AIRFLOW | SPARK,
    "emulator": {"sandbox", "tests", "benchmarks", "dags", "pinflow"} | AIRFLOW | SPARK,
    "sandbox": {"tests", "benchmarks", "dags", "pinflow"},
}
"""What a folder may not import. Nothing outside ``sandbox`` imports it but tests and benchmarks."""


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Each imported module of a file, and whether it is imported when the module is."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    at_module_level = {id(node) for node in _module_level(tree)}
    for node in ast.walk(tree):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and node.level == 0
            else []
        )
        yield from ((name, id(node) in at_module_level) for name in names)


def _module_level(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        yield node
        if isinstance(node, ast.Try | ast.With):
            yield from node.body
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test):
            yield from node.body


def files(folder: str) -> list[Path]:
    return [path for path in sorted((ROOT / folder).rglob("*.py")) if "__pycache__" not in path.parts]


def breaches(folder: str, forbidden: set[str], root: Path = ROOT) -> list[str]:
    return [
        f"{path.relative_to(root)} imports {name}"
        for path in sorted((root / folder).rglob("*.py"))
        for name, _ in imports(path)
        if name.split(".")[0] in forbidden
    ]


@pytest.mark.parametrize("folder", WALLS)
def test_wall(folder: str) -> None:
    assert files(folder), f"there is no Python in {folder}: mend WALLS"
    assert breaches(folder, WALLS[folder]) == []


def test_every_package_has_a_wall() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"plugins", "dags"}
    walled = {folder.split("/")[0] for folder in WALLS}
    assert packages - walled <= {"tests", "benchmarks"}


def test_the_sandbox_takes_only_settings_contracts_and_the_emulator_from_us() -> None:
    allowed = ("include.config", "include.contracts", "include.aws", "include.sql", "emulator", "sandbox")
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files("sandbox")
        for name, _ in imports(path)
        if name.split(".")[0] in OURS
        and name != "include"  # for Path(include.__file__)
        and not f"{name}.".startswith(tuple(f"{entry}." for entry in allowed))
    ]
    assert found == []


@pytest.mark.parametrize("folder", ["dags", "plugins", "emulator", "include/sql", "include/config", "include/aws"])
def test_heavy_packages_are_imported_where_they_are_used(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {name} at module level; move it into the function"
        for path in files(folder)
        for name, at_module_level in imports(path)
        if at_module_level and name.split(".")[0] in HEAVY
    ]
    assert found == []


def test_the_bootstrap_needs_the_standard_library_only() -> None:
    import sys

    tops = {name.split(".")[0] for name, at_module_level in imports(ROOT / "pinflow") if at_module_level}
    assert tops <= set(sys.stdlib_module_names) | {"__future__"}


def test_a_breach_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "emulator"
    folder.mkdir()
    (folder / "bad.py").write_text("def f():\n    from airflow.sdk import DAG\n    import sandbox.kafka\n")
    found = breaches("emulator", WALLS["emulator"], tmp_path)
    assert found == ["emulator/bad.py imports airflow.sdk", "emulator/bad.py imports sandbox.kafka"]


def test_a_heavy_import_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("import pandas\nif True:\n    import boto3\ndef f():\n    import duckdb\n")
    assert [name for name, at_module_level in imports(path) if at_module_level] == ["pandas", "boto3"]
