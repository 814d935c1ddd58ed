from __future__ import annotations

import signal
import threading
import time

import psutil
import pytest

from sandbox.supervisor import supervisor as supervisor_module
from sandbox.supervisor.home import Home, SandboxBusyError
from sandbox.supervisor.supervisor import PartFailedError
from tests.integration.supervisor.conftest import Make
from tests.integration.supervisor.web_part import WebPart, ask


class Events:
    """What the supervisor reports, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def __call__(self, part: str, state: str) -> None:
        self.seen.append((part, state.split()[0]))

    def of(self, part: str) -> list[str]:
        return [state for name, state in self.seen if name == part]


def test_a_part_starts_when_those_it_requires_are_well(make: Make, home: Home) -> None:
    seen: list[str] = []

    def note(name: str, *requires: str) -> WebPart:
        def requirements_answer() -> None:
            for other in requires:
                ask(home, other)
            seen.append(name)

        return WebPart(name, requires, on_prepare=requirements_answer)

    make(note("top", "left", "right"), note("left", "base"), note("right", "base"), note("base")).up()
    assert (seen[0], seen[-1], sorted(seen[1:3])) == ("base", "top", ["left", "right"])
    assert ask(home, "top")["told"] == [home.port("left"), home.port("right")]


def test_independent_parts_start_side_by_side(make: Make, home: Home) -> None:
    # Neither is well before the other listens: one after the other would never end.
    make(WebPart("one", well_with="two"), WebPart("two", well_with="one")).up()
    assert ask(home, "one")["pid"] != ask(home, "two")["pid"]


def test_only_the_named_parts_and_those_they_require_start(make: Make) -> None:
    supervisor = make(WebPart("base"), WebPart("top", ("base",)), WebPart("other"))
    supervisor.up(["top"])
    assert {one.name: one.state for one in supervisor.status()} == {
        "base": "healthy", "top": "healthy", "other": "stopped",
    }  # fmt: skip


def test_healthy_parts_are_left_alone(make: Make, home: Home) -> None:
    make(WebPart("base"), WebPart("top", ("base",))).up()
    before = {name: ask(home, name)["pid"] for name in ("base", "top")}
    again, events = WebPart("base"), Events()
    make(again, WebPart("top", ("base",))).up(progress=events)
    assert {name: ask(home, name)["pid"] for name in ("base", "top")} == before
    assert again.readied == []
    assert events.of("base") == ["waits", "healthy"]


def test_ready_is_called_once_a_start_and_after_the_part_answers(make: Make, home: Home) -> None:
    part = WebPart("web")
    supervisor = make(part)
    supervisor.up()
    first = ask(home, "web")["pid"]
    supervisor.up()
    supervisor.down()
    supervisor.up()
    assert part.readied == [first, ask(home, "web")["pid"]]
    assert first != part.readied[1]


class TestFailure:
    def test_the_error_carries_the_reason_and_the_end_of_the_log(self, make: Make, home: Home) -> None:
        with pytest.raises(PartFailedError) as caught:
            make(WebPart("web", flags=("--die", "the vault is locked"))).up()
        assert (caught.value.part, caught.value.log) == ("web", home.log("web"))
        text = str(caught.value)
        assert "web did not come up: it ended with exit code 1" in text
        assert "\nthe vault is locked\n" in text
        assert text.endswith("./pinflow logs web")

    def test_dependents_are_skipped_and_the_others_left(self, make: Make, home: Home) -> None:
        make(WebPart("steady")).up()
        pid = ask(home, "steady")["pid"]
        events = Events()
        broken = WebPart("broken", flags=("--die", "no"))
        supervisor = make(broken, WebPart("needs", ("broken",)), WebPart("deeper", ("needs",)), WebPart("steady"))
        with pytest.raises(PartFailedError, match=r"^broken did not"):
            supervisor.up(progress=events)
        assert events.of("broken") == ["waits", "starts", "failed"]
        assert events.of("needs") == events.of("deeper") == ["waits", "skipped"]
        assert not home.log("needs").exists()
        assert ask(home, "steady")["pid"] == pid

    def test_a_part_that_still_starts_goes_on_and_the_next_up_makes_it_ready(self, make: Make, home: Home) -> None:
        well = home.data("slow") / "well"
        slow = WebPart("slow", flags=("--sick-until", str(well)))
        events = Events()

        def fail_when_slow_has_started() -> None:
            give_up = time.monotonic() + 20
            while "serves" not in (home.log("slow").read_text() if home.log("slow").exists() else ""):
                assert time.monotonic() < give_up
                time.sleep(0.02)
            raise OSError("the disk is full")

        with pytest.raises(PartFailedError, match="bad did not come up: OSError: the disk is full"):
            make(slow, WebPart("bad", on_prepare=fail_when_slow_has_started)).up(progress=events)
        assert events.of("slow") == ["waits", "starts", "left"]
        assert slow.readied == []
        well.touch()
        pid = ask(home, "slow")["pid"]
        make(slow, WebPart("bad")).up()
        assert slow.readied == [pid]

    def test_ready_that_failed_is_called_again_without_a_new_start(self, make: Make, home: Home) -> None:
        def refuse() -> None:
            raise RuntimeError("the bucket is not there")

        part = WebPart("web", on_ready=refuse)
        with pytest.raises(PartFailedError, match="the bucket is not there"):
            make(part).up()
        part.on_ready = lambda: None
        make(part).up()
        assert part.readied == [ask(home, "web")["pid"]] * 2

    def test_a_program_that_is_not_there(self, make: Make, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.executable", str(home.base / "no-python"))
        with pytest.raises(PartFailedError, match=r"FileNotFoundError.*no-python"):
            make(WebPart("web")).up()

    def test_a_part_that_never_gets_well(self, make: Make, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(supervisor_module, "START_TIMEOUT", 1.0)
        with pytest.raises(PartFailedError, match=r"after 1 s: HTTPError: HTTP Error 503"):
            make(WebPart("web", flags=("--sick-until", str(home.base / "never")))).up()

    def test_control_c_ends_at_once_and_leaves_what_starts(self, make: Make, home: Home) -> None:
        well = home.data("web") / "well"
        part = WebPart("web", flags=("--sick-until", str(well)))
        supervisor = make(part)

        def interrupt(name: str, state: str) -> None:
            if state == "starts":
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            supervisor.up(progress=interrupt)
        assert time.monotonic() - begun < supervisor_module.START_TIMEOUT / 2
        well.touch()
        supervisor.up()
        assert part.readied == [ask(home, "web")["pid"]]


def test_a_second_command_at_the_same_time_is_told_so(make: Make, home: Home) -> None:
    started, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        assert go_on.wait(20)

    first = threading.Thread(target=make(WebPart("web", on_prepare=hold)).up)
    first.start()
    try:
        assert started.wait(20)
        second = make(WebPart("web"))
        for command in (second.up, second.down):
            with pytest.raises(SandboxBusyError, match="Another command is starting or stopping"):
                command()
    finally:
        go_on.set()
        first.join()
    assert psutil.pid_exists(ask(home, "web")["pid"])
