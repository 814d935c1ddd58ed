"""Notebooks as cells: Databricks SOURCE files, ``.ipynb`` documents and plain Python files."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HEADER = re.compile(r"(?:#|--|//) Databricks notebook source[ \t]*(?:\n|\Z)")
SEPARATOR = re.compile(r"(?:#|--|//) COMMAND -+[ \t]*")
SEPARATOR_LINE = re.compile(r"(?m)^(?:#|--|//) COMMAND -+[ \t]*$")
LANGUAGES = {"#": "python", "--": "sql", "//": "scala"}
MAGIC_LINE = re.compile(r"(?:#|--|//) MAGIC(?: |$)")
TITLE = re.compile(r"(?:#|--|//) DBTITLE \d+,(.*)")
MAGIC = re.compile(r"[ \t]*%(%?[A-Za-z][\w-]*)[ \t]*(.*)")
LINE_MAGICS = frozenset({"run", "fs", "pip", "conda"})
MARKDOWN = frozenset({"md", "md-sandbox", "markdown"})


class DocumentError(ValueError):
    """A file that is not a notebook; the text names the file."""


@dataclass(frozen=True)
class Part:
    """Lines of one language.

    :param language: ``python``, ``md``, ``sql``, or another magic's name.
    :param text: without the magic's name.
    :param line: the number of its first line, in the file (SOURCE, plain) or in the cell (Jupyter).
    """

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Cell:
    """One cell.

    :param number: from 1.
    :param source: as the reader sees it, with magics, without ``# MAGIC``.
    """

    number: int
    title: str
    source: str
    line: int
    parts: tuple[Part, ...]

    @property
    def language(self) -> str:
        """The language in which it is shown."""
        return self.parts[0].language if len(self.parts) == 1 else "python"


@dataclass(frozen=True)
class Notebook:
    """A notebook.

    :param path: its workspace path.
    :param text: the whole file.
    :param per_cell_lines: whether lines are counted in each cell (Jupyter) or through the file.
    """

    path: str
    text: str
    cells: tuple[Cell, ...]
    per_cell_lines: bool = False

    def file_name(self, cell: Cell) -> str:
        """How a trace names the place; what follows are line numbers."""
        return f"{self.path}#cell-{cell.number}" if self.per_cell_lines else self.path


def parse(path: str, content: bytes, language: str | None = None) -> Notebook:
    """Read a notebook in whatever form it is.

    :param path: its workspace path, for messages.
    :param language: of cells without a magic, when the workspace knows it.
    :raises DocumentError: not UTF-8, or JSON that is not a Jupyter notebook.
    """
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path} is not UTF-8 text: {error}. Save the notebook as UTF-8.") from None
    default = (language or "PYTHON").lower()
    if text.lstrip().startswith("{") and '"cells"' in text:
        return Notebook(path, text, tuple(_jupyter_cells(path, text, default)), per_cell_lines=True)
    if (header := HEADER.match(text)) or SEPARATOR_LINE.search(text):
        spoken = LANGUAGES.get(text[:2].strip(), default) if header else default
        return Notebook(path, text, tuple(_source_cells(text, spoken, 1 if header else 0)))
    plain = Cell(1, "", text, 1, (Part(default, text, 1),))
    return Notebook(path, text, (plain,) if text.strip() else ())


def _source_cells(text: str, default: str, start: int) -> Iterator[Cell]:
    lines = text.split("\n")
    number = 0
    for index in range(start, len(lines) + 1):
        if index < len(lines) and not SEPARATOR.fullmatch(lines[index]):
            continue
        if cell := _source_cell(number + 1, lines[start:index], start + 1, default):
            number += 1
            yield cell
        start = index + 1


def _source_cell(number: int, lines: Sequence[str], first: int, default: str) -> Cell | None:
    """:param first: the file's line number of ``lines[0]``."""
    title = ""
    kept: list[str] = []
    for line in lines:
        found = TITLE.fullmatch(line)
        title = found[1].strip() if found and not title else title
        kept.append("" if found else MAGIC_LINE.sub("", line, count=1) if MAGIC_LINE.match(line) else line)
    return _cell(number, title, kept, first, default)


def _cell(number: int, title: str, lines: Sequence[str], first: int, default: str) -> Cell | None:
    filled = [index for index, line in enumerate(lines) if line.strip()]
    if not filled:
        return None
    lines, first = lines[filled[0] : filled[-1] + 1], first + filled[0]
    return Cell(number, title, "\n".join(lines), first, tuple(_parts(lines, first, default)))


def _jupyter_cells(path: str, text: str, default: str) -> Iterator[Cell]:
    try:
        document = json.loads(text)
        found = [(cell["cell_type"], cell["source"]) for cell in document["cells"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DocumentError(f"{path} is not a Jupyter notebook: {error}. Export it again as .ipynb.") from None
    number = 0
    for kind, source in found:
        body = source if isinstance(source, str) else "".join(source)
        lines = body.replace("\r\n", "\n").split("\n")
        cell = _cell(number + 1, "", lines, 1, "md" if kind == "markdown" else default)
        if cell and kind != "raw":
            number += 1
            yield cell


def _parts(lines: Sequence[str], first: int, default: str) -> Iterator[Part]:
    """Split a cell at its magics: ``%run`` and its kind take their line, others what is left of the cell."""
    if default == "md":
        yield Part("md", "\n".join(lines), first)
        return
    pending: list[str] = []
    for index, line in enumerate(lines):
        found = MAGIC.fullmatch(line)
        if not found or (default == "python" and not _complete(pending)):
            pending.append(line)
            continue
        yield from _code(pending, first + index - len(pending), default)
        pending = []
        name, rest = found[1].lower(), found[2]
        if name in LINE_MAGICS:
            yield Part(name, rest.strip(), first + index)
            continue
        body = [rest, *lines[index + 1 :]] if rest.strip() else list(lines[index + 1 :])
        yield Part("md" if name in MARKDOWN else name, "\n".join(body), first + index + (0 if rest.strip() else 1))
        return
    yield from _code(pending, first + len(lines) - len(pending), default)


def _code(lines: Sequence[str], first: int, language: str) -> Iterator[Part]:
    if any(line.strip() for line in lines):
        yield Part(language, "\n".join(lines), first)


def _complete(lines: Sequence[str]) -> bool:
    """Whether Python code ends here, so that a ``%`` is a magic and not the inside of a text or a remainder."""
    try:
        ast.parse("\n".join(lines))
    except SyntaxError:
        return False
    return True
