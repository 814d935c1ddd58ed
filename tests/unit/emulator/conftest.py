"""Fixtures of the emulator's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from emulator.source import seed


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of 300 posts, made once; copy it, do not change it."""
    path = tmp_path_factory.mktemp("source") / "source.db"
    seed(f"sqlite:///{path}", 300, 100)
    return path


@pytest.fixture
def source(seeded_file: Path, tmp_path: Path) -> str:
    """A source of 300 posts of one's own."""
    copy = tmp_path / "source.db"
    shutil.copy(seeded_file, copy)
    return f"sqlite:///{copy}"


@pytest.fixture
def empty(tmp_path: Path) -> str:
    """The URL of a database that is not there yet."""
    return f"sqlite:///{tmp_path}/new/source.db"
