"""All commands of ``./pinflow``."""

from __future__ import annotations

import sys

import typer
from rich.text import Text

from emulator.exceptions import EmulatorError
from include.config.settings import SettingsError
from sandbox.airflow.client import AirflowError
from sandbox.cli import (
    clean,
    cost,
    dags,
    deploy,
    emulator,
    measure,
    package,
    platform,
    results,
    run,
    secrets,
    source,
    streaming,
    testing,
)
from sandbox.cli.console import progress
from sandbox.cli.results import NoResultError
from sandbox.cost.errors import CostError
from sandbox.databricks.client import WorkspaceError
from sandbox.mwaa.errors import MwaaError
from sandbox.supervisor.home import SandboxBusyError
from sandbox.supervisor.registry import UnknownPartError
from sandbox.supervisor.supervisor import PartFailedError

EXPECTED = (
    AirflowError, CostError, WorkspaceError, NoResultError, PartFailedError, SandboxBusyError, UnknownPartError,
    EmulatorError, MwaaError, SettingsError, dags.RunFailedError, streaming.StreamDisagreesError,
)  # fmt: skip

app = typer.Typer(
    help="Two pipelines over a photo-sharing site's posts, with Airflow at the centre, on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
MODULES = (
    run, platform, dags, results, source, streaming, emulator, testing, package, deploy, secrets, cost, measure, clean,
)  # fmt: skip
for module in MODULES:
    module.register(app)


@app.command(rich_help_panel="More")
def doctor(as_json: platform.Json = False) -> None:
    """Look at the machine and the set-up, and say what is wrong."""
    from sandbox.setup import doctor as checks

    raise typer.Exit(checks.main(["--json"] if as_json else []))


@app.command("help", rich_help_panel="More")
def show_help(context: typer.Context) -> None:
    """Show this page."""
    parent = context.parent or context
    typer.echo(parent.get_help())


def main() -> None:
    """Run the command; errors that a user can mend are shown without a trace."""
    try:
        app(prog_name="./pinflow")
    except EXPECTED as error:
        progress.print(Text.assemble(("error", "red"), f" {error}"), soft_wrap=True)
        sys.exit(1)
