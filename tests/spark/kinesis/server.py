"""A real server of ``sandbox.kinesis`` in a process of its own, and what tests do to its streams."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"aws_access_key_id": "pinflow", "aws_secret_access_key": "pinflow", "region_name": "us-east-1"}


class Server:
    """The server; its records outlive it.

    :param folder: of its file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = boto3.client("kinesis", endpoint_url=self.url, **KEYS)
        self.start()

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [sys.executable, "-m", "sandbox.kinesis", "--port", str(self.port), "--data", str(self.folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert self.process.poll() is None, "the Kinesis server ended"
            try:
                urllib.request.urlopen(f"{self.url}/_health", timeout=2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the Kinesis server does not answer")

    def kill(self) -> None:
        """End it at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Kill and start it; it trims when it starts."""
        self.kill()
        self.start()

    def limits(self, *, enabled: bool) -> None:
        """Let shards throttle or not."""
        body = json.dumps({"enabled": enabled}).encode()
        request = urllib.request.Request(f"{self.url}/_limits", body, method="PUT")
        urllib.request.urlopen(request, timeout=5).close()

    def stream(self, shards: int = 2) -> str:
        """A new stream; its name."""
        name = f"stream-{uuid.uuid4().hex[:8]}"
        self.client.create_stream(StreamName=name, ShardCount=shards)
        return name

    def put(self, stream: str, values: Iterable[object], key: str | None = None, size: int = 0) -> list[str]:
        """Put records; their texts.

        :param key: partition key of all; by default each its own text.
        :param size: bytes to which each text is filled up.
        """
        texts = [str(value) for value in values]
        for first in range(0, len(texts), 500):
            records = [
                {"Data": text.ljust(size).encode(), "PartitionKey": key or text} for text in texts[first : first + 500]
            ]
            answer = self.client.put_records(StreamName=stream, Records=records)
            assert answer["FailedRecordCount"] == 0
        return texts

    def shards(self, stream: str) -> list[dict[str, Any]]:
        """All shards."""
        found: list[dict[str, Any]] = self.client.list_shards(StreamName=stream)["Shards"]
        return found

    def split(self, stream: str, shard: str) -> None:
        """Split a shard in the middle."""
        found = next(one for one in self.shards(stream) if one["ShardId"] == shard)["HashKeyRange"]
        middle = (int(found["StartingHashKey"]) + int(found["EndingHashKey"])) // 2
        self.client.split_shard(StreamName=stream, ShardToSplit=shard, NewStartingHashKey=str(middle))

    def change(self, statement: str, *values: object) -> None:
        """Change its file beside it, as only time would."""
        database = sqlite3.connect(self.folder / "kinesis.sqlite", timeout=10)
        with database:
            database.execute(statement, values)
        database.close()

    def age(self, stream: str, hours: float) -> None:
        """Let all records of a stream have arrived so much earlier."""
        self.change(
            "UPDATE record SET arrived_ms = arrived_ms - ? WHERE shard IN (SELECT id FROM shard WHERE stream = ?)",
            int(hours * 3_600_000), stream,
        )  # fmt: skip
