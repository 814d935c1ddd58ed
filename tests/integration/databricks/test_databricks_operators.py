"""The unmodified operators, sensor and triggers of apache-airflow-providers-databricks against the workspace."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.databricks.operators.databricks import (
    DatabricksCreateJobsOperator,
    DatabricksRunNowOperator,
    DatabricksSQLStatementsOperator,
    DatabricksSubmitRunOperator,
)
from airflow.providers.databricks.sensors.databricks import DatabricksSQLStatementsSensor
from airflow.sdk.exceptions import AirflowException, TaskDeferred

from tests.integration.databricks.conftest import RealWorkspace

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("connection")]

CELL = (
    "dbutils.widgets.text('topic', 'pin')\ntopic = dbutils.widgets.get('topic')\n"
    "if topic == 'bad': raise ValueError('boom ' + topic)\n"
    "n = spark.range(1000).where('id % 2 = 0').count()\ndbutils.notebook.exit(f'ok {topic} {n}')"
)
QUICK: dict[str, Any] = {"polling_period_seconds": 1, "do_xcom_push": False}


class StateStore(dict[str, Any]):
    """A task state store, as Airflow 3.3 hands it to a task: it outlives a try."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self[key] = value

    def delete(self, key: str) -> None:
        """Forget a value."""
        self.pop(key, None)


class TaskInstance:
    """As much of a task instance as these operators look at."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "manual__1", "task", -1, 1

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}
        self.stats_tags: dict[str, str] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep an XCom."""
        self.xcoms[key] = value


@pytest.fixture
def context() -> Any:
    return {"ti": TaskInstance(), "task_state_store": StateStore(), "params": {}}


@pytest.fixture
def path(real: RealWorkspace) -> str:
    return real.notebook(CELL, path="/Shared/operators/batch")


@pytest.fixture
def hook() -> Any:
    return DatabricksHook("databricks_default")


def event_of(deferred: TaskDeferred) -> Any:
    """What the trigger of a deferred task says in the end."""

    async def wait() -> Any:
        async for event in deferred.trigger.run():
            return event.payload
        return None

    return asyncio.run(asyncio.wait_for(wait(), 120))


def resume(operator: Any, deferred: TaskDeferred, context: Any) -> Any:
    """Go on with a deferred task as Airflow does."""
    return getattr(operator, deferred.method_name)(context, event=event_of(deferred))


def notebook(path: str, topic: str) -> Any:
    return {"notebook_path": path, "base_parameters": {"topic": topic}}


