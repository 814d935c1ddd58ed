"""Commands for the source database: seed, load, show, use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

import emulator.commands
from sandbox.cli.console import output, print_json, progress, table
from sandbox.cli.platform import Json
from sandbox.supervisor.home import Home

app = typer.Typer(help="The source database: pins, places and users.", no_args_is_help=True)
Url = Annotated[str | None, typer.Option(help="SQLAlchemy URL; this sandbox's source by default.")]


def bar() -> Progress:
    """A progress bar on standard error."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=progress
    )


@app.command()
def seed(
    posts: Annotated[int, typer.Option(min=1, help="How many posts; one row in each table.")] = 11000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same rows.")] = 100,
    replace: Annotated[bool, typer.Option("--replace", help="Replace other rows that are there.")] = False,
    url: Url = None,
) -> None:
    """Generate rows of the real shape; the same ones that are there already are left alone."""
    with bar() as shown:
        task = shown.add_task("posts", total=posts)
        found = emulator.commands.seed(
            url or Home().source_url, posts, seed, replace=replace,
            on_progress=lambda done, total: shown.update(task, completed=done, total=total),
        )  # fmt: skip
    written = "generated" if found["written"] else "already there"
    progress.print(f"{found['posts']} posts with seed {found['seed']}: {written}.")


@app.command("load")
def load_rows(
    pin: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Rows of pinterest_data, JSON lines or CSV.")],
    geo: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Rows of geolocation_data.")],
    user: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Rows of user_data.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the rows that are there.")] = False,
    url: Url = None,
) -> None:
    """Load your own rows; a bad file is refused whole, with line, column and reason."""
    with bar() as shown:
        task = shown.add_task("rows", total=None)
        found = emulator.commands.load(
            url or Home().source_url, pin, geo, user, replace,
            on_progress=lambda done, total: shown.update(task, completed=done, total=total),
        )  # fmt: skip
    progress.print(f"The source now has {found['posts']} posts.")
    for name, columns in found["ignored"].items():
        if columns:
            progress.print(f"{name}: columns without a place were left out: {', '.join(columns)}", markup=False)


@app.command()
def show(url: Url = None, as_json: Json = False) -> None:
    """Show what the source holds."""
    found = emulator.commands.show(url or Home().source_url)
    if as_json:
        print_json(found)
        return
    rows = found.pop("rows")
    for name, values in found.items():
        output.print(table(name, [{"": key, "value": value} for key, value in (values or {}).items()]))
    for name, first in rows.items():
        output.print(table(f"{name}, the first rows", first))


@app.command()
def use(url: Annotated[str, typer.Argument(help="For example mysql+pymysql://user:password@host/database")]) -> None:
    """Take another source database from now on; takes effect for Airflow with the next start of its parts."""
    try:
        make_url(url)
    except ArgumentError as error:
        raise typer.BadParameter(f"{url!r} is no SQLAlchemy URL") from error
    home = Home()
    home.run.mkdir(parents=True, exist_ok=True)
    path = home.run / "source-url"
    path.touch(mode=0o600)
    path.write_text(url, encoding="utf-8")
    progress.print("Restart Airflow so that its tasks use it too: ./pinflow down airflow-api && ./pinflow up")


def register(parent: typer.Typer) -> None:
    """Add these commands."""
    parent.add_typer(app, name="source", rich_help_panel="Pipelines")
