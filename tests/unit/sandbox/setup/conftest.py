from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.setup import jars, layout, plan, steps, tools

Program = Callable[..., Path]


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty set-up folder in place of the real one."""
    folder = tmp_path / "set-up"
    folder.mkdir()
    for module in (jars, layout, plan, steps, tools):
        monkeypatch.setattr(module, "SETUP", folder)
    monkeypatch.setattr(steps, "LOGS", folder / "log")
    monkeypatch.setattr(steps, "STAMPS", folder / "stamps")
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "step.log"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Writes a shell script that a test puts in place of a real program."""

    def write(name: str, *lines: str, folder: Path = tmp_path / "bin") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(0o755)
        return path

    return write
