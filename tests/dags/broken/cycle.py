# Two tasks that wait for each other.
from __future__ import annotations

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("broken_cycle", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), tags=["broken"]):
    first, second = EmptyOperator(task_id="first"), EmptyOperator(task_id="second")
    first >> second >> first
