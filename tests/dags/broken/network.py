# Opens a socket and starts a process while it is parsed.
from __future__ import annotations

import socket
import subprocess

import pendulum
from airflow.sdk import DAG

try:
    socket.create_connection(("127.0.0.1", 9), timeout=0.1)
except OSError:
    pass
subprocess.run(["true"], check=False)

with DAG("broken_network", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    pass
