"""The commands ``streaming status|stop|reset``, and the check that the live metrics agree with what was posted."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Literal

import typer

from emulator.ledger import Ledger
from emulator.source import engine
from include.config.settings import TABLES, load
from sandbox.cli.console import output, print_json, progress, table
from sandbox.cli.dags import client
from sandbox.cli.platform import Json
from sandbox.cli.results import workspace
from sandbox.databricks.client import WorkspaceClient, WorkspaceError
from sandbox.supervisor.home import Home

DAG = "pinflow_streaming"
QUERIES = ("posts", "live")
AGREE_WITHIN = 120.0
QUIET_WITHIN = 45.0
HEARTBEAT = (
    "SELECT run_key, query, batch_id, rows, delay_p50_ms, delay_p95_ms, lag_records, lag_ms, written_at "
    "FROM ops.stream_heartbeat ORDER BY written_at DESC LIMIT 1"
)
WINDOW = "(SELECT max(window_start) - INTERVAL 9 MINUTES FROM live.windows)"
COUNTED = f"SELECT coalesce(sum(posts), 0) AS posts FROM live.category_trend WHERE window_start = {WINDOW}"  # noqa: S608
ARRIVED_IN_WINDOW = (
    "SELECT count(DISTINCT ind) AS posts FROM stream.arrivals WHERE table_name = 'pin' AND NOT late "  # noqa: S608
    f"AND arrived_at >= {WINDOW} AND arrived_at < {WINDOW} + INTERVAL 10 MINUTES"
)

app = typer.Typer(help="The streaming job: how it is, stop it, give it new checkpoints.", no_args_is_help=True)


class StreamDisagreesError(RuntimeError):
    """Posts that Kinesis took are missing in the stream tables or the live metrics."""


def agree(run_id: str, within: float = AGREE_WITHIN) -> dict[str, Any]:
    """Wait until every record that Kinesis took in a run of the emulator has arrived, and the metrics count it.

    :param run_id: of the emulator's run, in the ledger.
    :param within: seconds.
    :returns: the records of each table that were posted, and the posts in the metrics' newest full window.
    :raises StreamDisagreesError: it did not come to that in time.
    """
    posted = _posted(run_id)
    give_up = time.monotonic() + within
    while True:
        problem, counts = _compare(workspace(), posted)
        if problem is None:
            return counts
        if time.monotonic() > give_up:
            raise StreamDisagreesError(
                f"{problem} after {within:.0f} s. Look at ./pinflow streaming status, and at the run's page there."
            )
        time.sleep(0.5)


def _posted(run_id: str) -> dict[str, set[str]]:
    database = engine(Home().source_url)
    try:
        ledger = Ledger(database)
        return {name: {sequence for _, sequence in ledger.streamed(name, run_id)} for name in TABLES}
    finally:
        database.dispose()


def _compare(sql: WorkspaceClient, posted: dict[str, set[str]]) -> tuple[str | None, dict[str, Any]]:
    catalog = load("sandbox").workspace.catalog
    for name, sequences in posted.items():
        if not sequences:
            continue
        lowest = min(sequences, key=int)
        rows = sql.query(
            f"SELECT sequence_number FROM stream.arrivals WHERE table_name = '{name}' "  # noqa: S608 - our own names
            f"AND struct(length(sequence_number), sequence_number) >= struct({len(lowest)}, '{lowest}')",
            catalog,
        )
        if missing := len(sequences - {row["sequence_number"] for row in rows}):
            return f"{missing} of {len(sequences)} {name} records that Kinesis took have not arrived", {}
    counted, arrived = (sql.query(statement, catalog)[0]["posts"] for statement in (COUNTED, ARRIVED_IN_WINDOW))
    if counted != arrived:
        return f"The live metrics count {counted} posts of the last ten minutes, {arrived} arrived", {}
    records = {name: len(sequences) for name, sequences in posted.items()}
    return None, {"records": records, "posts_in_the_last_ten_minutes": counted}


@app.command()
def status(as_json: Json = False) -> None:
    """Show the job's run, its last heartbeat, and how many rows its tables hold."""
    sql, settings = workspace(), load("sandbox")
    runs = sql.active_runs(settings.streaming.job_id)
    found: dict[str, Any] = {
        "job": settings.streaming.job_id,
        "runs": [{"run_id": run["run_id"], "state": run["state"]["life_cycle_state"],
                  "page": run.get("run_page_url")} for run in runs],
        "heartbeat": next(iter(_query(sql, HEARTBEAT)), None),
        "rows": {name: _count(sql, f"stream.{name}") for name in (*TABLES, "arrivals")},
    }  # fmt: skip
    if as_json:
        print_json(found)
        return
    for run in found["runs"] or [{"run_id": None, "state": "does not run"}]:
        output.print(table(settings.streaming.job_id, [run]))
    if found["heartbeat"]:
        output.print(table("Last heartbeat", [found["heartbeat"]]))
    output.print(table("Rows", [found["rows"]]))


