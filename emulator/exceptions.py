"""What can go wrong in the emulator.

::

    EmulatorError
    ├── OptionsError             a request that makes no sense; nothing was done
    ├── SourceError              the source database
    │   ├── SourceUnavailable    it can't be opened or reached
    │   ├── SourceEmpty          it holds no posts
    │   ├── SourceNotEmpty       it holds rows that a seed or load would replace
    │   └── SourceFileError      a file to load breaks the rules; nothing was loaded
    ├── UnexpectedAnswer         the gateway's answer to a question is not what it should be; nothing was posted
    └── DeliveryError            a request with records
        ├── NotSent              surely not taken: no connection, or turned away before any record was read
        ├── Rejected             surely not taken: refused with a reason, never resent as it is
        └── OutcomeUnknown       may have been taken: resent under the same identity

The three delivery errors are the outcomes of one request; :func:`emulator.post.run` handles them and writes
them to the ledger, so that a caller of it meets only ``NotSent`` (when the gateway never answered at all).
Each text says what went wrong, why, and what to do.
"""

# The names say what is known, as the design has them; they need no "Error".
# ruff: noqa: N818
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class EmulatorError(Exception):
    """The root of the emulator's errors."""


class OptionsError(EmulatorError, ValueError):
    """A request that makes no sense; nothing was done."""


class SourceError(EmulatorError):
    """The source database can't do what was asked."""


class SourceUnavailable(SourceError):
    """The database can't be opened or reached."""


class SourceEmpty(SourceError):
    """The database holds no posts."""


class SourceNotEmpty(SourceError):
    """The database holds rows that must not be replaced without being asked to."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with a file.

    :param file: the file's name as it was given.
    :param line: the line, from 1, where the row begins; 0 when it is the whole file.
    :param column: the column's name, or empty when it is the whole row.
    :param reason: what is wrong with the value.
    """

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        at = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{at}, column {self.column}: {self.reason}" if self.column else f"{at}: {self.reason}"


class SourceFileError(SourceError):
    """A file to load breaks the rules; nothing was loaded.

    :param problems: the first problems, in the order of the files and lines.
    :param total: how many there are in all.
    """

    def __init__(self, problems: Sequence[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        super().__init__(self._text())

    def _text(self) -> str:
        more = self.total - len(self.problems)
        lines = [f"{self.total} problem{'' if self.total == 1 else 's'} in the files; nothing was loaded."]
        lines += [f"  {problem}" for problem in self.problems]
        if more:
            lines.append(f"  ... and {more} more")
        return "\n".join([*lines, "Mend the files and load them again: they are taken whole or not at all."])


class UnexpectedAnswer(EmulatorError):
    """The gateway answered a question with something else; nothing was posted."""


class DeliveryError(EmulatorError):
    """A request with records that did not bring back one offset a record.

    :param code: a short code: ``http_404``, ``timeout`` ...
    :param reason: what is known of the cause.
    """

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class NotSent(DeliveryError):
    """No record of the request can have been taken.

    :param wait: seconds that the server asked to be left alone (``Retry-After``), if it did.
    """

    def __init__(self, code: str, reason: str, wait: float | None = None) -> None:
        super().__init__(code, reason)
        self.wait = wait


class Rejected(DeliveryError):
    """Every record of the request was refused."""


class OutcomeUnknown(DeliveryError):
    """Records of the request may have been taken."""
