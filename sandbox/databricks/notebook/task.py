"""One task's process: reads ``task.json``, runs it, leaves cells and outcome beside it."""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.databricks.jobs.processes import CELLS, SPECIFICATION, Outcome, write_outcome
from sandbox.databricks.notebook import children, trace
from sandbox.databricks.notebook.dbutils import DBUtils
from sandbox.databricks.notebook.dbutils.control import NotebookControl
from sandbox.databricks.notebook.dbutils.files import FileSystem
from sandbox.databricks.notebook.dbutils.task_values import JobsUtility, TaskValues
from sandbox.databricks.notebook.dbutils.vault import Secrets
from sandbox.databricks.notebook.dbutils.widgets import Widgets
from sandbox.databricks.notebook.display import Display
from sandbox.databricks.notebook.document import parse
from sandbox.databricks.notebook.execution import Execution
from sandbox.databricks.notebook.recording import CellStream, Recorder, Redactor
from sandbox.databricks.notebook.spark import Engine, NoSparkContext
from sandbox.databricks.store import Store
from sandbox.databricks.workspace.paths import on_disk

SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DATABRICKS_TOKEN")
MAXIMUM_RESULT = 5 * 1024 * 1024


@dataclass
class Task:
    """What a process is to do.

    :param folder: the task run's folder.
    :param specification: the content of ``task.json``.
    """

    folder: Path
    specification: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.redact = Redactor()
        for name in SECRET_VARIABLES:
            self.redact.add(os.environ.get(name, ""))
        self.recorder = Recorder(self.folder / CELLS, self.redact)
        workspace = Path(self.specification["workspace"])
        self.engine = Engine(self.specification.get("spark_port"), self.specification["session_id"], workspace)

    def run(self) -> Outcome:
        """Run the task; its errors are its outcome."""
        sys.stdout = CellStream("stdout", sys.__stdout__ or sys.stdout, self.recorder, self.redact)
        sys.stderr = CellStream("stderr", sys.__stderr__ or sys.stderr, self.recorder, self.redact)
        try:
            result = self._notebook() if self.specification["kind"] == "notebook_task" else self._python_file()
        except BaseException as error:  # noqa: BLE001 (also SystemExit: the outcome of a task is what it raised)
            failure = trace.describe(error)
            return self._outcome(succeeded=False, error=failure.error, error_trace=failure.trace)
        finally:
            self._end()
        return self._outcome(succeeded=True, result=result)

    def _end(self) -> None:
        try:
            self.engine.close()
        except Exception:  # noqa: BLE001 (the outcome is already known; the server releases the session again)
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        self.recorder.close()

    def _outcome(self, **content: Any) -> Outcome:
        clean = self.redact.deep(content)
        result = clean.get("result")
        if result is not None and len(result) > MAXIMUM_RESULT:
            clean |= {"result": result[:MAXIMUM_RESULT], "truncated": True}
        return Outcome(**clean)

    def _source(self) -> Path:
        """The file; its folder becomes the working directory and the first place for imports, as on Databricks."""
        source = on_disk(Path(self.specification["workspace"]), self.specification["path"])
        os.chdir(source.parent)
        sys.path.insert(0, str(source.parent))
        return source

    def _notebook(self) -> str | None:
        source = self._source()
        notebook = parse(self.specification["path"], source.read_bytes(), self.specification.get("language"))
        spark = self.engine.open()
        dbutils, display = self._dbutils(), Display(self.recorder)
        execution = Execution(Path(self.specification["workspace"]), spark, dbutils, display, self.recorder)
        execution.namespace.update(
            spark=spark, sc=NoSparkContext(), dbutils=dbutils, display=display, displayHTML=display.html,
            getArgument=dbutils.widgets.getArgument,
        )  # fmt: skip
        self.engine.add_display(display)
        return execution.run(notebook)

    def _dbutils(self) -> DBUtils:
        task = self.specification
        state = Path(task["state"])
        store = Store(state)
        return DBUtils(
            Widgets(task["parameters"]),
            NotebookControl(children.Children(self.folder, task).run),
            Secrets(store, self.redact),
            FileSystem(state / "dbfs", Path(task["workspace"]), store, self.engine.mounted),
            JobsUtility(TaskValues(store, task["run_id"], task["task_key"])),
        )

    def _python_file(self) -> str | None:
        """Run a plain Python file as ``python FILE ARGUMENTS`` would, with a session ready for ``getOrCreate``."""
        source = self._source()
        self.engine.open()
        sys.argv = [str(source), *self.specification["arguments"]]
        self.recorder.begin(1, "", "python", source.read_text(encoding="utf-8", errors="replace"))
        try:
            runpy.run_path(str(source), run_name="__main__")
        except SystemExit as ending:
            if ending.code not in (None, 0):
                raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            self.recorder.end("SUCCESS" if sys.exc_info()[0] is None else "FAILED")
        return None


def main(folder: Path) -> int:
    """Run the task of a folder.

    :returns: the exit code: 0 when the task succeeded.
    """
    specification = json.loads((folder / SPECIFICATION).read_text(encoding="utf-8"))
    outcome = Task(folder, specification).run()
    write_outcome(folder, outcome)
    return 0 if outcome.succeeded else 1
