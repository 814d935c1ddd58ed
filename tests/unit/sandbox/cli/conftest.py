from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from sandbox.cli import console
from sandbox.cli.app import app
from sandbox.supervisor.home import Home

Pinflow = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty sandbox in place of the one of this checkout."""
    monkeypatch.setenv("PINFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PINFLOW_SOURCE_URL", raising=False)
    made = Home()
    assert made.base == tmp_path / "home"
    return made


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen on which nothing is wrapped."""
    for screen in (console.output, console.progress):
        monkeypatch.setattr(screen, "_width", 400)
    monkeypatch.setenv("COLUMNS", "400")  # for Typer's own screen


@pytest.fixture
def pinflow() -> Pinflow:
    """Runs a command in this process; its error, if it is one that ``main`` shows, is in ``exception``."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], prog_name="./pinflow")
