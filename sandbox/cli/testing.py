"""The command ``test``: style, types and all tests, or the quick ones."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli.console import progress
from sandbox.setup.jars import environment as maven_environment
from sandbox.setup.jars import maven
from sandbox.supervisor.home import ROOT, Home

SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile")
COVERED = (
    "--cov=plugins/pinflow", "--cov-branch", "--cov-fail-under=95", "--no-cov-on-fail",
    "--cov-report=term:skip-covered",
)  # fmt: skip
"""Lines and branches of the package, by the units and DAG tests alone; the quick run leaves it out."""
TYPED = ("plugins/pinflow", "emulator", "include", "sandbox")


def call(title: str, argv: Sequence[str | Path], env: dict[str, str] | None = None, cwd: Path = ROOT) -> bool:
    """Run one check with its output on the screen; whether it was good."""
    progress.print(f"[bold]{title}[/]")
    begun = time.monotonic()
    code = subprocess.call([str(word) for word in argv], cwd=cwd, env={**os.environ, **(env or {})})
    progress.print(
        f"{title}: {'good' if code == 0 else f'[red]exit code {code}[/]'} in {time.monotonic() - begun:.0f} s"
    )
    return code == 0


def static(tools: Path) -> bool:
    """Lint, format and types."""
    return all([
        call("ruff check", [tools / "ruff", "check", "."]),
        call("ruff format", [tools / "ruff", "format", "--check", "."]),
        call("mypy", [tools / "mypy", *TYPED]),
    ])  # fmt: skip


def pytest(environment: str, title: str, arguments: Sequence[str]) -> bool:
    """Run pytest in one of the environments."""
    env = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    return call(title, [Home().python(environment), "-m", "pytest", *arguments], env)


def java() -> bool:
    """The S3 sink's own tests."""
    build = Home().setup / "build" / "s3-sink-tests"
    argv: list[str | Path] = [
        *maven(),
        "-f",
        ROOT / "sandbox/connect/s3sink/pom.xml",
        f"-DbuildDirectory={build}",
        "test",
    ]
    return call("JUnit: the S3 sink", argv, maven_environment())


def test(
    quick: Annotated[
        bool, typer.Option("--quick", help="Style, types, units and DAG integrity only; under 3 minutes.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Argument(help="Tests to run instead: paths or pytest options after --.")
    ] = None,
) -> None:
    """Run the tests; the exit code is 0 when all are good."""
    if only:
        environment = "spark" if any("tests/spark" in word for word in only) else "airflow"
        raise typer.Exit(0 if pytest(environment, "pytest", only) else 1)
    units = [*SIDE_BY_SIDE, *(() if quick else COVERED), "tests/unit", "tests/dags"]
    good = [
        static(Home().python("airflow").parent),
        pytest("airflow", "units and DAG integrity", units),
    ]
    if not quick:
        good += [
            java(),
            pytest("spark", "Spark", ["tests/spark"]),
            pytest("airflow", "integration", ["tests/integration"]),
        ]
    raise typer.Exit(0 if all(good) else 1)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Start here")(test)
