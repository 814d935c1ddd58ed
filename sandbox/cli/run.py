"""The command ``run``: everything once, from nothing to the results."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from sandbox.cli.console import print_json, progress
from sandbox.cli.dags import beside, client, run_dag
from sandbox.cli.platform import Json, bring_up, take_down
from sandbox.cli.results import SHOWN_ROWS, all_results, show, workspace
from sandbox.cli.streaming import agree
from sandbox.supervisor.supervisor import Supervisor

WINDOW = {"window_minutes": 15, "until_idle_seconds": 45, "at_end": "leave"}


def span(summary: dict[str, Any]) -> dict[str, str]:
    """The half-open interval that holds all records of an emulator run, in whole seconds."""
    first = datetime.fromisoformat(summary["first_timestamp"]).astimezone(UTC).replace(microsecond=0)
    last = datetime.fromisoformat(summary["last_timestamp"]).astimezone(UTC).replace(microsecond=0)
    return {"from": first.isoformat(), "to": (last + timedelta(seconds=1)).isoformat()}


def once(posts: int) -> dict[str, Any]:
    """Provision, and beside the streaming job post to both paths and run the batch pipeline over the posts' span.

    The supervision window ends when the job has read all there is and nothing more comes; the job itself goes on.

    :returns: the emulator's summary, the batch report, the window's report, and the gold tables and live metrics.
    """
    run_dag("pinflow_provision", {})
    airflow = client()
    with beside("pinflow_streaming", WINDOW) as window:
        emulated = run_dag("pinflow_emulate", {"posts": posts, "target": "both"})
        summary = airflow.xcom("pinflow_emulate", emulated, "emulate")
        batch = run_dag("pinflow_batch", span(summary))
    report = airflow.xcom("pinflow_batch", batch, "report")
    stream = {"agrees": agree(summary["run_id"]), "window": airflow.xcom("pinflow_streaming", window, "supervise")}
    return {"emulated": summary, "report": report, "stream": stream, "results": all_results(workspace())}


def where_to_look(supervisor: Supervisor) -> None:
    """Say where the pages are."""
    home = supervisor.home
    progress.print(
        f"\nAirflow    {home.url('airflow-api')}\nWorkspace  {home.url('databricks')}\n"
        "More       ./pinflow results NAME · ./pinflow status · ./pinflow down"
    )


def run(
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything at the end, for CI.")] = False,
    posts: Annotated[int, typer.Option(min=1, help="How many posts to make.")] = 1000,
    as_json: Json = False,
) -> None:
    """Start the sandbox, run the pipelines once through Airflow and show the results; the UI stays up."""
    begun = time.monotonic()
    try:
        supervisor = bring_up()
        outcome = once(posts)
        if as_json:
            print_json(outcome)
        else:
            show(outcome["results"], SHOWN_ROWS)
        progress.print(f"{posts} posts from the source database to the answers in {time.monotonic() - begun:.0f} s.")
        if not leave:
            where_to_look(supervisor)
    finally:
        if leave:
            take_down()


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Start here")(run)
