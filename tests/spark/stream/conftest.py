"""A Kinesis server, and a workspace whose checkpoints are in S3."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.spark.kinesis.server import KEYS, Server
from tests.spark.notebooks import Workspace

SECRET = "struck-out-of-all-that-is-shown"
"""The servers take any; the runner strikes it out of every text."""


@pytest.fixture(scope="module")
def kinesis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server."""
    made = Server(tmp_path_factory.mktemp("kinesis"))
    yield made
    made.kill()


@pytest.fixture(scope="module")
def aws(s3_url: str) -> Iterator[None]:
    """The environment of this process and those it starts."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (
            ("AWS_ENDPOINT_URL", s3_url),
            ("AWS_ACCESS_KEY_ID", KEYS["aws_access_key_id"]),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_DEFAULT_REGION", KEYS["region_name"]),
        ):
            patched.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def checkpoint_root(aws: None) -> str:
    """A bucket of its own."""
    name = f"checkpoints-{uuid.uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3a://{name}/streaming"


@pytest.fixture(scope="module")
def workspace(spark_url: str, aws: None, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace."""
    folder: Path = tmp_path_factory.mktemp("workspace")
    return Workspace(folder, int(spark_url.rpartition(":")[2]))
