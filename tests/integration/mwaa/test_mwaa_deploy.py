"""A deployment into a real S3 server; MWAA itself, which nothing emulates, is botocore's stub."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from typer.testing import CliRunner

from sandbox.cli.app import EXPECTED, app, main
from sandbox.mwaa.account import client
from sandbox.mwaa.bucket import Bucket
from sandbox.mwaa.bundle import Bundle
from sandbox.mwaa.deployment import Deployment
from sandbox.mwaa.environment import Environment, options
from sandbox.mwaa.errors import DeployError
from tests.conftest import Platform

pytestmark = pytest.mark.integration

FILES = {
    "dags/a.py": b"print(1)\n",
    "dags/b.py": b"print(2)\n",
    "dags/constraints-mwaa-3.3.1.txt": b"x==1\n",
    "plugins.zip": b"zip",
    "requirements.txt": b"x==1\n",
    "startup.sh": b"export A=1\n",
}


@pytest.fixture(autouse=True)
def account(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials, region and endpoint as a user has them: in the environment."""
    platform.up("aws")
    for name, value in platform.context.client_environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)


@pytest.fixture
def s3() -> Any:
    return client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"mwaa-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def bundle(**changes: bytes | None) -> Bundle:
    """The small bundle; a name with ``_`` for ``/`` and without its ending changes a file, None leaves it out."""
    files = dict(FILES)
    for name, content in changes.items():
        path = next(path for path in FILES if path.partition(".")[0].replace("/", "_") == name)
        if content is None:
            del files[path]
        else:
            files[path] = content
    return Bundle(files, {})


def stored(s3: Any, bucket: str) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed}


class TestBucketOnly:
    def deploy(self, s3: Any, bucket: str, made: Bundle, prefix: str = "") -> dict[str, Any]:
        deployment = Deployment(made, Bucket(s3, bucket, prefix), None, "pinflow")
        plan = deployment.plan()
        deployment.act(plan, "GRACEFUL")
        return plan.as_dict()

    def test_all_at_first_then_only_what_differs(self, s3: Any, bucket: str) -> None:
        first = self.deploy(s3, bucket, bundle())
        assert first["upload"] == sorted(FILES)
        assert stored(s3, bucket) == FILES
        versions = {name: s3.head_object(Bucket=bucket, Key=name)["VersionId"] for name in FILES}
        again = self.deploy(s3, bucket, bundle())
        assert (again["upload"], again["remove"], again["keep"]) == ([], [], sorted(FILES))
        changed = self.deploy(s3, bucket, bundle(dags_b=b"print(3)\n"))
        assert changed["upload"] == ["dags/b.py"]
        now = {name: s3.head_object(Bucket=bucket, Key=name)["VersionId"] for name in FILES}
        assert {name for name in FILES if now[name] != versions[name]} == {"dags/b.py"}

    def test_the_plan_changes_nothing(self, s3: Any, bucket: str) -> None:
        Deployment(bundle(), Bucket(s3, bucket), None, "pinflow").plan()
        assert stored(s3, bucket) == {}

    def test_a_dag_that_is_gone_is_removed_and_those_of_others_are_not(self, s3: Any, bucket: str) -> None:
        self.deploy(s3, bucket, bundle(), "team/mwaa/")
        s3.put_object(Bucket=bucket, Key="team/mwaa/dags/theirs.py", Body=b"theirs")
        s3.put_object(Bucket=bucket, Key="other/dags/a.py", Body=b"other")
        found = self.deploy(s3, bucket, bundle(dags_a=None), "team/mwaa/")
        assert (found["remove"], found["foreign"]) == (["dags/a.py"], ["dags/theirs.py"])
        there = stored(s3, bucket)
        assert "team/mwaa/dags/a.py" not in there
        assert {"team/mwaa/dags/theirs.py", "other/dags/a.py"} <= set(there)
        versions = s3.list_object_versions(Bucket=bucket, Prefix="team/mwaa/dags/a.py")["Versions"]
        assert [one["IsLatest"] for one in versions] == [False]

    def test_what_somebody_else_put_in_its_place_is_replaced(self, s3: Any, bucket: str) -> None:
        self.deploy(s3, bucket, bundle())
        s3.put_object(Bucket=bucket, Key="plugins.zip", Body=b"from the console")
        assert self.deploy(s3, bucket, bundle())["upload"] == ["plugins.zip"]
        assert stored(s3, bucket)["plugins.zip"] == b"zip"

    def test_a_bucket_without_versions_is_refused(self, s3: Any, bucket: str) -> None:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
        with pytest.raises(DeployError, match=r"keeps no versions.*Turn on versioning"):
            self.deploy(s3, bucket, bundle())
        assert stored(s3, bucket) == {}

    def test_no_such_bucket(self, s3: Any) -> None:
        with pytest.raises(DeployError, match=r"The bucket nowhere-1 cannot be used\. S3 says: .*docs/aws\.md"):
            self.deploy(s3, "nowhere-1", bundle())

    def test_placeholders_do_not_leave_the_house(self, s3: Any, bucket: str) -> None:
        with pytest.raises(DeployError, match=r"still hold <account>.*package --settings"):
            self.deploy(s3, bucket, Bundle(FILES, {}, ("<account>",)))
        assert stored(s3, bucket) == {}