def _query(sql: WorkspaceClient, statement: str) -> list[dict[str, Any]]:
    try:
        return sql.query(statement, load("sandbox").workspace.catalog)
    except WorkspaceError as error:
        if "NOT_FOUND" in str(error):
            return []
        raise


def _count(sql: WorkspaceClient, name: str) -> int | None:
    rows = _query(sql, f"SELECT count(*) AS n FROM {name}")  # noqa: S608 - our own names
    return rows[0]["n"] if rows else None


@app.command()
def stop() -> None:
    """End the supervision windows that are open, then the job; its checkpoints stay."""
    airflow, sql, settings = client(), workspace(), load("sandbox")
    airflow.wait_for_dag(DAG)
    ended = airflow.end_runs(DAG)
    runs = sql.active_runs(settings.streaming.job_id)
    for run in runs:
        sql.cancel(run["run_id"])
    progress.print(f"{ended} supervision windows and {len(runs)} runs of {settings.streaming.job_id} ended.")


@app.command()
def reset(
    query: Annotated[
        Literal["all", "posts", "live"], typer.Argument(help="Whose checkpoint: the tables' or the metrics'.")
    ] = "all",
    as_json: Json = False,
) -> None:
    """Move checkpoints aside, so that the job starts from its initial position; the old ones are kept.

    Needed when the job refuses its checkpoint: another stream, a stream deleted and made again, another schema. Records
    that are read once more change nothing.
    """
    settings = load("sandbox")
    parameters = {
        "checkpoint_root": settings.streaming.checkpoint_root,
        "queries": ",".join(QUERIES) if query == "all" else query,
        "catalog": settings.workspace.catalog,
        "job_id": settings.streaming.job_id,
    }
    moved = _moved(workspace(), parameters)
    if as_json:
        print_json(moved)
    elif not moved:
        progress.print("There was no checkpoint.")
    for name, kept in ({} if as_json else moved).items():
        progress.print(f"{name}: kept as {kept}", markup=False)


def _moved(sql: WorkspaceClient, parameters: dict[str, str]) -> dict[str, str]:
    """Run the notebook; after a job was stopped, wait until its last sign of life is old enough for it."""
    path = f"{load('sandbox').workspace.root}/include/spark/notebooks/stream_reset"
    give_up = time.monotonic() + QUIET_WITHIN
    while True:
        try:
            moved: dict[str, str] = json.loads(sql.run_notebook(path, parameters))
            return moved
        except WorkspaceError as error:
            gone = "ActiveQueryError" in str(error) and not sql.active_runs(parameters["job_id"])
            if not gone or time.monotonic() > give_up:
                raise
        progress.print("The job has just ended; waiting until its checkpoint is surely free …")
        time.sleep(5)


def register(parent: typer.Typer) -> None:
    """Add these commands."""
    parent.add_typer(app, name="streaming", rich_help_panel="Pipelines")
