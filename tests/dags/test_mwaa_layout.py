"""The bundle as MWAA unpacks it, with an empty environment and no repository in sight.

The quick half: on this environment's packages. tests/integration/mwaa does it on the image's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.mwaa.bundle import collect
from tests.dags.conftest import ROOT

PROBE = """
import json, sys
from pathlib import Path
home = Path(sys.argv[1])
from airflow.dag_processing.dagbag import BundleDagBag
bag = BundleDagBag(dag_folder=home / "dags", bundle_path=home / "dags", bundle_name="dags-folder")
from airflow import plugins_manager
plugins = plugins_manager.get_plugin_info(attrs_to_dump=["name"])
errors = dict(plugins_manager.get_import_errors())
import http, queue, emulator, include, pinflow
from include.sql import gold
print(json.dumps({
    "dags": sorted(bag.dags), "errors": {k: v[-800:] for k, v in bag.import_errors.items()},
    "plugins": sorted(p["name"] for p in plugins), "plugin_errors": {str(k): str(v)[-500:] for k, v in errors.items()},
    "files": {m.__name__: m.__file__ for m in (http, queue, emulator, include, pinflow)},
    "queries": len(gold()), "path": sys.path,
}))
"""

TRIGGERER = """
import sys
sys.path.insert(0, sys.argv[1] + "/plugins")
from airflow.sdk.module_loading import import_string
for path in sys.argv[2:]:
    print(import_string(path).__name__)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AIRFLOW_HOME of an environment that has just been made."""
    made = tmp_path_factory.mktemp("mwaa")
    for name, content in collect(ROOT).files.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(content)
    with zipfile.ZipFile(made / "plugins.zip") as zipped:
        zipped.extractall(made / "plugins")
    return made


def mwaa(home: Path, program: str, *arguments: str) -> str:
    """What a program prints that runs as MWAA's processes do."""
    done = process(home, program, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def process(home: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as MWAA's processes run: nothing of ours in the environment."""
    environment = {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": "/nonexistent-python",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER": "True",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": '{"connections_lookup_pattern": "^(?!aws_default$).*$"}',
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
    }
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def probe(home: Path) -> dict[str, Any]:
    """What a DAG processor of that environment sees."""
    found: dict[str, Any] = json.loads(mwaa(home, PROBE, str(home)).strip().splitlines()[-1])
    return found


def test_all_dags_load(probe: dict[str, Any]) -> None:
    assert probe["errors"] == {}
    assert {"pinflow_provision", "pinflow_emulate", "pinflow_batch"} <= set(probe["dags"])


def test_the_plugin_loads_and_nothing_else_is_taken_for_one(probe: dict[str, Any]) -> None:
    assert probe["plugin_errors"] == {}
    ours = [name for name in probe["plugins"] if "pinflow" in name]
    assert ours == ["pinflow"]


def test_ours_come_from_the_zip_and_the_standard_library_is_not_shadowed(probe: dict[str, Any], home: Path) -> None:
    for name in ("emulator", "include", "pinflow"):
        assert Path(probe["files"][name]).is_relative_to(home / "plugins"), name
    for name in ("http", "queue"):
        assert not Path(probe["files"][name]).is_relative_to(home), name
    assert not any(str(entry).startswith(f"{ROOT}{os.sep}dags") or entry == str(ROOT) for entry in probe["path"])


def test_data_files_travel(probe: dict[str, Any]) -> None:
    assert probe["queries"] == len(list((ROOT / "include" / "sql" / "gold").glob("*.sql")))


def test_no_file_of_ours_is_named_as_a_module_of_the_standard_library() -> None:
    names = {path.stem for path in (ROOT / "plugins").glob("*.py")} | {"include", "emulator", "pinflow"}
    assert not names & set(sys.stdlib_module_names)


def test_the_triggerer_imports_every_trigger_without_dags(home: Path, bag: Any) -> None:
    triggers = sorted(
        f"pinflow.triggers.{path.stem}.{line.split()[1].split('(')[0]}"
        for path in (ROOT / "plugins" / "pinflow" / "triggers").glob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith("class ") and not line.startswith("class _")
    )
    assert len(triggers) >= 4
    assert mwaa(home, TRIGGERER, str(home), *triggers).split() == [name.rpartition(".")[2] for name in triggers]


def test_the_dotfile_is_in_the_zip(home: Path) -> None:
    with zipfile.ZipFile(home / "plugins.zip") as zipped:
        assert ".airflowignore" in zipped.namelist()
        assert any(name.startswith("include/sql/gold/") for name in zipped.namelist())


def test_without_the_dotfile_it_would_break(home: Path, tmp_path: Path) -> None:
    """The check above is worth something: without it Airflow runs each of our files as a plugin."""
    other = tmp_path / "home"
    shutil.copytree(home, other, ignore=shutil.ignore_patterns("*.zip", "logs", "__pycache__"))
    (other / "plugins" / ".airflowignore").unlink()
    program = "from airflow import plugins_manager as m; m.get_plugin_info(); print(len(dict(m.get_import_errors())))"
    done = process(other, program)
    assert done.returncode != 0 or int(done.stdout.strip().splitlines()[-1]) > 0
