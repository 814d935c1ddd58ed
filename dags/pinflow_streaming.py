"""The streaming job for a window of time: start or adopt it, watch its heartbeats, start it again, report.

Between two windows the job runs on (`at_end` = `leave`), and the next window adopts it. To supervise it without a gap,
give the DAG a timetable as long as its window, for example `CronDataIntervalTimetable("@hourly", timezone="UTC")`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from include.config.settings import TABLES, load
from pinflow.operators.streaming import StreamingJobOperator
from pinflow.retries import FAIL_FAST

settings = load()
streaming, workspace = settings.streaming, settings.workspace

with DAG(
    dag_id="pinflow_streaming",
    schedule=None,
    start_date=pendulum.datetime(2017, 10, 19, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["pinflow", "stream"],
    doc_md=__doc__,
    dagrun_timeout=timedelta(hours=26),
    default_args={
        "owner": "data-platform",
        "retries": 5,
        "retry_delay": timedelta(seconds=10),
        "retry_policy": FAIL_FAST,
        "execution_timeout": timedelta(hours=25),
    },
    params={
        "window_minutes": Param(
            streaming.window_minutes,
            type="number",
            exclusiveMinimum=0,
            maximum=24 * 60,
            title="Minutes to watch",
            description_md="The task ends after so long, with a report.",
        ),
        "until_idle_seconds": Param(
            None,
            type=["null", "number"],
            exclusiveMinimum=0,
            title="End when idle for seconds",
            description_md="Earlier, when nothing came for so long and nothing is behind. Empty: not earlier.",
        ),
        "at_end": Param(
            "leave",
            type="string",
            enum=["leave", "stop"],
            title="The job at the end",
            description_md="`leave` it running, or `stop` it.",
        ),
        "trigger": Param(
            streaming.trigger,
            type="string",
            pattern="^(availableNow|[0-9]+([.][0-9]+)? (millisecond|second|minute|hour)s?)$",
            title="Trigger",
            description_md="When a micro-batch begins, as `1 second`; `availableNow` reads what is there and ends.",
        ),
        "initial_position": Param(
            streaming.initial_position,
            type="string",
            enum=["earliest", "latest"],
            title="Where a new checkpoint begins",
            description_md="An existing checkpoint goes on where it is.",
        ),
        "source": Param(
            streaming.source,
            type="string",
            enum=["kinesis", "kafka"],
            title="Source",
            description_md="The streams, or the topics straight.",
        ),
    },
):
    supervise = StreamingJobOperator(
        task_id="supervise",
        job_id=streaming.job_id,
        notebook_path=f"{workspace.root}/include/spark/notebooks/stream",
        parameters={
            "source": "{{ params.source }}",
            "catalog": workspace.catalog,
            "prefix": settings.prefix,
            "region": settings.region,
            "checkpoint_root": streaming.checkpoint_root,
            "trigger": "{{ params.trigger }}",
            "live_trigger": streaming.live_trigger,
            "initial_position": "{{ params.initial_position }}",
            "tables": ",".join(TABLES),
            "source_options": "{% if params.source == 'kinesis' %}"
            f"{json.dumps(dict(streaming.source_options))}{{% else %}}{{}}{{% endif %}}",
            "kafka_bootstrap": "{{ conn.kafka_default.extra_dejson['bootstrap.servers'] "
            "if params.source == 'kafka' else '' }}",
        },
        cluster=dict(workspace.cluster),
        warehouse_id=workspace.warehouse_id,
        catalog=workspace.catalog,
        window_seconds="{{ params.window_minutes * 60 }}",
        until_idle_seconds="{{ params.until_idle_seconds or '' }}",
        at_end="{{ params.at_end }}",
        stall_seconds=streaming.stall_seconds,
        maximum_restarts=streaming.maximum_restarts,
        polling_period_seconds=15,
        deferrable=True,
    )

    @task
    def report(window: dict[str, Any]) -> dict[str, Any]:
        """Log the window's numbers one by one, and hand them on."""
        import logging

        for name, value in window.items():
            logging.getLogger(__name__).info("%s: %s", name, value)
        return window

    report(supervise.output)  # type: ignore[arg-type]
