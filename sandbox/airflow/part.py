"""The four processes of Airflow as parts."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.airflow.environment import environment
from sandbox.supervisor.part import Command, Context, Part

VERSION = "3.3.1"


def health(context: Context) -> dict[str, Any]:
    """What Airflow says of its components (``GET /api/v2/monitor/health``)."""
    url = f"{context.url('airflow-api')}/api/v2/monitor/health"
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@dataclass(frozen=True)
class Component:
    """One Airflow process.

    :param name: the part's name; the word behind ``airflow-`` is the command.
    :param component: its key in the health answer.
    """

    name: str
    component: str
    requires: tuple[str, ...] = ("airflow-api",)
    stands_for: str = "MWAA"
    stop_grace: float = 20.0

    def prepare(self, context: Context) -> None:
        """Migrate the metadata database before the first process uses it."""
        if self.component == "metadatabase":
            _migrate(context)
        self._started(context).write_text(datetime.now(UTC).isoformat(), encoding="utf-8")

    def _started(self, context: Context) -> Path:
        return context.data("airflow") / f"{self.name}.started"

    def command(self, context: Context) -> Command:
        """``airflow <component>``, started anew when it ends by itself, as MWAA does."""
        python = context.python("airflow")
        verb = self.name.removeprefix("airflow-").replace("api", "api-server")
        argv = (str(python), "-m", "sandbox.supervisor.keeper", str(python.parent / "airflow"), verb)
        # Its log server listens on all addresses; the API server reads the log files themselves.
        silent = ("--skip-serve-logs",) if verb in ("scheduler", "triggerer") else ()
        return Command((*argv, *silent), environment(context))

    def check(self, context: Context) -> str | None:
        """Ask the API server how this component is."""
        try:
            found = health(context).get(self.component) or {}
        except OSError as error:
            return f"the API does not answer ({error})"
        if found.get("status") != "healthy":
            return f"Airflow says {found.get('status') or 'nothing of it yet'}"
        beat = next((value for key, value in found.items() if key.endswith("_heartbeat")), None)
        if beat and datetime.fromisoformat(beat) < datetime.fromisoformat(self._started(context).read_text()):
            return "its heartbeat is still that of the process before"
        return None

    def ready(self, context: Context) -> None:
        """Nothing to do."""


def _migrate(context: Context) -> None:
    stamp = context.data("airflow") / f"migrated-{VERSION}"
    if stamp.exists() and (context.data("airflow") / "airflow.db").exists():
        return
    done = subprocess.run(
        [context.python("airflow").parent / "airflow", "db", "migrate"],
        env={**os.environ, **environment(context)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"airflow db migrate failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    stamp.touch()


PARTS: tuple[Part, ...] = (
    Component("airflow-api", "metadatabase", requires=()),
    Component("airflow-scheduler", "scheduler"),
    Component("airflow-dag-processor", "dag_processor"),
    Component("airflow-triggerer", "triggerer"),
)
