"""Mapping templates: compiled once, and refused when they lost their ``$`` signs on the way into the document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import airspeed

_FUNCTION = (
    r"(?:input\.(?:path|json|params)\b|input\.body\b|stageVariables\b[.\[]"
    r"|util\.(?:escapeJavaScript|parseJson|urlEncode|urlDecode|base64Encode|base64Decode)\b"
    r"|context\.(?:requestId|stage|identity|httpMethod|resourcePath|requestOverride|responseOverride|error|authorizer)\b)"
)
_LOST_FUNCTION = re.compile(r"(?<![\w.$!{-])" + _FUNCTION)
_LOST_PATH = re.compile(r"""\$!?\{?input\.(?:path|json)\(\s*(["'])\.""")
_DIRECTIVE = re.compile(r"#\{?(if|elseif|set|foreach)\}?\s*\(")
_TEXT = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")
_BARE_WORD = re.compile(r"(?<![\w$.!{-])[A-Za-z_]\w*")
_WORDS = frozenset({"true", "false", "null", "in", "and", "or", "not", "eq", "ne", "gt", "lt", "ge", "le"})
_ASSIGNED = re.compile(r"#\{?(?:set|foreach)\}?\s*\(\s*\$?!?\{?([A-Za-z_][\w-]*)")


class TemplateError(ValueError):
    """A template that cannot be run.

    :param line: the line's number in the template, from 1.
    :param text: that line.
    :param reason: what is wrong with it.
    """

    def __init__(self, line: int, text: str, reason: str) -> None:
        self.line = line
        self.text = text
        self.reason = reason
        super().__init__(f"line {line}, `{text.strip()}`: {reason}")


class RenderError(ValueError):
    """A template that failed on a payload; the text names the expression and why."""


class Template:
    """A compiled mapping template.

    :raises TemplateError: it lost its ``$`` signs, or is not VTL.
    """

    def __init__(self, source: str) -> None:
        for problem in lost_signs(source):
            raise problem
        self.source = source
        self._compiled = airspeed.Template(source)
        try:
            self._compiled.ensure_compiled()
        except airspeed.TemplateSyntaxError as error:
            raise TemplateError(error.line, _line(source, error.line), f"this is not VTL ({error}).") from error

    def render(self, variables: Mapping[str, Any]) -> str:
        """Run it with ``input``, ``util``, ``context`` and ``stageVariables``.

        :raises RenderError: it fails on these values.
        """
        try:
            text: str = self._compiled.merge(dict(variables))
        except airspeed.TemplateError as error:
            raise RenderError(str(error)) from error
        return text


def lost_signs(source: str) -> Iterator[TemplateError]:
    """Every place where a variable stands without its ``$``, as in templates pasted from documents."""
    assigned = "|".join(sorted({re.escape(name) for name in _ASSIGNED.findall(_uncommented(source))}))
    own = re.compile(rf"(?<![\w$.!{{'-])(?:{assigned})\.[A-Za-z]") if assigned else None
    for number, line in enumerate(_uncommented(source).splitlines(), start=1):
        if word := _lost_word(line, own):
            yield TemplateError(
                number,
                _line(source, number),
                f"{word} has no $ sign; the template has lost its $ signs, often by pasting it from a document. "
                f"Put them back, as in ${word.lstrip('$')}.",
            )


def _lost_word(line: str, own: re.Pattern[str] | None) -> str | None:
    if match := _LOST_FUNCTION.search(line):
        return match.group().rstrip(".[")
    if match := _LOST_PATH.search(line):
        return match.group(0) + "..."
    for arguments in _directive_arguments(line):
        for match in _BARE_WORD.finditer(_TEXT.sub('""', arguments)):
            if match.group() not in _WORDS:
                return match.group()
    if own and (match := own.search(line)):
        return match.group()[:-2]
    return None


def _directive_arguments(line: str) -> Iterator[str]:
    for match in _DIRECTIVE.finditer(line):
        depth, end = 1, match.end()
        while end < len(line) and depth:
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            end += 1
        yield line[match.end() : end]


def _uncommented(source: str) -> str:
    blocks = re.sub(r"#\*.*?\*#", lambda match: "\n" * match.group().count("\n"), source, flags=re.DOTALL)
    return re.sub(r"##[^\n]*", "", blocks)


def _line(source: str, number: int) -> str:
    lines = source.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""
