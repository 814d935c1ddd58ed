"""The REST proxy as a part of the sandbox."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from sandbox.supervisor.part import Command, Context

CHECK_SECONDS = 4.0


@dataclass(frozen=True)
class RestProxy:
    """Our REST proxy, in front of the sandbox's broker."""

    name: str = "rest-proxy"
    stands_for: str = "Confluent REST Proxy on EC2"
    requires: tuple[str, ...] = ("kafka",)
    stop_grace: float = 12.0

    def prepare(self, context: Context) -> None:
        """Nothing to write: everything is on the command line."""

    def command(self, context: Context) -> Command:
        """The server."""
        arguments = (
            "--port",
            str(context.port(self.name)),
            "--bootstrap-servers",
            f"127.0.0.1:{context.port('kafka')}",
        )
        return Command((str(context.python("airflow")), "-m", "sandbox.rest_proxy", *arguments), cwd=context.root)

    def check(self, context: Context) -> str | None:
        """Ask the proxy, which asks the broker."""
        try:
            with urllib.request.urlopen(f"{context.url(self.name)}/_health", timeout=CHECK_SECONDS) as response:
                json.load(response)
        except urllib.error.HTTPError as error:
            return f"the broker does not answer the proxy: {error.read().decode(errors='replace')[:200]}"
        except OSError as error:
            return f"no answer on port {context.port(self.name)}: {error}"
        return None

    def ready(self, context: Context) -> None:
        """Nothing to do."""


PART = RestProxy()
