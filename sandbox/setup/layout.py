"""The folders of the set-up."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETUP = Path(os.environ.get("PINFLOW_SETUP") or ROOT / ".sandbox" / "setup").resolve()
LOCKS = ROOT / "sandbox" / "locks"
JARS = ROOT / "sandbox" / "jars"
LOGS = SETUP / "log"
STAMPS = SETUP / "stamps"
ENVIRONMENTS = ("airflow", "spark", "ministack")


def interpreter(environment: str) -> Path:
    """The Python of one of the environments."""
    return SETUP / "venv" / environment / "bin" / "python"
