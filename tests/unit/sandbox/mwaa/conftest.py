"""A small repository of the same shape as ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sandbox.mwaa import bundle as bundles
from sandbox.supervisor.home import ROOT

FILES = {
    "dags/a_dag.py": "print('dag')\n",
    "plugins/.airflowignore": "*\n!*_plugin.py\n",
    "plugins/pinflow_plugin.py": "plugin = 1\n",
    "plugins/pinflow/__init__.py": "",
    "plugins/pinflow/hooks/kinesis.py": "hook = 1\n",
    "include/__init__.py": "",
    "include/config/aws.yaml": "# <not a placeholder>\nprefix: pinflow\nbucket: <account>-landing\n",
    "include/sql/gold/one.sql": "SELECT 1\n",
    "emulator/__init__.py": "",
    "emulator/source/text.json": "{}\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Folders and files as in a checkout, with the real constraint file."""
    root = tmp_path / "checkout"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(ROOT / "include/config" / bundles.CONSTRAINTS, root / "include/config")
    return root
