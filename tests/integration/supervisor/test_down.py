from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest

from sandbox.supervisor.home import Home
from sandbox.supervisor.registry import UnknownPartError
from tests.integration.supervisor.conftest import Make
from tests.integration.supervisor.web_part import WebPart, ask


def ended(home: Home, name: str) -> int:
    """When a part got SIGTERM, by its own account."""
    return int((home.data(name) / "ended").read_text())


def test_dependents_end_first(make: Make, home: Home) -> None:
    supervisor = make(WebPart("base"), WebPart("middle", ("base",)), WebPart("top", ("middle", "base")))
    supervisor.up()
    supervisor.down()
    assert ended(home, "top") < ended(home, "middle") < ended(home, "base")
    assert [one.state for one in supervisor.status()] == ["stopped"] * 3


def test_a_part_goes_with_all_that_need_it_and_no_other(make: Make, home: Home) -> None:
    supervisor = make(WebPart("base"), WebPart("middle", ("base",)), WebPart("top", ("middle",)), WebPart("other"))
    supervisor.up()
    supervisor.down(["middle"])
    states = {one.name: one.state for one in supervisor.status()}
    assert states == {"base": "healthy", "middle": "stopped", "top": "stopped", "other": "healthy"}


def test_the_whole_process_group_goes(make: Make, home: Home) -> None:
    supervisor = make(WebPart("web", flags=("--child", "plain", "--child", "own-session", "--child", "unmarked")))
    supervisor.up()
    found = ask(home, "web")
    assert len(found["children"]) == 3
    supervisor.down(["web"])
    assert not any(psutil.pid_exists(pid) for pid in (found["pid"], *found["children"]))


def test_a_child_that_is_born_while_the_part_ends_goes_too(make: Make, home: Home) -> None:
    supervisor = make(WebPart("web", flags=("--child-at-end",)))
    supervisor.up()
    supervisor.down(["web"])
    assert not psutil.pid_exists(int((home.data("web") / "late").read_text()))


def test_a_part_that_ignores_the_polite_signal_is_killed_after_its_grace(make: Make, home: Home) -> None:
    supervisor = make(WebPart("web", flags=("--stubborn",), stop_grace=0.5))
    supervisor.up()
    pid = ask(home, "web")["pid"]
    begun = time.monotonic()
    supervisor.down()
    assert time.monotonic() - begun >= 0.5
    assert not psutil.pid_exists(pid)
    assert not (home.data("web") / "ended").exists()


def test_what_is_stopped_already_is_no_error(make: Make) -> None:
    supervisor = make(WebPart("web"))
    supervisor.down()
    seen: list[tuple[str, str]] = []
    supervisor.down(progress=lambda part, state: seen.append((part, state)))
    assert seen == [("web", "stopped")]


def test_an_unknown_part_stops_nothing(make: Make, home: Home) -> None:
    supervisor = make(WebPart("web"))
    supervisor.up()
    with pytest.raises(UnknownPartError, match=r"There is no part 'wbe'\. The parts are: web\."):
        supervisor.down(["web", "wbe"])
    assert supervisor.status()[0].state == "healthy"


def test_state_survives(make: Make, home: Home) -> None:
    supervisor = make(WebPart("web"))
    supervisor.up()
    port, secret = home.port("web"), home.secret("key")
    (home.data("web") / "rows").write_text("kept")
    supervisor.down()
    later = Home(base=home.base, preferred_ports=False)
    assert (later.port("web"), later.secret("key")) == (port, secret)
    assert (later.data("web") / "rows").read_text() == "kept"


class TestStatus:
    def test_of_a_healthy_part(self, make: Make, home: Home) -> None:
        supervisor = make(WebPart("web"))
        supervisor.up()
        (status,) = supervisor.status()
        assert status.as_dict() == {
            "name": "web",
            "stands_for": "a cloud service",
            "state": "healthy",
            "detail": "",
            "address": f"127.0.0.1:{home.port('web')}",
            "pid": ask(home, "web")["pid"],
            "memory": status.memory,
            "log": str(home.base / "log" / "web.log"),
        }
        assert 2**20 < status.memory < 2**28
        assert json.loads(json.dumps(status.as_dict())) == status.as_dict()
        assert "\nserves\n" in Path(status.log).read_text()

    def test_memory_counts_the_children(self, make: Make) -> None:
        supervisor = make(WebPart("web", flags=("--heavy-child",)))
        supervisor.up()
        assert 64 * 2**20 < supervisor.status()[0].memory < 160 * 2**20

    def test_of_a_part_that_was_never_started(self, make: Make, home: Home) -> None:
        (status,) = make(WebPart("web")).status()
        assert (status.state, status.address, status.pid, status.memory) == ("stopped", "", None, 0)

    def test_of_a_part_that_answers_badly(self, make: Make, home: Home) -> None:
        well = home.data("web") / "well"
        well.touch()
        supervisor = make(WebPart("web", flags=("--sick-until", str(well))))
        supervisor.up()
        well.unlink()
        (status,) = supervisor.status()
        assert (status.state, status.detail) == ("unhealthy", "HTTPError: HTTP Error 503: Service Unavailable")
