"""From what landed to the answers, one data interval at a time.

Scheduled runs and backfills process one day (UTC) of record time; running a day again changes nothing. A manual run
takes `from` and `to`, and otherwise today so far.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.providers.databricks.operators.databricks import DatabricksSQLStatementsOperator
from airflow.sdk import DAG, Asset, Param, chain, get_current_context, task

from include import sql
from include.config.settings import TABLES, load
from pinflow.operators.databricks import DatabricksQualityOperator, DatabricksRunNotebookOperator
from pinflow.operators.reconcile import ReconcileOperator
from pinflow.operators.report import BatchReportOperator
from pinflow.retries import FAIL_FAST
from pinflow.sensors.landing import KafkaConnectLandingSensor
from pinflow.timetables import CronDataIntervalFromTimetable

if TYPE_CHECKING:
    from pinflow.intervals import Batch

settings = load()
workspace = settings.workspace
lake: dict[str, Any] = {"catalog": workspace.catalog, "warehouse_id": workspace.warehouse_id}
TIME = "^$|^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$"

with DAG(
    dag_id="pinflow_batch",
    schedule=CronDataIntervalFromTimetable("@daily", first_day=settings.batch.first_day),
    start_date=pendulum.datetime(2017, 10, 19, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["pinflow", "batch"],
    doc_md=__doc__,
    dagrun_timeout=timedelta(hours=6),
    default_args={
        "owner": "data-platform",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "retry_policy": FAIL_FAST,
        "execution_timeout": timedelta(hours=2),
    },
    params={
        "from": Param(
            "",
            type=["null", "string"],
            pattern=TIME,
            title="From",
            description_md="Start of the record times, ISO 8601 in UTC. Empty: the run's own interval.",
        ),
        "to": Param(
            "", type=["null", "string"], pattern=TIME, title="To", description_md="End of the record times, exclusive."
        ),
        "as_of": Param(
            "",
            type=["null", "string"],
            pattern=TIME,
            title="As of",
            description_md="The moment for the answers of 'this year'. Empty: the latest post.",
        ),
        "foreign_records": Param(
            str(settings.batch.foreign_records),
            type="string",
            enum=["fail", "report"],
            title="Records that the ledger does not know",
            description_md="`report` when other clients post to the topics too.",
        ),
    },
):

    @task(multiple_outputs=True)
    def interval() -> Batch:
        """Fix the record times of this run for all tasks after this one."""
        from pinflow.intervals import of_run

        return of_run(get_current_context())

    batch: Any = interval()

    wait_for_landing = KafkaConnectLandingSensor(
        task_id="wait_for_landing",
        topics=settings.topics,
        connector_name=settings.connect.connector_name,
        poke_interval=2,
        timeout=timedelta(minutes=30).total_seconds(),
        deferrable=True,
    )

    clean = DatabricksRunNotebookOperator.partial(
        task_id="clean",
        map_index_template="{{ task.parameters['table'] }}",
        notebook_path=f"{workspace.root}/include/spark/notebooks/batch_clean",
        cluster=dict(workspace.cluster),
        deferrable=True,
    ).expand(
        parameters=[
            {
                "table": table,
                "topic": settings.topic(table),
                "landing_url": settings.landing.url,
                "catalog": workspace.catalog,
                "interval_start": "{{ ti.xcom_pull(task_ids='interval')['start'] }}",
                "interval_end": "{{ ti.xcom_pull(task_ids='interval')['end'] }}",
                "batch_id": "{{ ti.xcom_pull(task_ids='interval')['batch_id'] }}",
            }
            for table in TABLES
        ]
    )

    quality = DatabricksQualityOperator(task_id="quality", rules=sql.quality(), **lake)

    @task
    def gold_statements() -> list[dict[str, Any]]:
        """One statement a question; each becomes a task of its own."""
        as_of = get_current_context()["params"]["as_of"]
        return [
            {
                "statement": sql.statement(query, workspace.catalog, dict.fromkeys(query.parameters, as_of)),
                "query_tags": {"query": query.name},
            }
            for query in sql.gold()
        ]

    statements: Any = gold_statements()
    gold = DatabricksSQLStatementsOperator.partial(
        task_id="gold",
        map_index_template="{{ task.query_tags['query'] }}",
        polling_period_seconds=1,
        **lake,
    ).expand_kwargs(statements)

    reconcile = ReconcileOperator(
        task_id="reconcile",
        topics={table: settings.topic(table) for table in TABLES},
        dead_letter_topic=settings.dead_letter_topic,
        start=batch["start"],
        end=batch["end"],
        foreign_records="{{ params.foreign_records }}",
        **lake,
    )

    report = BatchReportOperator(
        task_id="report",
        queries=sql.gold(),
        batch_id=batch["batch_id"],
        outlets=[Asset("gold", uri="x-pinflow://gold")],
        **lake,
    )

    chain(batch, wait_for_landing, clean, quality, statements, gold, reconcile, report)
