"""The variables with which every Airflow process of the sandbox runs."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import yaml

from include.config.settings import FOLDER
from sandbox.supervisor.part import Context


def environment(context: Context) -> dict[str, str]:
    """All ``AIRFLOW__*`` and ``AIRFLOW_CONN_*`` variables, and what clients of the sandbox need.

    ``PARALLELISM`` is 6 because LocalExecutor forks as many workers at once; the execution API
    gets 60 s because a cold api-server on two cores needs more than the 5 s of the default. The scheduler
    sleeps 0.3 s because a trigger that fires before it has drained the executor's events fails its task
    (apache/airflow 71580).
    """
    home = context.data("airflow")
    api = context.url("airflow-api")
    return {
        **context.client_environment(),
        **connections(context),
        "AIRFLOW_HOME": str(home),
        "PINFLOW_SETTINGS": str(settings_file(context)),
        "PYTHONPATH": str(context.root),
        "NO_COLOR": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(context.root / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(context.root / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__PARALLELISM": "6",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(bytes.fromhex(context.secret("airflow-fernet"))).decode(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(context.port("airflow-api")),
        "AIRFLOW__API__BASE_URL": api,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": context.secret("airflow-session"),
        "AIRFLOW__API_AUTH__JWT_SECRET": context.secret("airflow-jwt"),
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
    }


def settings_file(context: Context) -> Path:
    """The sandbox's settings with the day on which this sandbox was made as the first scheduled one."""
    path = context.data("airflow") / "settings.yaml"
    if not path.exists():
        document = yaml.safe_load((FOLDER / "sandbox.yaml").read_text(encoding="utf-8"))
        document["batch"]["first_day"] = datetime.now(UTC).date().isoformat()
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def connections(context: Context) -> dict[str, str]:
    """The connections of the DAGs, as ``AIRFLOW_CONN_*`` JSON."""
    described = {
        "kafka_rest_default": _http(context, "rest-proxy"),
        "gateway_default": _http(context, "gateway"),
        "databricks_default": {
            **_http(context, "databricks"),
            "conn_type": "databricks",
            "password": context.secret("databricks-token"),
        },
        "kafka_default": {
            "conn_type": "kafka",
            "extra": {"bootstrap.servers": f"127.0.0.1:{context.port('kafka')}", "group.id": "pinflow-airflow"},
        },
        "source_default": {
            "conn_type": "generic",
            "extra": {"url": context.client_environment()["PINFLOW_SOURCE_URL"]},
        },
        # Keys, region and addresses come from the AWS_* variables, as on MWAA from the role.
        "aws_default": {"conn_type": "aws"},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in described.items()}


def _http(context: Context, part: str) -> dict[str, object]:
    return {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": context.port(part)}
