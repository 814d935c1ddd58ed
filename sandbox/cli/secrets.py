"""The command ``secrets``: Airflow's connections in Secrets Manager."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.config.settings import load
from sandbox.cli.console import output, print_json, progress, table
from sandbox.cli.deploy import Region, Yes
from sandbox.cli.package import Settings
from sandbox.cli.platform import Json


def secrets(
    only: Annotated[list[str] | None, typer.Option(help="A connection or variable; all by default.")] = None,
    description: Annotated[
        Path | None,
        typer.Option("--from", exists=True, dir_okay=False, help="By default sandbox/mwaa/connections.yaml."),
    ] = None,
    settings: Settings = None,
    region: Region = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Write Airflow's connections into Secrets Manager: the plan is shown, and done with --yes. No value is printed."""
    from sandbox.mwaa.account import client, said_plainly
    from sandbox.mwaa.references import References
    from sandbox.mwaa.secrets import CONNECTIONS, State, Vault, described

    found = load(settings or "aws")
    where = region or found.region
    document = described(description or CONNECTIONS)
    with said_plainly():
        vault = Vault(client("secretsmanager", where), found.prefix)
        references = References(lambda service: client(service, where), found.prefix, where)
        plan = vault.plan(document, references, only or ())
        rows = [{"secret": one.name, "state": str(one.state), "missing": "; ".join(one.missing)} for one in plan]
        if not as_json:
            output.print(table(f"Secrets Manager, {where}", rows))
        if yes:
            for one in sorted(
                plan, key=lambda one: one.state is not State.MISSING
            ):  # refuse before anything is written
                vault.write(one)
    if as_json:
        print_json({"secrets": rows, "done": yes})
    elif not yes:
        progress.print("Nothing was done. Add --yes to do it.")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="AWS")(secrets)
