"""The workflow, the hooks and the documents name only commands, options, files and tools that exist."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.core
import yaml

from sandbox.cli.app import app
from sandbox.cli.testing import TYPED
from sandbox.supervisor.home import ROOT, Home

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
HOOKS = {
    hook["id"]: hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repository["hooks"]
}
STEPS = [(job, step) for job, described in WORKFLOW["jobs"].items() for step in described["steps"]]
COMMANDS = [
    *(line for _, step in STEPS for line in step.get("run", "").splitlines() if line.strip()),
    *(hook["entry"] for hook in HOOKS.values()),
]
UsageError = typer.BadParameter.__base__
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def understood(words: list[str]) -> None:
    """Parse the words of a ``./pinflow`` command as Typer would, without running it.

    :raises UsageError: there is no such command or option, or one is missing.
    """
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="./pinflow")
    while isinstance(command, typer.core.TyperGroup):
        name, command, words = command.resolve_command(context, words)
        if isinstance(command, typer.core.TyperGroup):
            context = command.context_class(command, parent=context, info_name=name)
    command.make_context(command.name, list(words), parent=context)


class TestCommands:
    @pytest.mark.parametrize("line", sorted(set(COMMANDS)))
    def test_each_is_a_real_one(self, line: str) -> None:
        program, *words = shlex.split(line)
        if program == "./pinflow":
            assert (ROOT / "pinflow").exists()
            understood(words)
        elif program.startswith(".sandbox/setup/"):
            assert (Home().setup / program.removeprefix(".sandbox/setup/")).exists(), program
        else:
            assert shutil.which(program), program
        for word in words:
            if "/" in word and not word.startswith(("-", "dist/")):
                assert (ROOT / word).exists(), word

    @pytest.mark.parametrize("line", ["fly", "test --fast", "package --target x", "deploy s3", "deploy mwaa"])
    def test_one_that_is_not_would_be_seen(self, line: str) -> None:
        with pytest.raises(UsageError):
            understood(line.split())


class TestWorkflow:
    def jobs_at(self, event: str) -> set[str]:
        """The jobs whose condition lets the event through; the conditions have two forms."""
        found = set()
        for name, job in WORKFLOW["jobs"].items():
            text = str(job.get("if", ""))
            excluded = re.findall(r"event_name != '(\w+)'", text)
            included = re.findall(r"event_name == '(\w+)'", text)
            if (included and event in included) or (not included and event not in excluded):
                found.add(name)
        return found

    def test_what_runs_when(self) -> None:
        triggers = WORKFLOW[True]  # YAML 1.1 reads `on` as true
        assert "pull_request" in triggers
        assert triggers["schedule"][0]["cron"].split()[1:] == ["2", "*", "*", "*"]
        assert self.jobs_at("pull_request") == {"quick", "package"}
        assert self.jobs_at("schedule") == {"full"}

    def test_what_each_does(self) -> None:
        runs = {
            job: [step["run"].strip() for name, step in STEPS if name == job and "run" in step]
            for job in WORKFLOW["jobs"]
        }
        assert runs["quick"] == ["./pinflow test --quick"]
        assert runs["full"][0] == "./pinflow test"
        assert {"./pinflow package", "./pinflow test tests/dags", "./pinflow test tests/integration/mwaa"} <= set(
            runs["package"]
        )

    def test_actions_are_pinned_by_commit(self) -> None:
        used = [line for line in (ROOT / ".github/workflows/ci.yml").read_text().splitlines() if "uses:" in line]
        assert len(used) >= 10
        for line in used:
            assert re.search(r"uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line

    def test_it_may_only_read_and_ends(self) -> None:
        assert WORKFLOW["permissions"] == {"contents": "read"}
        assert all(job["timeout-minutes"] <= 180 for job in WORKFLOW["jobs"].values())
        assert "secrets." not in (ROOT / ".github/workflows/ci.yml").read_text()

    def test_the_cache_is_renewed_by_what_the_set_up_is_made_of(self) -> None:
        (key,) = {step["with"]["key"] for _, step in STEPS if "key" in step.get("with", {})}
        for pattern in re.findall(r"'([^']+)'", key):
            assert list(ROOT.glob(pattern)), pattern


class TestHooks:
    def test_all_run_what_is_installed_here(self) -> None:
        assert {hook["language"] for hook in HOOKS.values()} == {"system"}

    def test_style_and_types_are_those_of_the_test_command(self) -> None:
        source = (ROOT / "sandbox/cli/testing.py").read_text()
        for words in ('"check", "."', '"format", "--check", "."'):
            assert words in source
        assert "ruff check" in HOOKS["ruff-check"]["entry"]
        assert "ruff format --check" in HOOKS["ruff-format"]["entry"]
        assert shlex.split(HOOKS["mypy"]["entry"])[1:] == list(TYPED)

    def test_the_quick_tests_of_the_workflow_run_at_a_push(self) -> None:
        assert HOOKS["quick"]["entry"] == "./pinflow test --quick"
        assert HOOKS["quick"]["stages"] == ["pre-push"]

    def test_the_bundle_is_built_when_what_it_holds_changes(self) -> None:
        pattern = re.compile(HOOKS["package"]["files"])
        assert all(pattern.match(f"{name}/x.py") for name in ("dags", "plugins", "include", "emulator", "sandbox/mwaa"))
        assert not pattern.match("docs/x.md")


class TestDocuments:
    def test_the_licence_is_apache_2_0_whole(self) -> None:
        """The digest is that of the text as the Apache Software Foundation publishes it."""
        digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
        assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
        assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()

    def test_the_version_is_in_the_changelog(self) -> None:
        version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
        assert version is not None
        assert f"\n## {version[1]} (" in (ROOT / "CHANGELOG.md").read_text()

    @pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
    def test_paths_in_documents_exist(self, path: Path) -> None:
        """Everything between backticks that begins with one of our folders."""
        folders = "dags|plugins|include|emulator|sandbox|benchmarks|tests|docs|resources"
        named = re.findall(rf"`((?:{folders})/[\w./*-]*)`", path.read_text())
        missing = [name for name in named if not list(ROOT.glob(name.rstrip("/")))]
        assert missing == []

    def test_the_walls_in_the_guide_are_those_of_the_test(self) -> None:
        from tests.unit.test_import_walls import WALLS

        text = (ROOT / "CONTRIBUTING.md").read_text()
        rows = dict(re.findall(r"^\| `([\w/]+?)/?`.*\| (.+) \|$", text, re.M))
        tops = {name.split("/")[0] for name in WALLS} | {"include/spark"}
        assert {name.removesuffix("/pinflow") for name in rows} >= tops - {"include"}
        for folder in ("dags", "include/spark", "emulator"):
            for name in ("sandbox",) + (("Airflow",) if folder != "dags" else ()):
                assert name in rows[folder], (folder, name)


def test_no_file_names_a_registry() -> None:
    for path in (ROOT / ".github/workflows/ci.yml", ROOT / ".pre-commit-config.yaml", *DOCUMENTS):
        assert not re.search(r"index-url|--registry|find-links http", path.read_text()), path


class TestMwaaDocument:
    TEXT = (ROOT / "docs/mwaa.md").read_text()

    def leaves(self, value: Any, at: str = "") -> dict[str, Any]:
        if not isinstance(value, dict) or at in (
            "workspace.cluster",
            "kafka.topic_configs",
            "connect.overrides",
            "stacks",
        ):
            return {at: value}
        found: dict[str, Any] = {}
        for name, item in value.items():
            found.update(self.leaves(item, f"{at}.{name}" if at else name))
        return found

    def test_it_goes_through_the_settings_one_by_one(self) -> None:
        settings = self.leaves(yaml.safe_load((ROOT / "include/config/aws.yaml").read_text()))
        own, _, choice = self.TEXT.partition("What is an account's own:")[2].partition("What is a choice:")
        rows = r"^\| `([a-z_.]+)` \|"
        told = set(re.findall(rows, own, re.M)), set(re.findall(rows, choice, re.M))
        placeholders = {name for name, value in settings.items() if "<" in str(value)} - {"stacks"}  # docs/aws.md
        assert told[0] == placeholders
        assert told[1] <= settings.keys() - placeholders

    def test_and_through_the_connections(self) -> None:
        connections = yaml.safe_load((ROOT / "sandbox/mwaa/connections.yaml").read_text())["connections"]
        told = set(re.findall(r"^\| `(\w+_default)` \|", self.TEXT, re.M))
        assert told == set(connections) | {"aws_default"}

    def test_the_image_is_the_one_that_the_bundle_is_made_for(self) -> None:
        from sandbox.mwaa.bundle import AIRFLOW, PYTHON

        assert f"| **{AIRFLOW}** | {PYTHON} |" in self.TEXT

    def test_variables_of_the_shell_are_named(self) -> None:
        text = (ROOT / "sandbox/mwaa/connections.yaml").read_text()
        for name in re.findall(r"^[^#]*\$\{env:(\w+)", text, re.M):
            assert f"`{name}`" in self.TEXT, name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_exist(path: Path) -> None:
    """Each ``./pinflow word``, and ``./pinflow word word`` where the first is a group."""
    commands = typer.main.get_command(app).commands
    for first, second in re.findall(r"\./pinflow (\w[\w-]*)(?: ([a-z][\w-]*))?", path.read_text()):
        assert first in commands, first
        if second and (below := getattr(commands[first], "commands", None)):
            assert second in below, f"{first} {second}"
