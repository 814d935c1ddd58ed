"""SQL texts: where statements end, which parameters they name, and values in the place of those."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* )
  | (?P<block> /\* )
  | (?P<raw> [rR]'[^']*' | [rR]"[^"]*" )
  | (?P<text> '(?:\\.|''|[^'\\])*' | "(?:\\.|""|[^"\\])*" )
  | (?P<name> `(?:``|[^`])*` )
  | (?P<end> ; )
  | (?P<cast> :: )
  | (?P<position> \? )
  | (?P<parameter> :(?P<parameter_name>[A-Za-z_]\w*) )
  | (?P<word> \w+ )
  | (?P<space> \s+ )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
BLOCK_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class SqlStatement:
    """One statement of a text.

    :param text: without the closing semicolon.
    :param line: the number of its first line, from 1.
    :param parameters: the names of its ``:name`` markers.
    """

    text: str
    line: int
    parameters: frozenset[str]


def split(text: str) -> list[SqlStatement]:
    """The statements of a text; semicolons in texts, names and comments end none, and comments alone are none."""
    found: list[SqlStatement] = []
    start, filled, names = 0, False, set[str]()
    for kind, begin, end, name in _tokens(text):
        if kind == "end":
            if filled:
                found.append(_statement(text, start, begin, names))
            start, filled, names = end, False, set()
            continue
        filled = filled or kind not in ("comment", "space")
        if name:
            names.add(name)
    if filled:
        found.append(_statement(text, start, len(text), names))
    return found


def bind(text: str, named: Mapping[str, str], positional: Sequence[str] = ()) -> str:
    """Put values in the place of ``:name`` and ``?`` markers; markers without a value are left for Spark to refuse.

    Spark 4.1 would do it, but Delta 4.4's parser drops the values (github.com/delta-io/delta/issues/7640, open).

    :param named: SQL literals by the name of their marker.
    :param positional: SQL literals in the order of their markers.
    """
    left = list(positional)
    pieces: list[str] = []
    for kind, begin, end, name in _tokens(text):
        if name is not None and name in named:
            pieces.append(named[name])
        elif kind == "position" and left:
            pieces.append(left.pop(0))
        else:
            pieces.append(text[begin:end])
    return "".join(pieces)


def _statement(text: str, start: int, end: int, names: set[str]) -> SqlStatement:
    body = text[start:end]
    lead = len(body) - len(body.lstrip())
    return SqlStatement(body.strip(), text.count("\n", 0, start + lead) + 1, frozenset(names))


def _tokens(text: str) -> Iterator[tuple[str, int, int, str | None]]:
    position, before = 0, ""
    while position < len(text):
        match = cast("re.Match[str]", TOKEN.match(text, position))  # the last alternative takes anything
        kind, end = str(match.lastgroup), match.end()
        if kind == "block":
            kind, end = "comment", _block_end(text, end)
        is_marker = kind == "parameter" and before not in ("word", "name", "other_close")
        yield kind, position, end, match["parameter_name"] if is_marker else None
        before = "other_close" if match[0] in (")", "]") else kind
        position = end


def _block_end(text: str, position: int) -> int:
    """The end of a comment; in Spark comments nest."""
    depth = 1
    while depth and (edge := BLOCK_EDGE.search(text, position)):
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return len(text) if depth else position
