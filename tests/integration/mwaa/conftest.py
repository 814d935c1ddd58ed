"""What MWAA's image would be on this machine: its packages in an environment of their own, the bundle unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.mwaa import bundle as bundles
from sandbox.mwaa.requirements import AIRFLOW_HOME
from sandbox.setup.tools import find_uv
from sandbox.supervisor.home import ROOT

IMAGE = ROOT / "sandbox" / "mwaa" / "image.txt"


@dataclass(frozen=True)
class Mwaa:
    """An environment that has just been made.

    :param home: AIRFLOW_HOME: ``dags/``, ``plugins/``, ``requirements/``, ``startup/``.
    :param python: the interpreter with the image's packages and then ours.
    :param image: the image's packages, by name with version, before ours.
    :param packages: all, after.
    """

    home: Path
    python: Path
    image: dict[str, str]
    packages: dict[str, str]

    def run(self, *argv: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run something as MWAA's processes run: nothing of ours in the environment but what startup.sh exports."""
        startup = f'. "{self.home}/startup/startup.sh"; exec "$@"'
        env = {
            "HOME": str(self.home),
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "AIRFLOW_HOME": str(self.home),
            "PYTHONPATH": "/python",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__MULTI_TEAM": "False",
            "AIRFLOW__CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER": "True",
            "AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR": "True",
            "AIRFLOW__SECRETS__BACKEND_KWARGS": '{"connections_lookup_pattern": "^(?!aws_default$).*$"}',
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            **environment,
        }
        words = ["/bin/bash", "-euc", startup, "bash", *map(str, argv)]
        return subprocess.run(words, env=env, cwd=self.home, capture_output=True, text=True, timeout=240, check=False)

    def python_says(self, program: str, *arguments: str, **environment: str) -> str:
        """The last line that a program prints."""
        done = self.run(self.python, "-c", program, *arguments, **environment)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout.strip().splitlines()[-1]


def uv(*arguments: str | Path) -> str:
    """Run the set-up's uv; without it there is nothing to test with, so that the test fails."""
    program = find_uv()
    assert program is not None, "there is no uv: run ./pinflow up"
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=300, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def installed(python: Path) -> dict[str, str]:
    """The packages of an environment, by name with version."""
    lines = uv("pip", "freeze", "--python", python).split()
    return dict(line.partition("==")[::2] for line in lines)


def unpack(made: bundles.Bundle, home: Path) -> None:
    """What MWAA does with a bundle: dags/ is synchronised, plugins.zip is unpacked, the rest has a folder each."""
    for name, content in made.files.items():
        folder = {"requirements.txt": "requirements/", "startup.sh": "startup/"}.get(name, "")
        path = home / f"{folder}{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with zipfile.ZipFile(home / "plugins.zip") as zipped:
        zipped.extractall(home / "plugins")
    (home / "plugins.zip").unlink()


@pytest.fixture(scope="session")
def mwaa(tmp_path_factory: pytest.TempPathFactory) -> Mwaa:
    """The image's packages, the bundle unpacked, and its requirements installed upon them."""
    base = tmp_path_factory.mktemp("mwaa")
    home, python = base / "airflow", base / "venv" / "bin" / "python"
    bundles.write(bundles.collect(ROOT), base / "bundle")
    unpack(bundles.read(base / "bundle"), home)
    uv("venv", "--quiet", "--python", sys.executable, base / "venv")
    constraints = home / "dags" / bundles.CONSTRAINTS
    uv("pip", "install", "--quiet", "--python", python, "-c", constraints, "-r", IMAGE)
    image = installed(python)
    requirements = home / "requirements" / "requirements.txt"
    text = requirements.read_text()
    assert AIRFLOW_HOME in text.splitlines()[0]
    requirements.write_text(text.replace(AIRFLOW_HOME, str(home)))
    uv("pip", "install", "--quiet", "--python", python, "-r", requirements)
    return Mwaa(home, python, image, installed(python))
