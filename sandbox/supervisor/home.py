"""Where a sandbox lives, and what its parts may ask of it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path

from sandbox.supervisor.json_file import JsonFile
from sandbox.supervisor.ports import Ports

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
ACCESS_KEY = "pinflow"


class SandboxBusyError(RuntimeError):
    """Another command is starting or stopping this sandbox."""


@dataclass(frozen=True)
class Home:
    """The folders of one sandbox; implements :class:`sandbox.supervisor.part.Context`.

    :param base: holds ``run/`` (ports, secrets, processes), ``data/`` and ``log/``.
    :param setup: what the set-up installed; several sandboxes may share it.
    :param preferred_ports: whether well-known ports are tried first.
    """

    base: Path = field(default_factory=lambda: Path(os.environ.get("PINFLOW_HOME", ROOT / ".sandbox")).resolve())
    setup: Path = field(
        default_factory=lambda: Path(os.environ.get("PINFLOW_SETUP", ROOT / ".sandbox/setup")).resolve()
    )
    root: Path = ROOT
    preferred_ports: bool = True

    @property
    def run(self) -> Path:
        """Ports, secrets and the record of processes."""
        return self.base / "run"

    @property
    def ports(self) -> Ports:
        """The ports of this sandbox."""
        return Ports(self.run / "ports.json", preferred=self.preferred_ports)

    def log(self, part: str) -> Path:
        """The log file of a part."""
        return self.base / "log" / f"{part}.log"

    def data(self, part: str) -> Path:
        """The part's own folder, made when missing."""
        folder = self.base / "data" / part
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def port(self, part: str, name: str = "main") -> int:
        """A loopback port of a part."""
        return self.ports.get(part, name)

    def url(self, part: str, name: str = "main") -> str:
        """``http://127.0.0.1:PORT`` of a part."""
        return f"http://127.0.0.1:{self.port(part, name)}"

    def secret(self, name: str) -> str:
        """A random value of 64 hex digits, kept in a file that only its owner may read."""
        file = JsonFile(self.run / "secrets.json", mode=0o600)
        known = file.read()
        if name not in known:
            with file.change() as known:
                known.setdefault(name, secrets.token_hex(32))
        return str(known[name])

    def python(self, environment: str) -> Path:
        """The interpreter of ``airflow``, ``spark`` or ``ministack``."""
        return self.setup / "venv" / environment / "bin" / "python"

    @property
    def java(self) -> Path:
        """The Java that the set-up found or installed.

        :raises RuntimeError: the set-up has not run.
        """
        recorded = self.setup / "java"
        found = recorded.read_text(encoding="utf-8").strip() if recorded.exists() else shutil.which("java")
        if not found:
            raise RuntimeError("There is no Java: the set-up has not run. Run ./pinflow up.")
        return Path(found)

    def jars(self, *sets: str) -> str:
        """Class path of whole jar folders."""
        return os.pathsep.join(str(self.setup / "jars" / name / "*") for name in sets)

    @property
    def source_url(self) -> str:
        """SQLAlchemy URL of the source database: ``PINFLOW_SOURCE_URL``, what was recorded, or SQLite here."""
        recorded = self.run / "source-url"
        if named := os.environ.get("PINFLOW_SOURCE_URL"):
            return named
        if recorded.exists():
            return recorded.read_text(encoding="utf-8").strip()
        return f"sqlite:///{self.data('source') / 'source.sqlite'}"

    def client_environment(self) -> dict[str, str]:
        """What an AWS SDK, a Kafka client, the Databricks SDK and our own code need to talk to this sandbox."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": self.secret("aws"),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url("aws"),
            "AWS_ENDPOINT_URL_KINESIS": self.url("kinesis"),
            "AWS_ENDPOINT_URL_KAFKA": self.url("msk"),
            "AWS_ENDPOINT_URL_KAFKACONNECT": self.url("msk"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "DATABRICKS_HOST": self.url("databricks"),
            "DATABRICKS_TOKEN": self.secret("databricks-token"),
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.port('kafka')}",
            "PINFLOW_GATEWAY_URL": self.url("gateway"),
            "PINFLOW_KAFKA_REST_URL": self.url("rest-proxy"),
            "PINFLOW_SETTINGS": "sandbox",
            "PINFLOW_SOURCE_URL": self.source_url,
        }

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the sandbox while parts are started or stopped.

        :raises SandboxBusyError: another process holds it.
        """
        self.run.mkdir(parents=True, exist_ok=True)
        with (self.run / "lock").open("a+") as handle:
            try:
                flock(handle, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                raise SandboxBusyError(
                    f"Another command is starting or stopping the sandbox in {self.base} "
                    f"(process {handle.read().strip() or 'unknown'}). Wait for it to end, then try again."
                ) from None
            try:
                handle.truncate(0)
                handle.write(str(os.getpid()))
                handle.flush()
                yield
            finally:
                flock(handle, LOCK_UN)  # closing would not free it while a forked child still has the handle
