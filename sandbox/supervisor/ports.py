"""Loopback ports: chosen free once, then kept."""

from __future__ import annotations

import socket
import time
import zlib
from pathlib import Path

from sandbox.supervisor.json_file import JsonFile

PREFERRED = {
    "airflow-api": 8080,
    "kafka": 9092,
    "rest-proxy": 8082,
    "connect": 8083,
    "gateway": 8090,
    "databricks": 8100,
    "aws": 4566,
}
FALLBACK = range(21000, 29999)


def is_free(port: int) -> bool:
    """Whether nothing listens on this loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def becomes_free(port: int, seconds: float) -> bool:
    """Whether a port is free within some seconds; a process that was just killed holds its own a moment longer."""
    give_up = time.monotonic() + seconds
    while not is_free(port):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


class Ports:
    """The ports of one sandbox, in a JSON file.

    :param path: the file.
    :param preferred: whether the well-known ports are tried first; a second sandbox on the
        machine does better without.
    """

    def __init__(self, path: Path, *, preferred: bool = True) -> None:
        self._file = JsonFile(path)
        self._preferred = preferred

    def get(self, part: str, name: str = "main") -> int:
        """The port of a part; chosen and written down at the first call."""
        key = f"{part}/{name}"
        known = self.all()
        if key not in known:
            with self._file.change() as known:
                if key not in known:
                    known[key] = self._choose(part, name, set(known.values()))
        return known[key]

    def all(self) -> dict[str, int]:
        """Every port that was chosen, by ``part/name``."""
        return {key: int(port) for key, port in self._file.read().items()}

    def of(self, part: str) -> dict[str, int]:
        """All ports that were chosen for a part, by name."""
        return {key.split("/", 1)[1]: port for key, port in self.all().items() if key.split("/", 1)[0] == part}

    def forget(self, part: str) -> None:
        """Let the next call choose anew, for a port that somebody else took meanwhile."""
        with self._file.change() as known:
            for name in self.of(part):
                del known[f"{part}/{name}"]

    def _choose(self, part: str, name: str, taken: set[int]) -> int:
        first = PREFERRED.get(part) if name == "main" and self._preferred else None
        # A start at a hash of the file's path keeps two sandboxes of one machine apart.
        start = zlib.crc32(self._file.path.as_posix().encode()) % len(FALLBACK)
        order: list[int] = [*FALLBACK[start:], *FALLBACK[:start]]
        for port in [first, *order] if first else order:
            if port not in taken and is_free(port):
                return port
        raise RuntimeError("No free port between 21000 and 29999. Stop what holds them and try again.")
