"""The files of the repository that go to MWAA, and what git says about them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from sandbox.mwaa.errors import BundleError

FOLDERS = ("dags", "plugins", "include", "emulator")
REQUIRED = ("plugins/.airflowignore", "include/__init__.py", "emulator/__init__.py", "plugins/pinflow/__init__.py")
LEFT_OUT = {"__pycache__", "tests", "node_modules", "target"}
LEFT_OUT_ENDINGS = (".pyc", ".pyo", "~", ".swp", ".orig", ".rej", ".log")
KEPT_DOTFILES = {".airflowignore"}


def dags(root: Path) -> dict[str, bytes]:
    """The DAG files, by path below ``dags/``.

    :raises BundleError: there is none, or a file that cannot be packed.
    """
    found = _read(root, "dags")
    if not any(name.endswith(".py") for name in found):
        raise BundleError(
            f"There is no DAG file in {root / 'dags'}.",
            "MWAA would show an empty environment.",
            "Run ./pinflow package in a checkout of Pinflow.",
        )
    return found


def plugins(root: Path) -> dict[str, bytes]:
    """What lies at the root of ``plugins.zip``: the content of ``plugins/``, ``include/`` and ``emulator/``.

    :raises BundleError: a file is missing or cannot be packed, or a name would hide a module of Python's own.
    """
    if missing := [name for name in REQUIRED if not (root / name).is_file()]:
        raise BundleError(
            f"{missing[0]} is missing.",
            "Without it MWAA would run our modules as plugins, or not find them.",
            f"Run: git checkout -- {missing[0]}, then ./pinflow package.",
        )
    found = _read(root, "plugins")
    for folder in ("include", "emulator"):
        for name, content in _read(root, folder).items():
            path = f"{folder}/{name}"
            if path in found:
                raise BundleError(
                    f"plugins/{path} and {path} have the same place in plugins.zip.",
                    "plugins/ and the root of the repository are laid over each other there.",
                    f"Rename plugins/{path}, then run ./pinflow package.",
                )
            found[path] = content
    _refuse_shadows(found)
    return found


def uncommitted(root: Path) -> list[str] | None:
    """The paths below our folders that differ from the last commit; None outside a git checkout."""
    argv = ["git", "status", "--porcelain", "-z", "--untracked-files=all", "--", *FOLDERS, "sandbox/mwaa"]
    try:
        done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    if done.returncode:
        return None
    entries = iter(done.stdout.split("\0"))
    found = []
    for entry in entries:
        if entry:
            found.append(entry[3:])
            if entry[0] in "RC":
                next(entries, None)  # the old name
    return sorted(found)


def _read(root: Path, folder: str) -> dict[str, bytes]:
    return {path.relative_to(root / folder).as_posix(): path.read_bytes() for path in _files(root / folder)}


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name in LEFT_OUT or path.name.endswith(LEFT_OUT_ENDINGS):
            continue
        if path.name.startswith(".") and path.name not in KEPT_DOTFILES:
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BundleError(
                f"{path} is a link or a special file.",
                "A zip would carry its target or nothing, and MWAA has no such target.",
                "Put the file itself in its place, then run ./pinflow package.",
            )
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _refuse_shadows(names: dict[str, bytes]) -> None:
    """The root of plugins.zip is on ``sys.path`` of every component."""
    for name in names:
        top = name.partition("/")[0].removesuffix(".py")
        if top in sys.stdlib_module_names:
            raise BundleError(
                f"{name} would hide Python's own module {top}.",
                "The root of plugins.zip is on sys.path of every component of MWAA.",
                f"Rename {top} in plugins/, then run ./pinflow package.",
            )
