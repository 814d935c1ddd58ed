"""Notebooks, run as the workspace runs them: uploaded, each in a process of its own, over Spark Connect."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import include
from sandbox.databricks.jobs.processes import CELLS, LAUNCHER, LOG, SPECIFICATION, Outcome, read_outcome

FOLDER = "Shared/pinflow/include"


@dataclass(frozen=True)
class Running:
    """A notebook's process and its folder."""

    folder: Path
    process: subprocess.Popen[bytes]

    def wait(self) -> Outcome:
        """Its outcome."""
        self.process.wait(300)
        outcome = read_outcome(self.folder)
        assert outcome is not None, self.log()
        return outcome

    def log(self) -> str:
        """What it printed."""
        return (self.folder / LOG).read_text()

    def cells(self) -> list[dict[str, Any]]:
        """The records of its cells."""
        return [json.loads(line) for line in (self.folder / CELLS).read_text().splitlines()]


class Workspace:
    """A workspace folder with the package in it, and runs of its notebooks."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        source = Path(include.__file__).parent
        shutil.copytree(source, folder / "workspace" / FOLDER, ignore=shutil.ignore_patterns("__pycache__"))

    def start(self, notebook: str, **parameters: str) -> Running:
        """Start a notebook."""
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        task = {
            "kind": "notebook_task",
            "path": f"/{FOLDER}/spark/notebooks/{notebook}.py",
            "workspace": str(self.folder / "workspace"),
            "state": str(self.folder / "state"),
            "parameters": parameters,
            "session_id": str(uuid.uuid4()),
            "spark_port": self.port,
            "run_id": 1,
            "task_key": "clean",
        }
        (folder / SPECIFICATION).write_text(json.dumps(task))
        with (folder / LOG).open("wb") as log:
            command = [sys.executable, "-u", str(LAUNCHER), str(folder)]
            own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            return Running(folder, subprocess.Popen(command, cwd=folder, env=own, stdout=log, stderr=log))

    def run(self, notebook: str, **parameters: str) -> tuple[Outcome, list[dict[str, Any]]]:
        """The outcome of a notebook and its cells' records."""
        running = self.start(notebook, **parameters)
        return running.wait(), running.cells()
