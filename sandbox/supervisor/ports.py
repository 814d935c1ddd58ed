"""Loopback ports: chosen free once, then kept."""

from __future__ import annotations

import json
import socket
import zlib
from pathlib import Path

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


class Ports:
    """The ports of one sandbox, in a JSON file.

    :param path: the file.
    :param preferred: whether the well-known ports are tried first; a second sandbox on the
        machine does better without.
    """

    def __init__(self, path: Path, *, preferred: bool = True) -> None:
        self._path = path
        self._preferred = preferred

    def get(self, part: str, name: str = "main") -> int:
        """The port of a part; chosen and written down at the first call."""
        known = self._read()
        key = f"{part}/{name}"
        if key not in known:
            known[key] = self._choose(part, name, set(known.values()))
            self._write(known)
        return known[key]

    def of(self, part: str) -> dict[str, int]:
        """All ports that were chosen for a part, by name."""
        return {key.split("/", 1)[1]: port for key, port in self._read().items() if key.split("/", 1)[0] == part}

    def forget(self, part: str) -> None:
        """Let the next call choose anew, for a port that somebody else took meanwhile."""
        self._write({key: port for key, port in self._read().items() if key.split("/", 1)[0] != part})

    def _choose(self, part: str, name: str, taken: set[int]) -> int:
        first = PREFERRED.get(part) if name == "main" and self._preferred else None
        # A start at a hash of the file's path keeps two sandboxes of one machine apart.
        start = zlib.crc32(self._path.as_posix().encode()) % len(FALLBACK)
        order = [*FALLBACK[start:], *FALLBACK[:start]]
        for port in ([first] if first else []) + order:
            if port not in taken and is_free(port):
                return port
        raise RuntimeError("No free port between 21000 and 29999. Stop what holds them and try again.")

    def _read(self) -> dict[str, int]:
        try:
            found: dict[str, int] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def _write(self, ports: dict[str, int]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(ports, indent=1, sort_keys=True), encoding="utf-8")
        draft.replace(self._path)
