"""Process groups of the parts: start, find again, measure, stop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from sandbox.supervisor.part import Command

MARK_BASE, MARK_PART = "PINFLOW_SANDBOX", "PINFLOW_PART"
INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "USER")
MAXIMUM_LOG_BYTES = 20_000_000


def start(part: str, command: Command, base: Path, cwd: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a part as the leader of its own session, with its output in ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > MAXIMUM_LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))
    with log.open("ab") as output:
        output.write(f"--- {part} starts at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n".encode())
        output.flush()
        return subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(part, command.env, base),
            cwd=command.cwd or cwd,
            start_new_session=True,
        )


def environment(part: str, extra: Mapping[str, str], base: Path) -> dict[str, str]:
    """The clean environment of a part, with the marks by which its processes are found again."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**kept, "TZ": "UTC", "PYTHONUNBUFFERED": "1", **extra, MARK_BASE: str(base), MARK_PART: part}


def members(base: Path, sessions: Mapping[int, str]) -> dict[str, list[psutil.Process]]:
    """All living processes of a sandbox, by part; also those whose parent was killed.

    A process belongs to a part by its session or, when it made a session of its own, by the marks
    in its environment; programs that write their title over their environment have only the first.

    :param sessions: the session id of each part's last start, which is its leader's process id.
    """
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            part = sessions.get(os.getsid(process.pid)) or _marked(process, base)
            if part and process.status() != psutil.STATUS_ZOMBIE:
                found.setdefault(part, []).append(process)
    return found


def _marked(process: psutil.Process, base: Path) -> str | None:
    marks = process.environ()
    return marks.get(MARK_PART) if marks.get(MARK_BASE) == str(base) else None


def still_its_own(pid: int, created: float) -> bool:
    """Whether no later process has this id: it ended, or the process of that time has it, be it a zombie."""
    try:
        return abs(psutil.Process(pid).create_time() - created) < 1
    except psutil.NoSuchProcess:
        return True


def find(pid: int, created: float) -> psutil.Process | None:
    """The process of that id, unless it ended and the id went to another."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def memory(processes: Iterable[psutil.Process]) -> int:
    """Resident bytes, pages that processes share counted once where the system tells (PSS)."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            info = process.memory_full_info()
            total += getattr(info, "pss", 0) or info.rss
    return total


def stop(leader: psutil.Process | None, processes: list[psutil.Process], grace: float) -> None:
    """Ask the leader to end, wait, then end whatever is left of the part.

    :param leader: the process that was started as the part; ``None`` when it has gone already.
    :param processes: all processes of the part.
    :param grace: seconds between the polite and the hard signal.
    """
    polite = [leader] if leader else processes
    if leader is not None:
        with suppress(psutil.Error):
            leader.resume()
    _signal(polite, signal.SIGTERM)
    psutil.wait_procs(polite, timeout=grace if leader else min(grace, 3))
    _, alive = psutil.wait_procs(processes, timeout=1)
    _signal(alive, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=5)


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
