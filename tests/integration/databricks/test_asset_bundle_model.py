"""databricks.yml's resources against Databricks' own model of them: the published package, in its own environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.setup.tools import find_uv
from sandbox.supervisor.home import ROOT

pytestmark = pytest.mark.integration

PACKAGES = ("databricks-bundles==1.22.1", "pyyaml==6.0.3")
CHECK = """
import json, sys
from pathlib import Path
import yaml
from databricks.bundles import catalogs, external_locations, jobs, schemas, sql_warehouses
MODELS = {
    "catalogs": catalogs.Catalog, "external_locations": external_locations.ExternalLocation, "jobs": jobs.Job,
    "schemas": schemas.Schema, "sql_warehouses": sql_warehouses.SqlWarehouse,
}
found = {}
for path in sorted(Path(sys.argv[1]).glob("*.yml")):
    for kind, entries in yaml.safe_load(path.read_text())["resources"].items():
        for key, value in entries.items():
            try:
                MODELS[kind].from_dict(value)
                found[f"{kind}.{key}"] = None
            except Exception as error:
                found[f"{kind}.{key}"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the package; without uv there is nothing to test with, so that the test fails."""
    uv = find_uv()
    assert uv is not None, "there is no uv: run ./pinflow up"
    folder = tmp_path_factory.mktemp("bundles") / "venv"
    made = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True, timeout=120)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", made, *PACKAGES], check=True, timeout=300)
    return made


def check(python: Path, folder: Path) -> dict[str, str | None]:
    done = subprocess.run([python, "-c", CHECK, folder], capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


def test_every_resource_is_what_databricks_takes(python: Path) -> None:
    found = check(python, ROOT / "resources")
    assert {key: error for key, error in found.items() if error} == {}
    assert {"jobs.batch", "jobs.stream_serverless", "schemas.gold", "external_locations.lake"} <= set(found)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("jobs: {a: {name: x, taskz: []}}", "taskz"),
        ("jobs: {a: {name: x, tasks: [{task_key: t, notebook_task: {path: n}}]}}", "path"),
        ("schemas: {a: {name: x, catalog_name: c, grants: [{principal: p, privileges: [READ_ALL]}]}}", "READ_ALL"),
    ],
    ids=["field", "nested", "privilege"],
)
def test_a_wrong_one_is_seen(python: Path, tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "bad.yml").write_text(f"resources: {{{text}}}")
    (found,) = check(python, tmp_path).values()
    assert found is not None
    assert error in found
