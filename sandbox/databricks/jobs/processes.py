"""The processes that runs are: each in a process group of its own, found again after a restart by its arguments."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAUNCHER = Path(__file__).parents[1] / "notebook" / "launch.py"
SPECIFICATION, LOG, CELLS, OUTCOME = "task.json", "output.log", "cells.jsonl", "outcome.json"
GRACE_SECONDS = 2.0


@dataclass(frozen=True)
class Outcome:
    """What a task's process left behind.

    :param succeeded: whether it reached its end.
    :param result: the text given to ``dbutils.notebook.exit``.
    :param error: the last line of the trace.
    :param error_trace: the whole trace, with notebook, cell and line.
    :param truncated: whether ``result`` is only the beginning.
    """

    succeeded: bool
    result: str | None = None
    error: str | None = None
    error_trace: str | None = None
    truncated: bool = False


class TaskProcess:
    """A running process of a task.

    :param pid: its id, which is its group's as well.
    :param child: set when this server started it; an adopted one is somebody else's child.
    """

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self._child = child

    @classmethod
    def start(cls, folder: Path, specification: Mapping[str, Any], environment: Mapping[str, str]) -> TaskProcess:
        """Start a task.

        :param folder: the task's own; it gets the specification, the output and the outcome.
        :param environment: variables on top of this server's own.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SPECIFICATION).write_text(json.dumps(specification), encoding="utf-8")
        with (folder / LOG).open("ab") as log:
            child = subprocess.Popen(
                (sys.executable, "-u", str(LAUNCHER), str(folder)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**_own_environment(), **environment},
                start_new_session=True,
            )
        return cls(child.pid, child)

    @classmethod
    def find(cls, folder: Path) -> TaskProcess | None:
        """The process of a task that an earlier server started, if it still lives."""
        wanted = [os.fsencode(LAUNCHER), os.fsencode(folder)]
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if (entry / "cmdline").read_bytes().split(b"\0")[2:4] == wanted and _leads(int(entry.name)):
                        return cls(int(entry.name))
        return None

    async def wait(self) -> None:
        """Until the process has ended."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            self._reap()
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        self._reap()

    async def kill(self) -> None:
        """End the whole group: politely, and after 2 s for certain."""
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        await self.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait()

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self._child.returncode if self._child else None
        if code is None:
            return "the process ended"
        return (
            f"the process was ended by {signal.Signals(-code).name}"
            if code < 0
            else f"the process ended with code {code}"
        )


def _own_environment() -> dict[str, str]:
    """The server's variables, but not where it finds its own modules: a notebook finds the workspace's."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _leads(pid: int) -> bool:
    state = (
        (Path("/proc") / str(pid) / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    )
    return state != "Z" and os.getpgid(pid) == pid


def read_outcome(folder: Path) -> Outcome | None:
    """What a task left behind; none when its process was ended before it could say."""
    try:
        document = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Outcome(**document)


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Leave an outcome; it appears whole or not at all."""
    draft = folder / f"{OUTCOME}.new"
    draft.write_text(json.dumps(vars(outcome)), encoding="utf-8")
    draft.replace(folder / OUTCOME)
