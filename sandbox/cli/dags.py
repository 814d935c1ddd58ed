"""Commands for DAGs: trigger, backfill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Any

import typer

from sandbox.airflow.client import AirflowClient, AirflowError
from sandbox.cli.console import Board, progress
from sandbox.supervisor.home import Home

LOG_LINES = 25


class RunFailedError(RuntimeError):
    """A DAG run that did not succeed."""


def client() -> AirflowClient:
    """A client of this sandbox's Airflow."""
    return AirflowClient(Home().url("airflow-api"))


def follow(airflow: AirflowClient, dag_id: str, run_id: str) -> None:
    """Show the tasks of a run as they go.

    :raises RunFailedError: the run failed; the text holds the end of the failed tasks' logs.
    """
    with Board(dag_id).shown() as board:
        for change in airflow.watch(dag_id, run_id):
            again = f" (try {change.try_number})" if change.try_number > 1 else ""
            board.set(change.key, f"{change.state}{again}")
    if airflow.state(dag_id, run_id) != "success":
        raise RunFailedError(f"{dag_id} {run_id} failed.\n{failures(airflow, dag_id, run_id)}")


def failures(airflow: AirflowClient, dag_id: str, run_id: str) -> str:
    """The end of the log of each task that failed."""
    found = []
    for task in airflow.tasks(dag_id, run_id):
        if task["state"] == "failed":
            try:
                log = airflow.log(dag_id, run_id, task)
            except AirflowError as error:
                log = str(error)
            found.append(f"--- {task['task_id']}\n" + "\n".join(log.splitlines()[-LOG_LINES:]))
    return "\n".join(found)


@contextmanager
def beside(dag_id: str, conf: dict[str, Any]) -> Iterator[str]:
    """Trigger a DAG, let the block run, then show the DAG's tasks and wait for its end; gives the run's id.

    :raises RunFailedError: the run failed.
    """
    airflow = client()
    airflow.wait_for_dag(dag_id)
    paused = airflow.is_paused(dag_id)
    run_id = airflow.trigger(dag_id, conf)
    try:
        yield run_id
        follow(airflow, dag_id, run_id)
    finally:
        if paused:
            airflow.set_paused(dag_id, paused=True)


def run_dag(dag_id: str, conf: dict[str, Any]) -> str:
    """Trigger a DAG, show its tasks, wait for its end, and leave it paused if it was.

    :returns: the run's id.
    :raises RunFailedError: the run failed.
    """
    with beside(dag_id, conf) as run_id:
        return run_id


def trigger(
    dag: Annotated[str, typer.Argument(help="A DAG's id, for example pinflow_batch.")],
    conf: Annotated[str, typer.Option(help="Parameters as a JSON object.")] = "{}",
) -> None:
    """Run a DAG and show its tasks as they go; the exit code is the run's."""
    try:
        parameters = json.loads(conf)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--conf") from error
    if not isinstance(parameters, dict):
        raise typer.BadParameter("must be an object such as '{\"posts\": 100}'", param_hint="--conf")
    run_dag(dag, parameters)


def backfill(
    dag: Annotated[str, typer.Argument(help="A DAG with data intervals, for example pinflow_batch.")],
    first: Annotated[str, typer.Argument(metavar="FROM", help="The first day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Argument(metavar="TO", help="The last day, inclusive.")],
) -> None:
    """Run a DAG once for each day of a span, oldest first; days that were done are done again."""
    first, last = _day(first), _day(last)
    if last < first:
        raise typer.BadParameter(f"{last} comes before {first}")
    airflow = client()
    airflow.wait_for_dag(dag)
    paused = airflow.is_paused(dag)
    backfill_id = airflow.backfill(dag, first, last)
    runs = airflow.backfill_runs(dag, backfill_id, first, last)
    airflow.set_paused(dag, paused=False)
    progress.print(f"{len(runs)} runs")
    failed = []
    try:
        for run in runs:
            progress.print(f"[bold]{run['data_interval_start'][:10]}[/]")
            try:
                follow(airflow, dag, run["dag_run_id"])
            except RunFailedError as error:
                failed.append(str(error))
    finally:
        if paused:
            airflow.set_paused(dag, paused=True)
    if failed:
        raise RunFailedError("\n".join(failed))


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a day such as 2022-03-01") from error


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (trigger, backfill):
        app.command(rich_help_panel="Pipelines")(command)
