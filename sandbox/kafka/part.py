"""The Kafka broker of the sandbox: one KRaft node from Maven's jars."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.supervisor.part import Command, Context

LOG4J2 = Path(__file__).with_name("log4j2.properties")
HEAP = "512m"
NODE = 1
CENTURY_MS = 100 * 365 * 86_400_000
FORMAT_TIMEOUT = 60.0
METADATA_TIMEOUT = 3.0


class FormatError(RuntimeError):
    """The broker's data folder could not be formatted; the text carries Kafka's own words."""


@dataclass(frozen=True)
class KafkaPart:
    """Broker and controller in one process, on loopback, with its log in the data folder."""

    name: str = "kafka"
    stands_for: str = "Amazon MSK"
    requires: tuple[str, ...] = ()
    stop_grace: float = 20.0

    def prepare(self, context: Context) -> None:
        """Write ``server.properties``; format the log folder on the first start.

        :raises FormatError: Kafka's storage tool refused.
        """
        folder = context.data(self.name)
        fresh_folder(folder / "tmp")
        server = self._server(context, folder / "log")
        write_properties(folder / "server.properties", server)
        if not (folder / "log" / "meta.properties").exists():
            self._format(context, server)

    def command(self, context: Context) -> Command:
        """``kafka.Kafka server.properties`` with a heap of 512 MiB."""
        folder = context.data(self.name)
        return Command(
            (*java(context, folder, HEAP, LOG4J2), "kafka.Kafka", str(folder / "server.properties")), cwd=folder
        )

    def check(self, context: Context) -> str | None:
        """Ask the broker for the cluster's metadata, as any client does first."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        port = context.port(self.name)
        address = f"127.0.0.1:{port}"
        if not _listens(port):
            return f"nothing listens on {address}"
        client = AdminClient({"bootstrap.servers": address, "broker.address.family": "v4", "log_level": 0})
        try:
            metadata = client.list_topics(timeout=METADATA_TIMEOUT)
        except KafkaException as error:
            return f"no metadata from {address}: {error.args[0].str()}"
        return None if metadata.brokers else "the broker has not registered yet"

    def ready(self, context: Context) -> None:
        """Nothing: topics are the pipeline's own to make."""

    def _server(self, context: Context, log: Path) -> dict[str, str]:
        return server_properties(context.port(self.name), context.port(self.name, "controller"), log)

    def _format(self, context: Context, server: Mapping[str, str]) -> None:
        """Format beside the log folder, then rename: a kill half-way leaves nothing half formatted."""
        folder = context.data(self.name)
        draft = fresh_folder(folder / "log.new")
        config = write_properties(folder / "format.properties", {**server, "log.dirs": str(draft)})
        tool = (*java(context, folder, "128m", LOG4J2), "kafka.tools.StorageTool", "format")
        argv = (*tool, "--cluster-id", cluster_id(folder / "cluster-id"), "--config", str(config))
        done = subprocess.run(argv, capture_output=True, text=True, timeout=FORMAT_TIMEOUT, check=False, cwd=folder)
        if done.returncode:
            raise FormatError(
                f"Kafka's storage tool could not format {draft}: {(done.stderr or done.stdout).strip()[-800:]}. "
                "Free the folder or the disk, then start again."
            )
        shutil.rmtree(folder / "log", ignore_errors=True)
        draft.rename(folder / "log")


def server_properties(port: int, controller_port: int, log: Path) -> dict[str, str]:
    """The broker's configuration.

    Topics are never made by accident, record times of past years are taken, and nothing expires or
    rolls because of them.

    :param port: where clients connect, on loopback.
    :param controller_port: where the node talks to its own controller, on loopback.
    :param log: the folder of partitions.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE),
        "controller.quorum.voters": f"{NODE}@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(log),
        "auto.create.topics.enable": "false",
        "num.partitions": "3",
        "default.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "broker.session.timeout.ms": "6000",  # a killed broker may come back only when its old session has ended
        "broker.heartbeat.interval.ms": "1000",
        "log.retention.ms": "-1",
        "log.retention.bytes": "-1",
        "log.message.timestamp.type": "CreateTime",
        "log.message.timestamp.before.max.ms": str(2**63 - 1),
        "log.roll.ms": str(CENTURY_MS),
        "log.segment.bytes": str(64 * 1024 * 1024),
        "log.index.size.max.bytes": str(1024 * 1024),
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def write_properties(path: Path, values: Mapping[str, str]) -> Path:
    """Write a Java properties file; keys and values must need no escapes beyond the backslash."""
    lines = (f"{key}={value}\n" for key, value in values.items())
    path.write_text("".join(lines).replace("\\", "\\\\"), encoding="utf-8")
    return path


def cluster_id(path: Path) -> str:
    """The cluster's id from its file, made on the first call: 16 random bytes in URL-safe base64."""
    if not path.exists():
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        draft = path.with_suffix(".new")
        draft.write_text("A" + made[1:], encoding="utf-8")  # Kafka takes a leading hyphen for an option
        draft.replace(path)
    return path.read_text(encoding="utf-8").strip()


def java(context: Context, folder: Path, heap: str, log4j2: Path) -> tuple[str, ...]:
    """The start of a command that runs a class of the Kafka jars.

    :param folder: the part's data folder; native libraries are unpacked into its ``tmp``.
    :param heap: the largest heap, for example ``512m``.
    :param log4j2: the logging configuration.
    """
    return (
        str(context.java), f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError",
        "-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true", f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dlog4j2.configurationFile={log4j2}", "-cp", context.jars("kafka"),
    )  # fmt: skip


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), METADATA_TIMEOUT).close()
    except OSError:
        return False
    return True


def fresh_folder(path: Path) -> Path:
    """An empty folder, whatever was there before."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


PART = KafkaPart()
