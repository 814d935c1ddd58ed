# Takes too long to parse.
from __future__ import annotations

import time

import pendulum
from airflow.sdk import DAG

time.sleep(1.2)

with DAG("broken_slow", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    pass