class TestWithEnvironment:
    """The order of things, and the versions that the environment is told."""

    def environment(self, bucket: str, **changes: Any) -> dict[str, Any]:
        return {
            "Name": "pinflow", "Status": "AVAILABLE", "AirflowVersion": "3.3.1",
            "SourceBucketArn": f"arn:aws:s3:::{bucket}", "DagS3Path": "dags",
            "PluginsS3Path": "plugins.zip", "RequirementsS3Path": "requirements.txt",
            "StartupScriptS3Path": "startup.sh", "AirflowConfigurationOptions": options("pinflow"), **changes,
        }  # fmt: skip

    def versions(self, s3: Any, bucket: str) -> dict[str, str]:
        pairs = {"Plugins": "plugins.zip", "Requirements": "requirements.txt", "StartupScript": "startup.sh"}
        return {
            f"{name}S3ObjectVersion": s3.head_object(Bucket=bucket, Key=key)["VersionId"] for name, key in pairs.items()
        }

    @pytest.fixture
    def mwaa(self) -> Any:
        return boto3.client("mwaa", region_name="us-east-1")

    def test_dags_come_last(self, s3: Any, bucket: str, mwaa: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[tuple[str, str]] = []
        at_update: dict[str, bytes] = {}

        def note(name: str, state: str) -> None:
            seen.append((name, state))
            if state == "updating":
                at_update.update(stored(s3, bucket))

        environment = Environment(mwaa, "pinflow", sleep=lambda seconds: None)
        deployment = Deployment(bundle(), Bucket(s3, bucket), environment, "pinflow")
        with Stubber(mwaa) as stub:
            stub.add_response("get_environment", {"Environment": self.environment(bucket)})
            plan = deployment.plan()
            assert plan.as_dict()["environment"] == [
                {"parameter": f"{name}S3ObjectVersion", "now": "-", "then": "a new version"}
                for name in ("Plugins", "Requirements", "StartupScript")
            ]
            expected = {"Name": "pinflow", "WorkerReplacementStrategy": "FORCED"}
            told = dict.fromkeys(
                ("PluginsS3ObjectVersion", "RequirementsS3ObjectVersion", "StartupScriptS3ObjectVersion"), ANY
            )
            stub.add_response("update_environment", {"Arn": "arn"}, {**expected, **told})
            stub.add_response("get_environment", {"Environment": self.environment(bucket, Status="UPDATING")})
            real = mwaa.get_environment

            def later(**kwargs: Any) -> Any:
                if at_update:  # once it works, it is done, with the versions that S3 gave
                    now = self.environment(bucket, **self.versions(s3, bucket))
                    return {"Environment": now}
                return real(**kwargs)

            monkeypatch.setattr(mwaa, "get_environment", later)
            deployment.act(plan, "FORCED", note)
            stub.assert_no_pending_responses()
        assert set(at_update) == {
            "dags/constraints-mwaa-3.3.1.txt", "plugins.zip", "requirements.txt", "startup.sh",
        }  # fmt: skip
        assert stored(s3, bucket) == FILES
        assert seen[-3:] == [("pinflow", "available"), ("dags/a.py", "uploaded"), ("dags/b.py", "uploaded")]

    def test_the_environment_is_told_the_versions_that_s3_gave(self, s3: Any, bucket: str, mwaa: Any) -> None:
        """The first deployment was interrupted after its uploads: the second asks for the same versions."""
        TestBucketOnly().deploy(s3, bucket, bundle(dags_a=None))
        expected = self.versions(s3, bucket)
        deployment = Deployment(bundle(), Bucket(s3, bucket), Environment(mwaa, "pinflow"), "pinflow")
        with Stubber(mwaa) as stub:
            stub.add_response("get_environment", {"Environment": self.environment(bucket)})
            plan = deployment.plan()
            assert plan.bucket.upload == ("dags/a.py",)
            given = {"Name": "pinflow", "WorkerReplacementStrategy": "GRACEFUL", **expected}
            stub.add_response("update_environment", {"Arn": "arn"}, given)
            stub.add_response("get_environment", {"Environment": self.environment(bucket, **expected)})
            deployment.act(plan, "GRACEFUL")
            stub.assert_no_pending_responses()
        assert set(stored(s3, bucket)) == set(FILES)

    def test_when_it_fails_the_old_dags_stay(self, s3: Any, bucket: str, mwaa: Any) -> None:
        TestBucketOnly().deploy(s3, bucket, bundle())
        before = self.environment(bucket, **self.versions(s3, bucket))
        made = bundle(plugins=b"new zip", dags_a=b"new dag", dags_b=None)
        deployment = Deployment(made, Bucket(s3, bucket), Environment(mwaa, "pinflow"), "pinflow")
        with Stubber(mwaa) as stub:
            stub.add_response("get_environment", {"Environment": before})
            plan = deployment.plan()
            stub.add_client_error("update_environment", "ValidationException", "no")
            with pytest.raises(DeployError, match="does not take the update"):
                deployment.act(plan, "GRACEFUL")
        there = stored(s3, bucket)
        assert (there["dags/a.py"], there["dags/b.py"]) == (FILES["dags/a.py"], FILES["dags/b.py"])

    def test_only_dags_changed_no_update(self, s3: Any, bucket: str, mwaa: Any) -> None:
        TestBucketOnly().deploy(s3, bucket, bundle())
        same = self.environment(bucket, **self.versions(s3, bucket))
        made = bundle(dags_a=b"new dag")
        deployment = Deployment(made, Bucket(s3, bucket), Environment(mwaa, "pinflow"), "pinflow")
        with Stubber(mwaa) as stub:
            stub.add_response("get_environment", {"Environment": same})
            plan = deployment.plan()
            assert plan.as_dict()["environment"] == []
            deployment.act(plan, "GRACEFUL")
        assert stored(s3, bucket)["dags/a.py"] == b"new dag"


class TestCommand:
    """The commands as a user types them."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A bundle of this repository with settings of an account."""
        from include.config.settings import FOLDER

        mine = tmp_path / "mine.yaml"
        text = (FOLDER / "aws.yaml").read_text()
        mine.write_text(re.sub(r"<[\w ]+>", "mine", text))
        shown = self.invoke("package", "--settings", mine, "--output", tmp_path / "mwaa", "--json")
        assert json.loads(shown.stdout)["placeholders"] == []
        return tmp_path / "mwaa"

    def invoke(self, *words: object) -> Any:
        return CliRunner().invoke(app, [str(word) for word in words], prog_name="./pinflow")

    def test_plan_then_do_then_nothing(self, s3: Any, bucket: str, folder: Path) -> None:
        words = ("deploy", "mwaa", "--bucket", bucket, "--bundle", folder, "--uncommitted", "--json")
        plan = json.loads(self.invoke(*words).stdout)
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert set(plan["upload"]) == names - {"manifest.json"}
        assert (plan["done"], stored(s3, bucket)) == (False, {})
        assert json.loads(self.invoke(*words, "--yes").stdout)["done"] is True
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {name: hashlib.sha256(body).hexdigest() for name, body in stored(s3, bucket).items()} == {
            name: entry["sha256"] for name, entry in manifest["files"].items()
        }
        again = self.invoke(*words[:-1], "--yes")
        assert again.exit_code == 0
        assert "Everything is there already." in again.output

    def test_without_yes_it_says_so(self, bucket: str, folder: Path) -> None:
        shown = self.invoke("deploy", "mwaa", "--bucket", bucket, "--bundle", folder, "--uncommitted")
        assert shown.exit_code == 0
        assert "plugins.zip" in shown.output
        assert "Nothing was done. Add --yes to do it." in shown.output

    def test_the_plan_for_an_environment(self, bucket: str, folder: Path) -> None:
        """The emulator makes environments but forgets their plugins, so that only the plan can be had from it."""
        name = f"e{uuid.uuid4().hex[:6]}"
        client("mwaa").create_environment(
            Name=name, ExecutionRoleArn="arn:aws:iam::000000000000:role/x", SourceBucketArn=f"arn:aws:s3:::{bucket}",
            DagS3Path="dags", AirflowVersion="3.3.1",
            NetworkConfiguration={"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        )  # fmt: skip
        words = ("deploy", "mwaa", "--bucket", bucket, "--bundle", folder, "--uncommitted", "--environment", name)
        plan = json.loads(self.invoke(*words, "--json").stdout)
        assert {row["parameter"]: (row["now"], row["then"]) for row in plan["environment"]} == {
            "PluginsS3Path": ("-", "plugins.zip"), "PluginsS3ObjectVersion": ("-", "a new version"),
            "RequirementsS3Path": ("-", "requirements.txt"), "RequirementsS3ObjectVersion": ("-", "a new version"),
            "StartupScriptS3Path": ("-", "startup.sh"), "StartupScriptS3ObjectVersion": ("-", "a new version"),
            "AirflowConfigurationOptions": ("-", "secrets.backend, secrets.backend_kwargs"),
        }  # fmt: skip
        shown = self.invoke(*words)
        assert "Nothing was done." in shown.output
        refused = self.invoke(*words[:-1], "nobody")
        assert "The environment nobody cannot be read." in str(refused.exception)

    def test_a_bundle_older_than_its_sources(self, bucket: str, folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["plugins.zip"]["include/sql/gold/gone.sql"] = "0"
        (folder / "manifest.json").write_text(json.dumps(manifest))
        shown = self.invoke("deploy", "mwaa", "--bucket", bucket, "--bundle", folder, "--uncommitted")
        assert isinstance(shown.exception, EXPECTED)
        assert "older than its sources: plugins.zip: include/sql/gold/gone.sql" in str(shown.exception)

    def test_an_account_that_cannot_be_reached(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        words = ["pinflow", "deploy", "mwaa", "--bucket", "b", "--bundle", str(folder), "--uncommitted"]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        assert (ended.value.code, shown.out) == (1, "")
        assert shown.err.startswith("error AWS was not reached.")
