"""Jobs API 2.1 and 2.2 under the same handlers: https://docs.databricks.com/api/workspace/jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from sandbox.databricks.api import Call, route, whole_number
from sandbox.databricks.errors import InvalidParameterError, InvalidStateError
from sandbox.databricks.jobs.executor import Executor
from sandbox.databricks.jobs.jobs import MAXIMUM_PAGE, Jobs
from sandbox.databricks.jobs.runs import Run, Runs
from sandbox.databricks.jobs.settings import dependencies, job_settings, task_list, token
from sandbox.databricks.jobs.states import Result
from sandbox.databricks.jobs.views import job_view, output_view, run_view

VERSIONS = ("2.0", "2.1", "2.2")
OVERRIDES = ("notebook_params", "python_params", "job_parameters")


@dataclass(frozen=True)
class JobsService:
    """What the handlers work on."""

    jobs: Jobs
    runs: Runs
    executor: Executor
    base_url: str

    def begin(self, job_id: int | None, settings: Mapping[str, Any], parameters: Mapping[str, Any], call: Call) -> int:
        """Record a run and take it in hand; a known token gives the run that it belongs to."""
        key = token(call.fields.get("idempotency_token"))
        run_id, new = self.runs.create(
            job_id=job_id, name=settings["name"], settings=settings, parameters=parameters, token=key
        )
        if new:
            self.executor.start(run_id)
        return run_id

    def view(self, run: Run, *, history: bool = False, offset: int = 0) -> dict[str, Any]:
        """A run as the API shows it."""
        return run_view(run, self.base_url, self.runs.repairs(run.run_id) if history else None, offset)


def _overrides(call: Call) -> dict[str, Any]:
    given = {name: call.fields[name] for name in OVERRIDES if call.fields.get(name)}
    if "job_parameters" in given and len(given) > 1:
        raise InvalidParameterError("Both job_parameters and task parameters are given. Use one of the two forms.")
    return given


def routes(service: Callable[[], JobsService]) -> list[Route]:
    """The routes of jobs and runs.

    :param service: gives the service once the server has started.
    """
    return [*_job_routes(service), *_run_routes(service), *_control_routes(service)]


def _job_routes(service: Callable[[], JobsService]) -> list[Route]:
    async def create(call: Call) -> dict[str, Any]:
        return {"job_id": service().jobs.create(call.fields)}

    async def reset(call: Call) -> dict[str, Any]:
        service().jobs.reset(call.number("job_id"), _object(call, "new_settings"))
        return {}

    async def update(call: Call) -> dict[str, Any]:
        remove = list(call.fields.get("fields_to_remove") or [])
        service().jobs.update(call.number("job_id"), call.fields.get("new_settings") or {}, remove)
        return {}

    async def get(call: Call) -> dict[str, Any]:
        return job_view(service().jobs.row(call.number("job_id")))

    async def list_jobs(call: Call) -> dict[str, Any]:
        limit, offset = _page(call, 20)
        rows, more = service().jobs.page(str(call.fields.get("name") or "") or None, limit, offset)
        public: dict[str, Any] = (
            {"jobs": [job_view(row, expand=call.flag("expand_tasks")) for row in rows]} if rows else {}
        )
        if offset:
            public["prev_page_token"] = str(max(0, offset - limit))
        return public | ({"next_page_token": str(offset + limit)} if more else {})

    async def delete(call: Call) -> dict[str, Any]:
        service().jobs.delete(call.number("job_id"))
        return {}

    async def permissions(call: Call) -> dict[str, Any]:
        service().jobs.row(whole_number(call.path("job_id"), "job_id"))
        return {
            "object_id": f"/jobs/{call.path('job_id')}",
            "object_type": "job",
            "access_control_list": call.fields.get("access_control_list") or [],
        }

    return [
        *route("POST", "jobs/create", create, VERSIONS),
        *route("POST", "jobs/reset", reset, VERSIONS),
        *route("POST", "jobs/update", update, VERSIONS),
        *route("GET", "jobs/get", get, VERSIONS),
        *route("GET", "jobs/list", list_jobs, VERSIONS),
        *route("POST", "jobs/delete", delete, VERSIONS),
        *route("PATCH", "permissions/jobs/{job_id}", permissions),
    ]


def _run_routes(service: Callable[[], JobsService]) -> list[Route]:
    async def submit(call: Call) -> dict[str, Any]:
        name = str(call.fields.get("run_name") or "Untitled")
        settings = {**job_settings({**call.fields, "name": name}), "tasks": task_list(call.fields)}
        return {"run_id": service().begin(None, settings, {}, call)}

    async def run_now(call: Call) -> dict[str, Any]:
        job_id = call.number("job_id")
        settings = service().jobs.settings(job_id)
        if not settings.get("tasks"):
            raise InvalidStateError(f"Job {job_id} has no tasks. Only a job with tasks can run. Reset it with tasks.")
        run_id = service().begin(job_id, settings, _overrides(call), call)
        return {"run_id": run_id, "number_in_job": run_id}

    async def get(call: Call) -> dict[str, Any]:
        run = service().runs.get(call.number("run_id"))
        return service().view(run, history=call.flag("include_history"), offset=call.number("page_token", 0))

    async def list_runs(call: Call) -> dict[str, Any]:
        limit, offset = _page(call, 20)
        job_id = call.number("job_id") if call.fields.get("job_id") else None
        active = True if call.flag("active_only") else False if call.flag("completed_only") else None
        found = service().runs.page(job_id=job_id, active=active, limit=limit + 1, offset=offset)
        views = [service().view(run) for run in found[:limit]]
        if not call.flag("expand_tasks"):
            for view in views:
                view.pop("tasks")
        public: dict[str, Any] = {"runs": views, "has_more": len(found) > limit}
        return public | ({"next_page_token": str(offset + limit)} if len(found) > limit else {})

    async def get_output(call: Call) -> dict[str, Any]:
        task = service().runs.task(call.number("run_id"))
        run = service().runs.get(task.parent_id)
        return output_view(run, task, service().executor.folder(task.run_id), service().base_url)

    return [
        *route("POST", "jobs/runs/submit", submit, VERSIONS),
        *route("POST", "jobs/run-now", run_now, VERSIONS),
        *route("GET", "jobs/runs/get", get, VERSIONS),
        *route("GET", "jobs/runs/list", list_runs, VERSIONS),
        *route("GET", "jobs/runs/get-output", get_output, VERSIONS),
    ]


def _control_routes(service: Callable[[], JobsService]) -> list[Route]:
    async def cancel(call: Call) -> dict[str, Any]:
        run = service().runs.get(call.number("run_id"))
        service().executor.stop(run.run_id, Result.CANCELED)
        return {}

    async def cancel_all(call: Call) -> dict[str, Any]:
        job_id = None if call.flag("all_queued_runs") and not call.fields.get("job_id") else call.number("job_id")
        for run in service().runs.page(job_id=job_id, active=True, limit=-1):
            service().executor.stop(run.run_id, Result.CANCELED)
        return {}

    async def repair(call: Call) -> dict[str, Any]:
        return {"repair_id": _repair(service(), call)}

    async def delete(call: Call) -> dict[str, Any]:
        service().runs.delete(service().runs.get(call.number("run_id")))
        return {}

    return [
        *route("POST", "jobs/runs/cancel", cancel, VERSIONS),
        *route("POST", "jobs/runs/cancel-all", cancel_all, VERSIONS),
        *route("POST", "jobs/runs/repair", repair, VERSIONS),
        *route("POST", "jobs/runs/delete", delete, VERSIONS),
    ]


def _repair(service: JobsService, call: Call) -> int:
    run = service.runs.get(call.number("run_id"))
    if not run.state.life_cycle.final:
        raise InvalidStateError(
            f"Run {run.run_id} is active. Only a run that has ended is repaired. Wait or cancel it."
        )
    repairs = service.runs.repairs(run.run_id)
    if repairs and call.number("latest_repair_id", 0) != repairs[-1]["repair_id"]:
        raise InvalidParameterError(f"latest_repair_id must be {repairs[-1]['repair_id']}, the repair before this one.")
    keys = _to_repair(run, call)
    if not keys:
        raise InvalidStateError(f"Run {run.run_id} has no failed task. There is nothing to repair.")
    if overrides := _overrides(call):
        service.runs.set_parameters(run.run_id, {**run.parameters, **overrides})
    again = [service.runs.renew_task(task) for task in run.tasks if task.key in keys]
    repair_id = service.runs.reopen(run, again)
    service.executor.start(run.run_id)
    return repair_id


def _to_repair(run: Run, call: Call) -> set[str]:
    """The keys of the tasks to run again, with those that depend on them."""
    keys = set(call.fields.get("rerun_tasks") or [])
    if unknown := keys - {task.key for task in run.tasks}:
        raise InvalidParameterError(f"The run has no task {sorted(unknown)[0]!r}. Name tasks by their task_key.")
    if call.flag("rerun_all_failed_tasks"):
        keys |= {task.key for task in run.tasks if task.state.result is not Result.SUCCESS}
    if call.flag("rerun_dependent_tasks", default=call.flag("rerun_all_failed_tasks")):
        while more := {task.key for task in run.tasks if keys & set(dependencies(task.spec))} - keys:
            keys |= more
    return keys


def _object(call: Call, name: str) -> Mapping[str, Any]:
    value = call.fields.get(name)
    if not isinstance(value, Mapping):
        raise InvalidParameterError(f"The field {name!r} must be an object, not {value!r}.")
    return value


def _page(call: Call, default: int) -> tuple[int, int]:
    limit = call.number("limit", default)
    if not 1 <= limit <= MAXIMUM_PAGE:
        raise InvalidParameterError(f"The limit is {limit}. It must be between 1 and {MAXIMUM_PAGE}.")
    return limit, call.number("page_token", call.number("offset", 0))
