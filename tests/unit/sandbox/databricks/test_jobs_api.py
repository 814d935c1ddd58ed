"""Jobs over HTTP: create, list, change, run with parameters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.sandbox.databricks.harness import Workspace

SHOW = "import json\ndbutils.notebook.exit(json.dumps(dbutils.widgets.getAll(), sort_keys=True))"


@pytest.fixture
def path(workspace: Workspace) -> str:
    return workspace.notebook(SHOW)


def create(workspace: Workspace, path: str, name: str = "nightly", **fields: Any) -> int:
    one = {"task_key": "t", "notebook_task": {"notebook_path": path, "base_parameters": {"a": "base", "b": "base"}}}
    return int(workspace.call("POST", "2.2/jobs/create", name=name, tasks=[one], **fields)["job_id"])


def run_now(workspace: Workspace, job_id: int, **fields: Any) -> dict[str, Any]:
    run_id = workspace.call("POST", "2.2/jobs/run-now", job_id=job_id, **fields)["run_id"]
    run = workspace.wait(run_id)
    assert run["state"]["result_state"] == "SUCCESS", workspace.output(run_id)
    assert run["job_id"] == job_id
    assert run["run_type"] == "JOB_RUN"
    found: dict[str, Any] = json.loads(workspace.output(run_id)["notebook_output"]["result"])
    return found


class TestRunNow:
    def test_base_parameters(self, workspace: Workspace, path: str) -> None:
        assert run_now(workspace, create(workspace, path)) == {"a": "base", "b": "base"}

    def test_notebook_params_override_them(self, workspace: Workspace, path: str) -> None:
        found = run_now(workspace, create(workspace, path), notebook_params={"b": "given", "c": "new"})
        assert found == {"a": "base", "b": "given", "c": "new"}

    def test_job_parameters_have_defaults_and_win(self, workspace: Workspace, path: str) -> None:
        job_id = create(workspace, path, parameters=[{"name": "a", "default": "job"}, {"name": "d", "default": "job"}])
        assert run_now(workspace, job_id, job_parameters={"d": "given"}) == {"a": "job", "b": "base", "d": "given"}

    def test_references_to_job_parameters(self, workspace: Workspace, path: str) -> None:
        one = {
            "task_key": "t",
            "notebook_task": {"notebook_path": path, "base_parameters": {"x": "{{job.parameters.day}}!"}},
        }
        body = {"name": "n", "tasks": [one], "parameters": [{"name": "day", "default": "monday"}]}
        job_id = workspace.call("POST", "2.2/jobs/create", **body)["job_id"]
        assert run_now(workspace, job_id)["x"] == "monday!"

    def test_both_kinds_of_parameters_are_refused(self, workspace: Workspace, path: str) -> None:
        body = {"notebook_params": {"a": "1"}, "job_parameters": {"a": "1"}}
        answer = workspace.raw("POST", "2.2/jobs/run-now", job_id=create(workspace, path), **body)
        assert answer.status_code == 400

    def test_the_id_may_come_as_a_text(self, workspace: Workspace, path: str) -> None:
        job_id = create(workspace, path)
        assert "run_id" in workspace.call("POST", "2.2/jobs/run-now", job_id=str(job_id))

    def test_a_token_starts_it_once(self, workspace: Workspace, path: str) -> None:
        job_id = create(workspace, path)
        runs = {
            workspace.call("POST", "2.2/jobs/run-now", job_id=job_id, idempotency_token="once")["run_id"]
            for _ in range(3)
        }
        assert len(runs) == 1

    def test_an_unknown_job_is_404(self, workspace: Workspace) -> None:
        assert workspace.raw("POST", "2.2/jobs/run-now", job_id=5).status_code == 404

    def test_a_job_without_tasks_does_not_run(self, workspace: Workspace) -> None:
        job_id = workspace.call("POST", "2.2/jobs/create", name="empty")["job_id"]
        assert workspace.raw("POST", "2.2/jobs/run-now", job_id=job_id).json()["error_code"] == "INVALID_STATE"


class TestList:
    def test_a_name_in_whatever_case(self, workspace: Workspace, path: str) -> None:
        mine, _ = create(workspace, path, "Nightly: Batch 2023-07-17 20:42:08"), create(workspace, path, "other")
        listed = workspace.call("GET", "2.2/jobs/list", name="nightly: batch 2023-07-17 20:42:08", page_token="")
        assert [job["job_id"] for job in listed["jobs"]] == [mine]
        assert listed["jobs"][0]["settings"]["name"] == "Nightly: Batch 2023-07-17 20:42:08"

    def test_two_of_one_name_are_both_listed(self, workspace: Workspace, path: str) -> None:
        both = {create(workspace, path), create(workspace, path)}
        assert {job["job_id"] for job in workspace.call("GET", "2.2/jobs/list", name="nightly")["jobs"]} == both

    def test_pages(self, workspace: Workspace, path: str) -> None:
        made = [create(workspace, path, f"job {number}") for number in range(5)]
        first = workspace.call("GET", "2.2/jobs/list", limit=3)
        second = workspace.call("GET", "2.2/jobs/list", limit=3, page_token=first["next_page_token"])
        assert "has_more" not in second
        assert "next_page_token" not in second
        assert [job["job_id"] for job in first["jobs"] + second["jobs"]] == made[::-1]

    def test_nothing_there(self, workspace: Workspace) -> None:
        assert workspace.call("GET", "2.2/jobs/list").get("jobs", []) == []

    def test_tasks_are_shown_when_asked_for(self, workspace: Workspace, path: str) -> None:
        create(workspace, path)
        assert "tasks" not in workspace.call("GET", "2.2/jobs/list", expand_tasks="False")["jobs"][0]["settings"]
        assert "tasks" in workspace.call("GET", "2.2/jobs/list", expand_tasks="true")["jobs"][0]["settings"]


class TestChange:
    def test_reset_replaces_everything(self, workspace: Workspace, path: str) -> None:
        job_id = create(workspace, path, tags={"a": "b"})
        one = {"task_key": "u", "notebook_task": {"notebook_path": path}}
        workspace.call("POST", "2.2/jobs/reset", job_id=job_id, new_settings={"name": "new", "tasks": [one]})
        settings = workspace.call("GET", "2.2/jobs/get", job_id=job_id)["settings"]
        assert settings["name"] == "new"
        assert "tags" not in settings
        assert [entry["task_key"] for entry in settings["tasks"]] == ["u"]

    def test_update_merges(self, workspace: Workspace, path: str) -> None:
        job_id = create(workspace, path, tags={"a": "b"}, description="x")
        one = {"task_key": "u", "notebook_task": {"notebook_path": path}}
        change = {"new_settings": {"name": "new", "tasks": [one]}, "fields_to_remove": ["tags"]}
        workspace.call("POST", "2.2/jobs/update", job_id=job_id, **change)
        settings = workspace.call("GET", "2.2/jobs/get", job_id=job_id)["settings"]
        assert (settings["name"], settings["description"]) == ("new", "x")
        assert "tags" not in settings
        assert [entry["task_key"] for entry in settings["tasks"]] == ["t", "u"]

    def test_bad_settings_change_nothing(self, workspace: Workspace, path: str) -> None:
        job_id = create(workspace, path)
        bad = {"name": "new", "tasks": [{"task_key": "u"}]}
        assert workspace.raw("POST", "2.2/jobs/reset", job_id=job_id, new_settings=bad).status_code == 400
        assert workspace.call("GET", "2.2/jobs/get", job_id=job_id)["settings"]["name"] == "nightly"

    def test_delete_keeps_the_runs(self, workspace: Workspace, path: str) -> None:
        job_id = create(workspace, path)
        run_id = workspace.call("POST", "2.2/jobs/run-now", job_id=job_id)["run_id"]
        workspace.wait(run_id)
        workspace.call("POST", "2.2/jobs/delete", job_id=job_id)
        assert workspace.raw("GET", "2.2/jobs/get", job_id=job_id).status_code == 404
        assert workspace.get(run_id)["state"]["result_state"] == "SUCCESS"

    def test_permissions_are_accepted(self, workspace: Workspace, path: str) -> None:
        job_id = create(workspace, path)
        rules = [{"user_name": "ann", "permission_level": "CAN_MANAGE"}]
        answer = workspace.call("PATCH", f"2.0/permissions/jobs/{job_id}", access_control_list=rules)
        assert answer["access_control_list"] == rules
        assert workspace.raw("PATCH", "2.0/permissions/jobs/77").status_code == 404

    @pytest.mark.parametrize("action", ["reset", "update", "delete"])
    def test_an_unknown_job_is_404(self, workspace: Workspace, action: str) -> None:
        assert workspace.raw("POST", f"2.2/jobs/{action}", job_id=77, new_settings={"name": "x"}).status_code == 404
