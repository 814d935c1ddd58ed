"""What went wrong in a notebook: the error in one line, and the trace with notebook, cell and line."""

from __future__ import annotations

import linecache
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType

from sandbox.databricks.notebook.document import Cell, Notebook
from sandbox.databricks.sessions import error_text

HIDDEN = (str(Path(__file__).parent), "/pyspark/sql/connect/")


@dataclass(frozen=True)
class Failure:
    """An error as the API gives it."""

    error: str
    trace: str


def register(notebook: Notebook) -> None:
    """Let traces show the lines of a notebook."""
    if not notebook.per_cell_lines:
        linecache.cache[notebook.path] = _entry(notebook.text, notebook.path)
        return
    for cell in notebook.cells:
        name = notebook.file_name(cell)
        linecache.cache[name] = _entry(cell.source, name)


def _entry(text: str, name: str) -> tuple[int, None, list[str], str]:
    return len(text), None, text.splitlines(keepends=True), name


def named(code: CodeType, cell: Cell) -> CodeType:
    """Make traces say ``in <cell 3>`` instead of ``in <module>``."""
    return code.replace(co_name=f"<cell {cell.number}>", co_qualname=f"<cell {cell.number}>")


def describe(error: BaseException) -> Failure:
    """Put an error into words; frames of the runner and of Spark's client are left out."""
    message = _message(error)
    lines = list(_chain(error, set()))
    return Failure(message, "".join(lines))


def _message(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    text = error_text(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _chain(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    before: list[str] = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen:
        why = (
            "The above exception was the direct cause of"
            if error.__cause__
            else "During handling of the above exception came"
        )
        before = [*_chain(cause, seen), f"\n{why} the following exception:\n\n"]
    return [*before, "Traceback (most recent call last):\n", *_frames(error.__traceback__), *_last(error)]


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    kept = [frame for frame in frames if not any(hidden in frame.filename for hidden in HIDDEN)]
    return traceback.format_list(kept)


def _last(error: BaseException) -> list[str]:
    if isinstance(error, SyntaxError):
        return traceback.format_exception_only(error)
    return [f"{_message(error)}\n"]
