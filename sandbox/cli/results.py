"""The command ``results``: the answers of the batch pipeline and the live metrics of the stream pipeline."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from include.config.settings import load
from include.sql import Query, gold, live
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
    """The rows of one result, in the query's order."""
    source = f"({query.text})" if query in live() else f"gold.{query.name}"
    statement = f"SELECT * FROM {source} ORDER BY {query.order_by}"  # noqa: S608 - both are ours
    return client.query(statement, load("sandbox").workspace.catalog)


def existing(client: WorkspaceClient) -> set[str]:
    """The names of the results that were written."""
    catalog = load("sandbox").workspace.catalog
    schemas = {row[next(iter(row))] for row in client.query("SHOW SCHEMAS", catalog)}
    found: set[str] = set()
    for schema, queries in (("gold", gold()), ("live", live())):
        if schema in schemas:
            there = {str(row["tableName"]) for row in client.query(f"SHOW TABLES IN {schema}", catalog)}
            found |= there & {query.name for query in queries}
    return found


def all_results(client: WorkspaceClient) -> dict[str, list[dict[str, Any]]]:
    """Every result that exists, by name."""
    there = existing(client)
    return {query.name: fetch(client, query) for query in (*gold(), *live()) if query.name in there}


def show(found: dict[str, list[dict[str, Any]]], limit: int | None) -> None:
    """Print results as tables."""
    titles = {query.name: query.title for query in (*gold(), *live())}
    for name, rows in found.items():
        output.print(table(f"{name}: {titles[name]}", rows, limit))


def results(
    name: Annotated[str | None, typer.Argument(help="One result; a survey of all by default.")] = None,
    as_json: Json = False,
) -> None:
    """Show what the pipelines found out: a list of objects with --json."""
    queries = {query.name: query for query in (*gold(), *live())}
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
