from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sandbox.setup import jars
from sandbox.setup.steps import SetupError
from tests.unit.sandbox.setup.conftest import Program


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of two sets: ``kafka`` with two jars, ``spark-aws`` with one."""
    path = tmp_path / "SHA256SUMS"
    lines = [
        f"{sha256('broker')}  kafka/broker-4.3.1.jar",
        f"{sha256('clients')}  kafka/clients-4.3.1.jar",
        f"{sha256('sdk')}  spark-aws/bundle-2.jar",
    ]
    path.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(jars, "CHECKSUMS", path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The jars of ``kafka`` as they are locked."""
    made = tmp_path / "kafka"
    made.mkdir()
    (made / "broker-4.3.1.jar").write_text("broker")
    (made / "clients-4.3.1.jar").write_text("clients")
    return made


class TestVerify:
    def test_the_locked_jars(self, lock: Path, folder: Path) -> None:
        jars.verify("kafka", folder)

    def test_other_files_do_not_matter(self, lock: Path, folder: Path) -> None:
        (folder / "README.txt").write_text("not a jar")
        jars.verify("kafka", folder)

    @pytest.mark.parametrize(
        ("name", "content"),
        [("broker-4.3.1.jar", None), ("surprise-1.jar", "new"), ("clients-4.3.1.jar", "changed")],
        ids=["missing", "unexpected", "changed"],
    )
    def test_a_difference_is_named(self, lock: Path, folder: Path, name: str, content: str | None) -> None:
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(content)
        with pytest.raises(SetupError) as caught:
            jars.verify("kafka", folder)
        text = str(caught.value)
        assert text.startswith(f"The jars of 'kafka' are not the locked ones: {name}. ")
        assert text.endswith("For a wanted change run: python -m sandbox.setup.jars")

    def test_a_set_without_a_lock(self, lock: Path, folder: Path) -> None:
        with pytest.raises(SetupError, match=r"'spark' are not the locked ones: broker-4\.3\.1\.jar, clients"):
            jars.verify("spark", folder)


class TestFetch:
    @pytest.fixture
    def maven(self, setup: Path, program: Program) -> Path:
        """A Maven that copies what lies in ``remote`` and notes how it was called."""
        remote = setup / "remote"
        remote.mkdir()
        for name, text in (("broker-4.3.1", "broker"), ("clients-4.3.1", "clients")):
            (remote / f"{name}.jar").write_text(text)
        path = program(
            "mvn",
            'for word; do case "$word" in -DoutputDirectory=*) to="${word#*=}";; esac; done',
            f'echo "$@" > {setup}/called; echo "$JAVA_HOME" >> {setup}/called',
            f'[ -e {setup}/broken ] && echo "Could not resolve dependencies" && exit 1',
            f'cp {remote}/*.jar "$to"',
        )
        (setup / "maven").write_text(str(path))
        (setup / "java").write_text("/opt/jdk-17/bin/java")
        return remote

    def test_a_set_is_copied_and_checked(self, lock: Path, setup: Path, maven: Path, log: Path) -> None:
        jars.fetch("kafka", log)
        assert sorted(path.name for path in (setup / "jars/kafka").iterdir()) == [
            "broker-4.3.1.jar", "clients-4.3.1.jar",
        ]  # fmt: skip
        words, java_home = (setup / "called").read_text().splitlines()
        assert java_home == "/opt/jdk-17"
        assert "-C" in words.split()
        assert f"-f {jars.JARS / 'kafka.pom.xml'}" in words

    def test_jars_that_the_other_set_brings_are_left_out(self, lock: Path, setup: Path, maven: Path, log: Path) -> None:
        for path in maven.iterdir():
            path.unlink()
        (maven / "bundle-2.jar").write_text("sdk")
        (maven / "netty-codec-http-4.1.jar").write_text("old netty")
        (maven / "slf4j-api-1.7.jar").write_text("old slf4j")
        jars.fetch("spark-aws", log)
        assert [path.name for path in (setup / "jars/spark-aws").iterdir()] == ["bundle-2.jar"]

    def test_a_corrupt_download_leaves_the_jars_that_were_there(
        self, lock: Path, setup: Path, maven: Path, log: Path
    ) -> None:
        jars.fetch("kafka", log)
        (maven / "broker-4.3.1.jar").write_text("brok")
        with pytest.raises(SetupError, match=r"broker-4\.3\.1\.jar"):
            jars.fetch("kafka", log)
        assert (setup / "jars/kafka/broker-4.3.1.jar").read_text() == "broker"
        (maven / "broker-4.3.1.jar").write_text("broker")
        jars.fetch("kafka", log)  # what the failed one left is no hindrance

    def test_what_maven_says_is_shown_and_kept(self, lock: Path, setup: Path, maven: Path, log: Path) -> None:
        (setup / "broken").touch()
        with pytest.raises(SetupError, match=r"mvn ended with exit code 1:\n(.*\n)*Could not resolve dependencies$"):
            jars.fetch("kafka", log)
        assert log.read_text().endswith("Could not resolve dependencies\n")
        assert not (setup / "jars/kafka").exists()


def test_a_wanted_change_is_written_down(lock: Path, setup: Path) -> None:
    for name, text in (("kafka/one.jar", "1"), ("kafka/two.jar", "2"), ("spark/three.jar", "3")):
        path = setup / "jars" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    jars.main()
    assert lock.read_text().splitlines() == [
        f"{sha256('1')}  kafka/one.jar", f"{sha256('2')}  kafka/two.jar", f"{sha256('3')}  spark/three.jar",
    ]  # fmt: skip
    jars.verify("kafka", setup / "jars/kafka")


class TestTheLock:
    def test_every_set_has_jars_with_a_whole_digest(self) -> None:
        locked = jars.locked()
        assert set(locked) == set(jars.POMS) == set(jars.GOALS)
        for name, found in locked.items():
            assert all(len(digest) == 64 and int(digest, 16) for digest in found.values())
            assert all(jar.endswith(".jar") and not jar.startswith(jars.UNWANTED.get(name, ())) for jar in found)

    @pytest.mark.parametrize(
        ("name", "jar"), [("kafka", "kafka-clients-4.3.1.jar"), ("spark", "delta-storage-4.4.0.jar")]
    )
    def test_the_installed_jars_are_the_locked_ones(self, name: str, jar: str) -> None:
        folder = jars.SETUP / "jars" / name
        assert {path.name for path in folder.glob("*.jar")} == set(jars.locked()[name])
        assert hashlib.sha256((folder / jar).read_bytes()).hexdigest() == jars.locked()[name][jar]
