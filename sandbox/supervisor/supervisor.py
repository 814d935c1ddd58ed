"""Brings parts up side by side, heals what was killed, and takes them down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import psutil

from sandbox.supervisor import processes
from sandbox.supervisor.home import Home
from sandbox.supervisor.part import Part
from sandbox.supervisor.ports import becomes_free
from sandbox.supervisor.records import Records
from sandbox.supervisor.registry import dependents, parts, select

START_TIMEOUT = 180.0
HUNG_AFTER = 8.0
RELEASED_AFTER = 3.0
Progress = Callable[[str, str], None]


class PartFailedError(RuntimeError):
    """A part that ended or stayed unhealthy while it started.

    :param part: its name.
    :param reason: what its check said last.
    :param log: its log file.
    """

    def __init__(self, part: str, reason: str, log: Path) -> None:
        self.part, self.reason, self.log = part, reason, log
        super().__init__(f"{part} did not come up: {reason}\n{tail(log)}\nThe whole log: ./pinflow logs {part}")


@dataclass(frozen=True)
class Status:
    """How one part is. ``memory`` is in bytes, ``state`` one of stopped, healthy, unhealthy."""

    name: str
    stands_for: str
    state: str
    detail: str
    address: str
    pid: int | None
    memory: int
    log: str

    def as_dict(self) -> dict[str, object]:
        """The same as a JSON object."""
        return asdict(self)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file."""
    if not log.exists():
        return "(no log)"
    with log.open("rb") as handle:
        handle.seek(0, 2)
        handle.seek(max(0, handle.tell() - 16_384))
        text = handle.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:])


