"""The two parts of the workspace: the warm Spark Connect server and the REST server in front of it."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
from dataclasses import dataclass

from sandbox.databricks import spark_connect
from sandbox.supervisor.part import Command, Context

CHECK_TIMEOUT = 4.5
AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_KINESIS", "AWS_EC2_METADATA_DISABLED",
)  # fmt: skip


@dataclass(frozen=True)
class SparkPart:
    """One Spark Connect server in one JVM, in the foreground, with its state in the part's data folder."""

    name: str = "spark"
    stands_for: str = "Databricks cluster (Runtime 18 LTS)"
    requires: tuple[str, ...] = ()
    stop_grace: float = 15.0

    def prepare(self, context: Context) -> None:
        """Write the properties file and clear temporary folders."""
        spark_connect.write_configuration(context)

    def command(self, context: Context) -> Command:
        """``spark-submit`` replaces itself by the JVM, so the process started here is the server."""
        home = spark_connect.pyspark_home(context)
        properties = context.data(self.name) / "spark.properties"
        argv = (
            str(home / "bin" / "spark-submit"), "--properties-file", str(properties),
            "--class", spark_connect.SERVER_CLASS, "spark-internal",
        )  # fmt: skip
        known = context.client_environment()
        environment = {
            "SPARK_NO_DAEMONIZE": "1",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_HOME": str(home),
            "JAVA_HOME": str(context.java.resolve().parents[1]),
            "PYSPARK_PYTHON": str(context.python("spark")),
            "PYTHONPATH": str(spark_connect.python_path(context)),
            "TMPDIR": str(spark_connect.temporary(context)),
            "TZ": "UTC",
            **{name: known[name] for name in AWS_VARIABLES if name in known},
        }
        return Command(argv, environment, cwd=context.data(self.name))

    def check(self, context: Context) -> str | None:
        """Ask for Spark's version through gRPC; a listening port alone is not an answer."""
        port = context.port(self.name)
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return "its port does not listen yet"
        argv = (str(context.python("spark")), "-m", "sandbox.databricks.probe", str(port))
        try:
            answer = subprocess.run(argv, cwd=context.root, capture_output=True, text=True, timeout=CHECK_TIMEOUT)
        except subprocess.TimeoutExpired:
            return f"no gRPC answer within {CHECK_TIMEOUT} s"
        return None if answer.returncode == 0 else (answer.stderr.strip().splitlines() or ["the probe failed"])[-1]

    def ready(self, context: Context) -> None:
        """Nothing to do: the workspace server warms it up."""


@dataclass(frozen=True)
class DatabricksPart:
    """The workspace's REST API, run pages and notebook runs.

    ``adopts``: notebook runs outlive a killed server and are found again by the next one, so the
    supervisor leaves them alone.
    """

    name: str = "databricks"
    stands_for: str = "Databricks workspace (Jobs, Workspace, Secrets, SQL)"
    requires: tuple[str, ...] = ("spark", "aws")
    stop_grace: float = 15.0
    adopts: bool = True

    def prepare(self, context: Context) -> None:
        """Nothing to write: the server makes its own database."""

    def command(self, context: Context) -> Command:
        """The server runs in the Spark environment; its keys are in the environment, never in the arguments."""
        argv = (
            str(context.python("spark")), "-m", "sandbox.databricks",
            "--port", str(context.port(self.name)),
            "--data", str(context.data(self.name)),
            "--spark-port", str(context.port(spark_connect.PART)),
        )  # fmt: skip
        known = context.client_environment()
        environment = {name: known[name] for name in AWS_VARIABLES if name in known}
        return Command(argv, {**environment, "DATABRICKS_TOKEN": context.secret("databricks-token")}, cwd=context.root)

    def check(self, context: Context) -> str | None:
        """Ask ``/_health``."""
        connection = http.client.HTTPConnection("127.0.0.1", context.port(self.name), timeout=CHECK_TIMEOUT)
        try:
            connection.request("GET", "/_health")
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"/_health does not answer: {error}"
        finally:
            connection.close()
        return None if answer.get("status") == "ok" else str(answer)

    def ready(self, context: Context) -> None:
        """Nothing to do."""


PARTS = (SparkPart(), DatabricksPart())
