"""The Kinesis server as a part of the sandbox."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass

from include.config.settings import load
from sandbox.supervisor.part import Command, Context


@dataclass(frozen=True)
class KinesisPart:
    """Kinesis Data Streams with its shards, limits and log."""

    name: str = "kinesis"
    stands_for: str = "Kinesis Data Streams"
    requires: tuple[str, ...] = ()
    stop_grace: float = 8.0

    def prepare(self, context: Context) -> None:
        """Nothing to write: all is on the command line."""

    def command(self, context: Context) -> Command:
        """The server's process; its limits are the settings' choice."""
        limits = "on" if load("sandbox").streams.limits else "off"
        arguments = ("--port", str(context.port(self.name)), "--data", str(context.data(self.name)), "--limits", limits)
        return Command((str(context.python("airflow")), "-m", "sandbox.kinesis", *arguments), cwd=context.root)

    def check(self, context: Context) -> str | None:
        """Ask ``/_health``."""
        try:
            with urllib.request.urlopen(f"{context.url(self.name)}/_health", timeout=4) as answer:
                json.load(answer)
        except (OSError, ValueError) as error:
            return f"no answer: {error}"
        return None

    def ready(self, context: Context) -> None:
        """Nothing else to do."""


PART = KinesisPart()
