"""The control planes as a part of the sandbox."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from include.config.settings import load
from sandbox.supervisor.part import Command, Context

CHECK_SECONDS = 4.0
CLIENT_JAR = "kafka-clients-"


@dataclass(frozen=True)
class Msk:
    """The ``kafka`` and ``kafkaconnect`` interfaces, on one port."""

    name: str = "msk"
    stands_for: str = "MSK and MSK Connect control planes"
    requires: tuple[str, ...] = ("kafka", "connect", "aws")
    stop_grace: float = 10.0

    def prepare(self, context: Context) -> None:
        """Nothing to write: everything is on the command line."""

    def command(self, context: Context) -> Command:
        """The server, with the environment of an AWS client for S3."""
        arguments = {
            "--port": context.port(self.name),
            "--bootstrap-servers": f"127.0.0.1:{context.port('kafka')}",
            "--connect-url": context.url("connect"),
            "--cluster-name": load("sandbox").kafka.cluster_name,
            "--kafka-version": kafka_version(context),
            "--data": context.data(self.name),
        }
        flat = [str(word) for pair in arguments.items() for word in pair]
        argv = (str(context.python("airflow")), "-m", "sandbox.msk", *flat)
        aws = {name: value for name, value in context.client_environment().items() if name.startswith("AWS_")}
        return Command(argv, aws, context.root)

    def check(self, context: Context) -> str | None:
        """Ask the server, which asks the worker."""
        try:
            with urllib.request.urlopen(f"{context.url(self.name)}/_health", timeout=CHECK_SECONDS) as response:
                json.load(response)
        except urllib.error.HTTPError as error:
            return f"the Connect worker does not answer it: {error.read().decode(errors='replace')[:200]}"
        except OSError as error:
            return f"no answer on port {context.port(self.name)}: {error}"
        return None

    def ready(self, context: Context) -> None:
        """Nothing to do."""


def kafka_version(context: Context) -> str:
    """The version of the broker's jars."""
    for jar in sorted((context.setup / "jars" / "kafka").glob(f"{CLIENT_JAR}*.jar")):
        return jar.stem.removeprefix(CLIENT_JAR)
    return "unknown"


PART = Msk()
