"""As much of Airflow's REST API (v2) as the command line uses, in memory; for what a real one cannot show in time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx

from sandbox.airflow.client import AirflowClient

Task = dict[str, Any]
PAGE = 100


def task(task_id: str, state: str | None, *, map_index: int = -1, try_number: int = 1, **more: Any) -> Task:
    return {"task_id": task_id, "state": state, "map_index": map_index, "try_number": try_number, **more}


@dataclass
class FakeAirflow:
    """Answers to calls.

    :param looks: the states of a run and its tasks, one for each look; the last one stays. By run id.
    :param xcoms: values by (task, key).
    :param runs: what the list of runs shows.
    :param looks_at_backfills: what the list of backfills shows, look by look; the last stays.
    """

    dags: dict[str, bool] = field(default_factory=lambda: {"pinflow_batch": True})
    looks: dict[str, list[tuple[str, list[Task]]]] = field(default_factory=dict)
    default: list[tuple[str, list[Task]]] = field(default_factory=lambda: [("success", [])])
    logs: dict[str, Any] = field(default_factory=dict)
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    looks_at_backfills: list[list[dict[str, Any]]] = field(default_factory=lambda: [[]])
    import_errors: list[dict[str, str]] = field(default_factory=list)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    tokens: int = 0
    before: Callable[[httpx.Request], httpx.Response | None] = lambda request: None

    def client(self) -> AirflowClient:
        return AirflowClient("http://airflow", httpx.MockTransport(self.answer))

    def changes(self) -> list[tuple[str, str, Any]]:
        """The calls that change something."""
        return [call for call in self.calls if call[0] != "GET"]

    def answer(self, request: httpx.Request) -> httpx.Response:
        if refused := self.before(request):
            return refused
        if request.url.path == "/auth/token":
            self.tokens += 1
            return httpx.Response(201, json={"access_token": f"token-{self.tokens}"})
        assert request.headers["Authorization"] in {f"Bearer token-{number}" for number in range(1, self.tokens + 1)}
        path = unquote(request.url.raw_path.decode().partition("?")[0]).removeprefix("/api/v2")
        body = json.loads(request.content) if request.content else dict(request.url.params)
        self.calls.append((request.method, path, body))
        for pattern, handle in self.routes().items():
            if match := re.fullmatch(pattern, f"{request.method} {path}"):
                return httpx.Response(200, json=handle(body, *match.groups()))
        return httpx.Response(404, json={"detail": f"no route {path}"})

    def routes(self) -> dict[str, Callable[..., Any]]:
        run = r"/dags/(\w+)/dagRuns/([^/]+)"
        return {
            r"GET /dags": lambda body: {
                "dags": [{"dag_id": name, "is_stale": False} for name in self.dags if name == body["dag_id_pattern"]]
            },
            r"GET /importErrors": lambda body: {"import_errors": self.import_errors},
            r"GET /dags/(\w+)": lambda body, dag: {"dag_id": dag, "is_paused": self.dags[dag]},
            r"PATCH /dags/(\w+)": self.pause,
            rf"PATCH {run}": lambda body, dag, run: {"state": body["state"]},
            r"POST /dags/(\w+)/dagRuns": lambda body, dag: {"dag_run_id": f"manual__{dag}"},
            r"GET /dags/(\w+)/dagRuns": lambda body, dag: self.page(body, "dag_runs", self.with_state(body)),
            rf"GET {run}": lambda body, dag, run: {"state": self.look(run)[0]},
            rf"GET {run}/taskInstances": lambda body, dag, run: self.page(body, "task_instances", self.tasks(run)),
            rf"GET {run}/taskInstances/(\w+)/logs/(\d+)": lambda body, dag, run, name, attempt: {
                "content": self.logs[name]
            },
            rf"GET {run}/taskInstances/(\w+)/xcomEntries/(\w+)": lambda body, dag, run, name, key: {
                "value": self.xcoms[name, key]
            },
            r"POST /backfills": lambda body: {"id": 7},
            r"PUT /backfills/(\d+)/cancel": lambda body, number: {"id": int(number)},
            r"GET /backfills": lambda body: {"backfills": self.backfills()},
        }

    def with_state(self, body: dict[str, str]) -> list[dict[str, Any]]:
        """The runs; where a state is asked for, those that have it, and are running unless they say otherwise."""
        wanted = body.get("state")
        return [run for run in self.runs if wanted in (None, run.get("state", "running"))]

    def backfills(self) -> list[dict[str, Any]]:
        looks = self.looks_at_backfills
        return looks.pop(0) if len(looks) > 1 else looks[0]

    def pause(self, body: dict[str, bool], dag: str) -> dict[str, bool]:
        self.dags[dag] = body["is_paused"]
        return body

    def look(self, run: str) -> tuple[str, list[Task]]:
        return self.looks.get(run, self.default)[0]

    def tasks(self, run: str) -> list[Task]:
        """The tasks that go with the state that was just told; the next look shows what comes next."""
        looks = self.looks.get(run, self.default)
        return (looks.pop(0) if len(looks) > 1 else looks[0])[1]

    def page(self, params: dict[str, str], key: str, entries: list[Any]) -> dict[str, Any]:
        first = int(params["offset"])
        shown = entries[first : first + min(int(params["limit"]), PAGE)]
        return {key: shown, "total_entries": len(entries)}
