"""Runs the cells of a notebook, one after the other, in one namespace."""

from __future__ import annotations

import ast
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from sandbox.databricks.notebook import trace
from sandbox.databricks.notebook.dbutils import DBUtils
from sandbox.databricks.notebook.dbutils.control import NotebookExit
from sandbox.databricks.notebook.display import Display
from sandbox.databricks.notebook.document import Cell, Notebook, Part, parse
from sandbox.databricks.notebook.recording import Recorder
from sandbox.databricks.sql.text import split
from sandbox.databricks.workspace.paths import normalise, on_disk

SUFFIXES = ("", ".py", ".ipynb", ".sql")
REFUSED = {
    "sh": "Shell commands do not run in the sandbox. Do the work in Python.",
    "pip": "The sandbox installs nothing for a notebook. Add the package to requirements-spark.txt.",
    "conda": "The sandbox installs nothing for a notebook. Add the package to requirements-spark.txt.",
    "scala": "The sandbox runs Python and SQL. Write the cell in one of them.",
    "r": "The sandbox runs Python and SQL. Write the cell in one of them.",
}


class MagicError(Exception):
    """A magic that does not run here, or is used in the wrong way."""


class Execution:
    """One notebook with those that it includes by ``%run``.

    :param workspace: the folder that is the workspace's ``/``.
    :param spark: the session, or an object that says why there is none.
    """

    def __init__(self, workspace: Path, spark: Any, dbutils: DBUtils, display: Display, recorder: Recorder) -> None:
        self._workspace, self._spark, self._dbutils = workspace, spark, dbutils
        self._display, self._recorder = display, recorder
        self._open: list[str] = []
        self._module = ModuleType("__main__")
        sys.modules["__main__"] = self._module
        self.namespace: dict[str, Any] = self._module.__dict__

    def run(self, notebook: Notebook) -> str | None:
        """Run all cells.

        :returns: what was given to ``dbutils.notebook.exit``, if it was called.
        :raises Exception: whatever a cell raises.
        """
        trace.register(notebook)
        self._open.append(notebook.path)
        for cell in notebook.cells:
            self._recorder.begin(cell.number, cell.title, cell.language, cell.source)
            try:
                self._cell(notebook, cell)
            except NotebookExit as ending:
                self._finish("EXITED")
                return ending.value
            except BaseException as error:
                self._flush()
                self._recorder.output("error", text=trace.describe(error).trace)
                self._finish("FAILED")
                raise
            self._finish("SUCCESS")
        return None

    def _finish(self, state: str) -> None:
        self._flush()
        self._recorder.end(state)

    def _flush(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()

    def _cell(self, notebook: Notebook, cell: Cell) -> None:
        for part in cell.parts:
            if part.language == "python":
                self._python(notebook, cell, part)
            elif part.language != "md":
                work = self._magic(notebook, cell, part)
                self._at(notebook, cell, part, work)

    def _python(self, notebook: Notebook, cell: Cell, part: Part) -> None:
        """Run code; the value of a last expression is shown."""
        name = notebook.file_name(cell)
        tree = _parsed(part, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(trace.named(compile(tree, name, "exec"), cell), self.namespace)  # noqa: S102
        if isinstance(last, ast.Expr):
            code = trace.named(compile(ast.Expression(last.value), name, "eval"), cell)
            value = eval(code, self.namespace)  # noqa: S307
            self._flush()
            self._display.echo(value)

    def _at(self, notebook: Notebook, cell: Cell, part: Part, work: Callable[[], None]) -> None:
        """Do work of a magic so that an error's trace shows its line of the notebook."""
        code = compile("\n" * (part.line - 1) + "work()", notebook.file_name(cell), "exec")
        exec(trace.named(code, cell), {"work": work})  # noqa: S102

    def _magic(self, notebook: Notebook, cell: Cell, part: Part) -> Callable[[], None]:
        match part.language:
            case "sql":
                return lambda: self._sql(notebook, cell, part)
            case "run":
                return lambda: self._include(notebook, part.text)
            case "fs":
                return lambda: self._files(part.text)
        reason = REFUSED.get(part.language, "It is unknown. Known are %md, %sql, %python, %run and %fs.")
        return lambda: _refuse(part.language, reason)

    def _sql(self, notebook: Notebook, cell: Cell, part: Part) -> None:
        """Run each statement and show the result of the last one, which is also ``_sqldf``."""
        widgets = self._dbutils.widgets.getAll()
        frame = None
        for statement in split(part.text):
            given = {name: widgets[name] for name in statement.parameters if name in widgets}
            frame = self._spark.sql(statement.text, args=given) if given else self._spark.sql(statement.text)
        if frame is not None:
            self.namespace["_sqldf"] = frame
            if frame.columns:
                self._display(frame)

    def _include(self, notebook: Notebook, line: str) -> None:
        """``%run PATH $name="value"``: the cells of another notebook, in this namespace."""
        path, arguments = _run_arguments(line)
        found = self.find(path, notebook.path)
        if found in self._open:
            raise MagicError(f"%run goes in a circle: {' -> '.join([*self._open, found])}. Take one of them out.")
        self._dbutils.widgets.override(arguments)
        included = parse(found, on_disk(self._workspace, found).read_bytes())
        trace.register(included)
        self._open.append(found)
        for cell in included.cells:
            self._cell(included, cell)
        self._open.pop()

    def find(self, path: str, beside: str) -> str:
        """The workspace path of a notebook.

        :param path: absolute, or relative to the notebook ``beside``; its suffix may be missing.
        :raises MagicError: there is none.
        """
        whole = path if path.startswith("/") else _joined(PurePosixPath(beside).parent, path)
        for suffix in SUFFIXES:
            candidate = normalise(whole + suffix)
            if on_disk(self._workspace, candidate).is_file():
                return candidate
        raise MagicError(
            f"Notebook not found: {whole}. Notebooks are looked for in the workspace. Import it there first."
        )

    def _files(self, line: str) -> None:
        """``%fs COMMAND ARGUMENTS``: the same as ``dbutils.fs.COMMAND``."""
        words = shlex.split(line) or ["help"]
        command = getattr(self._dbutils.fs, words[0], None)
        if command is None or words[0].startswith("_"):
            raise MagicError(
                f"%fs {words[0]} is unknown. Known are ls, head, put, cp, mv, rm, mkdirs, mounts. Use one."
            )
        options = {"recurse": True} if {"-r", "--recurse=true"} & set(words) else {}
        result = command(*[word for word in words[1:] if not word.startswith("-")], **options)
        self._display(result)


def _refuse(name: str, reason: str) -> None:
    raise MagicError(f"%{name} does not run: {reason}")


def _parsed(part: Part, name: str) -> ast.Module:
    try:
        tree = ast.parse(part.text, name)
    except SyntaxError as error:
        shift = part.line - 1
        error.lineno = (error.lineno or 1) + shift
        error.end_lineno = (error.end_lineno or error.lineno - shift) + shift
        raise
    ast.increment_lineno(tree, part.line - 1)
    return tree


def _run_arguments(line: str) -> tuple[str, Mapping[str, str]]:
    """The path and arguments of ``%run``; a path with blanks may be quoted or not."""
    words = shlex.split(line, comments=True)
    path = " ".join(word for word in words if not word.startswith("$"))
    if not path:
        raise MagicError("%run has no path. Name the notebook to include.")
    pairs = (word[1:].partition("=") for word in words if word.startswith("$"))
    return path, {name: value for name, _, value in pairs}


def _joined(folder: PurePosixPath, path: str) -> str:
    """Resolve ``.`` and ``..`` within the workspace."""
    parts = list(folder.parts)
    for piece in PurePosixPath(path).parts:
        if piece == "..":
            if len(parts) <= 1:
                raise MagicError(f"{path} leaves the workspace. Name a notebook within it.")
            parts.pop()
        else:
            parts.append(piece)
    return str(PurePosixPath(*parts))
