"""Builds the S3 sink from its sources: a plugin folder for the worker and the same as an archive."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

SOURCE = Path(__file__).with_name("s3sink")
LOCKED = SOURCE / "dependencies.sha256"
NAME = "s3-sink"
BUILD_TIMEOUT = 540.0
OLDEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class BuildFailedError(RuntimeError):
    """Maven could not build the sink; the text carries the last lines of its log."""


class DependencyChangedError(RuntimeError):
    """A library that Maven fetched is not the one that is locked in ``dependencies.sha256``."""


def build(maven: Path, java_home: Path, setup: Path, log: Path) -> Path:
    """Build ``<setup>/plugins/s3-sink/*.jar`` and ``<setup>/plugins/s3-sink.zip``.

    Nothing is done when both are there and neither sources nor locked libraries have changed. The
    same sources give the same bytes.

    :param maven: the ``mvn`` program.
    :param java_home: a JDK 17 or newer.
    :param setup: the set-up's folder; the sources are copied to ``build/s3-sink`` in it.
    :param log: what Maven says is appended to it.
    :returns: the archive.
    :raises BuildFailedError: Maven failed.
    :raises DependencyChangedError: a library differs from its locked checksum.
    """
    plugins = setup / "plugins"
    archive, stamp = plugins / f"{NAME}.zip", plugins / f"{NAME}.sources"
    wanted = fingerprint()
    if archive.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return archive
    work = setup / "build" / NAME
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(SOURCE, work, ignore=shutil.ignore_patterns("target", "test"))
    _maven(maven, java_home, work, log)
    jars = sorted([*work.glob("target/plugin/*.jar"), *work.glob(f"target/{NAME}-*.jar")], key=lambda jar: jar.name)
    check(jars)
    _install(jars, plugins / NAME)
    pack(jars, archive)
    stamp.write_text(wanted, encoding="utf-8")
    return archive


def fingerprint() -> str:
    """A checksum over the sources of the sink, its pom and its locked libraries; its tests don't count."""
    digest = hashlib.sha256()
    files = [SOURCE / "pom.xml", LOCKED, *(path for path in (SOURCE / "src/main").rglob("*") if path.is_file())]
    for path in sorted(files):
        digest.update(f"{path.relative_to(SOURCE)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def check(jars: Iterable[Path]) -> None:
    """Compare the libraries with ``dependencies.sha256``; our own jar is not in it.

    :raises DependencyChangedError: one is missing, new or different.
    """
    lines = LOCKED.read_text(encoding="utf-8").splitlines()
    locked = {name: digest for digest, name in (line.split() for line in lines if line)}
    found = {jar.name: _sha256(jar) for jar in jars if not jar.name.startswith(f"{NAME}-")}
    if differing := sorted(name for name in locked.keys() | found.keys() if locked.get(name) != found.get(name)):
        raise DependencyChangedError(
            f"The sink's library {differing[0]} is not the one locked in {LOCKED}: "
            f"wanted {locked.get(differing[0])}, found {found.get(differing[0])}. After a wanted change of pom.xml "
            "write the list anew with sha256sum; otherwise remove the library from Maven's local repository."
        )


def pack(jars: Iterable[Path], archive: Path) -> None:
    """Write the jars into an archive whose bytes depend on nothing but them."""
    draft = archive.with_suffix(".new")
    with zipfile.ZipFile(draft, "w") as target:
        for jar in jars:
            entry = zipfile.ZipInfo(f"{NAME}/{jar.name}", OLDEST_ZIP_DATE)
            entry.external_attr = 0o644 << 16
            target.writestr(entry, jar.read_bytes())
    draft.replace(archive)


def _install(jars: Iterable[Path], folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for jar in jars:
        shutil.copyfile(jar, draft / jar.name)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def _maven(maven: Path, java_home: Path, work: Path, log: Path) -> None:
    argv = (str(maven), "-B", "-ntp", "-C", "-Dmaven.test.skip=true", "package")
    with log.open("ab") as output:
        done = subprocess.run(
            argv,
            cwd=work,
            env={**os.environ, "JAVA_HOME": str(java_home)},
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT,
            check=False,
        )
    if done.returncode:
        last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise BuildFailedError(f"Maven could not build the S3 sink:\n{last}\nThe whole log: {log}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    _found = [Path(argument).resolve() for argument in sys.argv[1:]]
    print(build(*_found))
