"""Runs over HTTP: order, stopping, retries, limits, output, repair, listing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from sandbox.databricks.server import create_app
from tests.unit.sandbox.databricks.harness import Workspace, configuration

WAIT = "import threading\nprint('waiting', flush=True)\nthreading.Event().wait()"


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asked about does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def submit(workspace: Workspace, *tasks: dict[str, Any], **fields: Any) -> int:
    return int(workspace.call("POST", "2.2/jobs/runs/submit", tasks=list(tasks), **fields)["run_id"])


def task(workspace: Workspace, key: str, code: str, *needs: str, **fields: Any) -> dict[str, Any]:
    path = workspace.notebook(code, path=f"/Shared/tasks/{key}")
    return {
        "task_key": key,
        "notebook_task": {"notebook_path": path},
        "depends_on": [{"task_key": name} for name in needs],
        **fields,
    }


def results(run: Any) -> dict[str, str]:
    return {entry["task_key"]: entry["state"].get("result_state") for entry in run["tasks"]}


def running(run: Any) -> bool:
    return any(entry["state"]["life_cycle_state"] == "RUNNING" for entry in run["tasks"])


class TestView:
    def test_what_the_provider_reads(self, workspace: Workspace) -> None:
        run, _ = workspace.run("pass", run_name="nightly")
        assert run["run_name"] == "nightly"
        assert isinstance(run["job_id"], int)
        assert run["run_page_url"] == f"http://127.0.0.1:1/runs/{run['run_id']}"
        assert run["run_type"] == "SUBMIT_RUN"
        (one,) = run["tasks"]
        assert one["task_key"] == "main"
        assert one["run_id"] not in (run["run_id"], run["job_id"])
        assert one["state"]["result_state"] == "SUCCESS"
        assert one["notebook_task"]["notebook_path"] == "/Shared/test/notebook"
        assert run["status"]["termination_details"]["code"] == "SUCCESS"
        assert 0 < run["start_time"] <= one["start_time"] <= one["end_time"] <= run["end_time"]

    def test_an_existing_cluster_is_taken_whatever_its_name(self, workspace: Workspace) -> None:
        run, _ = workspace.run("pass", existing_cluster_id="1108-162752-8okw8dgg")
        assert run["state"]["result_state"] == "SUCCESS"

    @pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
    def test_older_versions_go_to_the_same_handlers(self, workspace: Workspace, version: str) -> None:
        run, _ = workspace.run("pass")
        assert workspace.call("GET", f"{version}/jobs/runs/get", run_id=run["run_id"])["run_id"] == run["run_id"]

    def test_an_unknown_run_is_404(self, workspace: Workspace) -> None:
        for path in ("runs/get", "runs/get-output"):
            answer = workspace.raw("GET", f"2.2/jobs/{path}", run_id=77)
            assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
        assert workspace.raw("POST", "2.2/jobs/runs/cancel", run_id=77).status_code == 404

    def test_a_run_id_that_is_no_number_is_400(self, workspace: Workspace) -> None:
        assert workspace.raw("GET", "2.2/jobs/runs/get", run_id="x").status_code == 400
        assert workspace.raw("GET", "2.2/jobs/runs/get").json()["message"].startswith("The field 'run_id' is missing")

    def test_many_tasks_come_in_pages(self, workspace: Workspace) -> None:
        refused = [{"task_key": f"t{number}", "sql_task": {}} for number in range(130)]
        run_id = submit(workspace, *refused)
        workspace.wait(run_id)
        first = workspace.get(run_id)
        second = workspace.get(run_id, page_token=first["next_page_token"])
        assert len(first["tasks"]) == 100
        assert "next_page_token" not in second
        keys = [entry["task_key"] for entry in first["tasks"] + second["tasks"]]
        assert keys == [f"t{number}" for number in range(130)]


class TestOutput:
    def test_it_is_asked_by_the_run_of_the_task_or_of_its_only_run(self, workspace: Workspace) -> None:
        run, output = workspace.run("dbutils.notebook.exit('r')")
        by_task = workspace.call("GET", "2.2/jobs/runs/get-output", run_id=run["tasks"][0]["run_id"])
        assert by_task["notebook_output"] == output["notebook_output"] == {"result": "r", "truncated": False}

    def test_several_tasks_have_no_common_output(self, workspace: Workspace) -> None:
        run_id = submit(workspace, task(workspace, "a", "pass"), task(workspace, "b", "pass"))
        workspace.wait(run_id)
        answer = workspace.raw("GET", "2.2/jobs/runs/get-output", run_id=run_id)
        assert answer.status_code == 400
        assert "multiple tasks" in answer.json()["message"]

    def test_a_long_result_is_cut(self, workspace: Workspace) -> None:
        _, output = workspace.run("dbutils.notebook.exit('x' * (5 * 1024 * 1024 + 1))")
        assert output["notebook_output"]["truncated"] is True
        assert len(output["notebook_output"]["result"]) == 5 * 1024 * 1024


class TestOrder:
    def test_tasks_wait_for_those_that_they_need(self, workspace: Workspace) -> None:
        log = workspace.data / "order"
        code = f"open({str(log)!r}, 'a').write('{{}} ')"
        run_id = submit(
            workspace,
            task(workspace, "last", code.format("last"), "left", "right"),
            task(workspace, "left", code.format("left"), "first"),
            task(workspace, "right", code.format("right"), "first"),
            task(workspace, "first", code.format("first")),
        )
        assert workspace.wait(run_id)["state"]["result_state"] == "SUCCESS"
        order = log.read_text().split()
        assert order[0] == "first"
        assert set(order[1:3]) == {"left", "right"}
        assert order[3] == "last"

    def test_what_a_failed_task_holds_up_ends_too(self, workspace: Workspace) -> None:
        run_id = submit(
            workspace,
            task(workspace, "bad", "1 / 0"),
            task(workspace, "next", "pass", "bad"),
            task(workspace, "after", "pass", "next"),
            task(workspace, "other", "pass"),
        )
        run = workspace.wait(run_id)
        assert results(run) == {
            "bad": "FAILED",
            "next": "UPSTREAM_FAILED",
            "after": "UPSTREAM_FAILED",
            "other": "SUCCESS",
        }
        assert run["state"]["result_state"] == "FAILED"
        assert (
            run["state"]["state_message"] == "Task bad failed with message: Workload failed, see run output for details"
        )

    def test_run_if_lets_a_task_clean_up(self, workspace: Workspace) -> None:
        run_id = submit(
            workspace, task(workspace, "bad", "1 / 0"), task(workspace, "tidy", "pass", "bad", run_if="ALL_DONE")
        )
        run = workspace.wait(run_id)
        assert results(run) == {"bad": "FAILED", "tidy": "SUCCESS"}
        assert run["state"]["result_state"] == "SUCCESS_WITH_FAILURES"

    def test_task_values_reach_later_tasks_and_references(self, workspace: Workspace) -> None:
        first = task(workspace, "first", "dbutils.jobs.taskValues.set('rows', 17)")
        code = (
            "n = dbutils.jobs.taskValues.get('first', 'rows')\n"
            "dbutils.notebook.exit(f\"{n + 1} {dbutils.widgets.get('r')} {dbutils.widgets.get('k')}\")"
        )
        second = task(workspace, "second", code, "first")
        second["notebook_task"]["base_parameters"] = {"r": "{{tasks.first.values.rows}}", "k": "{{task.name}}"}
        run = workspace.wait(submit(workspace, first, second))
        output = workspace.call("GET", "2.2/jobs/runs/get-output", run_id=run["tasks"][1]["run_id"])
        assert output["notebook_output"]["result"] == "18 17 second"

    def test_a_missing_task_value_needs_a_default(self, workspace: Workspace) -> None:
        assert workspace.result("dbutils.notebook.exit(dbutils.jobs.taskValues.get('x', 'y', default=3))") == "3"
        assert "Task 'x' left no value 'y'" in workspace.failure("dbutils.jobs.taskValues.get('x', 'y')")["error"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"sql_task": {}}, "Tasks of the kind sql_task do not run"),
            ({"python_wheel_task": {"package_name": "x"}}, "Tasks of the kind python_wheel_task do not run"),
            (
                {"notebook_task": {"notebook_path": "/n"}, "new_cluster": {"data_security_mode": "SINGLE_USER"}},
                "dedicated access mode (SINGLE_USER)",
            ),
            ({"notebook_task": {"notebook_path": "/n", "source": "GIT"}}, "come from Git"),
            ({"notebook_task": {}}, "no path is given"),
        ],
    )
    def test_what_does_not_run_is_a_failed_run_that_says_so(
        self, workspace: Workspace, fields: dict[str, Any], message: str
    ) -> None:
        run_id = submit(workspace, {"task_key": "t", **fields})
        run = workspace.wait(run_id)
        assert run["state"]["result_state"] == "FAILED"
        assert message in run["state"]["state_message"]
        assert message in workspace.output(run_id)["error"]

    def test_a_shared_cluster_with_dedicated_access_is_refused_too(self, workspace: Workspace) -> None:
        path = workspace.notebook("pass")
        cluster = {"job_cluster_key": "c", "new_cluster": {"data_security_mode": "DEDICATED"}}
        one = {"task_key": "t", "notebook_task": {"notebook_path": path}, "job_cluster_key": "c"}
        run = workspace.wait(submit(workspace, one, job_clusters=[cluster]))
        assert "dedicated access mode" in run["state"]["state_message"]

    @pytest.mark.parametrize("body", [{}, {"tasks": []}, {"run_name": "x"}])
    def test_a_request_without_task_is_400(self, workspace: Workspace, body: dict[str, Any]) -> None:
        answer = workspace.raw("POST", "2.2/jobs/runs/submit", **body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


class TestToken:
    def test_the_same_token_is_the_same_run(self, workspace: Workspace) -> None:
        path = workspace.notebook("pass")
        first = workspace.submit(path, idempotency_token="dag-run-task")
        assert workspace.submit(path, idempotency_token="dag-run-task") == first
        workspace.wait(first)
        assert workspace.submit(path, idempotency_token="dag-run-task") == first
        assert workspace.submit(path, idempotency_token="another") != first
        assert workspace.submit(path) != workspace.submit(path)

    def test_the_token_of_a_deleted_run_is_refused(self, workspace: Workspace) -> None:
        run_id = workspace.submit(workspace.notebook("pass"), idempotency_token="gone")
        workspace.wait(run_id)
        workspace.call("POST", "2.2/jobs/runs/delete", run_id=run_id)
        answer = workspace.raw(
            "POST", "2.2/jobs/runs/submit", notebook_task={"notebook_path": "/n"}, idempotency_token="gone"
        )
        assert answer.status_code == 400
        assert "was deleted" in answer.json()["message"]

    def test_a_long_token_is_refused(self, workspace: Workspace) -> None:
        answer = workspace.raw("POST", "2.2/jobs/runs/submit", notebook_task={}, idempotency_token="x" * 65)
        assert answer.status_code == 400


class TestStopping:
    def test_cancel_ends_the_whole_process_group(self, workspace: Workspace) -> None:
        pids = workspace.data / "pids"
        code = (
            f"import os, subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
            f"with open({str(pids)!r} + '.new', 'w') as f: f.write(f'{{os.getpid()}} {{child.pid}}')\n"
            f"os.rename({str(pids)!r} + '.new', {str(pids)!r})\nchild.wait()"
        )
        run_id = workspace.submit(workspace.notebook(code))
        workspace.wait(run_id, lambda run: pids.exists())
        process, child = map(int, pids.read_text().split())
        assert alive(process)
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=run_id)
        run = workspace.wait(run_id)
        assert run["state"]["life_cycle_state"] == "TERMINATED"
        assert run["state"]["result_state"] == "CANCELED"
        assert run["state"]["state_message"] == "Run cancelled."
        assert not alive(process)
        assert not alive(child)

    def test_a_process_that_ignores_the_polite_signal_is_ended(self, workspace: Workspace) -> None:
        code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT
        run_id = workspace.submit(workspace.notebook(code))
        workspace.wait(
            run_id, lambda run: running(run) and "waiting" in (workspace.folder(run_id) / "output.log").read_text()
        )
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=run_id)
        assert workspace.wait(run_id)["state"]["result_state"] == "CANCELED"

    def test_tasks_that_had_not_started_end_too(self, workspace: Workspace) -> None:
        run_id = submit(workspace, task(workspace, "a", WAIT), task(workspace, "b", "pass", "a"))
        workspace.wait(run_id, running)
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=run_id)
        run = workspace.wait(run_id)
        assert results(run) == {"a": "CANCELED", "b": "UPSTREAM_CANCELED"}

    def test_cancelling_at_once_ends_a_run_whose_first_task_never_began(self, workspace: Workspace) -> None:
        run_id = workspace.submit(workspace.notebook(WAIT))
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=run_id)
        assert workspace.wait(run_id)["state"]["result_state"] == "CANCELED"

    def test_cancelling_what_has_ended_changes_nothing(self, workspace: Workspace) -> None:
        run, _ = workspace.run("pass")
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=run["run_id"])
        assert workspace.get(run["run_id"])["state"]["result_state"] == "SUCCESS"

    def test_a_run_that_takes_too_long_is_timed_out(self, workspace: Workspace) -> None:
        run, _ = workspace.run(WAIT, timeout_seconds="1")
        assert run["state"]["result_state"] == "TIMEDOUT"

    def test_a_task_that_takes_too_long_is_timed_out(self, workspace: Workspace) -> None:
        run = workspace.wait(submit(workspace, task(workspace, "slow", WAIT, timeout_seconds=1)))
        assert results(run) == {"slow": "TIMEDOUT"}
        assert run["tasks"][0]["state"]["state_message"] == "The task ran longer than 1 s and was stopped."
        assert run["state"]["result_state"] == "TIMEDOUT"

    def test_cancel_all_ends_the_runs_of_a_job(self, workspace: Workspace) -> None:
        path = workspace.notebook(WAIT)
        job_id = workspace.call(
            "POST", "2.2/jobs/create", name="j", tasks=[{"task_key": "t", "notebook_task": {"notebook_path": path}}]
        )["job_id"]
        mine = [workspace.call("POST", "2.2/jobs/run-now", job_id=job_id)["run_id"] for _ in range(2)]
        other = workspace.submit(path)
        workspace.call("POST", "2.2/jobs/runs/cancel-all", job_id=job_id)
        assert [workspace.wait(run_id)["state"]["result_state"] for run_id in mine] == ["CANCELED", "CANCELED"]
        assert workspace.get(other)["state"]["life_cycle_state"] in ("PENDING", "RUNNING", "QUEUED")
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=other)


def test_no_more_tasks_run_at_once_than_there_are_places(data: Path) -> None:
    with TestClient(create_app(configuration(data, slots=1))) as client:
        workspace = Workspace(client, data)
        first = workspace.submit(workspace.notebook(WAIT))
        workspace.wait(first, running)
        second = workspace.submit(workspace.notebook("pass", path="/Shared/test/second"))
        queued = workspace.wait(second, lambda run: run["tasks"][0]["state"]["life_cycle_state"] != "PENDING")
        assert queued["tasks"][0]["state"]["life_cycle_state"] == "QUEUED"
        third = workspace.submit("/Shared/test/second")
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=third)
        assert workspace.wait(third)["state"]["result_state"] == "CANCELED"
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=first)
        assert workspace.wait(second)["state"]["result_state"] == "SUCCESS"


class TestRetries:
    def counting(self, workspace: Workspace, fail_times: int) -> str:
        file = str(workspace.data / "tries")
        return (
            f"import pathlib\np = pathlib.Path({file!r})\nn = len(p.read_text()) if p.exists() else 0\n"
            f"p.write_text('x' * (n + 1))\nassert n >= {fail_times}, f'try {{n}}'"
        )

    def test_a_task_is_tried_again_as_often_as_allowed(self, workspace: Workspace) -> None:
        run = workspace.wait(submit(workspace, task(workspace, "t", self.counting(workspace, 2), max_retries=2)))
        assert run["state"]["result_state"] == "SUCCESS"
        assert [entry["attempt_number"] for entry in run["tasks"]] == [2]
        assert (workspace.data / "tries").read_text() == "xxx"

    def test_not_more_often(self, workspace: Workspace) -> None:
        run = workspace.wait(submit(workspace, task(workspace, "t", self.counting(workspace, 9), max_retries="1")))
        assert run["state"]["result_state"] == "FAILED"
        assert (workspace.data / "tries").read_text() == "xx"

    def test_not_at_all_by_default(self, workspace: Workspace) -> None:
        workspace.wait(submit(workspace, task(workspace, "t", self.counting(workspace, 9))))
        assert (workspace.data / "tries").read_text() == "x"


class TestRepair:
    def prepared(self, workspace: Workspace) -> tuple[int, Path]:
        flag = workspace.data / "mended"
        log = workspace.data / "log"
        note = f"open({str(log)!r}, 'a').write('{{}} ')"
        code = f"import os\nassert os.path.exists({str(flag)!r}), 'not yet'\n" + note.format("b")
        run_id = submit(
            workspace,
            task(workspace, "a", note.format("a")),
            task(workspace, "b", code, "a"),
            task(workspace, "c", note.format("c"), "b"),
        )
        assert results(workspace.wait(run_id)) == {"a": "SUCCESS", "b": "FAILED", "c": "UPSTREAM_FAILED"}
        flag.touch()
        return run_id, log

    def test_only_what_failed_runs_again(self, workspace: Workspace) -> None:
        run_id, log = self.prepared(workspace)
        before = workspace.get(run_id, include_history="true")["repair_history"]
        assert [entry["type"] for entry in before] == ["ORIGINAL"]
        repair = workspace.call("POST", "2.2/jobs/runs/repair", run_id=run_id, rerun_all_failed_tasks=True)
        run = workspace.wait(run_id)
        assert results(run) == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS"}
        assert log.read_text().split() == ["a", "b", "c"]
        history = workspace.get(run_id, include_history="true")["repair_history"]
        assert [entry.get("id") for entry in history] == [None, repair["repair_id"]]

    def test_a_second_repair_names_the_first(self, workspace: Workspace) -> None:
        run_id, _ = self.prepared(workspace)
        first = workspace.call("POST", "2.2/jobs/runs/repair", run_id=run_id, rerun_tasks=["c"])["repair_id"]
        workspace.wait(run_id)
        answer = workspace.raw("POST", "2.2/jobs/runs/repair", run_id=run_id, rerun_tasks=["c"])
        assert answer.status_code == 400
        assert str(first) in answer.json()["message"]
        workspace.call(
            "POST",
            "2.2/jobs/runs/repair",
            run_id=run_id,
            rerun_tasks=["b"],
            latest_repair_id=first,
            rerun_dependent_tasks=True,
        )
        assert results(workspace.wait(run_id)) == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS"}

    @pytest.mark.parametrize(
        ("fields", "message"), [({"rerun_tasks": ["z"]}, "no task 'z'"), ({}, "nothing to repair")]
    )
    def test_what_cannot_be_repaired(self, workspace: Workspace, fields: dict[str, Any], message: str) -> None:
        run, _ = workspace.run("pass")
        answer = workspace.raw("POST", "2.2/jobs/runs/repair", run_id=run["run_id"], **fields)
        assert answer.status_code == 400
        assert message in answer.json()["message"]

    def test_an_active_run_is_not_repaired(self, workspace: Workspace) -> None:
        run_id = workspace.submit(workspace.notebook(WAIT))
        answer = workspace.raw("POST", "2.2/jobs/runs/repair", run_id=run_id, rerun_all_failed_tasks=True)
        assert answer.json()["error_code"] == "INVALID_STATE"
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=run_id)
        workspace.wait(run_id)


class TestListAndDelete:
    def test_pages_from_the_youngest(self, workspace: Workspace) -> None:
        path = workspace.notebook("pass")
        ids = [workspace.submit(path) for _ in range(5)]
        for run_id in ids:
            workspace.wait(run_id)
        found: list[int] = []
        token = None
        while True:
            page = workspace.call("GET", "2.2/jobs/runs/list", limit=2, **({"page_token": token} if token else {}))
            found += [run["run_id"] for run in page["runs"]]
            token = page.get("next_page_token")
            if not token:
                break
        assert found == ids[::-1]

    def test_active_and_completed(self, workspace: Workspace) -> None:
        done, _ = workspace.run("pass")
        active = workspace.submit(workspace.notebook(WAIT))
        listed = {
            name: [run["run_id"] for run in workspace.call("GET", "2.2/jobs/runs/list", **{name: "true"})["runs"]]
            for name in ("active_only", "completed_only")
        }
        assert listed == {"active_only": [active], "completed_only": [done["run_id"]]}
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=active)
        workspace.wait(active)

    def test_tasks_are_shown_when_asked_for(self, workspace: Workspace) -> None:
        workspace.run("pass")
        assert "tasks" not in workspace.call("GET", "2.2/jobs/runs/list")["runs"][0]
        assert "tasks" in workspace.call("GET", "2.2/jobs/runs/list", expand_tasks="true")["runs"][0]

    def test_a_limit_out_of_range_is_refused(self, workspace: Workspace) -> None:
        assert workspace.raw("GET", "2.2/jobs/runs/list", limit=0).status_code == 400

    def test_a_deleted_run_is_gone(self, workspace: Workspace) -> None:
        run, _ = workspace.run("pass")
        workspace.call("POST", "2.2/jobs/runs/delete", run_id=run["run_id"])
        assert workspace.raw("GET", "2.2/jobs/runs/get", run_id=run["run_id"]).status_code == 404

    def test_an_active_run_is_not_deleted(self, workspace: Workspace) -> None:
        run_id = workspace.submit(workspace.notebook(WAIT))
        assert workspace.raw("POST", "2.2/jobs/runs/delete", run_id=run_id).json()["error_code"] == "INVALID_STATE"
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=run_id)
        workspace.wait(run_id)


def test_no_key_is_in_the_files_of_a_run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = "canary-0f3c9b-secret-key"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", canary)
    read = "import os, sys\nk = os.environ['AWS_SECRET_ACCESS_KEY']"
    code = f"{read}\nprint(k)\nsys.stderr.write(k + '\\n')\nraise ValueError(k)"
    run, output = workspace.run(code)
    assert "[REDACTED]" in output["error"]
    assert canary not in json.dumps([run, output]) + workspace.page(run["run_id"])
    for file in (workspace.data / "runs").rglob("*"):
        assert file.is_dir() or canary.encode() not in file.read_bytes(), file
