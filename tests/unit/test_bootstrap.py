from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Two steps in place of the real ones: the second fails as long as ``broken`` exists; the interpreter is a
# shell script that shows how it was called.
PLAN = """
from __future__ import annotations
from pathlib import Path
from sandbox.setup.layout import ROOT, SETUP, interpreter
from sandbox.setup.steps import Step

def _python(log):
    python = interpreter("airflow")
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text('#!/bin/sh\\necho "$PYTHONPATH $*"\\nexit 5\\n')
    python.chmod(0o755)
    with (SETUP / "done").open("a") as done:
        done.write("python ")

def _jars(log):
    if (SETUP / "broken").exists():
        raise OSError("the mirror is down")
    with (SETUP / "done").open("a") as done:
        done.write("jars ")

def steps():
    return [
        Step("python-airflow", "Airflow", [], _python, [interpreter("airflow")]),
        Step("jars", "the jars", [ROOT / "jars.lock"], _jars),
    ]
"""


def oldest_python() -> str | None:
    """A Python 3.9, which is the oldest one that the bootstrap promises to run on."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [*sorted(pyenv.glob("3.9.*/bin/python3.9")), shutil.which("python3.9")]
    return next((str(path) for path in found if path and runs(path)), None)


def runs(path: Path | str) -> bool:
    """Whether it is a Python, and not pyenv's shim of one that is not chosen."""
    return subprocess.run([path, "-c", "pass"], capture_output=True, check=False).returncode == 0


OLDEST = oldest_python()
PYTHONS = [
    pytest.param(sys.executable, id="3.12"),
    pytest.param(
        OLDEST, id="3.9", marks=pytest.mark.skipif(OLDEST is None, reason="there is no Python 3.9 on this machine")
    ),
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it is cloned: without any set-up."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copy(ROOT / "pinflow", folder)
    shutil.copytree(ROOT / "sandbox", folder / "sandbox", ignore=shutil.ignore_patterns("__pycache__", "target"))
    return folder


@pytest.fixture
def small(clone: Path, tmp_path: Path) -> Path:
    """A clone whose set-up has two small steps."""
    folder = tmp_path / "small"
    shutil.copytree(clone, folder)
    (folder / "sandbox/setup/plan.py").write_text(PLAN)
    (folder / "jars.lock").write_text("one")
    return folder


def pinflow(folder: Path, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """``./pinflow …`` in another folder, with the standard library only."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    argv = [python, "-I", str(folder / "pinflow"), *arguments]
    return subprocess.run(argv, cwd="/", env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("python", PYTHONS)
class TestBareClone:
    @pytest.mark.parametrize("words", [["help"], ["--help"], ["-h"], [], ["run", "--help"], ["source", "seed", "-h"]])
    def test_help_needs_no_set_up(self, clone: Path, python: str, words: list[str]) -> None:
        begun = time.monotonic()
        done = pinflow(clone, *words, python=python)
        assert time.monotonic() - begun < 3
        assert (done.returncode, done.stderr) == (0, "")
        for word in ("./pinflow run", "./pinflow test", "up  down  status", "bench  doctor  clean"):
            assert word in done.stdout
        assert not (clone / ".sandbox").exists()

    @pytest.mark.parametrize(
        "words", [["status"], ["status", "--json"], ["down"], ["logs", "kafka"], ["env"], ["clean"]]
    )
    def test_what_needs_a_set_up_says_what_to_do(self, clone: Path, python: str, words: list[str]) -> None:
        done = pinflow(clone, *words, python=python)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "Pinflow is not set up yet. Run: ./pinflow up\n"
        assert not (clone / ".sandbox").exists()

    def test_doctor_looks_at_the_machine(self, clone: Path, python: str) -> None:
        done = pinflow(clone, "doctor", "--json", python=python)
        found = {one["subject"]: one for one in json.loads(done.stdout)}
        assert {"system", "memory", "disk", "Python 3.12", "Java 17", "Maven", "set-up: s3-sink"} <= set(found)
        assert found["set-up: uv"] == {
            "subject": "set-up: uv",
            "ok": False,
            "detail": "not done; ./pinflow up does it",
        }
        assert done.returncode == 1
        assert not (clone / ".sandbox").exists()


@pytest.mark.parametrize("python", PYTHONS)
class TestSetUp:
    def test_what_is_missing_is_done_once_and_the_command_handed_over(self, small: Path, python: str) -> None:
        done = pinflow(small, "trigger", "a dag", "--conf", "{}", python=python)
        assert done.stdout == f"{small} -m sandbox.cli trigger a dag --conf {{}}\n"
        assert done.returncode == 5
        assert done.stderr.splitlines() == [
            "Setting up (once; a broken set-up goes on where it stopped)",
            "  Airflow …", "  Airflow: 0 s", "  the jars …", "  the jars: 0 s",
        ]  # fmt: skip
        again = pinflow(small, "status", "--json", python=python)
        assert (again.stdout, again.stderr) == (f"{small} -m sandbox.cli status --json\n", "")
        assert (small / ".sandbox/setup/done").read_text() == "python jars "

    def test_it_goes_on_where_it_stopped(self, small: Path, python: str) -> None:
        setup = small / ".sandbox/setup"
        setup.mkdir(parents=True)
        (setup / "broken").touch()
        done = pinflow(small, "up", python=python)
        assert (done.returncode, done.stdout) == (1, "")
        end = f"Set-up step 'jars' failed: the mirror is down\nThe log: {setup}/log/jars.log\n"
        assert done.stderr.endswith(end)
        (setup / "broken").unlink()
        assert pinflow(small, "up", python=python).returncode == 5
        assert (setup / "done").read_text() == "python jars "

    def test_what_runs_can_be_stopped_before_a_renewal(self, small: Path, python: str) -> None:
        pinflow(small, "up", python=python)
        (small / "jars.lock").write_text("two")
        down = pinflow(small, "down", python=python)
        assert (down.stdout, down.stderr) == (f"{small} -m sandbox.cli down\n", "")
        assert (small / ".sandbox/setup/done").read_text() == "python jars "
        pinflow(small, "up", python=python)
        assert (small / ".sandbox/setup/done").read_text() == "python jars jars "

    def test_nothing_is_written_beside_the_set_up(self, small: Path, python: str) -> None:
        before = set(small.rglob("*"))
        pinflow(small, "up", python=python)
        after = set(small.rglob("*")) - before
        assert {path.relative_to(small).parts[0] for path in after} == {".sandbox"}


@pytest.mark.skipif(OLDEST is None, reason="there is no Python 3.9 on this machine")
def test_every_file_of_the_bootstrap_parses_on_python_3_9() -> None:
    files = [ROOT / "pinflow", *sorted((ROOT / "sandbox/setup").glob("*.py"))]
    assert len(files) > 6
    code = "import sys\nfor name in sys.argv[1:]: compile(open(name, encoding='utf-8').read(), name, 'exec')"
    done = subprocess.run([OLDEST, "-I", "-c", code, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_bootstrap_needs_the_standard_library_only() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from sandbox.setup import doctor, plan, steps\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, ROOT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["__main__", "sandbox"]


def test_it_is_a_program() -> None:
    assert os.access(ROOT / "pinflow", os.X_OK)
    assert (ROOT / "pinflow").read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n")
