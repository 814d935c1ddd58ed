"""Airflow's REST API as the command line uses it (API v2)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

FINAL = ("success", "failed")


class AirflowError(RuntimeError):
    """Airflow refused a call, or a DAG is not there."""


@dataclass(frozen=True)
class TaskChange:
    """A task of a run has a new state.

    :param key: the task's id, with its map index or rendered name where it is mapped.
    """

    key: str
    state: str
    try_number: int


class AirflowClient:
    """Calls to one Airflow.

    :param base_url: scheme, host and port.
    :param transport: replaces the network in tests.
    """

    def __init__(self, base_url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=60, transport=transport)
        self._token_until = 0.0

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **params: Any) -> Any:
        """One call below ``/api/v2``.

        :raises AirflowError: the answer is 4xx or 5xx, or there is none.
        """
        try:
            if time.monotonic() > self._token_until:
                token = self._http.get("/auth/token").raise_for_status().json()["access_token"]
                self._http.headers["Authorization"] = f"Bearer {token}"
                self._token_until = time.monotonic() + 1800
            answer = self._http.request(method, f"/api/v2{path}", json=body, params=params)
        except (httpx.HTTPError, ValueError, KeyError) as error:  # the last two: no Airflow answers there
            raise AirflowError(
                f"Airflow does not answer ({error}). Look at ./pinflow status, then ./pinflow up."
            ) from error
        if answer.is_error:
            raise AirflowError(f"{method} {path}: {answer.status_code} {answer.text[:600]}")
        return answer.json() if answer.content else None

    def wait_for_dag(self, dag_id: str, timeout: float = 90) -> None:
        """Wait until the DAG processor has parsed a DAG.

        :param timeout: seconds.
        :raises AirflowError: it has an import error, or is not there in time.
        """
        give_up = time.monotonic() + timeout
        while time.monotonic() < give_up:
            found = self.call("GET", "/dags", dag_id_pattern=dag_id)["dags"]
            if any(dag["dag_id"] == dag_id and not dag["is_stale"] for dag in found):
                return
            errors = self.call("GET", "/importErrors")["import_errors"]
            if errors:
                raise AirflowError(f"{errors[0]['filename']} cannot be imported:\n{errors[0]['stack_trace']}")
            time.sleep(0.5)
        raise AirflowError(f"There is no DAG {dag_id!r}. Look at dags/ and ./pinflow logs airflow-dag-processor.")

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run with parameters.

        The DAG is unpaused after the run was made: so a daily DAG does not put a scheduled run first.

        :returns: the run's id.
        """
        self.wait_for_dag(dag_id)
        run = self.call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        self.set_paused(dag_id, paused=False)
        return str(run["dag_run_id"])

    def is_paused(self, dag_id: str) -> bool:
        """Whether a DAG is paused."""
        return bool(self.call("GET", f"/dags/{dag_id}")["is_paused"])

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self.call("PATCH", f"/dags/{dag_id}", {"is_paused": paused})

    def state(self, dag_id: str, run_id: str) -> str:
        """The state of a run."""
        return str(self.call("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")["state"])

    def end_runs(self, dag_id: str) -> int:
        """Mark the runs of a DAG that are under way as ended well; a task that waits in the triggerer is let go.

        :returns: how many there were.
        """
        runs = [
            run
            for state in ("queued", "running")
            for run in self._all(f"/dags/{dag_id}/dagRuns", "dag_runs", state=state)
        ]
        for run in runs:
            self.call("PATCH", f"/dags/{dag_id}/dagRuns/{quote(run['dag_run_id'], safe='')}", {"state": "success"})
        return len(runs)

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        return self._all(path, "task_instances")

    def _all(self, path: str, key: str, **params: Any) -> list[dict[str, Any]]:
        """Every page of a list; the server gives 100 entries a page at most, whatever it is asked for."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", path, limit=100, offset=len(found), **params)
            found += page[key]
            if len(found) >= page["total_entries"] or not page[key]:
                return found

    def watch(self, dag_id: str, run_id: str, interval: float = 0.7) -> Iterator[TaskChange]:
        """Yield each change of a task's state until the run has ended.

        :param interval: seconds between two looks.
        """
        seen: dict[str, tuple[str, int]] = {}
        while True:
            ended = self.state(dag_id, run_id) in FINAL
            for task in self.tasks(dag_id, run_id):
                key = task_key(task)
                now = (task["state"] or "waits", int(task["try_number"]))
                if seen.get(key) != now and (key in seen or task["state"]):
                    seen[key] = now
                    yield TaskChange(key, *now)
            if ended:
                return
            time.sleep(interval)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """The value that a task returned."""
        run = quote(run_id, safe="")
        path = f"/dags/{dag_id}/dagRuns/{run}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.call("GET", path, deserialize=False, stringify=False)["value"]

    def log(self, dag_id: str, run_id: str, task: Mapping[str, Any]) -> str:
        """The log of a task's last try, as text."""
        run = quote(run_id, safe="")
        path = f"/dags/{dag_id}/dagRuns/{run}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        content = self.call("GET", path, map_index=task["map_index"])["content"]
        if isinstance(content, str):
            return content
        lines = [entry if isinstance(entry, str) else _line(entry) for entry in content]
        return "\n".join(lines)

    def backfill(
        self, dag_id: str, first: str, last: str, *, reprocess: str = "completed", patience: float = 90
    ) -> int:
        """Make a run for each data interval from the first to the last day, inclusive.

        Airflow takes one backfill of a DAG at a time, and notes only every half minute that one has ended. On SQLite it
        answers 503 when the scheduler writes at the same moment; the backfill is then asked for again.

        :param reprocess: ``none``, ``failed`` or ``completed``: which existing runs are done again.
        :param patience: seconds to wait for an earlier backfill of the DAG to end, and again for the database.
        :returns: the backfill's id.
        :raises AirflowError: the earlier one goes on.
        """
        self.wait_for_dag(dag_id)
        self._wait_for_earlier_backfills(dag_id, patience)
        body = {
            "dag_id": dag_id, "from_date": f"{first}T00:00:00Z", "to_date": f"{last}T00:00:00Z",
            "run_backwards": False, "dag_run_conf": {}, "reprocess_behavior": reprocess, "max_active_runs": 1,
        }  # fmt: skip
        give_up = time.monotonic() + patience
        while True:
            try:
                return int(self.call("POST", "/backfills", body)["id"])
            except AirflowError as error:
                if "Database is locked" not in str(error) or time.monotonic() > give_up:
                    raise
            for half_made in self._active_backfills(dag_id):
                self.call("PUT", f"/backfills/{half_made['id']}/cancel")
            time.sleep(1)

    def _active_backfills(self, dag_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "/backfills", dag_id=dag_id)["backfills"]
        return [one for one in found if one["completed_at"] is None]

    def _wait_for_earlier_backfills(self, dag_id: str, patience: float) -> None:
        give_up = time.monotonic() + patience
        while self._active_backfills(dag_id):
            if time.monotonic() > give_up:
                raise AirflowError(
                    f"Another backfill of {dag_id} is running, and Airflow takes one at a time. "
                    "Wait for it to end, or cancel it in Airflow's UI, then try again."
                )
            time.sleep(0.5)

    def backfill_runs(self, dag_id: str, backfill_id: int, first: str, last: str) -> list[dict[str, Any]]:
        """The runs that a backfill made or did again, oldest interval first.

        :raises AirflowError: Airflow has not made them within a minute.
        """
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            runs = self._all(
                f"/dags/{dag_id}/dagRuns", "dag_runs", order_by="logical_date",
                logical_date_gte=f"{first}T00:00:00Z", logical_date_lte=f"{last}T23:59:59Z",
            )  # fmt: skip
            found = [run for run in runs if run["run_type"] == "backfill"]
            if found:
                return found
            time.sleep(0.5)
        raise AirflowError(f"The backfill {backfill_id} of {dag_id} made no run from {first} to {last}.")


def _line(entry: Mapping[str, Any]) -> str:
    text = f"{entry.get('timestamp', '')} {entry.get('level', '')} {entry.get('event', '')}".strip()
    detail = entry.get("error_detail")
    if detail:
        text += "\n" + "\n".join(f"{one.get('exc_type')}: {one.get('exc_value')}" for one in detail)
    return text


def task_key(task: Mapping[str, Any]) -> str:
    """The name of a task instance as the user sees it."""
    if task["map_index"] < 0:
        return str(task["task_id"])
    return f"{task['task_id']} [{task.get('rendered_map_index') or task['map_index']}]"
