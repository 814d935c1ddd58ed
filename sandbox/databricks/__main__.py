"""``python -m sandbox.databricks --port N --data FOLDER [--spark-port N]``; the token is in ``DATABRICKS_TOKEN``."""

from __future__ import annotations

import argparse
import logging
import os
import time
from pathlib import Path

import uvicorn

from sandbox.databricks.server import Configuration, create_app
from sandbox.databricks.sessions import ConnectSessions, NoSessions
from sandbox.databricks.sql.engine import NoEngine, SparkEngine

DEFAULT_SLOTS = 3
GRACEFUL_SECONDS = 2


def main() -> None:
    """Serve until SIGTERM, then end the runs and stop."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.databricks", description="A Databricks workspace.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--spark-port", type=int, help="of the Connect server; without it notebooks have no Spark")
    parser.add_argument("--slots", type=int, default=DEFAULT_SLOTS, help="tasks that may run at once")
    options = parser.parse_args()
    os.environ["TZ"] = "UTC"
    time.tzset()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    configuration = Configuration(
        data=options.data,
        base_url=f"http://127.0.0.1:{options.port}",
        token=os.environ["DATABRICKS_TOKEN"],
        engine=SparkEngine(options.spark_port) if options.spark_port else NoEngine(),
        sessions=ConnectSessions(options.spark_port) if options.spark_port else NoSessions(),
        spark_port=options.spark_port,
        slots=options.slots,
    )
    uvicorn.run(
        create_app(configuration),
        host="127.0.0.1",
        port=options.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


if __name__ == "__main__":
    main()
