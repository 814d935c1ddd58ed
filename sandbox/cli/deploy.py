"""The command ``deploy``: what was packaged goes to an account."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sandbox.cli.console import Board, output, print_json, progress, table
from sandbox.cli.package import TARGET
from sandbox.cli.platform import Json
from sandbox.mwaa import bundle as bundles
from sandbox.mwaa import sources
from sandbox.mwaa.errors import DeployError
from sandbox.supervisor.home import ROOT

app = typer.Typer(help="Bring what was packaged to an AWS account.", no_args_is_help=True)
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it only the plan is shown.")]
Region = Annotated[str | None, typer.Option(help="AWS region; the profile's or AWS_REGION by default.")]


class Workers(StrEnum):
    """What becomes of running tasks when the environment is updated."""

    GRACEFUL = "graceful"
    FORCED = "forced"


@app.callback()
def callback() -> None:
    """Bring what was packaged to an AWS account."""


@app.command()
def mwaa(
    bucket: Annotated[str, typer.Option(help="The environment's bucket.")],
    environment: Annotated[
        str | None, typer.Option(help="The environment to update; without it only the bucket is filled.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="What the keys in the bucket begin with.")] = "",
    folder: Annotated[Path, typer.Option("--bundle", help="The bundle; ./pinflow package builds it.")] = TARGET,
    workers: Annotated[
        Workers, typer.Option(help="graceful: running tasks end first (up to 12 hours); forced: they are stopped.")
    ] = Workers.GRACEFUL,
    uncommitted: Annotated[
        bool, typer.Option("--uncommitted", help="Also when files of the bundle are not committed.")
    ] = False,
    region: Region = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Upload what differs and bring the environment to it: the plan is shown, and done with --yes."""
    from sandbox.mwaa.account import client, said_plainly
    from sandbox.mwaa.bucket import Bucket
    from sandbox.mwaa.deployment import Deployment
    from sandbox.mwaa.environment import Environment

    made = bundles.read(folder)
    refuse_stale(made, uncommitted=uncommitted)
    with said_plainly():
        deployment = Deployment(
            made,
            Bucket(client("s3", region), bucket, prefix),
            Environment(client("mwaa", region), environment) if environment else None,
            settings_prefix(made),
        )
        plan = deployment.plan()
        if not as_json:
            show(plan.as_dict(), f"s3://{bucket}/{deployment.bucket.prefix}")
        if yes and not plan.is_empty:
            with Board("Deployment").shown() as board:
                deployment.act(plan, workers.upper(), board.set)
    if as_json:
        print_json({**plan.as_dict(), "done": yes and not plan.is_empty})
    elif plan.is_empty:
        progress.print("Everything is there already.")
    elif not yes:
        progress.print("Nothing was done. Add --yes to do it.")


def settings_prefix(made: bundles.Bundle) -> str:
    """The prefix in the settings that the bundle carries."""
    import io
    import zipfile

    import yaml

    with zipfile.ZipFile(io.BytesIO(made.files["plugins.zip"])) as zipped:
        return str(yaml.safe_load(zipped.read(bundles.SETTINGS_IN_ZIP))["prefix"])


def refuse_stale(made: bundles.Bundle, *, uncommitted: bool) -> None:
    """See that the bundle is what the sources are, and that they are committed.

    :raises DeployError: one of the two is not so.
    """
    if changed := bundles.changed_since(made, bundles.collect(ROOT)):
        raise DeployError(
            f"The bundle is older than its sources: {', '.join(changed[:5])}{' and more' if changed[5:] else ''}.",
            "What was tested is not what would be deployed.",
            "Run ./pinflow package, then ./pinflow deploy mwaa again.",
        )
    open_files = sources.uncommitted(ROOT)
    if open_files and not uncommitted:
        raise DeployError(
            f"Not committed: {', '.join(open_files[:5])}{' and more' if open_files[5:] else ''}.",
            "Nobody could tell later what ran, and a roll-back would not find it.",
            "Commit it and run ./pinflow package, or add --uncommitted.",
        )


def show(plan: dict[str, Any], place: str) -> None:
    """The plan as tables."""
    rows = [
        {"": action, "object": name}
        for action, names in (
            ("upload", plan["upload"]),
            ("remove", plan["remove"]),
            ("left alone, not ours", plan["foreign"]),
        )
        for name in names
    ]
    output.print(table(place, rows))
    if plan["environment"]:
        output.print(table("environment", plan["environment"]))
    progress.print(f"{len(plan['keep'])} objects are the same.")


def register(parent: typer.Typer) -> None:
    """Add this command."""
    parent.add_typer(app, name="deploy", rich_help_panel="AWS")
