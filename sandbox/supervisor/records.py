"""What was started: the process, its time and the ports it was told, by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psutil

from sandbox.supervisor.json_file import JsonFile


@dataclass(frozen=True)
class Record:
    """The last start of a part.

    :param pid: the process that was started, which leads its own session.
    :param created: when it was created, seconds since the epoch; tells it from a later process of the same id.
    :param ports: every port of the sandbox that was chosen by then, so all that it can have been told.
    :param ready: whether the part's ``ready`` has been through since.
    """

    pid: int
    created: float
    ports: Mapping[str, int] = field(default_factory=dict)
    ready: bool = False


class Records:
    """The records of one sandbox, in a JSON file.

    :param path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = JsonFile(path)

    def all(self) -> dict[str, Record]:
        """The last start of each part that was ever started."""
        return {name: Record(**entry) for name, entry in self._file.read().items()}

    def add(self, name: str, pid: int, ports: Mapping[str, int]) -> None:
        """Note that a part was just started."""
        record = Record(pid, psutil.Process(pid).create_time(), dict(ports))
        with self._file.change() as known:
            known[name] = asdict(record)

    def mark_ready(self, name: str) -> None:
        """Note that a part's ``ready`` has been through."""
        with self._file.change() as known:
            known[name] = asdict(replace(Record(**known[name]), ready=True))
