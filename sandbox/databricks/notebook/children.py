"""``dbutils.notebook.run``: a notebook in a process and session of its own, within the group of the one that asks."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox.databricks.jobs.processes import LAUNCHER, LOG, SPECIFICATION, read_outcome
from sandbox.databricks.workspace.paths import normalise, on_disk


class Children:
    """Runs other notebooks for one task.

    :param folder: of the task; each child gets a folder below it.
    :param parent: the specification of the task.
    """

    def __init__(self, folder: Path, parent: Mapping[str, Any]) -> None:
        self._folder, self._parent = folder, parent
        self._count = 0

    def run(self, path: str, timeout_seconds: float, arguments: Mapping[str, str]) -> str:
        """Run a notebook and wait for it.

        :returns: what it gave to ``dbutils.notebook.exit``.
        :raises RuntimeError: it failed, took too long, or is not there.
        """
        self._count += 1
        folder = self._folder / f"child-{self._count}"
        folder.mkdir()
        whole = path if path.startswith("/") else str(PurePosixPath(self._parent["path"]).parent / path)
        task = {
            **self._parent,
            "kind": "notebook_task",
            "path": self._find(whole),
            "parameters": dict(arguments),
            "session_id": str(uuid.uuid4()),
        }
        (folder / SPECIFICATION).write_text(json.dumps(task), encoding="utf-8")
        self._wait(folder, whole, timeout_seconds or None)
        outcome = read_outcome(folder)
        if outcome is None:
            raise RuntimeError(f"Notebook {whole} ended without a result. Its log is {folder / LOG}.")
        if not outcome.succeeded:
            raise RuntimeError(f"Notebook {whole} failed: {outcome.error}\n{outcome.error_trace}")
        return outcome.result or ""

    def _find(self, path: str) -> str:
        import posixpath

        for suffix in ("", ".py", ".ipynb"):
            candidate = normalise(posixpath.normpath(path) + suffix)
            if on_disk(Path(self._parent["workspace"]), candidate).is_file():
                return candidate
        raise RuntimeError(f"Notebook not found: {path}. Notebooks are looked for in the workspace. Import it first.")

    def _wait(self, folder: Path, path: str, timeout: float | None) -> None:
        with (folder / LOG).open("ab") as log:
            child = subprocess.Popen((sys.executable, "-u", str(LAUNCHER), str(folder)), stdout=log, stderr=log)
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            child.terminate()
            child.wait()
            raise RuntimeError(f"Notebook {path} ran longer than {timeout} s and was stopped.") from None
