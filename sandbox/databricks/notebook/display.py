"""``display``, ``displayHTML`` and the echo of a cell's last expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.databricks.notebook.recording import Recorder
from sandbox.databricks.sql.results import text

MAXIMUM_ROWS = 1000
MAXIMUM_TEXT = 100_000


class Display:
    """The function ``display`` of a notebook."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __call__(self, value: Any = None, *_: Any, **__: Any) -> None:
        """Show a Spark or pandas table (its first 1,000 rows), a list of rows, or any value.

        :raises NotImplementedError: a streaming DataFrame.
        """
        if getattr(value, "isStreaming", False) is True:
            raise NotImplementedError(
                "display() of a streaming DataFrame does not run in the sandbox: nothing would read it. "
                "Write the stream to a table and display the table."
            )
        if is_spark(value):
            self._spark(value)
        elif is_pandas(value):
            self._pandas(value)
        elif isinstance(value, (list, tuple)) and value and all(_fields(row) for row in value):
            self._table(list(_fields(value[0])), [list(_values(row)) for row in value])
        elif value is not None:
            self._recorder.output("text", text=str(value)[:MAXIMUM_TEXT])

    def _spark(self, frame: Any) -> None:
        self._table(list(frame.columns), [list(row) for row in frame.limit(MAXIMUM_ROWS + 1).collect()])

    def _pandas(self, frame: Any) -> None:
        if frame.ndim == 1:
            frame = frame.to_frame(name=frame.name if frame.name is not None else "value")
        shown = frame.head(MAXIMUM_ROWS + 1).astype(object)
        shown = shown.where(shown.notna(), None)
        self._table([str(name) for name in shown.columns], shown.to_numpy().tolist())

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        written = [[text(value) for value in row] for row in rows[:MAXIMUM_ROWS]]
        self._recorder.output("table", columns=columns, rows=written, truncated=len(rows) > MAXIMUM_ROWS)

    def html(self, content: Any) -> None:
        """The function ``displayHTML``."""
        self._recorder.output("html", html=str(content))

    def echo(self, value: Any) -> None:
        """Show the value of a cell's last expression, as Python's prompt does; tables of pandas as tables."""
        if is_pandas(value):
            self._pandas(value)
        elif value is not None:
            self._recorder.output("text", text=repr(value)[:MAXIMUM_TEXT])


def is_spark(value: Any) -> bool:
    """Whether a value is a DataFrame of Spark, without importing Spark."""
    return hasattr(value, "limit") and hasattr(value, "columns") and hasattr(value, "isStreaming")


def is_pandas(value: Any) -> bool:
    """Whether a value is a DataFrame or Series of pandas, without importing pandas."""
    return type(value).__module__.partition(".")[0] == "pandas" and type(value).__name__ in ("DataFrame", "Series")


def _fields(row: Any) -> Sequence[str]:
    named = getattr(row, "_fields", None) or getattr(row, "__fields__", None)
    return list(row) if isinstance(row, Mapping) else list(named or [])


def _values(row: Any) -> Sequence[Any]:
    return list(row.values()) if isinstance(row, Mapping) else list(row)
