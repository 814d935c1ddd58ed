"""The build of the sink: what triggers it, what it checks, and that its archive can be built again."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from sandbox.connect import build
from sandbox.connect.build import BuildFailedError, DependencyChangedError, pack

FAKE_MAVEN = """#!/bin/sh
echo "$JAVA_HOME $@" >> {calls}
mkdir -p target/plugin
printf library > target/plugin/library-1.jar
printf ours > target/s3-sink-1.0.0.jar
{body}
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources that tests may change, locked to the one library that the fake Maven makes."""
    copy = tmp_path / "s3sink"
    shutil.copytree(build.SOURCE, copy, ignore=shutil.ignore_patterns("target"))
    locked = copy / "dependencies.sha256"
    locked.write_text(f"{hashlib.sha256(b'library').hexdigest()} library-1.jar\n")
    monkeypatch.setattr(build, "SOURCE", copy)
    monkeypatch.setattr(build, "LOCKED", locked)
    return copy


class Maven:
    """A program in Maven's place."""

    def __init__(self, folder: Path, body: str = "") -> None:
        self.calls = folder / "calls"
        self.program = folder / "mvn"
        self.program.write_text(FAKE_MAVEN.format(calls=self.calls, body=body))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)
        self.setup, self.log = folder / "setup", folder / "log"

    def build(self) -> Path:
        return build.build(self.program, Path("/opt/jdk"), self.setup, self.log)

    def times(self) -> int:
        return len(self.calls.read_text().splitlines())


def test_makes_the_folder_and_the_archive(source: Path, tmp_path: Path) -> None:
    maven = Maven(tmp_path)
    archive = maven.build()
    assert archive == maven.setup / "plugins" / "s3-sink.zip"
    folder = maven.setup / "plugins" / "s3-sink"
    assert sorted(path.name for path in folder.iterdir()) == ["library-1.jar", "s3-sink-1.0.0.jar"]
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["s3-sink/library-1.jar", "s3-sink/s3-sink-1.0.0.jar"]
        assert opened.read("s3-sink/s3-sink-1.0.0.jar") == b"ours"
    assert maven.calls.read_text().startswith("/opt/jdk ")


def test_source_tree_stays_clean(source: Path, tmp_path: Path) -> None:
    before = sorted(source.rglob("*"))
    Maven(tmp_path).build()
    assert sorted(source.rglob("*")) == before


def test_builds_only_when_something_changed(source: Path, tmp_path: Path) -> None:
    maven = Maven(tmp_path)
    maven.build()
    maven.build()
    assert maven.times() == 1
    (source / "pom.xml").write_text((source / "pom.xml").read_text() + "<!-- changed -->")
    maven.build()
    assert maven.times() == 2
    (maven.setup / "plugins" / "s3-sink.zip").unlink()
    maven.build()
    assert maven.times() == 3


def test_tests_of_the_sink_do_not_trigger_it(source: Path, tmp_path: Path) -> None:
    maven = Maven(tmp_path)
    maven.build()
    next((source / "src" / "test").rglob("*.java")).write_text("changed")
    maven.build()
    assert maven.times() == 1


def test_failure_carries_mavens_words(source: Path, tmp_path: Path) -> None:
    maven = Maven(tmp_path, "echo '[ERROR] cannot find symbol'; exit 1")
    with pytest.raises(BuildFailedError, match="cannot find symbol"):
        maven.build()
    assert not (maven.setup / "plugins" / "s3-sink.zip").exists()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("printf forged > target/plugin/library-1.jar", "library-1.jar"),
        ("printf more > target/plugin/another-2.jar", "another-2.jar"),
        ("rm target/plugin/library-1.jar", "library-1.jar"),
    ],
)
def test_only_locked_libraries_are_taken(source: Path, tmp_path: Path, body: str, name: str) -> None:
    maven = Maven(tmp_path, body)
    with pytest.raises(DependencyChangedError, match=name):
        maven.build()
    assert not (maven.setup / "plugins" / "s3-sink").exists()


def test_an_archive_depends_on_nothing_but_its_jars(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jar").write_bytes(b"a")
    (tmp_path / "two" / "a.jar").chmod(0o600)
    pack([tmp_path / "one" / "a.jar"], tmp_path / "one.zip")
    pack([tmp_path / "two" / "a.jar"], tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_pom_names_no_host_and_pins_its_plugins() -> None:
    pom = (build.SOURCE / "pom.xml").read_text()
    assert "<repositor" not in pom
    assert "<pluginRepositor" not in pom
    for plugin in pom.split("<plugin>")[1:]:
        assert "<version>" in plugin.split("</plugin>")[0], plugin
