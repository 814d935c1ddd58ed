"""The command ``bench``: speeds as ratios against a baseline of the same run."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from sandbox.cli.console import output, print_json, table
from sandbox.cli.platform import Json, bring_up

BENCHMARKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ingest-batch": ("benchmarks.ingest_batch", ("gateway", "kafka")),
    "stream": ("benchmarks.stream", ()),
}
SIZES = {"ingest-batch": 20000, "stream": 60}


def bench(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(BENCHMARKS)}.")],
    size: Annotated[
        int | None,
        typer.Option(min=10, help="Posts to send (ingest-batch: 20000), or seconds a rate is offered (stream: 60)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure a part of the pipelines against a baseline in the same run."""
    if name not in BENCHMARKS:
        raise typer.BadParameter(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    module, parts = BENCHMARKS[name]
    bring_up(list(parts))
    rows = import_module(module).measure(size or SIZES[name])
    print_json(rows) if as_json else output.print(table(name, rows))


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="More")(bench)
