"""boto3's custom plugins and worker configurations, archives from the sandbox's S3."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from tests.integration.msk.conftest import plugin_request, plugin_zip, settled_plugin

pytestmark = pytest.mark.integration


class TestPlugins:
    def test_an_archive_with_a_connector_is_active(self, connect: Any, aws: Any, bucket: str, plugin: str) -> None:
        found = connect.describe_custom_plugin(customPluginArn=plugin)
        body = aws("s3").get_object(Bucket=bucket, Key="plugin.zip")["Body"].read()
        wanted = {"fileMd5": hashlib.md5(body).hexdigest(), "fileSize": len(body)}
        assert found["latestRevision"]["fileDescription"] == wanted
        assert found["latestRevision"]["revision"] == 1
        names = [row["name"] for row in connect.list_custom_plugins(namePrefix="tests-")["customPlugins"]]
        assert names == ["tests-plugin"]

    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            ("missing.zip", "missing.zip cannot be read"),
            ("empty.zip", "None of the 1 jar files"),
            ("not-a.zip", "not a ZIP archive"),
        ],
    )
    def test_any_other_archive_fails_with_the_reason(self, connect: Any, bucket: str, key: str, reason: str) -> None:
        made = connect.create_custom_plugin(**plugin_request(f"bad-{key.partition('.')[0]}", bucket, key))
        assert made["customPluginState"] == "CREATING"
        found = settled_plugin(connect, made["customPluginArn"])
        assert found["customPluginState"] == "CREATE_FAILED"
        assert reason in found["stateDescription"]["message"]

    def test_a_name_is_used_once_and_free_after_delete(self, connect: Any, bucket: str) -> None:
        wanted = plugin_request("again", bucket, "plugin.zip")
        first = connect.create_custom_plugin(**wanted)["customPluginArn"]
        with pytest.raises(connect.exceptions.ConflictException):
            connect.create_custom_plugin(**wanted)
        settled_plugin(connect, first)
        connect.delete_custom_plugin(customPluginArn=first)
        with pytest.raises(connect.exceptions.NotFoundException):
            connect.describe_custom_plugin(customPluginArn=first)
        assert connect.create_custom_plugin(**wanted)["customPluginArn"] != first

    def test_a_jar(self, connect: Any, aws: Any, bucket: str) -> None:
        import io
        import zipfile

        with zipfile.ZipFile(io.BytesIO(plugin_zip())) as archive:
            aws("s3").put_object(Bucket=bucket, Key="one.jar", Body=archive.read("plugin/lib/connector.jar"))
        made = connect.create_custom_plugin(**{**plugin_request("jar", bucket, "one.jar"), "contentType": "JAR"})
        assert settled_plugin(connect, made["customPluginArn"])["customPluginState"] == "ACTIVE"


class TestWorkerConfigurations:
    def test_life(self, connect: Any) -> None:
        content = b64encode(b"# ours\nkey.converter=a.B\nvalue.converter = c.D\n").decode()
        made = connect.create_worker_configuration(name="ours", propertiesFileContent=content, description="d")
        arn = made["workerConfigurationArn"]
        found = connect.describe_worker_configuration(workerConfigurationArn=arn)
        assert found["latestRevision"]["propertiesFileContent"] == content
        assert (found["workerConfigurationState"], found["description"]) == ("ACTIVE", "d")
        with pytest.raises(connect.exceptions.ConflictException):
            connect.create_worker_configuration(name="ours", propertiesFileContent=content)
        connect.delete_worker_configuration(workerConfigurationArn=arn)
        assert connect.list_worker_configurations(namePrefix="ours")["workerConfigurations"] == []

    def test_the_converters_are_required(self, connect: Any) -> None:
        with pytest.raises(connect.exceptions.BadRequestException, match=r"value\.converter"):
            connect.create_worker_configuration(
                name="short", propertiesFileContent=b64encode(b"key.converter=a").decode()
            )
