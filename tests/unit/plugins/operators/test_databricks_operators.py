"""The workspace upload, notebook runs over several tries, and quality rules."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger
from airflow.sdk.exceptions import TaskDeferred

from include.sql import Query, Severity
from pinflow.exceptions import NotebookFailed, QualityFailed
from pinflow.operators.databricks import (
    DatabricksQualityOperator,
    DatabricksRunNotebookOperator,
    DatabricksWorkspaceUploadOperator,
    bundle_files,
)


class Workspace:
    """Files and runs of a workspace, in memory, behind the REST API."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[str, bytes]] = {}
        self.folders: set[str] = set()
        self.runs: dict[int, dict[str, Any]] = {}
        self.tokens: dict[str, int] = {}
        self.submitted: list[dict[str, Any]] = []
        self.states: list[tuple[str, str | None]] = [("TERMINATED", "SUCCESS")]
        self.result: str | None = '{"landed": 3}'
        self.before_submit: Any = None

    def __call__(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Answer a request."""
        parts = urlsplit(path)
        asked = json.loads(body) if body else {name: values[0] for name, values in parse_qs(parts.query).items()}
        return getattr(self, parts.path.removeprefix("/api/").split("/", 1)[1].replace("/", "_").replace("-", "_"))(
            asked
        )

    def workspace_import(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if asked["path"].rpartition("/")[0] not in self.folders:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no folder"}
        kind = "NOTEBOOK" if asked["format"] == "SOURCE" else "FILE"
        self.files[asked["path"]] = (kind, base64.b64decode(asked["content"]))
        return 200, {}

    def workspace_mkdirs(self, asked: dict[str, Any]) -> tuple[int, Any]:
        path = asked["path"]
        while path:
            self.folders.add(path)
            path = path.rpartition("/")[0]
        return 200, {}

    def workspace_list(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if asked["path"] not in self.folders:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}
        objects = [
            {"path": p, "object_type": k} for p, (k, _) in self.files.items() if p.rpartition("/")[0] == asked["path"]
        ]
        objects += [
            {"path": p, "object_type": "DIRECTORY"} for p in self.folders if p.rpartition("/")[0] == asked["path"]
        ]
        return 200, {"objects": objects} if objects else {}

    def workspace_export(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if asked["path"] not in self.files:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}
        return 200, {"content": base64.b64encode(self.files[asked["path"]][1]).decode()}

    def workspace_delete(self, asked: dict[str, Any]) -> tuple[int, Any]:
        del self.files[asked["path"]]
        return 200, {}

    def jobs_runs_submit(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if self.before_submit:
            self.before_submit(asked)
        token = asked["idempotency_token"]
        if token not in self.tokens:
            self.submitted.append(asked)
            run_id = len(self.submitted)
            self.tokens[token] = run_id
            self.runs[run_id] = {"states": list(self.states)}
        return 200, {"run_id": self.tokens[token]}

    def jobs_runs_get(self, asked: dict[str, Any]) -> tuple[int, Any]:
        run_id = int(asked["run_id"])
        states = self.runs[run_id]["states"]
        life, result = states.pop(0) if len(states) > 1 else states[0]
        state = {"life_cycle_state": life, "state_message": "told", **({"result_state": result} if result else {})}
        task = {"task_key": "notebook", "run_id": run_id * 10, "state": state}
        return 200, {
            "run_id": run_id,
            "run_page_url": f"http://w/{run_id}",
            "job_id": 5,
            "state": state,
            "tasks": [task],
        }

    def jobs_runs_get_output(self, asked: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"error": "ValueError: boom", "notebook_output": {"result": self.result}}

    def jobs_runs_cancel(self, asked: dict[str, Any]) -> tuple[int, Any]:
        self.runs[int(asked["run_id"])]["states"] = [("TERMINATED", "CANCELED")]
        return 200, {}


@pytest.fixture
def workspace(server: Any) -> Workspace:
    made = Workspace()
    server.handler = made
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    (root / "spark" / "notebooks").mkdir(parents=True)
    (root / "__pycache__").mkdir()
    (root / "__init__.py").write_text("")
    (root / "spark" / "cleaning.py").write_text("x = 1\n")
    (root / "spark" / "notebooks" / "clean.py").write_text("# Databricks notebook source\nprint(1)\n")
    (root / "query.sql").write_text("SELECT 1")
    (root / "shape.json").write_text("{}")
    (root / "constraints.txt").write_text("x==1")
    (root / "__pycache__" / "x.py").write_text("no")
    (root / ".hidden.py").write_text("no")
    return root


class TestBundleFiles:
    def test_notebooks_lose_their_ending_and_caches_are_left_out(self, folder: Path) -> None:
        assert {(entry.path, entry.kind) for entry in bundle_files(folder)} == {
            ("bundle/__init__.py", "FILE"),
            ("bundle/spark/cleaning.py", "FILE"),
            ("bundle/spark/notebooks/clean", "NOTEBOOK"),
            ("bundle/query.sql", "FILE"),
            ("bundle/shape.json", "FILE"),
        }

    def test_a_notebook_that_becomes_a_file_has_another_digest(self, folder: Path) -> None:
        before = {entry.digest for entry in bundle_files(folder)}
        (folder / "spark" / "notebooks" / "clean.py").write_text("print(1)\n")
        assert len(before - {entry.digest for entry in bundle_files(folder)}) == 1


class TestDatabricksWorkspaceUploadOperator:
    def upload(self, context: Any, folder: Path, **arguments: Any) -> dict[str, int]:
        operator = DatabricksWorkspaceUploadOperator(task_id="t", folder=folder, root="/Shared/p", **arguments)
        return operator.execute(context)

    def test_everything_once(self, context: Any, workspace: Workspace, folder: Path) -> None:
        assert self.upload(context, folder) == {"uploaded": 5, "unchanged": 0, "removed": 0}
        kind, content = workspace.files["/Shared/p/bundle/spark/notebooks/clean"]
        assert kind == "NOTEBOOK"
        assert content == b"# Databricks notebook source\nprint(1)\n"
        assert workspace.files["/Shared/p/bundle/query.sql"] == ("FILE", b"SELECT 1")

    def test_a_second_time_nothing(self, context: Any, workspace: Workspace, folder: Path, server: Any) -> None:
        self.upload(context, folder)
        server.requests.clear()
        assert self.upload(context, folder) == {"uploaded": 0, "unchanged": 5, "removed": 0}
        assert {call.split()[0] for call in server.calls} == {"GET"}

    def test_what_differs_or_is_gone(self, context: Any, workspace: Workspace, folder: Path) -> None:
        self.upload(context, folder)
        workspace.files["/Shared/p/bundle/theirs.py"] = ("FILE", b"someone else's")
        del workspace.files["/Shared/p/bundle/shape.json"]
        (folder / "spark" / "cleaning.py").write_text("x = 2\n")
        (folder / "query.sql").unlink()
        assert self.upload(context, folder) == {"uploaded": 2, "unchanged": 2, "removed": 1}
        assert workspace.files["/Shared/p/bundle/spark/cleaning.py"][1] == b"x = 2\n"
        assert "/Shared/p/bundle/query.sql" not in workspace.files
        assert "/Shared/p/bundle/theirs.py" in workspace.files

    @pytest.mark.parametrize("force", [True, "True"])
    def test_force(self, context: Any, workspace: Workspace, folder: Path, force: Any) -> None:
        self.upload(context, folder)
        assert self.upload(context, folder, force=force) == {"uploaded": 5, "unchanged": 0, "removed": 0}

    def test_templated_false_is_false(self, context: Any, workspace: Workspace, folder: Path) -> None:
        self.upload(context, folder)
        assert self.upload(context, folder, force="False")["uploaded"] == 0

    def test_an_upload_that_broke_off_is_completed(self, context: Any, workspace: Workspace, folder: Path) -> None:
        self.upload(context, folder)
        (folder / "query.sql").write_text("SELECT 2")
        (folder / "shape.json").write_text("[]")
        real = workspace.workspace_import

        def once(asked: dict[str, Any]) -> tuple[int, Any]:
            workspace.workspace_import = lambda asked: (403, {"message": "gone"})  # type: ignore[method-assign]
            return real(asked)

        workspace.workspace_import = once  # type: ignore[method-assign]
        with pytest.raises(Exception, match="gone"):
            self.upload(context, folder)
        workspace.workspace_import = real  # type: ignore[method-assign]
        self.upload(context, folder)
        assert workspace.files["/Shared/p/bundle/query.sql"][1] == b"SELECT 2"
        assert workspace.files["/Shared/p/bundle/shape.json"][1] == b"[]"


def notebook(**arguments: Any) -> DatabricksRunNotebookOperator:
    given: dict[str, Any] = {"cluster": {"num_workers": 0}, **arguments}
    return DatabricksRunNotebookOperator(
        task_id="t", notebook_path="/n", parameters={"a": "b"}, polling_period_seconds=0, run_name="name", **given
    )


class TestDatabricksRunNotebookOperator:
    def test_template_fields(self) -> None:
        operator = notebook()
        for name in operator.template_fields:
            getattr(operator, name)

    def test_waits_and_returns_the_exit_value(self, context: Any, workspace: Workspace) -> None:
        workspace.states = [("PENDING", None), ("RUNNING", None), ("TERMINATED", "SUCCESS")]
        assert notebook().execute(context) == {"landed": 3}
        assert context["ti"].xcoms == {"run_id": 1, "run_page_url": "http://w/1"}
        sent = workspace.submitted[0]
        assert sent["notebook_task"] == {"notebook_path": "/n", "base_parameters": {"a": "b"}}
        assert sent["new_cluster"] == {"num_workers": 0}
        assert len(sent["idempotency_token"]) <= 64

    @pytest.mark.parametrize(("result", "value"), [("plain text", "plain text"), (None, None), ("[1]", [1])])
    def test_exit_values(self, context: Any, workspace: Workspace, result: Any, value: Any) -> None:
        workspace.result = result
        assert notebook().execute(context) == value

    def test_an_existing_cluster(self, context: Any, workspace: Workspace) -> None:
        notebook(cluster={"existing_cluster_id": "c1"}).execute(context)
        assert workspace.submitted[0]["existing_cluster_id"] == "c1"
        assert "new_cluster" not in workspace.submitted[0]

    def test_the_token_is_stored_before_the_run_is_submitted(self, context: Any, workspace: Workspace) -> None:
        seen = []
        workspace.before_submit = lambda asked: seen.append(
            (asked["idempotency_token"], context["task_state_store"].get("idempotency_token"))
        )
        notebook().execute(context)
        assert len(seen) == 1
        assert seen[0][0] == seen[0][1]

    def test_a_retry_after_a_crash_finds_the_same_run(self, context: Any, workspace: Workspace) -> None:
        def crash(asked: Any) -> None:
            workspace.before_submit = None
            workspace.jobs_runs_submit(asked)
            raise ConnectionAbortedError

        workspace.before_submit = crash
        with pytest.raises(Exception, match=r"failed|abort|Remote"):
            DatabricksRunNotebookOperator.execute(_without_http_retry(notebook()), context)
        assert notebook().execute(context) == {"landed": 3}
        assert len(workspace.submitted) == 1

    def test_a_retry_after_a_lost_deferral_adopts_the_running_run(self, context: Any, workspace: Workspace) -> None:
        workspace.states = [("RUNNING", None)]
        for _ in range(2):
            with pytest.raises(TaskDeferred) as deferred:
                notebook(deferrable=True).execute(context)
        assert len(workspace.submitted) == 1
        trigger = deferred.value.trigger
        assert isinstance(trigger, DatabricksExecutionTrigger)
        assert trigger.serialize()[1]["run_id"] == 1

    def test_completes_by_looking_again(self, context: Any, workspace: Workspace) -> None:
        workspace.states = [("RUNNING", None), ("TERMINATED", "SUCCESS")]
        with pytest.raises(TaskDeferred):
            notebook(deferrable=True).execute(context)
        assert notebook(deferrable=True).execute_complete(context, {"run_id": 1}) == {"landed": 3}
        assert context["task_state_store"] == {}

    def test_a_task_that_is_cleared_after_success_runs_again(self, context: Any, workspace: Workspace) -> None:
        notebook().execute(context)
        notebook().execute(context)
        assert len(workspace.submitted) == 2

    @pytest.mark.parametrize("deferrable", [False, True], ids=["wait", "defer"])
    def test_failure_tells_the_tasks_error_and_the_next_try_starts_another(
        self, context: Any, workspace: Workspace, deferrable: bool
    ) -> None:
        workspace.states = [("TERMINATED", "FAILED")]
        with pytest.raises(NotebookFailed, match=r"/n ended FAILED\. ValueError: boom\. Open http://w/1") as caught:
            notebook(deferrable=deferrable).execute(context)
        assert caught.value.data["run_id"] == 1
        workspace.states = [("TERMINATED", "SUCCESS")]
        assert notebook().execute(context) == {"landed": 3}
        assert len(workspace.submitted) == 2

    def test_a_run_of_an_earlier_try_that_was_cancelled_meanwhile(self, context: Any, workspace: Workspace) -> None:
        workspace.states = [("RUNNING", None)]
        operator = notebook(deferrable=True)
        with pytest.raises(TaskDeferred):
            operator.execute(context)
        operator.on_kill()
        workspace.states = [("TERMINATED", "SUCCESS")]
        noted: list[str] = []
        workspace.before_submit = lambda asked: noted.append(context["task_state_store"]["idempotency_token"])
        assert notebook(deferrable=True).execute(context) == {"landed": 3}
        assert [asked["idempotency_token"] for asked in workspace.submitted] == noted, "each noted before it was sent"
        assert len(set(noted)) == 2

    @pytest.mark.parametrize("state", [("INTERNAL_ERROR", None), ("SKIPPED", None), ("TERMINATED", "CANCELED")])
    def test_other_ends(self, context: Any, workspace: Workspace, state: Any) -> None:
        workspace.states = [state]
        with pytest.raises(NotebookFailed, match=f"{state[1] or state[0]}.*told"):
            notebook().execute(context)

    def test_map_indexes_have_runs_of_their_own(self, context: Any, workspace: Workspace) -> None:
        context.pop("task_state_store")
        for index in (0, 1, 1):
            context["ti"].map_index = index
            notebook().execute(context)
        assert len(workspace.submitted) == 2

    def test_without_a_store_one_that_is_cleared_after_success_runs_again(
        self, context: Any, workspace: Workspace
    ) -> None:
        context.pop("task_state_store")
        for number in (1, 2, 3):
            context["ti"].try_number = number
            notebook().execute(context)
            assert len(workspace.submitted) == number

    def test_without_a_store_a_retry_adopts_what_still_runs(self, context: Any, workspace: Workspace) -> None:
        context.pop("task_state_store")
        workspace.states = [("RUNNING", None)]
        for number in (1, 2, 3):
            context["ti"].try_number = number
            with pytest.raises(TaskDeferred) as deferred:
                notebook(deferrable=True).execute(context)
            assert deferred.value.trigger.serialize()[1]["run_id"] == 1
        assert len(workspace.submitted) == 1

    def test_without_a_store_a_retry_after_a_failure_starts_another(self, context: Any, workspace: Workspace) -> None:
        context.pop("task_state_store")
        workspace.states = [("TERMINATED", "FAILED")]
        with pytest.raises(NotebookFailed):
            notebook().execute(context)
        context["ti"].try_number = 2
        workspace.states = [("TERMINATED", "SUCCESS")]
        assert notebook().execute(context) == {"landed": 3}
        assert len(workspace.submitted) == 2


def _without_http_retry(operator: DatabricksRunNotebookOperator) -> DatabricksRunNotebookOperator:
    operator.__dict__["hook"] = type(operator.hook)("databricks_default", retry_limit=1)
    return operator


class TestDatabricksQualityOperator:
    rules = (
        Query("holds", "All is well.", "SELECT 0 AS failures, NULL AS example", severity=Severity.ERROR),
        Query("odd", "Odd things.", "SELECT 1", severity=Severity.WARN),
        Query("broken", "Never so.", "SELECT 2", severity=Severity.ERROR),
    )

    def run(self, context: Any, server: Any, failures: dict[str, int]) -> Any:
        rows = [[name, str(count), f"{name} 7" if count else None] for name, count in failures.items()]
        kinds = (("rule", "STRING"), ("failures", "LONG"), ("example", "STRING"))
        columns = [{"name": name, "type_name": kind} for name, kind in kinds]
        answer = {
            "statement_id": "s",
            "status": {"state": "SUCCEEDED"},
            "manifest": {"schema": {"columns": columns}},
            "result": {"data_array": rows},
        }
        server.handler = lambda *_: (200, answer)
        return DatabricksQualityOperator(task_id="t", rules=self.rules, warehouse_id="w", catalog="c").execute(context)

    def test_all_rules_in_one_statement(self, context: Any, server: Any) -> None:
        assert self.run(context, server, {"holds": 0, "odd": 0, "broken": 0}) == {}
        assert len(server.requests) == 1
        sql = json.loads(server.requests[0][3])["statement"]
        assert sql.count("UNION ALL") == 2
        assert all(f"'{rule.name}' AS rule" in sql and rule.text in sql for rule in self.rules)

    def test_warnings_are_returned(self, context: Any, server: Any) -> None:
        found = self.run(context, server, {"holds": 0, "odd": 4, "broken": 0})
        assert found == {"odd": {"severity": "warn", "failures": 4, "example": "odd 7"}}

    def test_errors_fail_with_the_rows(self, context: Any, server: Any) -> None:
        with pytest.raises(
            QualityFailed, match=r"1 quality rules are broken\. broken \(2 rows, for example broken 7\)"
        ) as caught:
            self.run(context, server, {"holds": 0, "odd": 4, "broken": 2})
        assert set(caught.value.data["rows"]) == {"broken"}
