"""Fixtures that all tests share: one temporary sandbox a session, started as far as the tests ask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


class Platform:
    """A sandbox in a temporary folder that shares the set-up of this checkout.

    :param base: the temporary folder.
    """

    def __init__(self, base: Path) -> None:
        from sandbox.supervisor.home import Home
        from sandbox.supervisor.supervisor import Supervisor

        self.context = Home(base=base, preferred_ports=False)
        self.supervisor = Supervisor(self.context)

    def up(self, *names: str) -> None:
        """Start these parts with all they require; nothing happens to those that are healthy."""
        self.supervisor.up(names)

    def down(self, *names: str) -> None:
        """Stop these parts and all that need them."""
        self.supervisor.down(names)

    def url(self, part: str, name: str = "main") -> str:
        """``http://127.0.0.1:PORT`` of a part."""
        return self.context.url(part, name)

    def port(self, part: str, name: str = "main") -> int:
        """The port of a part."""
        return self.context.port(part, name)

    def leader(self, part: str) -> int:
        """The process id of a running part."""
        found = {status.name: status.pid for status in self.supervisor.status()}[part]
        assert found is not None, f"{part} does not run"
        return found

    def environment(self) -> dict[str, str]:
        """The process environment with what clients of this sandbox need."""
        return {**os.environ, **self.context.client_environment()}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One temporary sandbox for the whole session; stopped at its end."""
    made = Platform(tmp_path_factory.mktemp("sandbox"))
    yield made
    made.supervisor.down()
