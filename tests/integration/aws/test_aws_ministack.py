"""ministack as a part: what outlives a stop and a kill, and the plugin that awaits the connector."""

from __future__ import annotations

import hashlib
import os
import signal
import uuid
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from include.config.settings import load
from tests.conftest import Platform

pytestmark = pytest.mark.integration


@pytest.fixture
def name(platform: Platform) -> str:
    platform.up("aws")
    return f"a{uuid.uuid4().hex[:8]}"


def client(platform: Platform, service: str) -> Any:
    environment = platform.context.client_environment()
    return boto3.client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def plugin(platform: Platform) -> tuple[str, str, bytes]:
    """Bucket and key that the settings name, and the archive that the set-up built."""
    connect = load("sandbox").connect
    return connect.plugin_bucket, connect.plugin_key, (platform.context.setup / "plugins/s3-sink.zip").read_bytes()


def test_plugin_awaits_the_connector(platform: Platform, name: str) -> None:
    bucket, key, built = plugin(platform)
    body = client(platform, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert hashlib.sha256(body).digest() == hashlib.sha256(built).digest()


def test_a_changed_plugin_is_placed_again(platform: Platform, name: str) -> None:
    bucket, key, built = plugin(platform)
    s3 = client(platform, "s3")
    s3.put_object(Bucket=bucket, Key=key, Body=b"older")
    platform.down("aws")
    platform.up("aws")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == built


def test_objects_and_empty_buckets_outlive_a_kill(platform: Platform, name: str) -> None:
    s3 = client(platform, "s3")
    s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket=f"{name}-empty")
    key = "topics/pin/year=2022/month=03/pin+0+0000000000.json.gz"
    s3.put_object(Bucket=name, Key=key, Body=b"\x00kept", ContentType="application/gzip")
    os.kill(platform.leader("aws"), signal.SIGKILL)
    platform.up("aws")
    kept = s3.get_object(Bucket=name, Key=key)
    assert (kept["Body"].read(), kept["ContentType"]) == (b"\x00kept", "application/gzip")
    assert f"{name}-empty" in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert "Contents" not in s3.list_objects_v2(Bucket=f"{name}-empty")


def test_all_state_outlives_a_stop_and_only_s3_a_kill(platform: Platform, name: str) -> None:
    """What is lost is said in the part's docstring; this holds it to that."""
    secrets = client(platform, "secretsmanager")
    secrets.create_secret(Name=f"{name}-stop", SecretString="kept")
    platform.down("aws")
    platform.up("aws")
    assert secrets.get_secret_value(SecretId=f"{name}-stop")["SecretString"] == "kept"
    secrets.create_secret(Name=f"{name}-kill", SecretString="lost")
    os.kill(platform.leader("aws"), signal.SIGKILL)
    platform.up("aws")
    assert secrets.get_secret_value(SecretId=f"{name}-stop")["SecretString"] == "kept"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        secrets.get_secret_value(SecretId=f"{name}-kill")
