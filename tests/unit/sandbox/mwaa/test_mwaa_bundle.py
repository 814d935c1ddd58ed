"""The bundle: what is in it, that its bytes depend on the sources only, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from include.config.settings import SettingsError
from sandbox.mwaa import bundle as bundles
from sandbox.mwaa.archive import archive
from sandbox.mwaa.errors import BundleError
from sandbox.mwaa.requirements import requirements
from sandbox.supervisor.home import ROOT
from tests.unit.sandbox.mwaa.conftest import FILES

BUILD = """
import locale, os, sys
from pathlib import Path
os.umask(int(sys.argv[3], 8))
locale.setlocale(locale.LC_ALL, "")
from sandbox.mwaa.bundle import collect, write
write(collect(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        return zipped.namelist()


class TestContent:
    def test_where_everything_lies(self, repository: Path) -> None:
        made = bundles.collect(repository)
        assert sorted(made.files) == [
            "dags/a_dag.py",
            "dags/constraints-mwaa-3.3.1.txt",
            "plugins.zip",
            "requirements.txt",
            "startup.sh",
        ]
        assert names(made.files["plugins.zip"]) == [
            ".airflowignore",
            "emulator/__init__.py",
            "emulator/source/text.json",
            "include/__init__.py",
            "include/config/aws.yaml",
            "include/config/constraints-mwaa-3.3.1.txt",
            "include/sql/gold/one.sql",
            "pinflow/__init__.py",
            "pinflow/hooks/kinesis.py",
            "pinflow_plugin.py",
        ]

    def test_what_is_left_out(self, repository: Path) -> None:
        expected = set(bundles.collect(repository).plugins)
        for name in (
            "plugins/pinflow/__pycache__/x.cpython-312.pyc",
            "plugins/pinflow/stray.pyc",
            "plugins/.env",
            "include/.idea/workspace.xml",
            "include/config/aws.yaml~",
            "emulator/tests/test_x.py",
            "sandbox/kafka/part.py",
            "tests/unit/test_x.py",
            ".git/config",
        ):
            path = repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        assert set(bundles.collect(repository).plugins) == expected

    def test_of_this_repository(self) -> None:
        made = bundles.collect(ROOT)
        dags = {path.name for path in (ROOT / "dags").glob("*.py")}
        assert {name for name in made.files if name.endswith(".py")} == {f"dags/{name}" for name in dags}
        packed = set(made.plugins)
        assert packed >= {".airflowignore", "pinflow_plugin.py", "include/sql/gold/users_joined_by_year.sql"}
        assert {name.partition("/")[0] for name in packed} == {
            ".airflowignore", "emulator", "include", "pinflow", "pinflow_plugin.py",
        }  # fmt: skip
        there = [path for folder in ("plugins", "include", "emulator") for path in (ROOT / folder).rglob("*")]
        relative = {path.relative_to(ROOT).as_posix() for path in there if path.is_file()}
        assert packed == {name.removeprefix("plugins/") for name in relative if "__pycache__" not in name}

    def test_settings_of_an_account_take_the_place_of_the_template(self, repository: Path, tmp_path: Path) -> None:
        mine = tmp_path / "mine.yaml"
        mine.write_text((ROOT / "include/config/aws.yaml").read_text().replace("<account>", "123456789012"))
        made = bundles.collect(repository, mine)
        with zipfile.ZipFile(io.BytesIO(made.files["plugins.zip"])) as zipped:
            assert zipped.read("include/config/aws.yaml") == mine.read_bytes()
        assert "<account>" not in made.placeholders
        assert "<warehouse id>" in made.placeholders

    def test_the_template_s_placeholders_are_named(self, repository: Path) -> None:
        assert bundles.collect(repository).placeholders == ("<account>",)
        (repository / "include/config/aws.yaml").write_text(
            "a: x-<sha256 of the archive>  # <b>\nc: ${s.Out}\nd: 1 < 2\n"
        )
        assert bundles.collect(repository).placeholders == ("<sha256 of the archive>",)


class TestManifest:
    def test_it_holds_the_hash_of_each_file(self, repository: Path, tmp_path: Path) -> None:
        bundles.write(bundles.collect(repository), tmp_path / "out")
        found = tree(tmp_path / "out")
        manifest = json.loads(found.pop("manifest.json"))
        assert manifest["files"] == {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in found.items()
        }
        assert manifest["plugins.zip"]["emulator/source/text.json"] == hashlib.sha256(b"{}\n").hexdigest()
        assert (manifest["airflow"], manifest["python"]) == ("3.3.1", "3.12")

    def test_read_back(self, repository: Path, tmp_path: Path) -> None:
        made = bundles.collect(repository)
        bundles.write(made, tmp_path / "out")
        assert bundles.read(tmp_path / "out") == made

    @pytest.mark.parametrize("change", ["edit", "add", "remove"])
    def test_a_tampered_bundle_is_refused(self, repository: Path, tmp_path: Path, change: str) -> None:
        out = tmp_path / "out"
        bundles.write(bundles.collect(repository), out)
        path = out / "dags" / ("more.py" if change == "add" else "a_dag.py")
        path.unlink() if change == "remove" else path.write_text("other")
        with pytest.raises(BundleError, match=rf"{path.name} is not what the manifest says.*\./pinflow package"):
            bundles.read(out)

    def test_no_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match=r"There is no bundle .* Run \./pinflow package"):
            bundles.read(tmp_path)
        (tmp_path / "manifest.json").write_text("{")
        with pytest.raises(BundleError, match="is not JSON"):
            bundles.read(tmp_path)

    def test_what_changed_since(self, repository: Path) -> None:
        before = bundles.collect(repository)
        assert bundles.changed_since(before, bundles.collect(repository)) == []
        (repository / "include/sql/gold/one.sql").write_text("SELECT 2\n")
        (repository / "dags/b_dag.py").write_text("")
        (repository / "include/config/aws.yaml").write_text("prefix: other\n")
        assert bundles.changed_since(before, bundles.collect(repository)) == [
            "dags/b_dag.py",
            "plugins.zip: include/sql/gold/one.sql",
        ]


class TestReproducible:
    def test_same_sources_same_bytes(self, repository: Path, tmp_path: Path) -> None:
        """Another place, order of creation, time stamps, modes, umask, locale, time zone and hash seed."""
        other = tmp_path / "elsewhere" / "copy"
        for name in sorted(tree(repository), reverse=True):
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repository / name, other / name)
            os.utime(other / name, (0, 1_234_567_890))
            (other / name).chmod(0o755)
        first, second = tmp_path / "first", tmp_path / "second"
        self.build(repository, first, "022", LC_ALL="C", TZ="UTC", PYTHONHASHSEED="1")
        self.build(other, second, "077", LC_ALL="C.UTF-8", TZ="Pacific/Auckland", PYTHONHASHSEED="2")
        assert tree(first) == tree(second)
        assert len(tree(first)) == 6

    @staticmethod
    def build(root: Path, target: Path, umask: str, **environment: str) -> None:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
        subprocess.run([sys.executable, "-c", BUILD, root, target, umask], env=env, check=True, timeout=60)

    def test_each_content_and_name_counts(self, repository: Path) -> None:
        before = bundles.collect(repository).digests["plugins.zip"]
        (repository / "plugins/pinflow/hooks/kinesis.py").rename(repository / "plugins/pinflow/hooks/other.py")
        renamed = bundles.collect(repository).digests["plugins.zip"]
        (repository / "plugins/pinflow/hooks/other.py").write_text("hook = 2\n")
        assert len({before, renamed, bundles.collect(repository).digests["plugins.zip"]}) == 3

    def test_the_archive_is_one_that_others_can_open(self, tmp_path: Path) -> None:
        made = archive({"b/é.txt": b"2", "a.txt": b"1"})
        assert names(made) == ["a.txt", "b/é.txt"]
        (tmp_path / "a.zip").write_bytes(made)
        shutil.unpack_archive(tmp_path / "a.zip", tmp_path / "out")
        assert tree(tmp_path / "out") == {"a.txt": b"1", "b/é.txt": b"2"}
        with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
            assert {(entry.date_time, entry.external_attr >> 16) for entry in zipped.infolist()} == {
                ((1980, 1, 1, 0, 0, 0), 0o100644)
            }


