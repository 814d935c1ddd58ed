"""The command ``cost``: what the pipelines cost on AWS and Databricks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from include.config.settings import load
from sandbox.cli.console import output, print_json, table
from sandbox.cli.package import Settings
from sandbox.cli.platform import Json
from sandbox.cost import prices as price_lists
from sandbox.cost.account import parameters
from sandbox.cost.estimate import NOT_INCLUDED, Estimate, Line, estimate
from sandbox.cost.workload import Workload

Posts = Annotated[float, typer.Option(help="Posts a day, each three records on each path.")]
History = Annotated[float, typer.Option(help="Days of such use that are stored already.")]
StreamHours = Annotated[
    float, typer.Option(help="Hours a day that the streaming job runs; 0 leaves the stream path out.")
]
SupervisedHours = Annotated[
    float | None, typer.Option(help="Hours a day that pinflow_streaming watches it; one window by default.")
]
Peak = Annotated[float, typer.Option(help="The busiest second as a multiple of the mean; decides the shards.")]
Together = Annotated[
    float | None,
    typer.Option(
        "--posts-per-request", help="By default as one emulator gathers them; 1 where people post one by one."
    ),
]
Serverless = Annotated[bool, typer.Option("--serverless", help="Notebooks on serverless compute, not on clusters.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--set", metavar="STACK.PARAMETER=VALUE", help="As kafka.BrokerType=kafka.t3.small.")
]
PriceFile = Annotated[
    Path | None, typer.Option("--prices", exists=True, dir_okay=False, help="By default include/config/prices.yaml.")
]


def cost(
    posts_per_day: Posts,
    days_of_history: History = 30,
    stream_hours: StreamHours = 24,
    supervised_hours: SupervisedHours = None,
    peak: Peak = 5,
    posts_per_request: Together = None,
    serverless: Serverless = False,
    given: Parameters = None,
    settings: Settings = None,
    prices: PriceFile = None,
    as_json: Json = False,
) -> None:
    """Estimate the bill of a month from the templates, the settings, posts a day and a dated list of prices."""
    place = load(settings or "aws")
    window = min(place.streaming.window_minutes / 60, stream_hours) if supervised_hours is None else supervised_hours
    workload = Workload(posts_per_day, days_of_history, stream_hours, window, peak, posts_per_request, serverless)
    found = estimate(workload, place, price_lists.load(prices or price_lists.FILE), parameters(given or ()))
    if as_json:
        print_json(found.as_dict())
        return
    show(found)


def show(found: Estimate) -> None:
    """Print the table, the sums and what must be known to read them."""
    output.print(table(title(found.workload), [row(line) for line in found.lines]))
    sums = {"fixed, even without posts": found.fixed, "by use": found.used, "total": found.total}
    output.print(table("USD a month", [{"": name, "USD": usd(value)} for name, value in sums.items()]))
    if found.per_1000_posts is not None:
        output.print(f"{found.per_1000_posts:,.4f} USD for 1,000 posts.", soft_wrap=True)
    for line in (*found.remarks, f"Not included: {', '.join(NOT_INCLUDED)}.", dated(found)):
        output.print(line, soft_wrap=True)


def title(workload: Workload) -> str:
    """What the table is of."""
    stream = f"{workload.stream_hours:g} hours of streaming a day" if workload.streams else "no stream path"
    return f"{workload.posts_per_day:,.0f} posts a day, {stream}, {workload.days_of_history:g} days stored"


def row(line: Line) -> dict[str, str | Text]:
    """A line of the table."""
    need, price = line.need, line.price
    per = f"{price.per:,.0f} {price.unit}s" if price.per != 1 else price.unit
    return {
        "stage": str(need.stage), "what": need.what, "quantity": right(f"{need.quantity:,.1f}"),
        "price": f"{line.each:.4g} per {per}", "": "fixed" if need.fixed else "use", "USD a month": usd(line.usd),
    }  # fmt: skip


def usd(value: float) -> Text:
    """Dollars and cents."""
    return right(f"{value:,.2f}")


def right(text: str) -> Text:
    """A number, on the right of its column."""
    return Text(text, justify="right")


def dated(found: Estimate) -> str:
    """The day and place of the prices, and whether somebody checked them."""
    prices = found.prices
    return f"Prices of {prices.as_of}, {prices.region}{'' if prices.checked else ', not checked'}: {prices.statement}"


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="AWS")(cost)