class TestSubmitRun:
    def test_the_old_form_with_a_new_cluster(self, path: str, context: Any, hook: Any) -> None:
        operator: Any = DatabricksSubmitRunOperator(
            task_id="submit",
            notebook_task=notebook(path, "user"),
            new_cluster={"spark_version": "18.x-scala2.13", "num_workers": 1, "node_type_id": "m"},
            **QUICK,
        )
        operator.execute(context)
        output = hook.get_run_output(operator.run_id)
        assert output["notebook_output"]["result"] == "ok user 500"

    def test_an_existing_cluster_and_xcoms(self, path: str, context: Any) -> None:
        operator: Any = DatabricksSubmitRunOperator(
            task_id="submit", notebook_task={"notebook_path": path}, existing_cluster_id="1108-162752-8okw8dgg",
            polling_period_seconds=1,
        )  # fmt: skip
        operator.execute(context)
        assert context["ti"].xcoms["run_id"] == operator.run_id
        assert context["ti"].xcoms["run_page_url"].endswith(f"/runs/{operator.run_id}")

    def test_a_failure_carries_the_error_of_the_notebook(self, path: str, context: Any) -> None:
        tasks: list[object] = [
            {"task_key": "bad", "notebook_task": {"notebook_path": path, "base_parameters": {"topic": "bad"}}}
        ]
        operator: Any = DatabricksSubmitRunOperator(task_id="submit", tasks=tasks, **QUICK)
        with pytest.raises(AirflowException) as caught:
            operator.execute(context)
        assert "'task_key': 'bad'" in str(caught.value)
        assert "'error': 'ValueError: boom bad'" in str(caught.value)

    def test_deferred(self, path: str, context: Any, hook: Any) -> None:
        operator: Any = DatabricksSubmitRunOperator(
            task_id="submit", notebook_task={"notebook_path": path}, deferrable=True, **QUICK
        )
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        resume(operator, deferred.value, context)
        assert hook.get_run_state(operator.run_id).is_successful

    def test_deferred_failure(self, path: str, context: Any) -> None:
        operator: Any = DatabricksSubmitRunOperator(
            task_id="submit",
            notebook_task=notebook(path, "bad"),
            deferrable=True,
            **QUICK,
        )
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        with pytest.raises(AirflowException, match="boom bad"):
            resume(operator, deferred.value, context)

    def test_killing_the_task_cancels_the_run(self, real: RealWorkspace, context: Any, hook: DatabricksHook) -> None:
        waiting = real.notebook("import threading\nthreading.Event().wait()", path="/Shared/operators/wait")
        operator: Any = DatabricksSubmitRunOperator(
            task_id="submit", notebook_task={"notebook_path": waiting}, wait_for_termination=False, **QUICK
        )
        operator.execute(context)
        operator.on_kill()
        real.wait(operator.run_id)
        state = hook.get_run_state(operator.run_id)
        assert (state.life_cycle_state, state.result_state) == ("TERMINATED", "CANCELED")

    def test_a_token_finds_the_same_run(self, path: str, context: Any) -> None:
        runs = set()
        for _ in range(2):
            operator: Any = DatabricksSubmitRunOperator(
                task_id="submit", notebook_task={"notebook_path": path}, idempotency_token="dag:run:task", **QUICK
            )
            operator.execute({**context, "task_state_store": StateStore()})
            runs.add(operator.run_id)
        assert len(runs) == 1

    def test_a_retry_finds_the_run_of_the_last_try(self, real: RealWorkspace, path: str, context: Any) -> None:
        """The durable path: the run id is kept in the task state store, and a successful run is not run again."""
        runs = []
        for _ in range(2):
            operator: Any = DatabricksSubmitRunOperator(
                task_id="submit", notebook_task={"notebook_path": path}, **QUICK
            )
            operator.execute(context)
            runs.append(operator.run_id)
        submitted = [run["run_id"] for run in real.call("GET", "2.2/jobs/runs/list", limit=2)["runs"]]
        assert runs[0] == runs[1] == submitted[0]

    def test_a_run_that_is_gone_is_submitted_again(self, real: RealWorkspace, path: str, context: Any) -> None:
        first: Any = DatabricksSubmitRunOperator(task_id="submit", notebook_task={"notebook_path": path}, **QUICK)
        first.execute(context)
        real.call("POST", "2.2/jobs/runs/delete", run_id=first.run_id)
        second: Any = DatabricksSubmitRunOperator(task_id="submit", notebook_task={"notebook_path": path}, **QUICK)
        second.execute(context)
        assert second.run_id != first.run_id


