from __future__ import annotations

import json
import os
from collections import namedtuple
from pathlib import Path

import pytest

from sandbox.setup import doctor, plan
from sandbox.setup.steps import Step

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def well(setup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has all, and a set-up of one step that is done."""
    monkeypatch.setattr(doctor.tools, "find_java", lambda: Path("/opt/jdk/bin/java"))
    monkeypatch.setattr(doctor.tools, "find_python", lambda: Path("/opt/python3.12"))
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage(2**40, 0, 2**40))
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**21}[name])
    step = Step("uv", "uv", [], lambda log: None)
    step.do()
    monkeypatch.setattr(plan, "steps", lambda: [step])


def found() -> dict[str, tuple[bool, str]]:
    return {subject: (ok, text) for subject, ok, text in doctor.findings()}


@pytest.mark.usefixtures("well")
class TestFindings:
    def test_all_is_well(self) -> None:
        assert all(ok for ok, _ in found().values())
        assert found()["memory"] == (True, "8.0 GiB")
        assert found()["Java 17"] == (True, "/opt/jdk/bin/java")
        assert found()["set-up: uv"] == (True, "done")

    def test_too_little_disk_and_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage(2**40, 0, 2 * 2**30))
        monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}[name])
        assert found()["disk"] == (False, "2 GiB free; 6 GiB are needed, make room")
        assert found()["memory"] == (False, "4.0 GiB; the parts need 6 GiB")

    @pytest.mark.parametrize(("uid", "ok"), [(0, True), (1000, False)])
    def test_no_java(self, monkeypatch: pytest.MonkeyPatch, uid: int, ok: bool) -> None:
        monkeypatch.setattr(doctor.tools, "find_java", lambda: None)
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        assert found()["Java 17"][0] is ok
        assert ("sudo apt-get install openjdk-17-jdk-headless" in found()["Java 17"][1]) is not ok

    def test_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor.platform, "system", lambda: "Windows")
        assert found()["system"] == (False, "Linux and macOS only; on Windows use WSL 2")

    def test_no_python_is_no_trouble(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor.tools, "find_python", lambda: None)
        assert found()["Python 3.12"][0]


@pytest.mark.usefixtures("well")
class TestMain:
    def test_lines(self, capsys: pytest.CaptureFixture, setup: Path) -> None:
        assert doctor.main(["doctor"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "ok  memory                 8.0 GiB" in lines
        assert all(line.startswith("ok  ") for line in lines[:-1])

    def test_json_is_the_whole_output(self, capsys: pytest.CaptureFixture) -> None:
        assert doctor.main(["doctor", "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert [(one["subject"], one["ok"], one["detail"]) for one in shown] == doctor.findings()

    def test_trouble_is_shown_and_in_the_exit_code(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
    ) -> None:
        monkeypatch.setattr(plan, "steps", lambda: [Step("jars", "jars", [], lambda log: None)])
        assert doctor.main([]) == 1
        assert "NO  set-up: jars           not done; ./pinflow up does it" in capsys.readouterr().out.splitlines()
