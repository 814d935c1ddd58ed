"""The command ``package``: the bundle for MWAA."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli.console import output, print_json, progress, table
from sandbox.cli.platform import Json
from sandbox.mwaa import bundle as bundles
from sandbox.mwaa import sources
from sandbox.supervisor.home import ROOT

TARGET = ROOT / "dist" / "mwaa"
Settings = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Your account's settings; include/config/aws.yaml by default."),
]


def package(
    settings: Settings = None,
    target: Annotated[Path, typer.Option("--output", file_okay=False, help="Where to build.")] = TARGET,
    as_json: Json = False,
) -> None:
    """Build what MWAA's bucket gets: DAGs, plugins.zip, requirements.txt, startup.sh; same input, same bytes."""
    made = bundles.collect(ROOT, settings)
    bundles.write(made, target)
    if as_json:
        print_json(made.manifest())
        return
    rows = [{"file": name, "bytes": len(made.files[name]), "sha256": digest} for name, digest in made.digests.items()]
    output.print(table(str(target), rows))
    for line in remarks(made):
        progress.print(line, markup=False, soft_wrap=True)


def remarks(made: bundles.Bundle) -> list[str]:
    """What someone should know before this bundle goes to an account."""
    changed = sources.uncommitted(ROOT)
    lines = []
    if changed is None:
        lines.append("This is no git checkout: nothing says which commit the bundle is.")
    elif changed:
        lines.append(f"Not committed: {', '.join(changed)}. ./pinflow deploy will ask for --uncommitted.")
    if made.placeholders:
        lines.append(
            f"The settings still hold {', '.join(made.placeholders)}. Copy include/config/aws.yaml, fill it in, "
            "and give it with --settings; ./pinflow deploy refuses this bundle."
        )
    return lines


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="AWS")(package)