class TestJobs:
    def job(self, path: str, name: str) -> dict[str, Any]:
        return {"name": name, "tasks": [{"task_key": "t", "notebook_task": {"notebook_path": path}}]}

    def test_create_then_reset(self, path: str, context: Any, real: RealWorkspace) -> None:
        first = DatabricksCreateJobsOperator(task_id="create", json=self.job(path, "created")).execute(context)
        again = DatabricksCreateJobsOperator(
            task_id="create", json={**self.job(path, "created"), "timeout_seconds": 60}
        )
        assert again.execute(context) == first
        assert int(real.call("GET", "2.2/jobs/get", job_id=first)["settings"]["timeout_seconds"]) == 60

    def test_run_now_by_name(self, path: str, context: Any, hook: Any) -> None:
        hook.create_job(self.job(path, "nightly: batch"))
        operator = DatabricksRunNowOperator(
            task_id="run", job_name="nightly: batch", notebook_params={"topic": "geo"}, **QUICK
        )
        operator.execute(context)
        assert hook.get_run_output(operator.run_id)["notebook_output"]["result"] == "ok geo 500"

    def test_run_now_deferred_by_id(self, path: str, context: Any, hook: Any) -> None:
        job_id = hook.create_job(self.job(path, "by id"))
        operator = DatabricksRunNowOperator(
            task_id="run", job_id=str(job_id), job_parameters={"topic": "user"}, deferrable=True, **QUICK
        )
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        resume(operator, deferred.value, context)
        assert hook.get_run_output(operator.run_id)["notebook_output"]["result"] == "ok user 500"

    def test_two_jobs_of_one_name_are_an_error(self, path: str, context: Any, hook: Any) -> None:
        for _ in range(2):
            hook.create_job(self.job(path, "twice"))
        operator = DatabricksRunNowOperator(task_id="run", job_name="twice", **QUICK)
        with pytest.raises(AirflowException, match="more than one job with name twice"):
            operator.execute(context)

    def test_previous_runs_are_cancelled_on_request(
        self, real: RealWorkspace, context: Any, hook: DatabricksHook
    ) -> None:
        waiting = real.notebook("import threading\nthreading.Event().wait()", path="/Shared/operators/wait")
        job_id = hook.create_job(self.job(waiting, "previous"))
        before = hook.run_now({"job_id": job_id})
        hook.reset_job(str(job_id), self.job(real.notebook("pass", path="/Shared/operators/quick"), "previous"))
        DatabricksRunNowOperator(task_id="run", job_id=str(job_id), cancel_previous_runs=True, **QUICK).execute(context)
        assert real.wait(before)["state"]["result_state"] == "CANCELED"


class TestSqlStatements:
    def test_a_statement(self, context: Any, real: RealWorkspace) -> None:
        operator: Any = DatabricksSQLStatementsOperator(
            task_id="sql",
            statement="CREATE OR REPLACE TABLE spark_catalog.default.by_operator AS SELECT :day AS day",
            warehouse_id="sandbox",
            parameters=[{"name": "day", "value": "2022-03-01", "type": "DATE"}],
            polling_period_seconds=1,
        )
        operator.execute(context)
        assert real.rows("SELECT day, typeof(day) FROM spark_catalog.default.by_operator") == [["2022-03-01", "date"]]

    def test_an_error_is_raised_with_its_text(self, context: Any) -> None:
        operator: Any = DatabricksSQLStatementsOperator(
            task_id="sql", statement="SELECT * FROM nowhere", warehouse_id="sandbox", polling_period_seconds=1
        )
        with pytest.raises(AirflowException, match="TABLE_OR_VIEW_NOT_FOUND"):
            operator.execute(context)

    def test_deferred(self, context: Any) -> None:
        operator: Any = DatabricksSQLStatementsOperator(
            task_id="sql",
            statement="SELECT count(*) FROM range(300000000) WHERE hash(id) % 7 = 1",
            warehouse_id="sandbox",
            deferrable=True,
            polling_period_seconds=1,
        )
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        resume(operator, deferred.value, context)

    def test_a_time_that_is_over_cancels_the_statement(self, context: Any, hook: Any) -> None:
        operator: Any = DatabricksSQLStatementsOperator(
            task_id="sql",
            statement="SELECT count(*) FROM range(10000000000) WHERE hash(id) % 7 = id % 5",
            warehouse_id="sandbox",
            timeout=2,
            polling_period_seconds=1,
        )
        with pytest.raises(AirflowException, match="timed out"):
            operator.execute(context)
        assert hook.get_sql_statement_state(operator.statement_id).state == "CANCELED"

    def test_the_sensor(self, context: Any, hook: Any) -> None:
        statement_id = hook.post_sql_statement({"statement": "SELECT 1", "warehouse_id": "sandbox"})
        sensor: Any = DatabricksSQLStatementsSensor(
            task_id="sensor", warehouse_id="sandbox", statement_id=statement_id, poke_interval=1
        )
        assert sensor.poke(context)


def test_the_connection_test(hook: Any) -> None:
    assert hook.test_connection() == (True, "Connection successfully tested")
