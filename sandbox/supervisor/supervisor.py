"""Brings parts up side by side, heals what was killed, and takes them down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from sandbox.supervisor import processes
from sandbox.supervisor.home import Home
from sandbox.supervisor.part import Part
from sandbox.supervisor.ports import is_free
from sandbox.supervisor.registry import dependents, parts, select

START_TIMEOUT = 180.0
HUNG_AFTER = 8.0
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
        self._record = home.run / "processes.json"
        self._guard = threading.Lock()
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
            with ThreadPoolExecutor(len(chosen) or 1) as pool:
                for part in chosen:
                    needed = [started[name] for name in part.requires]
                    started[part.name] = pool.submit(self._bring_up, part, needed, progress)
                done, _ = wait(started.values(), return_when=FIRST_EXCEPTION)
                if any(future.exception() for future in done):
                    self._cancelled.set()
            errors = [error for future in started.values() if (error := future.exception())]
            for error in sorted(errors, key=lambda one: isinstance(one, _RequirementFailedError)):
                raise error

    def down(self, names: Iterable[str] | None = None, progress: Progress = lambda part, state: None) -> None:
        """Stop parts and all that need them, dependents first."""
        order = dependents(self.parts, names if names is not None else [part.name for part in self.parts])
        by_name = {part.name: part for part in self.parts}
        with self.home.locked():
            waves = self._waves([by_name[name] for name in order])
            for wave in waves:
                living = self._members()
                with ThreadPoolExecutor(len(wave)) as pool:
                    for part in wave:
                        pool.submit(self._stop, part, living.get(part.name, []), progress)
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

    def _bring_up(self, part: Part, needed: list[Future[None]], progress: Progress) -> None:
        progress(part.name, "waits")
        for future in needed:
            if future.exception() is not None:
                progress(part.name, "skipped")
                raise _RequirementFailedError(part.name)
        if self._is_well(part):
            progress(part.name, "healthy")
            return
        self._clear(part)
        progress(part.name, "starts")
        part.prepare(self.home)
        begun = time.monotonic()
        child = processes.start(
            part.name, part.command(self.home), self.home.base, self.home.data(part.name), self.home.log(part.name)
        )
        self._remember(part.name, child.pid)
        problem: str | None = "it has not answered yet"
        while problem is not None:
            if (code := child.poll()) is not None:
                self._fail(part, f"it ended with exit code {code}", progress)
            if self._cancelled.is_set():
                self._fail(part, "another part failed meanwhile", progress)
            if time.monotonic() - begun > START_TIMEOUT:
                self._fail(part, f"after {START_TIMEOUT:.0f} s: {problem}", progress)
            problem = self._check(part)
            if problem is not None:
                self._cancelled.wait(0.25)
        part.ready(self.home)
        progress(part.name, f"healthy {time.monotonic() - begun:.1f} s")

    def _fail(self, part: Part, reason: str, progress: Progress) -> None:
        progress(part.name, "failed")
        raise PartFailedError(part.name, reason, self.home.log(part.name))

    def _is_well(self, part: Part) -> bool:
        """Whether the part runs and answers; a part that is slow to answer gets a little time."""
        give_up = time.monotonic() + HUNG_AFTER
        while self._leader(part.name) is not None:
            if self._check(part) is None:
                return True
            if time.monotonic() > give_up or self._cancelled.wait(0.3):
                return False
        return False

    def _clear(self, part: Part) -> None:
        leader = self._leader(part.name)
        if leader is None and getattr(part, "adopts", False):
            return
        left = self._members().get(part.name, [])
        if leader or left:
            processes.stop(leader, left, part.stop_grace if leader else 0)

    def _stop(self, part: Part, members: list[psutil.Process], progress: Progress) -> None:
        leader = self._leader(part.name)
        if leader or members:
            progress(part.name, "stops")
            processes.stop(leader, members, part.stop_grace)
        progress(part.name, "stopped")

    def _check(self, part: Part) -> str | None:
        try:
            return part.check(self.home)
        except Exception as error:  # noqa: BLE001 - any failure of a check means: not healthy
            return f"{type(error).__name__}: {error}"

    def _move_taken_ports(self, chosen: Sequence[Part]) -> None:
        for part in chosen:
            if self._leader(part.name) is None and not self._members().get(part.name):
                ports = self.home.ports.of(part.name)
                if any(not is_free(port) for port in ports.values()):
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
            int(entry["pid"]): name
            for name, entry in self._records().items()
            if entry["created"] >= psutil.boot_time()
            and (not psutil.pid_exists(int(entry["pid"])) or self._leader(name) is not None)
        }
        return processes.members(self.home.base, sessions)

    def _leader(self, name: str) -> psutil.Process | None:
        entry = self._records().get(name)
        return processes.find(int(entry["pid"]), entry["created"]) if entry else None

    def _records(self) -> dict[str, dict[str, float]]:
        try:
            found: dict[str, dict[str, float]] = json.loads(self._record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def _remember(self, name: str, pid: int) -> None:
        with self._guard:
            records = self._records()
            records[name] = {"pid": pid, "created": psutil.Process(pid).create_time()}
            draft = self._record.with_suffix(".new")
            draft.write_text(json.dumps(records, indent=1), encoding="utf-8")
            draft.replace(self._record)


class _RequirementFailedError(RuntimeError):
    """A part that was not started because one it requires failed."""
