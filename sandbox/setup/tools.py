"""Finds or installs uv, Python 3.12, Java 17 and Maven."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sandbox.setup.layout import LOCKS, SETUP
from sandbox.setup.steps import SetupError

JAVA_MINIMUM = 17
JVMS = Path("/usr/lib/jvm")
APT_PACKAGES = {"java": "openjdk-17-jdk-headless", "maven": "maven", "venv": "python3-venv"}


def call(argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    """Run a program with its output in a log file.

    :raises SetupError: it ended with another code than 0.
    """
    with log.open("ab") as output:
        output.write(("$ " + " ".join(argv) + "\n").encode())
        output.flush()
        code = subprocess.call(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=cwd
        )
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        raise SetupError("\n".join([f"{Path(argv[0]).name} ended with exit code {code}:", *lines]))


def answer(argv: Sequence[str]) -> str:
    """What a program prints, both streams; empty when it cannot be run."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr if done.returncode == 0 else ""


def find_python() -> Path | None:
    """A Python 3.12: this one, on PATH, in pyenv's versions, or one that uv knows."""
    for candidate in _pythons():
        if (
            answer([str(candidate), "-c", "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"]).strip()
            == "3.12"
        ):
            return candidate
    uv = find_uv()
    found = (
        answer([str(uv), "python", "find", "--no-python-downloads", "--managed-python", "3.12"]).strip() if uv else ""
    )
    return Path(found) if found else None


def _pythons() -> Iterator[Path]:
    if sys.version_info[:2] == (3, 12):
        yield Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(pyenv.glob("3.12.*/bin/python3.12"), reverse=True)
    if on_path := shutil.which("python3.12"):
        yield Path(on_path)


def find_uv() -> Path | None:
    """The uv of the set-up."""
    own = SETUP / "venv" / "bootstrap" / "bin" / "uv"
    return own if own.exists() else None


def install_uv(log: Path) -> None:
    """Install the locked uv into an environment of its own, with whatever Python runs this."""
    target = SETUP / "venv" / "bootstrap"
    if not answer([sys.executable, "-c", "import venv, ensurepip"]) and not _can_import("ensurepip"):
        apt(["venv"], "Python's venv module", log)
    call([sys.executable, "-m", "venv", "--clear", str(target)], log)
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    call([*pip, "--require-hashes", "-r", str(LOCKS / "uv.txt")], log)


def _can_import(module: str) -> bool:
    return subprocess.call([sys.executable, "-c", f"import {module}"], stderr=subprocess.DEVNULL) == 0


def install_python(log: Path) -> Path:
    """A Python 3.12, through uv when the machine has none.

    :raises SetupError: there is none and none can be had.
    """
    if found := find_python():
        return found
    try:
        call([str(find_uv()), "python", "install", "3.12"], log)
    except SetupError as error:
        raise SetupError(
            "There is no Python 3.12 on this machine and uv could not fetch one. MWAA 3.3.1 runs on Python 3.12, "
            f"so nothing else will do. Install it (for example: pyenv install 3.12) and try again.\n{error}"
        ) from error
    found = find_python()
    if found is None:
        raise SetupError("uv installed Python 3.12 but it cannot be found. Run: uv python list")
    return found


def java_version(java: Path) -> int:
    """The major version of a Java, 0 when it is none."""
    match = re.search(r'version "(\d+)', answer([str(java), "-version"]))
    return int(match.group(1)) if match else 0


def find_java() -> Path | None:
    """A JDK (with its compiler) of version 17 or newer: ``JAVA_HOME``, then PATH, then the system's folder."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if on_path := shutil.which("java"):
        homes.append(Path(on_path).resolve().parents[1])
    homes += sorted(JVMS.glob("*-17-*"))
    for home in homes:
        java = home / "bin" / "java"
        if (home / "bin" / "javac").exists() and java_version(java) >= JAVA_MINIMUM:
            return java
    return None


def install_java_and_maven(log: Path) -> None:
    """Find a JDK and Maven, or install them with apt; writes down where they are."""
    missing = [name for name, there in (("java", find_java()), ("maven", shutil.which("mvn"))) if not there]
    if missing:
        apt(missing, "a JDK of version 17 or newer, and Maven", log)
    java, maven = find_java(), shutil.which("mvn")
    if java is None or maven is None:
        raise SetupError("Java and Maven were installed but cannot be found. Set JAVA_HOME to a JDK 17 and try again.")
    (SETUP / "java").write_text(str(java), encoding="utf-8")
    (SETUP / "maven").write_text(maven, encoding="utf-8")


def apt(names: Sequence[str], what: str, log: Path) -> None:
    """Install Debian packages where this is root on Debian.

    :raises SetupError: it is not; the text is the command to type.
    """
    packages = [APT_PACKAGES[name] for name in names]
    command = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupError(
            f"Pinflow needs {what}, and only root can install it here. Type:\n  sudo sh -c '{command}'\n"
            "or install them your own way (macOS: brew install openjdk@17 maven), then try again."
        )
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    call(["apt-get", "-q", "update"], log, env)
    call(["apt-get", "-q", "install", "-y", "--no-install-recommends", *packages], log, env)
