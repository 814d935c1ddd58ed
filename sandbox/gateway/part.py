"""The sandbox's part ``gateway``."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from include.config.settings import load
from sandbox.gateway.stages import CLIENTS_STAGES
from sandbox.supervisor.part import Command, Context


@dataclass(frozen=True)
class GatewayPart:
    """API Gateway, served from ``include/aws/gateway.openapi.yaml``.

    The stages are the one of the settings and those that existing clients have in their addresses.
    """

    name: str = "gateway"
    stands_for: str = "API Gateway"
    requires: tuple[str, ...] = ("rest-proxy", "kinesis")
    stop_grace: float = 15.0

    def prepare(self, context: Context) -> None:
        """Nothing to write: all is on the command line."""

    def command(self, context: Context) -> Command:
        """The server's process."""
        settings = load("sandbox")
        stages = sorted({settings.gateway.stage, *CLIENTS_STAGES})
        variables = {"restProxy": urlsplit(context.url("rest-proxy")).netloc, "topicPrefix": settings.prefix}
        return Command(
            argv=(
                str(context.python("airflow")),
                *("-m", "sandbox.gateway", "--port", str(context.port(self.name))),
                *(text for stage in stages for text in ("--stage", stage)),
                *(text for name, value in variables.items() for text in ("--variable", f"{name}={value}")),
            ),
            env={**context.client_environment(), "PYTHONPATH": str(context.root)},
        )

    def check(self, context: Context) -> str | None:
        """Ask ``/_health``."""
        try:
            with urllib.request.urlopen(f"{context.url(self.name)}/_health", timeout=4) as answer:
                status = json.load(answer).get("status")
        except (OSError, ValueError) as error:
            return f"no answer: {error}"
        return None if status == "ok" else f"status {status}"

    def ready(self, context: Context) -> None:
        """Nothing else to do."""


PART = GatewayPart()