class TestRefusals:
    @pytest.mark.parametrize("name", ["plugins/.airflowignore", "include/__init__.py", "emulator/__init__.py"])
    def test_a_missing_file(self, repository: Path, name: str) -> None:
        (repository / name).unlink()
        with pytest.raises(BundleError, match=rf"{name} is missing\..*git checkout -- {name}"):
            bundles.collect(repository)

    def test_no_constraints(self, repository: Path) -> None:
        (repository / "include/config" / bundles.CONSTRAINTS).unlink()
        with pytest.raises(BundleError, match=r"constraints-mwaa-3\.3\.1\.txt is missing"):
            bundles.collect(repository)

    def test_no_dag(self, repository: Path) -> None:
        (repository / "dags/a_dag.py").unlink()
        with pytest.raises(BundleError, match="There is no DAG file"):
            bundles.collect(repository)

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda root: (root / "plugins/http.py").write_text(""), "http.py would hide Python's own module http"),
            (lambda root: _write(root / "plugins/queue/__init__.py"), "would hide Python's own module queue"),
            (lambda root: _write(root / "plugins/include/__init__.py"), "plugins/include/__init__.py and include/__in"),
            (lambda root: (root / "include/link.sql").symlink_to("/etc/hosts"), "link.sql is a link"),
        ],
        ids=["module", "package", "place", "link"],
    )
    def test_what_would_not_work(self, repository: Path, make: Callable[[Path], object], text: str) -> None:
        make(repository)
        with pytest.raises(BundleError, match=text):
            bundles.collect(repository)

    def test_bad_settings(self, repository: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.yaml").write_text("name: aws\n")
        with pytest.raises(SettingsError, match=r"the key .* is missing"):
            bundles.collect(repository, tmp_path / "mine.yaml")

    def test_a_folder_that_is_no_bundle_is_not_replaced(self, repository: Path, tmp_path: Path) -> None:
        (tmp_path / "precious").write_text("x")
        with pytest.raises(BundleError, match=r"is not empty and holds no bundle.*--output"):
            bundles.write(bundles.collect(repository), tmp_path)
        assert (tmp_path / "precious").read_text() == "x"

    def test_an_older_bundle_is_replaced_whole(self, repository: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        bundles.write(bundles.collect(repository), out)
        (repository / "dags/a_dag.py").rename(repository / "dags/c_dag.py")
        bundles.write(bundles.collect(repository), out)
        assert sorted(path.name for path in (out / "dags").iterdir()) == ["c_dag.py", "constraints-mwaa-3.3.1.txt"]
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


class TestRequirements:
    CONSTRAINTS = "PyMySQL==1.1.3\nsome.thing==2.0\n"

    def test_the_constraint_line_is_the_first(self) -> None:
        assert requirements("# why\npymysql\n", self.CONSTRAINTS) == (
            '--constraint "/usr/local/airflow/dags/constraints-mwaa-3.3.1.txt"\npymysql==1.1.3\n'
        )

    def test_names_are_compared_as_pip_does(self) -> None:
        assert requirements("Some_Thing[extra,more]", self.CONSTRAINTS).endswith("\nSome_Thing[extra,more]==2.0\n")

    def test_a_version_of_our_own_where_the_constraints_have_none(self) -> None:
        assert requirements("signer==1.0.2", self.CONSTRAINTS).endswith("\nsigner==1.0.2\n")

    @pytest.mark.parametrize(
        ("line", "text"),
        [
            ("pymysql==1.0", "The image's constraints have 1.1.3"),
            ("signer", "names signer without a version"),
            ("signer>=1", "'signer>=1' is no requirement"),
            ("-e .", "'-e .' is no requirement"),
        ],
    )
    def test_what_is_refused(self, line: str, text: str) -> None:
        with pytest.raises(BundleError, match=text):
            requirements(line, self.CONSTRAINTS)

    def test_ours_are_all_pinned(self) -> None:
        first, *lines = bundles.collect(ROOT).files["requirements.txt"].decode().splitlines()
        assert first.startswith("--constraint ")
        assert len(lines) >= 4
        assert all("==" in line for line in lines)


def test_the_startup_script_sets_no_variable_that_is_mwaa_s(tmp_path: Path) -> None:
    """Sourced with nothing set, as MWAA does; the protected names are those of the image's setup_environment.py."""
    script = tmp_path / "startup.sh"
    script.write_bytes(bundles.collect(ROOT).files["startup.sh"])
    argv = [
        "/bin/bash",
        "-c",
        'set -eu; before=$(compgen -e); . "$0"; comm -13 <(echo "$before") <(compgen -e)',
        script,
    ]
    exported = subprocess.run(argv, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True).stdout
    assert exported.split() == ["AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT", "PINFLOW_SETTINGS"]
    protected = {"AIRFLOW_HOME", "AIRFLOW_VERSION", "PYTHONPATH", "AWS_REGION", "AWS_DEFAULT_REGION"}
    assert not protected & set(exported.split())


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("")


def test_the_small_repository_has_what_ours_has() -> None:
    assert {name for name in FILES if name.startswith("plugins/.")} == {"plugins/.airflowignore"}