class Supervisor:
    """The parts of one sandbox.

    :param home: where the sandbox lives.
    :param available: its parts; all that exist by default.
    """

    def __init__(self, home: Home, available: Sequence[Part] | None = None) -> None:
        self.home = home
        self.parts = tuple(available) if available is not None else parts()
        self._records = Records(home.run / "processes.json")
        self._cancelled = threading.Event()

    def up(self, names: Iterable[str] | None = None, progress: Progress = lambda part, state: None) -> None:
        """Start what is not running, heal what is broken; parts that are healthy are left alone.

        :param names: the parts wanted, those they require are added; all by default.
        :param progress: called with a part's name and what it is doing, from several threads.
        :raises PartFailedError: a part did not come up; the others stay as they are.
        :raises sandbox.supervisor.home.SandboxBusyError: another command is at it.
        """
        chosen = select(self.parts, names if names is not None else [part.name for part in self.parts])
        with self.home.locked():
            self._cancelled.clear()
            self._move_taken_ports(chosen)
            started: dict[str, Future[None]] = {}
            submitted = threading.Event()
            with ThreadPoolExecutor(len(chosen) or 1) as pool:
                try:
                    for part in chosen:
                        needed = [started[name] for name in part.requires]
                        started[part.name] = pool.submit(self._bring_up, part, needed, progress, submitted)
                    submitted.set()
                    wait(started.values(), return_when=FIRST_EXCEPTION)
                finally:
                    self._cancelled.set()  # also on Ctrl-C: what still starts is left to the next command
                    submitted.set()
            errors = [error for future in started.values() if (error := future.exception())]
            for error in sorted(errors, key=lambda one: isinstance(one, _LeftError)):
                raise error

    def down(self, names: Iterable[str] | None = None, progress: Progress = lambda part, state: None) -> None:
        """Stop parts and all that need them, dependents first."""
        order = dependents(self.parts, names if names is not None else [part.name for part in self.parts])
        by_name = {part.name: part for part in self.parts}
        with self.home.locked():
            waves = self._waves([by_name[name] for name in order])
            for wave in waves:
                with ThreadPoolExecutor(len(wave)) as pool:
                    list(pool.map(partial(self._stop, progress=progress), wave))
            if names is None:
                stray = [process for some in self._members().values() for process in some]
                processes.stop(None, stray, 3)

    def status(self) -> list[Status]:
        """How every part is; the checks run side by side."""
        living = self._members()
        with ThreadPoolExecutor(len(self.parts) or 1) as pool:
            return list(pool.map(lambda part: self._status(part, living.get(part.name, [])), self.parts))

    def _status(self, part: Part, members: list[psutil.Process]) -> Status:
        leader = self._leader(part.name)
        state, detail = "stopped", ""
        if leader is not None:
            problem = self._check(part)
            state, detail = ("healthy", "") if problem is None else ("unhealthy", problem)
        elif members:
            state, detail = "unhealthy", f"its main process is gone, {len(members)} of its children live"
        ports = self.home.ports.of(part.name)
        address = f"127.0.0.1:{ports['main']}" if "main" in ports else ""
        return Status(
            part.name, part.stands_for, state, detail, address, leader.pid if leader else None,
            processes.memory(members), str(self.home.log(part.name)),
        )  # fmt: skip

    def _bring_up(self, part: Part, needed: list[Future[None]], progress: Progress, submitted: threading.Event) -> None:
        # A thread that Ctrl-C meets while the pool still makes it is not waited for by the pool.
        submitted.wait()
        progress(part.name, "waits")
        if any(future.exception() is not None for future in needed) or self._cancelled.is_set():
            progress(part.name, "skipped")
            raise _LeftError(part.name)
        begun = time.monotonic()
        try:
            started = not self._is_well(part)
            if started:
                self._start(part, progress)
            if not self._records.all()[part.name].ready:
                part.ready(self.home)
                self._records.mark_ready(part.name)
        except _LeftError:
            progress(part.name, "left")
            raise
        except Exception as error:
            progress(part.name, "failed")
            reason = str(error) if isinstance(error, _StartError) else f"{type(error).__name__}: {error}"
            raise PartFailedError(part.name, reason, self.home.log(part.name)) from error
        progress(part.name, f"healthy {time.monotonic() - begun:.1f} s" if started else "healthy")

    def _start(self, part: Part, progress: Progress) -> None:
        self._clear(part)
        progress(part.name, "starts")
        part.prepare(self.home)
        command, folder, log = part.command(self.home), self.home.data(part.name), self.home.log(part.name)
        child = processes.start(part.name, command, self.home.base, folder, log)
        self._records.add(part.name, child.pid, self.home.ports.all())
        begun = time.monotonic()
        while (problem := self._check(part)) is not None:
            if (code := child.poll()) is not None:
                raise _StartError(f"it ended with exit code {code}")
            if time.monotonic() - begun > START_TIMEOUT:
                raise _StartError(f"after {START_TIMEOUT:.0f} s: {problem}")
            if self._cancelled.wait(0.25):
                raise _LeftError(part.name)

    def _is_well(self, part: Part) -> bool:
        """Whether the part runs and answers; a part that is slow to answer gets a little time."""
        give_up = time.monotonic() + HUNG_AFTER
        while self._leader(part.name) is not None and not self._is_outdated(part.name):
            if self._check(part) is None:
                return True
            if self._cancelled.wait(0.3):
                raise _LeftError(part.name)
            if time.monotonic() > give_up:
                return False
        return False

    def _is_outdated(self, name: str) -> bool:
        """Whether a port that the running part may have been told has moved since."""
        told, now = self._records.all()[name].ports, self.home.ports.all()
        return any(now.get(key, port) != port for key, port in told.items())

    def _clear(self, part: Part) -> None:
        leader, adopts = self._leader(part.name), getattr(part, "adopts", False)
        left = [one for one in self._members().get(part.name, []) if one == leader or not adopts]
        if leader or left:
            processes.stop(leader, left, part.stop_grace if leader else 0)

    def _stop(self, part: Part, progress: Progress) -> None:
        leader, members = self._leader(part.name), self._members().get(part.name, [])
        if leader or members:
            progress(part.name, "stops")
            processes.stop(leader, members, part.stop_grace)
            processes.stop(None, self._members().get(part.name, []), 0)  # what was born while it stopped
        progress(part.name, "stopped")

    def _check(self, part: Part) -> str | None:
        try:
            return part.check(self.home)
        except Exception as error:  # noqa: BLE001 - any failure of a check means: not healthy
            return f"{type(error).__name__}: {error}"

    def _move_taken_ports(self, chosen: Sequence[Part]) -> None:
        for part in chosen:
            alone = getattr(part, "adopts", False) or not self._members().get(part.name)
            if self._leader(part.name) is None and alone:
                ports = self.home.ports.of(part.name)
                if not all(becomes_free(port, RELEASED_AFTER) for port in ports.values()):
                    self.home.ports.forget(part.name)

    def _waves(self, order: Sequence[Part]) -> list[list[Part]]:
        waves: list[list[Part]] = []
        level: dict[str, int] = {}
        for part in order:
            level[part.name] = 1 + max((level[other.name] for other in order if part.name in other.requires
                                        and other.name in level), default=-1)  # fmt: skip
            if level[part.name] == len(waves):
                waves.append([])
            waves[level[part.name]].append(part)
        return waves

    def _members(self) -> dict[str, list[psutil.Process]]:
        """Living processes by part; a session counts unless its number went to another process since."""
        sessions = {
            record.pid: name
            for name, record in self._records.all().items()
            if record.created >= psutil.boot_time() and processes.still_its_own(record.pid, record.created)
        }
        return processes.members(self.home.base, sessions)

    def _leader(self, name: str) -> psutil.Process | None:
        record = self._records.all().get(name)
        return processes.find(record.pid, record.created) if record else None


class _StartError(RuntimeError):
    """A part ended or stayed unhealthy while it started; the text says which."""


class _LeftError(RuntimeError):
    """A part that was left as it is because another failed, or because the user broke off."""
