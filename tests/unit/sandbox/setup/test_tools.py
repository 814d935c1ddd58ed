from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox.setup import tools
from sandbox.setup.steps import SetupError
from tests.unit.sandbox.setup.conftest import Program

INSTALL = "apt-get update && apt-get install -y --no-install-recommends"


class TestCall:
    def test_output_and_command_are_kept(self, program: Program, log: Path) -> None:
        path = program("greet", 'echo "out $1"; echo "err $NAME" >&2; pwd')
        tools.call([str(path), "loud"], log, {"NAME": "you"}, cwd=Path("/"))
        assert log.read_text() == f"$ {path} loud\nout loud\nerr you\n/\n"

    def test_the_error_shows_the_end_of_the_log(self, program: Program, log: Path) -> None:
        path = program("fail", "seq 1 40", "exit 7")
        with pytest.raises(SetupError) as caught:
            tools.call([str(path)], log)
        assert str(caught.value).splitlines() == [
            "fail ended with exit code 7:", *(str(number) for number in range(29, 41)),
        ]  # fmt: skip


class TestAnswer:
    def test_both_streams(self, program: Program) -> None:
        assert tools.answer([str(program("speak", "echo out", "echo err >&2"))]) == "out\nerr\n"

    def test_nothing_from_a_program_that_fails_or_is_not_there(self, program: Program, tmp_path: Path) -> None:
        assert tools.answer([str(program("fail", "echo out", "exit 1"))]) == ""
        assert tools.answer([str(tmp_path / "nobody")]) == ""


class TestJavaVersion:
    @pytest.mark.parametrize(
        ("line", "version"),
        [
            ('openjdk version "17.0.18" 2026-01-20', 17),
            ('openjdk version "21" 2023-09-19', 21),
            ('openjdk version "25-ea" 2025-09-16', 25),
            ('java version "1.8.0_392"', 1),
            ('openjdk version "11.0.22" 2024-01-16 LTS', 11),
            ("The operation couldn't be completed. Unable to locate a Java Runtime.", 0),
        ],
    )
    def test_is_read_from_what_it_says(self, program: Program, line: str, version: int) -> None:
        # Java says it on standard error.
        java = program("java", f"[ \"$1\" = -version ] && cat >&2 <<'END'\n{line}\nOpenJDK Runtime Environment\nEND")
        assert tools.java_version(java) == version

    def test_of_a_java_that_does_not_start(self, program: Program, tmp_path: Path) -> None:
        assert tools.java_version(program("java", "echo 'version \"17\"'", "exit 1")) == 0
        assert tools.java_version(tmp_path / "none") == 0


