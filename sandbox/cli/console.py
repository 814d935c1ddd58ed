"""What the user sees: progress on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

STATE_COLOURS = {
    "healthy": "green", "success": "green", "running": "cyan", "starts": "cyan", "failed": "red", "unhealthy": "red",
    "up_for_retry": "yellow", "deferred": "magenta", "upstream_failed": "yellow", "stopped": "dim", "waits": "dim",
}  # fmt: skip
WIDE = 140
"""Columns where there is no terminal: tables in a log or a file are not squeezed into 80."""

progress = Console(stderr=True, highlight=False, emoji=False, width=None if sys.stderr.isatty() else WIDE)
output = Console(highlight=False, emoji=False, markup=False, width=None if sys.stdout.isatty() else WIDE)


def print_json(document: Any) -> None:
    """One JSON document on standard output, nothing else."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n")


def coloured(state: str) -> Text:
    """A state in its colour; the first word decides."""
    return Text(state, STATE_COLOURS.get(state.split()[0], "") if state else "")


def table(title: str, rows: Sequence[Mapping[str, Any]], limit: int | None = None) -> Group:
    """Rows of like keys as a table below its title; values are shown as they are, brackets and all.

    :param limit: how many rows to show; the title tells when there are more.
    """
    shown = rows[:limit]
    more = f" ({len(shown)} of {len(rows)} rows)" if len(shown) < len(rows) else ""
    made = Table(header_style="dim")
    for name in rows[0] if rows else ["(no rows)"]:
        right = bool(rows) and isinstance(rows[0][name], int | float)
        made.add_column(str(name), justify="right" if right else "left", overflow="fold")
    for row in shown:
        made.add_row(*(_cell(value) for value in row.values()))
    return Group(Text(title + more, "bold"), made)


def _cell(value: Any) -> Text:
    return value if isinstance(value, Text) else Text("" if value is None else str(value))


class Board:
    """A table of names and states that is redrawn as they change; lines where there is no terminal."""

    def __init__(self, title: str) -> None:
        self._title, self._states = title, dict[str, str]()
        self._since, self._begun = dict[str, float](), time.monotonic()
        self._guard = threading.Lock()
        self._live: Live | None = None

    def set(self, name: str, state: str) -> None:
        """Note a new state; repeats are ignored."""
        with self._guard:
            if self._states.get(name) == state:
                return
            self._states[name], self._since[name] = state, time.monotonic()
        if self._live is None:
            since = f"{time.monotonic() - self._begun:6.1f} s"
            progress.print(Text.assemble(f"{since}  {name:34} ", coloured(state)), soft_wrap=True)

    def __rich__(self) -> Table:
        """The board as it is now."""
        made = Table(title=f"{self._title}  {time.monotonic() - self._begun:.0f} s", title_justify="left", box=None)
        made.add_column("", min_width=34)
        made.add_column("")
        made.show_header = False
        with self._guard:
            for name, state in self._states.items():
                made.add_row(Text(name), coloured(state))
        return made

    @contextmanager
    def shown(self) -> Iterator[Board]:
        """Draw it while the block runs."""
        if not progress.is_terminal:
            progress.print(f"[bold]{self._title}[/]")
            yield self
            return
        with Live(self, console=progress, refresh_per_second=6) as live:
            self._live = live
            yield self
