"""What all routes share: token, errors, health, clusters; and that the server needs no Spark to be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.sandbox.databricks.harness import TOKEN, Workspace

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("header", [None, "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer ", "Bearer \u00e4"])
def test_without_the_token_everything_is_401(workspace: Workspace, header: str | None) -> None:
    headers = {b"Authorization": header.encode("latin-1")} if header else {}
    for method, path in (("GET", "2.2/jobs/list"), ("POST", "2.2/jobs/runs/submit"), ("GET", "2.0/none")):
        answer = workspace.client.request(method, f"/api/{path}", headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")


def test_health_needs_no_token(workspace: Workspace) -> None:
    assert workspace.client.get("/_health").json() == {"status": "ok", "active_runs": 0}


def test_an_unknown_path_is_404_in_the_form_of_databricks(workspace: Workspace) -> None:
    answer = workspace.raw("GET", "2.0/unity-catalog/tables")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_a_body_that_is_no_object_is_400(workspace: Workspace, content: bytes) -> None:
    answer = workspace.client.post(
        "/api/2.2/jobs/create", headers={"Authorization": f"Bearer {TOKEN}"}, content=content
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


def test_a_field_of_the_wrong_type_is_400(workspace: Workspace) -> None:
    assert workspace.raw("POST", "2.0/workspace/mkdirs", path=5).status_code == 400
    assert workspace.raw("GET", "2.2/jobs/get", job_id="1.5").status_code == 400
    assert workspace.raw("POST", "2.2/jobs/delete", job_id=True).status_code == 400


def test_get_takes_its_fields_from_the_query_or_from_a_body(workspace: Workspace) -> None:
    """The Airflow provider's hook uses the query, its triggers a JSON body (databricks_base.py, _a_do_api_call)."""
    run, _ = workspace.run("pass")
    answer = workspace.client.request(
        "GET",
        "/api/2.2/jobs/runs/get",
        headers={"Authorization": f"Bearer {TOKEN}"},
        json={"run_id": run["run_id"], "include_history": True},
    )
    assert answer.status_code == 200
    assert answer.json()["repair_history"]
    assert workspace.get(run["run_id"])["run_id"] == run["run_id"]


def test_clusters(workspace: Workspace) -> None:
    assert workspace.call("GET", "2.1/clusters/spark-versions")["versions"][0]["key"] == "18.x-scala2.13"
    found = workspace.call("GET", "2.1/clusters/get", cluster_id="1108-162752-8okw8dgg")
    assert (found["state"], found["state_message"]) == ("RUNNING", "")
    assert workspace.call("POST", "2.1/clusters/start", cluster_id="x") == {}


def test_the_server_starts_without_importing_spark_or_pandas() -> None:
    code = (
        "import sys\nimport sandbox.databricks.__main__, sandbox.databricks.part, sandbox.databricks.notebook.task\n"
        "heavy = {'pyspark', 'pandas', 'boto3', 'grpc', 'duckdb', 'nbformat', 'airflow'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
