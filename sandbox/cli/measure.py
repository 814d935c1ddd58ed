"""The command ``bench``: speeds as ratios against a baseline of the same run."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from sandbox.cli.console import output, print_json, table
from sandbox.cli.platform import Json, bring_up

BENCHMARKS = {"ingest-batch": ("benchmarks.ingest_batch", ("gateway", "kafka"))}


def bench(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(BENCHMARKS)}.")],
    posts: Annotated[int, typer.Option(min=100, help="How many posts to send.")] = 20000,
    as_json: Json = False,
) -> None:
    """Measure a part of the pipelines against a baseline in the same run."""
    if name not in BENCHMARKS:
        raise typer.BadParameter(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    module, parts = BENCHMARKS[name]
    bring_up(list(parts))
    rows = import_module(module).measure(posts)
    print_json(rows) if as_json else output.print(table(name, rows))


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="More")(bench)
