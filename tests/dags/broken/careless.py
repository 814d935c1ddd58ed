# Breaks every rule of the policy.
from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from pinflow.sensors.kafka_rest import KafkaRestTopicSensor

with DAG(
    "Careless",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=True,
    params={"untold": Param(1, type="integer")},
):
    KafkaRestTopicSensor(task_id="wait", topic="a", deferrable=True, retries=0)
