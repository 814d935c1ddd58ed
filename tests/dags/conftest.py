"""An Airflow home of its own, and each folder of DAGs loaded once, as the DAG processor does it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HOME = Path(tempfile.mkdtemp(prefix="pinflow-dags-"))
os.environ.setdefault("AIRFLOW_HOME", str(HOME))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(ROOT / "plugins")
os.environ.setdefault("PINFLOW_SETTINGS", "sandbox")


def load(folder: Path) -> Any:
    """The bag of a folder or file."""
    from airflow.dag_processing.dagbag import BundleDagBag

    return BundleDagBag(
        dag_folder=folder, bundle_path=folder if folder.is_dir() else folder.parent, bundle_name="tests"
    )


@pytest.fixture(scope="session")
def bag() -> Any:
    """Our DAGs."""
    return load(ROOT / "dags")


@pytest.fixture(scope="session")
def broken() -> Any:
    """Loads one of the DAG files that are meant to fail."""
    return lambda name: load(ROOT / "tests" / "dags" / "broken" / f"{name}.py")
