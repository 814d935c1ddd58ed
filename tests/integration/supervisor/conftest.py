from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.supervisor import processes, supervisor
from sandbox.supervisor.home import Home
from sandbox.supervisor.supervisor import Supervisor
from tests.integration.supervisor.web_part import WebPart

Make = Callable[..., Supervisor]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(base=tmp_path / "sandbox", preferred_ports=False)


@pytest.fixture
def make(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes supervisors of one home; at the end nothing of it may live."""
    monkeypatch.setattr(supervisor, "START_TIMEOUT", 20.0)
    monkeypatch.setattr(supervisor, "HUNG_AFTER", 1.0)
    monkeypatch.setattr(supervisor, "RELEASED_AFTER", 0.5)
    made: list[Supervisor] = []

    def of(*parts: WebPart) -> Supervisor:
        made.append(Supervisor(home, parts))
        return made[-1]

    yield of
    for one in made:
        one.down()
    assert processes.members(home.base, {}) == {}
