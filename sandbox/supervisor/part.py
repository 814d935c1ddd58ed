"""What a part of the sandbox is, and what it may ask of its surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Command:
    """One process to start.

    :param argv: the program and its arguments; the program is an absolute path.
    :param env: variables on top of the supervisor's own clean environment
        (``PATH``, ``HOME``, ``LANG``, ``TZ=UTC``).
    :param cwd: the working directory; the part's data folder when not given.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


class Context(Protocol):
    """What the supervisor tells a part about this sandbox."""

    @property
    def root(self) -> Path:
        """The repository."""
        ...

    @property
    def setup(self) -> Path:
        """What the set-up installed: ``venv/``, ``jars/``, ``plugins/``."""
        ...

    def data(self, part: str) -> Path:
        """The part's own folder; it survives a stop and ``clean --data`` empties it."""
        ...

    def port(self, part: str, name: str = "main") -> int:
        """A loopback port that was free when it was chosen; the same on each call and each start."""
        ...

    def url(self, part: str, name: str = "main") -> str:
        """``http://127.0.0.1:PORT`` of a part."""
        ...

    def secret(self, name: str) -> str:
        """A random value of 64 hex digits that stays the same as long as the sandbox lives."""
        ...

    def python(self, environment: str) -> Path:
        """The interpreter of ``airflow``, ``spark`` or ``ministack``."""
        ...

    @property
    def java(self) -> Path:
        """A Java 17 or newer."""
        ...

    def jars(self, *sets: str) -> str:
        """Class path of one or more jar folders (``kafka``, ``spark``, ``spark-aws``)."""
        ...

    def client_environment(self) -> dict[str, str]:
        """What an AWS SDK, a Kafka client and our own code need to talk to this sandbox."""
        ...


class Part(Protocol):
    """One process group of the sandbox.

    A part whose children may outlive it, because it finds them again, has ``adopts = True``.
    """

    @property
    def name(self) -> str:
        """What the user types."""
        ...

    @property
    def stands_for(self) -> str:
        """What it replaces on AWS."""
        ...

    @property
    def requires(self) -> tuple[str, ...]:
        """The parts that must be healthy first."""
        ...

    @property
    def stop_grace(self) -> float:
        """How many seconds a polite stop may take."""
        ...

    def prepare(self, context: Context) -> None:
        """Write configuration and formats before the start. Idempotent."""
        ...

    def command(self, context: Context) -> Command:
        """The process to start."""
        ...

    def check(self, context: Context) -> str | None:
        """Ask the running part how it is, within 5 s.

        :returns: ``None`` when it can be used, otherwise why not, in a few words.
        """
        ...

    def ready(self, context: Context) -> None:
        """Called once after the first good check of a start, for what others take for granted."""
        ...
