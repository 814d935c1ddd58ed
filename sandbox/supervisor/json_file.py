"""A small JSON object in a file that several commands read and change at the same time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any


class JsonFile:
    """The object in one file; a reader sees it before or after a change, never half of it.

    :param path: the file; it and its folder are made at the first change.
    :param mode: its permissions.
    """

    def __init__(self, path: Path, mode: int = 0o644) -> None:
        self.path = path
        self._mode = mode

    def read(self) -> dict[str, Any]:
        """The object as it is now; empty when there is no file yet."""
        try:
            found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Yield the object and write it back after the block; one thread of one process at a time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            flock(lock, LOCK_EX)
            content = self.read()
            yield content
            self._write(content)

    def _write(self, content: dict[str, Any]) -> None:
        draft = self.path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, sort_keys=True)
        draft.replace(self.path)
