"""The Kafka Connect worker of the sandbox."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from sandbox.kafka.part import fresh_folder, java, write_properties
from sandbox.supervisor.part import Command, Context

LOG4J2 = Path(__file__).with_name("log4j2.properties")
HEAP = "512m"
GROUP = "pinflow-connect"
HEALTH_TIMEOUT = 4.0


@dataclass(frozen=True)
class ConnectPart:
    """One distributed worker; its connectors and offsets live in topics of the broker."""

    name: str = "connect"
    stands_for: str = "Amazon MSK Connect"
    requires: tuple[str, ...] = ("kafka", "aws")
    stop_grace: float = 20.0

    def prepare(self, context: Context) -> None:
        """Write ``connect.properties``."""
        folder = context.data(self.name)
        fresh_folder(folder / "tmp")
        worker = worker_properties(context.port("kafka"), context.port(self.name), context.setup / "plugins")
        write_properties(folder / "connect.properties", worker)

    def command(self, context: Context) -> Command:
        """``ConnectDistributed connect.properties``; the sink's AWS SDK takes its endpoint and keys from here."""
        folder = context.data(self.name)
        aws = {name: value for name, value in context.client_environment().items() if name.startswith("AWS_")}
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        return Command((*java(context, folder, HEAP, LOG4J2), main, str(folder / "connect.properties")), aws, folder)

    def check(self, context: Context) -> str | None:
        """Ask the worker's health page, which is well once it has read its topics and joined its group."""
        url = f"{context.url(self.name)}/health"
        try:
            with urllib.request.urlopen(url, timeout=HEALTH_TIMEOUT) as answer:
                return None if answer.status == 200 else f"health page says {answer.status}"
        except urllib.error.HTTPError as error:
            return _message(error)
        except OSError as error:
            return f"no answer from {url}: {error}"

    def ready(self, context: Context) -> None:
        """Nothing: connectors are the pipeline's own to make."""


def worker_properties(kafka_port: int, port: int, plugins: Path) -> dict[str, str]:
    """The worker's configuration.

    :param kafka_port: the broker's, on loopback.
    :param port: of the REST interface, on loopback.
    :param plugins: holds one folder a plugin.
    """
    return {
        "bootstrap.servers": f"127.0.0.1:{kafka_port}",
        "group.id": GROUP,
        "listeners": f"http://127.0.0.1:{port}",
        "rest.advertised.host.name": "127.0.0.1",
        "rest.advertised.port": str(port),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "config.storage.topic": f"{GROUP}-configs",
        "config.storage.replication.factor": "1",
        "offset.storage.topic": f"{GROUP}-offsets",
        "offset.storage.replication.factor": "1",
        "offset.storage.partitions": "1",
        "status.storage.topic": f"{GROUP}-status",
        "status.storage.replication.factor": "1",
        "status.storage.partitions": "1",
        "offset.flush.interval.ms": "5000",
        "scheduled.rebalance.max.delay.ms": "0",
        "connector.client.config.override.policy": "All",
        "plugin.path": str(plugins),
        "plugin.discovery": "service_load",
    }


def _message(error: urllib.error.HTTPError) -> str:
    try:
        document = json.load(error)
    except ValueError:
        return f"health page says {error.code}"
    return f"{document.get('status', error.code)}: {document.get('message', '')}"


PART = ConnectPart()
