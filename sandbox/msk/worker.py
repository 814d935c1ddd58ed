"""The Kafka Connect worker's REST interface, as far as the control plane needs it.

https://kafka.apache.org/documentation/#connect_rest
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

SECONDS = 10.0
REBALANCE_SECONDS = 30.0
PAUSE = 0.25


class WorkerError(Exception):
    """The worker refused a request, or cannot be reached.

    :param status: the HTTP status; 0 when there was no answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Status:
    """What the worker says about one connector.

    :param connector: ``RUNNING``, ``PAUSED``, ``FAILED``, ``UNASSIGNED``, ``STOPPED`` or ``RESTARTING``.
    :param tasks: the same of each task.
    :param trace: of the connector or the first failed task, empty when none failed.
    """

    connector: str
    tasks: tuple[str, ...]
    trace: str

    @property
    def running(self) -> bool:
        """The connector and every one of its tasks runs."""
        return self.connector == "RUNNING" and bool(self.tasks) and set(self.tasks) == {"RUNNING"}

    @property
    def failed(self) -> bool:
        """The connector or one of its tasks has failed."""
        return "FAILED" in (self.connector, *self.tasks)

    @property
    def paused(self) -> bool:
        """The connector and its tasks are paused."""
        return self.connector == "PAUSED" and set(self.tasks) <= {"PAUSED"}


class Worker:
    """One worker.

    :param url: of its REST interface.
    :param transport: for tests.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(base_url=url, timeout=SECONDS, transport=transport)

    def alive(self) -> str:
        """The worker's version.

        :raises WorkerError: it does not answer.
        """
        return str(self._send("GET", "/").json()["version"])

    def put_config(self, name: str, config: dict[str, str]) -> None:
        """Create a connector, or give it another configuration.

        :raises WorkerError: 400 when the configuration is wrong.
        """
        self._send("PUT", f"{_path(name)}/config", json=config)

    def status(self, name: str) -> Status | None:
        """How a connector and its tasks are, ``None`` when the worker does not know it.

        :raises WorkerError: it does not answer.
        """
        try:
            found = self._send("GET", f"{_path(name)}/status").json()
        except WorkerError as error:
            if error.status == 404:
                return None
            raise
        tasks = found.get("tasks", [])
        traces = [part["trace"] for part in (found["connector"], *tasks) if part.get("trace")]
        return Status(found["connector"]["state"], tuple(task["state"] for task in tasks), traces[0] if traces else "")

    def delete(self, name: str) -> None:
        """Remove a connector; none of that name is as good.

        :raises WorkerError: it was refused.
        """
        try:
            self._send("DELETE", _path(name))
        except WorkerError as error:
            if error.status != 404:
                raise

    def pause(self, name: str) -> None:
        """Stop reading, keep the tasks."""
        self._send("PUT", f"{_path(name)}/pause")

    def resume(self, name: str) -> None:
        """Go on after a pause."""
        self._send("PUT", f"{_path(name)}/resume")

    def restart(self, name: str, *, only_failed: bool) -> None:
        """Restart the connector and its tasks, or only what failed."""
        query = {"includeTasks": "true", "onlyFailed": str(only_failed).lower()}
        self._send("POST", f"{_path(name)}/restart", params=query)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        deadline = time.monotonic() + REBALANCE_SECONDS
        while True:
            try:
                response = self._client.request(method, path, **options)
            except httpx.HTTPError as error:
                raise WorkerError(0, f"The Connect worker does not answer: {error}") from error
            # 409: a rebalance is going on.
            if response.status_code != 409 or time.monotonic() > deadline:
                break
            time.sleep(PAUSE)
        if response.is_success:
            return response
        raise WorkerError(response.status_code, _message(response))


def _path(name: str) -> str:
    return f"/connectors/{quote(name, safe='')}"


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:500]
