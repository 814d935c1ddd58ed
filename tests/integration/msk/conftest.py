"""boto3 clients of the sandbox's own control planes, and what a connector needs."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

import include
from tests.conftest import Platform

DEADLINE = 60.0


@pytest.fixture(scope="session")
def aws(platform: Platform) -> Iterator[Callable[[str], Any]]:
    """Makes boto3 clients that find everything in the environment, as a user's do."""
    platform.up("msk")
    before = dict(os.environ)
    os.environ.update(platform.context.client_environment())
    yield lambda service: boto3.session.Session().client(service)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def kafka(aws: Callable[[str], Any]) -> Any:
    return aws("kafka")


@pytest.fixture(scope="session")
def connect(aws: Callable[[str], Any]) -> Any:
    return aws("kafkaconnect")


@pytest.fixture(scope="session")
def cluster_arn(kafka: Any) -> str:
    (cluster,) = kafka.list_clusters_v2(ClusterNameFilter="pinflow")["ClusterInfoList"]
    return str(cluster["ClusterArn"])


@pytest.fixture(scope="session")
def bucket(aws: Callable[[str], Any]) -> str:
    s3 = aws("s3")
    s3.create_bucket(Bucket="msk-tests")
    s3.put_object(Bucket="msk-tests", Key="plugin.zip", Body=plugin_zip())
    s3.put_object(Bucket="msk-tests", Key="empty.zip", Body=plugin_zip(entry="org/example/Nothing.class"))
    s3.put_object(Bucket="msk-tests", Key="not-a.zip", Body=b"no archive")
    return "msk-tests"


@pytest.fixture(scope="session")
def plugin(connect: Any, bucket: str) -> str:
    """An ACTIVE custom plugin."""
    made = connect.create_custom_plugin(**plugin_request("tests-plugin", bucket, "plugin.zip"))
    arn = str(made["customPluginArn"])
    assert settled_plugin(connect, arn)["customPluginState"] == "ACTIVE"
    return arn


def settled_plugin(connect: Any, arn: str) -> dict[str, Any]:
    """A plugin once it has been looked into."""

    def found() -> Any:
        now = connect.describe_custom_plugin(customPluginArn=arn)
        return now["customPluginState"] != "CREATING" and now

    return dict(wait_until(found))


def plugin_zip(entry: str = "META-INF/services/org.apache.kafka.connect.sink.SinkConnector") -> bytes:
    """A zip with one jar with one entry."""
    jar, archive = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(jar, "w") as file:
        file.writestr(entry, "org.example.Connector")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("plugin/lib/connector.jar", jar.getvalue())
    return archive.getvalue()


def plugin_request(name: str, bucket: str, key: str) -> dict[str, Any]:
    location = {"s3Location": {"bucketArn": f"arn:aws:s3:::{bucket}", "fileKey": key}}
    return {"name": name, "contentType": "ZIP", "location": location}


def sink_configuration(bucket: str, topic: str) -> dict[str, str]:
    """The product's own connector file, filled in."""
    import string

    text = (Path(include.__file__).parent / "aws" / "connectors" / "s3-sink.json").read_text(encoding="utf-8")
    values = {
        "topics": topic,
        "bucket": bucket,
        "region": "us-east-1",
        "topics_dir": "topics",
        "dead_letter_topic": f"{topic}.dead",
        "replication_factor": "1",
    }
    return {name: str(value) for name, value in json.loads(string.Template(text).substitute(values)).items()}


def connector_request(name: str, plugin: str, servers: str, configuration: dict[str, str]) -> dict[str, Any]:
    return {
        "connectorName": name,
        "connectorConfiguration": configuration,
        "capacity": {"provisionedCapacity": {"mcuCount": 1, "workerCount": 1}},
        "kafkaCluster": {"apacheKafkaCluster": {"bootstrapServers": servers, "vpc": {"subnets": ["subnet-1"]}}},
        "kafkaClusterClientAuthentication": {"authenticationType": "NONE"},
        "kafkaClusterEncryptionInTransit": {"encryptionType": "PLAINTEXT"},
        "kafkaConnectVersion": "3.7.x",
        "plugins": [{"customPlugin": {"customPluginArn": plugin, "revision": 1}}],
        "serviceExecutionRoleArn": "arn:aws:iam::000000000000:role/pinflow-connect",
    }


def wait_until(found: Callable[[], Any]) -> Any:
    """Ask until the answer is true."""
    deadline = time.monotonic() + DEADLINE
    while True:
        if answer := found():
            return answer
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
