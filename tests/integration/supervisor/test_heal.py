from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from sandbox.supervisor.home import Home
from tests.integration.supervisor.conftest import Make
from tests.integration.supervisor.web_part import WebPart, ask

EVERY_CHILD = ("--child", "plain", "--child", "own-session", "--child", "unmarked")


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    """``kill -9``, and wait until it has taken effect; a zombie stays as its parent is this process."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def stranger() -> Iterator[psutil.Popen]:
    """A process that is none of the sandbox's and leads a session of its own."""
    process = psutil.Popen(["/bin/sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


class TestKilledLeader:
    def test_children_that_outlived_it_are_ended_before_the_new_start(self, make: Make, home: Home) -> None:
        supervisor = make(WebPart("web", flags=EVERY_CHILD))
        supervisor.up()
        before = ask(home, "web")
        kill(before["pid"])
        assert [lives(pid) for pid in before["children"]] == [True] * 3
        (status,) = supervisor.status()
        assert (status.state, status.pid) == ("unhealthy", None)
        assert status.detail == "its main process is gone, 3 of its children live"
        supervisor.up()
        assert not any(lives(pid) for pid in before["children"])
        after = ask(home, "web")
        assert after["pid"] != before["pid"]
        assert all(lives(pid) for pid in after["children"])

    def test_children_are_kept_where_the_part_adopts_them(self, make: Make, home: Home) -> None:
        supervisor = make(WebPart("web", flags=EVERY_CHILD, adopts=True))
        supervisor.up()
        before = ask(home, "web")
        kill(before["pid"])
        supervisor.up()
        assert ask(home, "web")["pid"] != before["pid"]
        assert [lives(pid) for pid in before["children"]] == [True] * 3
        # A child that neither has the marks nor the session of the last start is no longer known.
        known = before["children"][:2]
        supervisor.down()
        assert not any(lives(pid) for pid in known)
        os.kill(before["children"][2], signal.SIGKILL)

    def test_others_stay(self, make: Make, home: Home) -> None:
        supervisor = make(WebPart("base"), WebPart("top", ("base",)), WebPart("other"))
        supervisor.up()
        before = {name: ask(home, name)["pid"] for name in ("base", "top", "other")}
        kill(before["base"])
        supervisor.up()
        after = {name: ask(home, name)["pid"] for name in before}
        assert after.pop("base") != before.pop("base")
        assert after == before


class TestHung:
    @pytest.mark.parametrize("adopts", [False, True])
    def test_a_part_that_does_not_answer_is_started_anew(self, make: Make, home: Home, adopts: bool) -> None:
        supervisor = make(WebPart("web", flags=("--child", "plain"), adopts=adopts, patience=0.3))
        supervisor.up()
        before = ask(home, "web")
        os.kill(before["pid"], signal.SIGSTOP)
        (status,) = supervisor.status()
        assert (status.state, status.pid) == ("unhealthy", before["pid"])
        assert "timed out" in status.detail
        supervisor.up()
        assert ask(home, "web")["pid"] != before["pid"]
        assert not lives(before["pid"])
        assert lives(before["children"][0]) is adopts


class TestTakenPort:
    @pytest.fixture
    def take(self) -> Iterator[list[socket.socket]]:
        held: list[socket.socket] = []
        yield held
        for one in held:
            one.close()

    def occupy(self, port: int, held: list[socket.socket]) -> None:
        taken = socket.create_server(("127.0.0.1", port))
        held.append(taken)

    def test_a_stopped_part_moves(self, make: Make, home: Home, take: list[socket.socket]) -> None:
        supervisor = make(WebPart("web"))
        supervisor.up()
        old = home.port("web")
        supervisor.down()
        self.occupy(old, take)
        supervisor.up()
        assert home.port("web") != old
        assert supervisor.status()[0].address == f"127.0.0.1:{home.port('web')}"
        assert ask(home, "web")["pid"] == supervisor.status()[0].pid

    def test_those_that_were_told_the_old_port_start_anew(
        self, make: Make, home: Home, take: list[socket.socket]
    ) -> None:
        supervisor = make(WebPart("before"), WebPart("base"), WebPart("top", ("base",)))
        supervisor.up(["before"])
        supervisor.up()
        pids = {name: ask(home, name)["pid"] for name in ("before", "base", "top")}
        old = home.port("base")
        kill(pids["base"])
        self.occupy(old, take)
        supervisor.up()
        assert home.port("base") != old
        assert ask(home, "top")["told"] == [home.port("base")]
        assert ask(home, "top")["pid"] != pids["top"]
        assert ask(home, "before")["pid"] == pids["before"]


class TestReusedProcessId:
    def test_a_later_process_of_the_same_id_is_not_the_part(
        self, make: Make, home: Home, stranger: psutil.Popen
    ) -> None:
        supervisor = make(WebPart("web"))
        supervisor.up()
        record = home.run / "processes.json"
        pid = ask(home, "web")["pid"]
        supervisor.down()
        found = json.loads(record.read_text())
        assert found["web"]["pid"] == pid
        # As if the id had gone round: the same number, but the time of the process that ended.
        found["web"]["pid"] = stranger.pid
        found["web"]["created"] = stranger.create_time() - 60
        record.write_text(json.dumps(found))
        (status,) = supervisor.status()
        assert (status.state, status.pid, status.memory) == ("stopped", None, 0)
        supervisor.up()
        supervisor.down()
        assert lives(stranger.pid)

    def test_a_process_of_another_sandbox_is_left(self, make: Make, home: Home) -> None:
        environment = {"PINFLOW_SANDBOX": str(home.base.parent / "another"), "PINFLOW_PART": "web"}
        other = subprocess.Popen(["/bin/sleep", "600"], env=environment, start_new_session=True)
        try:
            supervisor = make(WebPart("web"))
            supervisor.up()
            supervisor.down()
            assert lives(other.pid)
        finally:
            other.kill()
            other.wait()
