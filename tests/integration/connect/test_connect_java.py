"""The sink's own JUnit tests, so that one command runs all tests of the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sandbox.connect.build import SOURCE, build

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def maven() -> Path:
    found = shutil.which("mvn")
    assert found, "Maven is not on PATH: ./pinflow up installs it or says how"
    return Path(found)


def test_junit(maven: Path, tmp_path: Path) -> None:
    command = (maven, "-q", "-B", "-ntp", f"-Dbuild.folder={tmp_path / 'target'}", "test")
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    suites = [ET.parse(path).getroot() for path in tmp_path.glob("target/surefire-reports/*.xml")]
    assert sum(int(suite.get("tests", 0)) for suite in suites) > 150


def test_build_gives_the_same_bytes_again(maven: Path, tmp_path: Path) -> None:
    java_home = Path(shutil.which("javac") or "/missing").resolve().parents[1]
    one, two = (build(maven, java_home, tmp_path / name, tmp_path / "log").read_bytes() for name in ("one", "two"))
    assert one == two
