"""The emulator's commands as plain functions, for command lines and tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.ledger import Ledger
from emulator.source.database import engine, reach
from emulator.source.load import load as _load
from emulator.source.seed import Progress
from emulator.source.seed import seed as _seed
from emulator.source.show import show as _show


def seed(
    url: str,
    posts: int = 11_000,
    seed: int = 100,
    on_progress: Progress | None = None,
    *,
    replace: bool = False,
) -> dict[str, Any]:
    """Fill the source database with generated posts; see :func:`emulator.source.seed.seed`.

    :param on_progress: called with (posts done, posts in all).
    :returns: ``posts``, ``seed`` and ``written`` (false when the same rows were there already).
    :raises emulator.exceptions.EmulatorError: see there.
    """
    return _seed(url, posts, seed, on_progress, replace=replace).as_dict()


def load(
    url: str,
    pin: str | Path,
    geo: str | Path,
    user: str | Path,
    replace: bool = False,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Fill the source database with one's own rows; see :func:`emulator.source.load.load`.

    :param on_progress: called with (rows done, rows in all), of the three files together.
    :returns: ``posts`` and ``ignored`` (columns of each file that have no place).
    :raises emulator.exceptions.SourceFileError: a file breaks the rules; nothing was loaded.
    :raises emulator.exceptions.EmulatorError: see there.
    """
    return _load(url, Path(pin), Path(geo), Path(user), replace, on_progress).as_dict()


def forget(url: str) -> None:
    """Empty the ledger; the rows of the source stay."""
    database = engine(url)
    try:
        reach(database)
        Ledger(database).forget()
    finally:
        database.dispose()


def show(url: str) -> dict[str, Any]:
    """Describe what is in the source database; see :func:`emulator.source.show.show`."""
    return _show(url)
