"""The command ``emulate``: people post."""

from __future__ import annotations

import signal
import sys
import threading
from datetime import date
from typing import Annotated, Literal

import typer

from emulator.post import EmulatorOptions, Target
from emulator.post import run as post
from include.config.settings import load
from sandbox.cli.console import output, print_json, progress
from sandbox.cli.platform import Json
from sandbox.cli.source import bar
from sandbox.supervisor.home import Home


def days(text: str | None) -> tuple[date, date] | None:
    """Read ``FROM:TO``.

    :raises typer.BadParameter: it has another form, or ends before it starts.
    """
    if text is None:
        return None
    first, _, last = text.partition(":")
    try:
        span = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not FROM:TO, such as 2022-03-01:2022-03-07", param_hint="--days"
        ) from error
    if span[1] < span[0]:
        raise typer.BadParameter(f"{text!r} ends before it starts", param_hint="--days")
    return span


def number_of(posts: str) -> int | Literal["all"]:
    """Read a number of posts or ``all``.

    :raises typer.BadParameter: it is neither.
    """
    if posts == "all":
        return "all"
    if not posts.isdecimal() or not int(posts):
        raise typer.BadParameter(f"{posts!r} is neither a number from 1 nor 'all'", param_hint="--posts")
    return int(posts)


def rate_of(rate: str | None) -> float | Literal["human"] | None:
    """Read posts a second or ``human``.

    :raises typer.BadParameter: it is neither.
    """
    if rate is None:
        return None
    if rate == "human":
        return "human"
    try:
        value = float(rate)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"{rate!r} is neither posts a second nor 'human'", param_hint="--rate")
    return value


def emulate(
    to: Annotated[
        Target,
        typer.Option("--to", help="The screen, the batch path, the stream path, or both."),
    ] = Target.BATCH,
    posts: Annotated[str, typer.Option(help="How many random posts, or 'all': each row once.")] = "500",
    rate: Annotated[
        str | None, typer.Option(help="Posts a second, or 'human': pauses of 0 to 2 s. As fast as it goes by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same posts.")] = 100,
    over: Annotated[
        str | None, typer.Option("--days", help="FROM:TO, historic days the posts are spread over; batch path only.")
    ] = None,
    gateway: Annotated[
        str | None, typer.Option(help="Base URL with the stage; this sandbox's gateway by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Post rows of the source database as people would; Ctrl-C stops cleanly with a summary."""
    settings, home = load("sandbox"), Home()
    options = EmulatorOptions(
        source_url=home.source_url,
        gateway_url=gateway or f"{home.url('gateway')}/{settings.gateway.stage}",
        prefix=settings.prefix, target=to, posts=number_of(posts), rate=rate_of(rate), seed=seed, days=days(over),
    )  # fmt: skip
    stop = threading.Event()
    previous = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        with bar() as shown:
            task = shown.add_task("posts", total=None)
            summary = post(
                options, stop=stop, out=sys.stderr if as_json else sys.stdout,
                on_progress=lambda so_far: shown.update(task, completed=so_far.posts, total=so_far.wanted),
            )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, previous)
    found = summary.as_dict()
    if as_json:
        print_json(found)
    else:
        for path, counts in found.pop("paths").items():
            found[f"{path} path"] = ", ".join(f"{number} {name}" for name, number in counts.items())
        screen = progress if to == Target.CONSOLE else output
        screen.print("\n".join(f"{name:16} {value}" for name, value in found.items()), markup=False)
    raise typer.Exit(0 if summary.clean else 1)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Pipelines")(emulate)