class TestFindJava:
    @pytest.fixture(autouse=True)
    def bare(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine without any Java."""
        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin")
        monkeypatch.setattr(tools, "JVMS", tmp_path / "jvm")
        monkeypatch.setattr(tools.shutil, "which", self.which)
        self.path = tmp_path / "path"

    def which(self, name: str) -> str | None:
        return str(self.path / name) if (self.path / name).exists() else None

    def jdk(self, program: Program, home: Path, version: int, compiler: bool = True) -> Path:
        java = program("java", f"echo 'openjdk version \"{version}.0.1\"' >&2", folder=home / "bin")
        if compiler:
            program("javac", folder=home / "bin")
        return java

    def test_none(self) -> None:
        assert tools.find_java() is None

    def test_java_home_goes_first(self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jdk(program, tmp_path / "jvm/java-17-openjdk", 17)
        java = self.jdk(program, tmp_path / "mine", 21)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "mine"))
        assert tools.find_java() == java

    def test_the_one_on_path_through_its_links(self, program: Program, tmp_path: Path) -> None:
        java = self.jdk(program, tmp_path / "opt/jdk-21", 21)
        self.path.mkdir()
        (self.path / "java").symlink_to(java)
        assert tools.find_java() == java

    def test_the_system_s_folder(self, program: Program, tmp_path: Path) -> None:
        self.jdk(program, tmp_path / "jvm/java-11-openjdk-amd64", 11)
        java = self.jdk(program, tmp_path / "jvm/java-17-openjdk-amd64", 17)
        assert tools.find_java() == java

    def test_too_old_or_without_a_compiler(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.jdk(program, tmp_path / "old", 11)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
        self.jdk(program, tmp_path / "jvm/java-17-jre", 17, compiler=False)
        assert tools.find_java() is None
        java = self.jdk(program, tmp_path / "jvm/later-17-jdk", 17)
        assert tools.find_java() == java


class TestApt:
    def test_who_is_not_root_is_told_what_to_type(self, monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(SetupError) as caught:
            tools.apt(["java", "maven"], "a JDK", log)
        text = str(caught.value)
        assert text.startswith("Pinflow needs a JDK, and only root can install it here. Type:\n")
        assert f"\n  sudo sh -c '{INSTALL} openjdk-17-jdk-headless maven'\n" in text
        assert "brew install openjdk@17 maven" in text
        assert not log.exists()

    def test_neither_without_apt(self, monkeypatch: pytest.MonkeyPatch, log: Path, tmp_path: Path) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SetupError, match="python3-venv"):
            tools.apt(["venv"], "Python's venv module", log)

    @pytest.fixture
    def fresh_debian(self, program: Program, tmp_path: Path, setup: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A machine with an apt-get that installs a JDK and Maven, and nothing else."""
        jdk, path = tmp_path / "jvm/java-17-openjdk", tmp_path / "bin"
        ready = program("java", "echo 'openjdk version \"17.0.1\"' >&2", folder=tmp_path / "package/bin")
        program("javac", folder=tmp_path / "package/bin")
        program(
            "apt-get",
            f'echo "$DEBIAN_FRONTEND: $@" >> {tmp_path}/calls',
            '[ "$2" = install ] || exit 0',
            f"/bin/mkdir -p {jdk} && /bin/cp -r {ready.parent} {jdk}/ && /bin/ln -s {jdk}/bin/java {path}/mvn",
        )
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(tools, "JVMS", tmp_path / "jvm")
        monkeypatch.setenv("PATH", str(path))
        monkeypatch.delenv("JAVA_HOME", raising=False)
        return tmp_path

    def test_root_gets_what_is_missing(self, fresh_debian: Path, setup: Path, log: Path) -> None:
        tools.install_java_and_maven(log)
        assert (setup / "java").read_text() == f"{fresh_debian}/jvm/java-17-openjdk/bin/java"
        assert (setup / "maven").read_text() == f"{fresh_debian}/bin/mvn"
        update, install = (fresh_debian / "calls").read_text().splitlines()
        assert update == "noninteractive: -q update"
        assert install == "noninteractive: -q install -y --no-install-recommends openjdk-17-jdk-headless maven"

    def test_what_is_there_is_not_installed_again(self, fresh_debian: Path, setup: Path, log: Path) -> None:
        tools.install_java_and_maven(log)
        (fresh_debian / "calls").unlink()
        (setup / "java").unlink()
        tools.install_java_and_maven(log)
        assert (setup / "java").exists()
        assert not (fresh_debian / "calls").exists()

    def test_packages_that_bring_nothing(self, fresh_debian: Path, program: Program, log: Path) -> None:
        program("apt-get", "exit 0")
        with pytest.raises(SetupError, match="Set JAVA_HOME to a JDK 17"):
            tools.install_java_and_maven(log)


class TestFindPython:
    @pytest.fixture(autouse=True)
    def old(self, setup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if the bootstrap ran on Python 3.9 on a machine without a 3.12."""
        monkeypatch.setattr(tools, "sys", SimpleNamespace(version_info=(3, 9, 18), executable="/usr/bin/python3"))
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def pyenv(self, program: Program, tmp_path: Path, version: str, *lines: str) -> Path:
        folder = tmp_path / "pyenv/versions" / version / "bin"
        return program(f"python{version.rpartition('.')[0]}", *(lines or ["echo 3.12"]), folder=folder)

    def test_none(self) -> None:
        assert tools.find_python() is None

    def test_the_one_that_runs_this(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tools, "sys", sys)
        assert sys.version_info[:2] == (3, 12)
        assert tools.find_python() == Path(sys.executable)

    def test_among_pyenv_s_versions(self, program: Program, tmp_path: Path) -> None:
        self.pyenv(program, tmp_path, "3.11.7", "echo 3.11")
        self.pyenv(program, tmp_path, "3.13.0", "echo 3.13")
        expected = self.pyenv(program, tmp_path, "3.12.1")
        assert tools.find_python() == expected

    def test_in_the_home_folder_where_pyenv_says_nothing(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PYENV_ROOT")
        monkeypatch.setenv("HOME", str(tmp_path))
        expected = program("python3.12", "echo 3.12", folder=tmp_path / ".pyenv/versions/3.12.1/bin")
        assert tools.find_python() == expected

    def test_one_without_ensurepip_does_not_do(self, program: Program, tmp_path: Path) -> None:
        self.pyenv(program, tmp_path, "3.12.9", "exit 1")
        expected = program("python3.12", "echo 3.12")
        assert tools.find_python() == expected

    def test_one_that_uv_has(self, program: Program, setup: Path) -> None:
        program("uv", '[ "$1 $2" = "python find" ] && echo /managed/python3.12', folder=setup / "venv/bootstrap/bin")
        assert tools.find_python() == Path("/managed/python3.12")

    def test_uv_fetches_one(self, program: Program, setup: Path, log: Path) -> None:
        uv = [
            f'[ "$*" = "python install 3.12" ] && touch {setup}/fetched && exit 0',
            f'[ "$2" = find ] && [ -e {setup}/fetched ] && echo /managed/python3.12',
        ]
        program("uv", *uv, folder=setup / "venv/bootstrap/bin")
        program("touch", '/bin/touch "$@"')
        assert tools.install_python(log) == Path("/managed/python3.12")

    def test_uv_cannot_fetch_one(self, program: Program, setup: Path, log: Path) -> None:
        program("uv", '[ "$2" = find ] && exit 1', "echo no network", "exit 2", folder=setup / "venv/bootstrap/bin")
        with pytest.raises(SetupError, match=r"There is no Python 3\.12(.*\n)*.*pyenv install 3\.12(.*\n)*no network"):
            tools.install_python(log)

    def test_what_uv_fetched_cannot_be_found(self, program: Program, setup: Path, log: Path) -> None:
        program("uv", '[ "$2" = find ] && exit 1', "exit 0", folder=setup / "venv/bootstrap/bin")
        with pytest.raises(SetupError, match="Run: uv python list"):
            tools.install_python(log)
