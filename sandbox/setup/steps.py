"""Steps that are done once, remembered by a fingerprint of what they are made from, and can be resumed."""

from __future__ import annotations

import fcntl
import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.setup.layout import LOGS, SETUP, STAMPS

FORMAT = "2"


class SetupError(RuntimeError):
    """A step that failed; the text says what, why and what to do."""


@dataclass(frozen=True)
class Step:
    """One thing to install.

    :param name: names the stamp and the log.
    :param title: what the user reads while it runs.
    :param inputs: files whose content, and texts whose value, decide whether it must be done again.
    :param action: does it; takes the log file.
    :param outputs: what must exist for the step to count as done.
    """

    name: str
    title: str
    inputs: Sequence[Path | str]
    action: Callable[[Path], None]
    outputs: Sequence[Path] = field(default_factory=tuple)

    def fingerprint(self) -> str:
        """Hash of all inputs."""
        digest = hashlib.sha256(FORMAT.encode())
        for one in self.inputs:
            digest.update(one.read_bytes() if isinstance(one, Path) else one.encode())
        return digest.hexdigest()

    def is_done(self) -> bool:
        """Whether it was done with the same inputs and its outputs are still there."""
        stamp = STAMPS / self.name
        if not stamp.exists() or not all(path.exists() for path in self.outputs):
            return False
        return stamp.read_text(encoding="utf-8") == self.fingerprint()

    def do(self) -> None:
        """Run the action and remember it.

        :raises SetupError: it failed; the text names the step and the log.
        """
        LOGS.mkdir(parents=True, exist_ok=True)
        STAMPS.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{self.name}.log"
        log.write_text("", encoding="utf-8")
        (STAMPS / self.name).unlink(missing_ok=True)
        try:
            self.action(log)
        except Exception as error:
            raise SetupError(f"Set-up step '{self.name}' failed: {error}\nThe log: {log}") from error
        (STAMPS / self.name).write_text(self.fingerprint(), encoding="utf-8")


def was_done(name: str) -> bool:
    """Whether a step was done once and not begun anew since, be it with other inputs."""
    return (STAMPS / name).exists()


def run(steps: Iterable[Step], say: Callable[[str], None]) -> None:
    """Do those steps that are not done yet, in order.

    :raises SetupError: a step failed; those before it stay done.
    """
    for step in steps:
        if step.is_done():
            continue
        begun = time.monotonic()
        say(f"  {step.title} …")
        step.do()
        say(f"  {step.title}: {time.monotonic() - begun:.0f} s")


@contextmanager
def locked() -> Iterator[None]:
    """Let one set-up run at a time; a second one waits for the first."""
    SETUP.mkdir(parents=True, exist_ok=True)
    with (SETUP / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("Another set-up is running; waiting for it.\n")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
