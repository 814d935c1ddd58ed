"""The command ``clean``."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from sandbox.cli.console import progress
from sandbox.cli.platform import take_down
from sandbox.supervisor.home import Home

DATA = ("aws", "connect", "kafka", "kinesis", "msk", "spark", "databricks/dbfs/pinflow/checkpoints")


def clean(
    data: Annotated[
        bool,
        typer.Option(
            "--data", help="Landing, tables, topics, streams, ledger; not the source rows and Airflow's history."
        ),
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Everything but the set-up.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop the sandbox and remove what it holds."""
    if data == everything:
        raise typer.BadParameter("say --data or --all")
    what = "landing, tables, topics, streams and ledger" if data else "everything but the set-up"
    if not yes:
        typer.confirm(f"Remove {what} in {Home().base}?", abort=True)
    take_down()
    home = Home()
    if data:
        import emulator.commands

        emulator.commands.forget(home.source_url)
    for folder in [home.data(name) for name in DATA] if data else [home.run, home.base / "data", home.base / "log"]:
        shutil.rmtree(folder, ignore_errors=True)
    progress.print(f"Removed: {what}.")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="More")(clean)
