"""Parts for the supervisor's tests: real processes of ``server.py``."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.supervisor.part import Command, Context

SERVER = Path(__file__).with_name("server.py")


def ask(context: Context, name: str, timeout: float = 5.0) -> dict[str, Any]:
    """What a part's server says of itself; raises OSError when it is not well in time."""
    with urllib.request.urlopen(context.url(name), timeout=timeout) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@dataclass
class WebPart:
    """One server.

    :param flags: more arguments of ``server.py``; it is also told the ports of all it requires.
    :param patience: how many seconds its check waits for an answer.
    :param well_with: another part that must listen before this one calls itself well.
    :param on_prepare: called in ``prepare``.
    :param on_ready: called in ``ready``.
    """

    name: str
    requires: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    stands_for: str = "a cloud service"
    stop_grace: float = 5.0
    adopts: bool = False
    patience: float = 4.0
    well_with: str | None = None
    on_prepare: Callable[[], None] = lambda: None
    on_ready: Callable[[], None] = lambda: None
    readied: list[int] = field(default_factory=list)

    def prepare(self, context: Context) -> None:
        self.on_prepare()

    def command(self, context: Context) -> Command:
        told = [word for name in self.requires for word in ("--told", str(context.port(name)))]
        argv = (sys.executable, str(SERVER), "--port", str(context.port(self.name)))
        return Command((*argv, "--folder", str(context.data(self.name)), *told, *self.flags))

    def check(self, context: Context) -> str | None:
        ask(context, self.name, self.patience)
        if self.well_with is not None:
            ask(context, self.well_with, self.patience)
        return None

    def ready(self, context: Context) -> None:
        self.readied.append(ask(context, self.name)["pid"])
        self.on_ready()
