from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.supervisor import processes
from sandbox.supervisor.part import Command
from sandbox.supervisor.records import Record, Records

SLEEP = ("/bin/sleep", "600")
Start = Callable[..., subprocess.Popen]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a part in ``tmp_path``; ends it at the end."""
    started: list[subprocess.Popen] = []

    def of(*argv: str, part: str = "web", **given: object) -> subprocess.Popen:
        command = Command(argv, **given)
        started.append(processes.start(part, command, tmp_path, tmp_path, tmp_path / "log" / f"{part}.log"))
        return started[-1]

    yield of
    for process in started:
        process.kill()
        process.wait()


def output(path: Path) -> list[str]:
    return path.read_text().splitlines()


class TestStart:
    def test_output_goes_to_the_log(self, start: Start, tmp_path: Path) -> None:
        start("/bin/sh", "-c", "echo out; echo err >&2").wait()
        first, *rest = output(tmp_path / "log/web.log")
        assert first.startswith("--- web starts at 20")
        assert sorted(rest) == ["err", "out"]

    def test_the_next_start_appends(self, start: Start, tmp_path: Path) -> None:
        for word in ("one", "two"):
            start("/bin/echo", word).wait()
        assert [line for line in output(tmp_path / "log/web.log") if line[0] != "-"] == ["one", "two"]

    def test_a_big_log_is_put_aside(self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "MAXIMUM_LOG_BYTES", 100)
        (tmp_path / "log").mkdir()
        log, old = tmp_path / "log/web.log", tmp_path / "log/web.old.log"
        log.write_text("x" * 101)
        old.write_text("older still")
        start("/bin/echo", "fresh").wait()
        assert old.read_text() == "x" * 101
        assert output(log)[1:] == ["fresh"]

    def test_a_log_of_the_greatest_size_stays(
        self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(processes, "MAXIMUM_LOG_BYTES", 3)
        (tmp_path / "log").mkdir()
        (tmp_path / "log/web.log").write_text("abc")
        start("/bin/echo").wait()
        assert (tmp_path / "log/web.log").read_text().startswith("abc--- web starts")

    def test_it_leads_a_session_of_its_own(self, start: Start) -> None:
        process = start(*SLEEP)
        assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid

    def test_it_works_in_the_part_s_folder_or_where_it_says(self, start: Start, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        start("/bin/pwd").wait()
        start("/bin/pwd", cwd=tmp_path / "elsewhere", part="other").wait()
        assert output(tmp_path / "log/web.log")[-1] == str(tmp_path)
        assert output(tmp_path / "log/other.log")[-1] == str(tmp_path / "elsewhere")

    def test_it_reads_nothing_from_the_terminal(self, start: Start) -> None:
        assert start("/bin/cat").wait(10) == 0


class TestEnvironment:
    def test_only_named_variables_are_inherited(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.setenv("PYTHONPATH", "/somewhere")
        monkeypatch.setenv("HOME", "/home/somebody")
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        found = processes.environment("web", {"KEY": "value"}, tmp_path)
        assert not {"AWS_PROFILE", "PYTHONPATH"} & set(found)
        assert (found["HOME"], found["PATH"], found["TZ"]) == ("/home/somebody", os.environ["PATH"], "UTC")
        assert (found["KEY"], found["PINFLOW_SANDBOX"], found["PINFLOW_PART"]) == ("value", str(tmp_path), "web")

    def test_a_part_may_set_anything_but_the_marks(self, tmp_path: Path) -> None:
        found = processes.environment("web", {"PATH": "/opt", "TZ": "CET", "PINFLOW_PART": "x"}, tmp_path)
        assert (found["PATH"], found["TZ"], found["PINFLOW_PART"]) == ("/opt", "CET", "web")


class TestMembers:
    def test_by_marks(self, start: Start, tmp_path: Path) -> None:
        web, other = start(*SLEEP), start(*SLEEP, part="other")
        found = processes.members(tmp_path, {})
        assert {part: [one.pid for one in members] for part, members in found.items()} == {
            "web": [web.pid], "other": [other.pid],
        }  # fmt: skip

    def test_by_session(self, tmp_path: Path) -> None:
        unmarked = subprocess.Popen(SLEEP, env={}, start_new_session=True)
        try:
            found = processes.members(tmp_path, {unmarked.pid: "web"})
            assert [one.pid for one in found["web"]] == [unmarked.pid]
        finally:
            unmarked.kill()
            unmarked.wait()

    def test_the_dead_do_not_count(self, start: Start, tmp_path: Path) -> None:
        process = start("/bin/true")
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert processes.members(tmp_path, {process.pid: "web"}) == {}


class TestFind:
    def test_the_process_of_that_time(self, start: Start) -> None:
        process = start(*SLEEP)
        created = psutil.Process(process.pid).create_time()
        found = processes.find(process.pid, created)
        assert found is not None
        assert found.pid == process.pid
        assert processes.still_its_own(process.pid, created)

    def test_another_process_of_the_same_id(self, start: Start) -> None:
        process = start(*SLEEP)
        earlier = psutil.Process(process.pid).create_time() - 5
        assert processes.find(process.pid, earlier) is None
        assert not processes.still_its_own(process.pid, earlier)

    def test_a_zombie_is_gone_but_keeps_its_id(self, start: Start) -> None:
        process = start(*SLEEP)
        created = psutil.Process(process.pid).create_time()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert processes.find(process.pid, created) is None
        assert processes.still_its_own(process.pid, created)

    def test_nobody(self, start: Start) -> None:
        process = start("/bin/true")
        process.wait()
        assert processes.find(process.pid, 0.0) is None
        assert processes.still_its_own(process.pid, 0.0)


def test_memory_is_at_least_what_a_process_holds(start: Start, tmp_path: Path) -> None:
    hold = "held = b'x' * (32 << 20); print('held', flush=True); import time; time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-S", "-c", hold], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        own = psutil.Process(process.pid)
        assert 32 * 2**20 < processes.memory([own]) < 64 * 2**20
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert processes.memory([own]) == processes.memory([]) == 0


class TestRecords:
    def test_what_was_started_is_known_to_the_next_command(self, tmp_path: Path) -> None:
        path = tmp_path / "run/processes.json"
        Records(path).add("web", os.getpid(), {"web/main": 21000})
        expected = Record(os.getpid(), psutil.Process().create_time(), {"web/main": 21000}, ready=False)
        assert Records(path).all() == {"web": expected}

    def test_a_record_of_an_earlier_version_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "processes.json"
        path.write_text('{"web": {"pid": 12, "created": 3.5}}')
        assert Records(path).all() == {"web": Record(12, 3.5, {}, ready=False)}

    def test_ready_holds_until_the_next_start(self, tmp_path: Path) -> None:
        records = Records(tmp_path / "processes.json")
        records.add("web", os.getpid(), {})
        records.mark_ready("web")
        assert records.all()["web"].ready
        records.add("web", os.getpid(), {})
        assert not records.all()["web"].ready
