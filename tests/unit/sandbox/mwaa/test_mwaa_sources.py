"""What git says about the sources of a bundle, and what the commands make of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sandbox.cli import deploy, package
from sandbox.cli.app import EXPECTED, app
from sandbox.mwaa import bundle as bundles
from sandbox.mwaa.errors import DeployError
from sandbox.mwaa.sources import uncommitted


def git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def committed(repository: Path) -> Path:
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "all")
    return repository


@pytest.fixture
def here(committed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The commands work on the small repository."""
    for module in (package, deploy):
        monkeypatch.setattr(module, "ROOT", committed)
    return committed


def pinflow(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="./pinflow")


class TestUncommitted:
    def test_a_clean_checkout(self, committed: Path) -> None:
        assert uncommitted(committed) == []

    def test_edited_new_removed_and_renamed(self, committed: Path) -> None:
        (committed / "dags/a_dag.py").write_text("other")
        (committed / "include/new file.sql").write_text("")
        (committed / "emulator/source/text.json").unlink()
        git(committed, "mv", "include/sql/gold/one.sql", "include/sql/gold/two.sql")
        assert uncommitted(committed) == [
            "dags/a_dag.py",
            "emulator/source/text.json",
            "include/new file.sql",
            "include/sql/gold/two.sql",
        ]

    def test_other_folders_do_not_count(self, committed: Path) -> None:
        (committed / "docs").mkdir()
        (committed / "docs/x.md").write_text("")
        assert uncommitted(committed) == []

    def test_no_checkout(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
        assert uncommitted(repository) is None

    def test_no_git(self, committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(committed))
        assert uncommitted(committed) is None


class TestPackage:
    def test_it_builds_and_tells_what_to_know(self, here: Path, tmp_path: Path) -> None:
        (here / "dags/a_dag.py").write_text("other")
        shown = pinflow("package", "--output", tmp_path / "out")
        assert shown.exit_code == 0, shown.exception
        assert "plugins.zip" in shown.stdout
        assert "Not committed: dags/a_dag.py." in shown.stderr
        assert "The settings still hold <account>." in shown.stderr
        assert bundles.read(tmp_path / "out").files["dags/a_dag.py"] == b"other"

    def test_json_is_the_manifest_and_nothing_else(self, here: Path, tmp_path: Path) -> None:
        shown = pinflow("package", "--output", tmp_path / "out", "--json")
        assert json.loads(shown.stdout) == json.loads((tmp_path / "out/manifest.json").read_text())
        assert shown.stderr == ""

    def test_an_error_is_one_that_is_shown_without_a_trace(self, here: Path, tmp_path: Path) -> None:
        (here / "plugins/.airflowignore").unlink()
        assert isinstance(pinflow("package", "--output", tmp_path / "out").exception, EXPECTED)
        assert not (tmp_path / "out").exists()


class TestStale:
    def test_sources_that_changed_since(self, here: Path) -> None:
        made = bundles.collect(here)
        deploy.refuse_stale(made, uncommitted=False)
        (here / "include/sql/gold/one.sql").write_text("SELECT 2")
        with pytest.raises(DeployError, match=r"older than its sources: plugins\.zip: include/sql/gold/one\.sql\."):
            deploy.refuse_stale(made, uncommitted=True)

    def test_sources_that_are_not_committed(self, here: Path) -> None:
        (here / "include/sql/gold/one.sql").write_text("SELECT 2")
        made = bundles.collect(here)
        with pytest.raises(DeployError, match=r"Not committed: include/sql/gold/one\.sql\..*--uncommitted"):
            deploy.refuse_stale(made, uncommitted=False)
        deploy.refuse_stale(made, uncommitted=True)

    def test_the_prefix_is_the_one_in_the_bundle(self, here: Path) -> None:
        (here / "include/config/aws.yaml").write_text("prefix: mine\n")
        assert deploy.settings_prefix(bundles.collect(here)) == "mine"
