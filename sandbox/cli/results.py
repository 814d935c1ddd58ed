"""The command ``results``: the answers that the batch pipeline found."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from include.config.settings import load
from include.sql import Query, gold
from sandbox.cli.console import output, print_json, table
from sandbox.cli.platform import Json
from sandbox.databricks.client import WorkspaceClient
from sandbox.supervisor.home import Home

SHOWN_ROWS = 8


class NoResultError(LookupError):
    """A result that does not exist, or not yet."""


def workspace() -> WorkspaceClient:
    """A client of this sandbox's workspace."""
    home = Home()
    return WorkspaceClient(
        home.url("databricks"), home.secret("databricks-token"), load("sandbox").workspace.warehouse_id
    )


def fetch(client: WorkspaceClient, query: Query) -> list[dict[str, Any]]:
    """The rows of one gold table, in the query's order."""
    statement = f"SELECT * FROM gold.{query.name} ORDER BY {query.order_by}"  # noqa: S608 - both are ours
    return client.query(statement, load("sandbox").workspace.catalog)


def existing(client: WorkspaceClient) -> set[str]:
    """The names of the gold tables that were written."""
    catalog = load("sandbox").workspace.catalog
    schemas = {row[next(iter(row))] for row in client.query("SHOW SCHEMAS", catalog)}
    if "gold" not in schemas:
        return set()
    return {str(row["tableName"]) for row in client.query("SHOW TABLES IN gold", catalog)}


def all_results(client: WorkspaceClient) -> dict[str, list[dict[str, Any]]]:
    """Every gold table that exists, by name."""
    there = existing(client)
    return {query.name: fetch(client, query) for query in gold() if query.name in there}


def show(found: dict[str, list[dict[str, Any]]], limit: int | None) -> None:
    """Print results as tables."""
    titles = {query.name: query.title for query in gold()}
    for name, rows in found.items():
        output.print(table(f"{name}: {titles[name]}", rows, limit))


def results(
    name: Annotated[str | None, typer.Argument(help="One result; a survey of all by default.")] = None,
    as_json: Json = False,
) -> None:
    """Show what the pipelines found out: a list of objects with --json."""
    queries = {query.name: query for query in gold()}
    if name is not None and name not in queries:
        raise NoResultError(f"There is no result {name!r}. There are: {', '.join(queries)}.")
    client = workspace()
    there = existing(client)
    if not there or (name is not None and name not in there):
        raise NoResultError("There are no results yet. Run: ./pinflow run")
    if name is None:
        found = all_results(client)
        print_json(found) if as_json else show(found, SHOWN_ROWS)
        return
    rows = fetch(client, queries[name])
    print_json(rows) if as_json else show({name: rows}, None)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Pipelines")(results)
