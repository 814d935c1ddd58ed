"""The table of jobs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from sandbox.databricks.errors import NotFoundError
from sandbox.databricks.jobs.settings import job_settings
from sandbox.databricks.store import Store, now_ms

MAXIMUM_PAGE = 100


class Jobs:
    """Jobs as they are kept; several may have the same name, as on Databricks.

    :param store: the workspace's state.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, settings: Mapping[str, Any]) -> int:
        """Keep a new job.

        :returns: its id.
        :raises InvalidParameterError: bad settings.
        """
        kept = job_settings(settings)
        job_id = self._store.new_id()
        self._store.execute("INSERT INTO jobs VALUES (?, ?, ?, ?)", (job_id, kept["name"], now_ms(), json.dumps(kept)))
        return job_id

    def row(self, job_id: int) -> sqlite3.Row:
        """A job as it is kept.

        :raises NotFoundError: there is none of that id.
        """
        row = self._store.row("SELECT * FROM jobs WHERE job_id = ?", (job_id,))
        if row is None:
            raise NotFoundError(f"Job {job_id} does not exist.")
        return row

    def settings(self, job_id: int) -> dict[str, Any]:
        """The settings of a job."""
        found: dict[str, Any] = json.loads(self.row(job_id)["settings"])
        return found

    def page(self, name: str | None, limit: int, offset: int) -> tuple[list[sqlite3.Row], bool]:
        """Jobs, the youngest first, and whether there are more.

        :param name: only jobs of this name, in whatever case.
        """
        where, values = ("WHERE lower(name) = lower(?)", [name]) if name else ("", [])
        query = f"SELECT * FROM jobs {where} ORDER BY job_id DESC LIMIT ? OFFSET ?"  # noqa: S608
        found = self._store.rows(query, (*values, limit + 1, offset))
        return found[:limit], len(found) > limit

    def reset(self, job_id: int, settings: Mapping[str, Any]) -> None:
        """Replace all settings."""
        self.row(job_id)
        self._keep(job_id, job_settings(settings))

    def update(self, job_id: int, settings: Mapping[str, Any], remove: list[str]) -> None:
        """Replace some top-level settings and drop others; tasks and clusters are merged by their key."""
        merged = {name: value for name, value in self.settings(job_id).items() if name not in remove}
        for name, key in (("tasks", "task_key"), ("job_clusters", "job_cluster_key")):
            if settings.get(name):
                by_key = {entry[key]: entry for entry in [*merged.get(name, []), *settings[name]]}
                settings = {**settings, name: list(by_key.values())}
        self._keep(job_id, job_settings({**merged, **settings}))

    def _keep(self, job_id: int, settings: Mapping[str, Any]) -> None:
        self._store.execute(
            "UPDATE jobs SET name = ?, settings = ? WHERE job_id = ?", (settings["name"], json.dumps(settings), job_id)
        )

    def delete(self, job_id: int) -> None:
        """Forget a job; its runs stay readable."""
        self.row(job_id)
        self._store.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,))
