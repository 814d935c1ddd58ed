"""Commands for the sandbox and its parts: up, down, status, logs, env."""

from __future__ import annotations

import shlex
import sys
import time
from collections import deque
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from sandbox.cli.console import Board, coloured, output, print_json, progress, table
from sandbox.supervisor.home import Home
from sandbox.supervisor.supervisor import Status, Supervisor

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output and nothing else there.")]
Names = Annotated[list[str] | None, typer.Argument(help="Parts; all by default.")]


def bring_up(names: list[str] | None = None) -> Supervisor:
    """Bring parts up with a live display of their states.

    :raises sandbox.supervisor.supervisor.PartFailedError: one did not come up.
    """
    supervisor = Supervisor(Home())
    with Board("Parts of the sandbox").shown() as board:
        supervisor.up(names or None, board.set)
    return supervisor


def take_down(names: list[str] | None = None) -> None:
    """Stop parts with a live display of their states."""
    with Board("Stopping").shown() as board:
        Supervisor(Home()).down(names or None, board.set)


def up(names: Names = None) -> None:
    """Start what is not running and heal what is broken."""
    supervisor = bring_up(names)
    if not names:
        home = supervisor.home
        progress.print(f"Airflow    {home.url('airflow-api')}\nWorkspace  {home.url('databricks')}")


def down(names: Names = None) -> None:
    """Stop parts and all that need them; the data stays."""
    take_down(names)


def status(as_json: Json = False) -> None:
    """Show every part: state, address, process, memory, log. The exit code is 0 when all are healthy."""
    found = Supervisor(Home()).status()
    if as_json:
        print_json([one.as_dict() for one in found])
    else:
        _show(found)
    raise typer.Exit(0 if all(one.state == "healthy" for one in found) else 1)


def _show(found: list[Status]) -> None:
    here = Path.cwd()
    rows = []
    for one in found:
        log = Path(one.log)
        rows.append({
            "part": one.name, "stands for": one.stands_for,
            "state": Text.assemble(coloured(one.state), f" {one.detail}" if one.detail else ""),
            "address": one.address, "pid": one.pid or "", "MiB": one.memory // 2**20 or "",
            "log": str(log.relative_to(here)) if log.is_relative_to(here) else one.log,
        })  # fmt: skip
    output.print(table("Sandbox", rows))
    output.print(f"{sum(one.memory for one in found) / 2**30:.2f} GiB resident in all")


def logs(
    part: Annotated[str, typer.Argument(help="A part's name, as in ./pinflow status.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing as lines come.")] = False,
    lines: Annotated[int, typer.Option("-n", min=0, help="How many of the last lines.")] = 200,
) -> None:
    """Print a part's log."""
    supervisor = Supervisor(Home())
    from sandbox.supervisor.registry import select

    select(supervisor.parts, [part])
    path = supervisor.home.log(part)
    if not path.exists():
        progress.print(f"{part} has not run yet.")
        raise typer.Exit(1)
    with path.open(encoding="utf-8", errors="replace") as handle:
        sys.stdout.writelines(deque(handle, maxlen=lines))
        while follow:
            line = handle.readline()
            if line:
                sys.stdout.write(line)
            else:
                sys.stdout.flush()
                time.sleep(0.2)


def env() -> None:
    """Print shell exports for any AWS, Kafka or Databricks client: eval "$(./pinflow env)"."""
    for name, value in Home().client_environment().items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (up, down, status, logs, env):
        app.command(rich_help_panel="The sandbox")(command)
