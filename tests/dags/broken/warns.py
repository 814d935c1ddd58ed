# Uses something that goes away.
from __future__ import annotations

import warnings

import pendulum
from airflow.sdk import DAG

warnings.warn("gone", DeprecationWarning, stacklevel=1)

with DAG("broken_warns", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    pass
