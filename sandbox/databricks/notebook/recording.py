"""What a notebook shows, written down as it happens, with secrets struck out."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any, TextIO

REDACTED = "[REDACTED]"
SHORTEST_SECRET = 4
MAXIMUM_STREAM = 1024 * 1024


class Redactor:
    """Strikes known secrets out of texts."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def add(self, value: str) -> None:
        """Strike this value from now on; values too short to be a secret are left alone."""
        if len(value) >= SHORTEST_SECRET:
            self._values.add(value)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, REDACTED)
        return text

    def deep(self, value: Any) -> Any:
        """The same for every text in a JSON value."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.deep(item) for key, item in value.items()}
        return [self.deep(item) for item in value] if isinstance(value, (list, tuple)) else value


class Recorder:
    """Writes events as JSON lines: ``cell``, ``stream``, ``output`` and ``end``.

    :param path: the file; readers may look at it at any time.
    """

    def __init__(self, path: Path, redact: Redactor) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._redact = redact
        self._cell = 0
        self._streamed = 0

    def begin(self, number: int, title: str, language: str, source: str) -> None:
        """A cell starts."""
        self._cell, self._streamed = number, 0
        self._write("cell", title=title, language=language, source=source)

    def end(self, state: str) -> None:
        """The cell has ended: ``SUCCESS``, ``FAILED`` or ``EXITED``."""
        self._write("end", state=state)

    def stream(self, name: str, text: str) -> None:
        """Something was printed; of a very talkative cell only the first 1 MiB is shown, the log has all of it."""
        left = MAXIMUM_STREAM - self._streamed
        self._streamed += len(text)
        if left > 0:
            note = "" if len(text) <= left else "\n… more is in the log of the run\n"
            self._write("stream", name=name, text=text[:left] + note)

    def output(self, kind: str, **content: Any) -> None:
        """Something is shown: ``table``, ``text``, ``html`` or ``error``."""
        self._write("output", kind=kind, **content)

    def _write(self, event: str, **content: Any) -> None:
        document = {"event": event, "cell": self._cell, "at": time.time_ns() // 1_000_000, **self._redact.deep(content)}
        self._file.write(json.dumps(document, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CellStream(io.TextIOBase):
    """A standard stream that also goes to the cell; whole lines at a time, so that a secret is never cut in two.

    :param name: ``stdout`` or ``stderr``.
    :param target: the process's own stream, which is the run's log.
    """

    def __init__(self, name: str, target: TextIO, recorder: Recorder, redact: Redactor) -> None:
        self._name, self._target, self._recorder, self._redact = name, target, recorder, redact
        self._pending = ""

    def writable(self) -> bool:
        """Always."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """UTF-8, as the log."""
        return "utf-8"

    def write(self, text: str) -> int:
        """Take a text and pass on the lines that are complete."""
        whole, newline, rest = (self._pending + text).rpartition("\n")
        self._pending = rest
        if newline:
            self._pass(whole + newline)
        return len(text)

    def flush(self) -> None:
        """Pass on what has no line end yet."""
        pending, self._pending = self._pending, ""
        if pending:
            self._pass(pending)

    def _pass(self, text: str) -> None:
        clean = self._redact(text)
        self._target.write(clean)
        self._target.flush()
        self._recorder.stream(self._name, clean)
