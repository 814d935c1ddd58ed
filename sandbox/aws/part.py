"""The AWS services of the sandbox: ministack, with what an account's owner placed by hand."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass

from sandbox.aws.artifacts import place
from sandbox.supervisor.part import Command, Context

HEALTH_TIMEOUT = 3.0


@dataclass(frozen=True)
class AwsPart:
    """ministack on loopback, its state in the data folder.

    S3 objects are on disk as soon as they are accepted. Everything else (streams and their records,
    roles, secrets, stacks, and a bucket's settings) is written when the server is stopped by SIGTERM:
    after ``kill -9`` it is as it was at the last clean stop.
    """

    name: str = "aws"
    stands_for: str = "Amazon S3, Kinesis, IAM, STS, Secrets Manager, CloudFormation"
    requires: tuple[str, ...] = ()
    stop_grace: float = 20.0

    def prepare(self, context: Context) -> None:
        """Make the folders; give empty buckets a folder of their own, or a killed server would forget them."""
        folder = context.data(self.name)
        for name in ("state", "s3", "tmp"):
            (folder / name).mkdir(exist_ok=True)
        for bucket in (folder / "s3").glob("[0-9]*/*"):
            if bucket.is_dir() and not any(bucket.iterdir()):
                (bucket / ".bucket").mkdir()

    def command(self, context: Context) -> Command:
        """``ministack``, bound to 127.0.0.1, away from any Docker."""
        folder = context.data(self.name)
        client = context.client_environment()
        environment = {name: value for name, value in client.items() if name in _CREDENTIALS} | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(context.port(self.name)),
            "MINISTACK_REGION": client["AWS_REGION"],
            "PERSIST_STATE": "1",
            "STATE_DIR": str(folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(folder / "s3"),
            "TMPDIR": str(folder / "tmp"),
            "DOCKER_HOST": f"unix://{folder / 'no-docker'}",
            "LOG_LEVEL": "WARNING",
        }
        return Command((str(context.python("ministack").with_name("ministack")),), environment, folder)

    def check(self, context: Context) -> str | None:
        """Ask ministack's own health page."""
        url = f"{context.url(self.name)}/_ministack/health"
        try:
            with urllib.request.urlopen(url, timeout=HEALTH_TIMEOUT) as answer:
                return None if answer.status == 200 else f"health page says {answer.status}"
        except (OSError, urllib.error.URLError) as error:
            return f"no answer from {url}: {error}"

    def ready(self, context: Context) -> None:
        """Place the connector's plugin in the artifacts bucket, as an account's owner does by hand.

        :raises sandbox.aws.artifacts.PluginMissingError: the set-up has not built the plugin.
        """
        from include.config.settings import load

        connect = load(context.client_environment()["PINFLOW_SETTINGS"]).connect
        plugin = context.setup / "plugins" / "s3-sink.zip"
        place(context.url(self.name), connect.plugin_bucket, connect.plugin_key, plugin)


_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
PART = AwsPart()
