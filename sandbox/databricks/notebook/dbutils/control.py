"""``dbutils.notebook``: end this notebook, run another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Child = Callable[[str, float, Mapping[str, str]], str]


class NotebookExit(BaseException):
    """Ends a notebook; not an ``Exception``, so that ``except Exception`` lets it through.

    :param value: the result of the notebook.
    """

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


class NotebookControl:
    """``dbutils.notebook``.

    :param child: runs another notebook.
    """

    def __init__(self, child: Child) -> None:
        self._child = child

    def exit(self, value: Any = "") -> None:
        """End this notebook with a result.

        :raises NotebookExit: always; that is how it ends.
        """
        raise NotebookExit("" if value is None else str(value))

    def run(self, path: str, timeout_seconds: float = 0, arguments: Mapping[str, Any] | None = None) -> str:
        """Run another notebook in a process and a Spark session of its own.

        :param path: absolute, or relative to this notebook.
        :param timeout_seconds: 0 = without limit.
        :param arguments: its parameters.
        :returns: what it gave to ``exit``.
        :raises RuntimeError: it failed or took too long.
        """
        return self._child(path, timeout_seconds, {name: str(value) for name, value in (arguments or {}).items()})
