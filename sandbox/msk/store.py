"""What the control plane must remember over a restart: one JSON file, replaced as a whole."""

from __future__ import annotations

import copy
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECTIONS = ("plugins", "worker_configurations", "connectors", "operations", "tags", "clusters")
Document = dict[str, dict[str, Any]]


class Store:
    """Records by section and ARN.

    :param path: the file; made when something is kept for the first time.
    :raises ValueError: the file is there but cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.RLock()
        self._document: Document = {name: {} for name in SECTIONS}
        if path.exists():
            self._document.update(_read(path))

    @contextmanager
    def edit(self) -> Iterator[Document]:
        """The whole document, locked; what was changed in it is on disk afterwards, or forgotten after an error."""
        with self._lock:
            draft = copy.deepcopy(self._document)
            yield draft
            if draft != self._document:
                self._write(draft)
                self._document = draft

    @contextmanager
    def look(self) -> Iterator[Document]:
        """The whole document, locked, only to be read."""
        with self._lock:
            yield self._document

    def _write(self, document: Document) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def _read(path: Path) -> Document:
    try:
        document: Document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is not JSON: {error}. It holds what boto3 created here; restore it, or remove it to begin anew."
        ) from error
    return document
