"""The environment's part of a deployment, against botocore's own model of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sandbox.mwaa.environment import Environment, Update, options, wanted
from sandbox.mwaa.errors import DeployError

VERSIONS = {"plugins.zip": "p2", "requirements.txt": "r2", "startup.sh": "s2"}
EARLIER, LATER = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)


def described(**changes: Any) -> dict[str, Any]:
    """What GetEnvironment answers for an environment that runs the bundle before."""
    return {
        "Environment": {
            "Name": "pinflow",
            "Status": "AVAILABLE",
            "AirflowVersion": "3.3.1",
            "SourceBucketArn": "arn:aws:s3:::bucket",
            "DagS3Path": "mwaa/dags",
            "PluginsS3Path": "mwaa/plugins.zip",
            "PluginsS3ObjectVersion": "p1",
            "RequirementsS3Path": "mwaa/requirements.txt",
            "RequirementsS3ObjectVersion": "r2",
            "StartupScriptS3Path": "mwaa/startup.sh",
            "StartupScriptS3ObjectVersion": "s2",
            "AirflowConfigurationOptions": {**options("pinflow"), "core.default_task_retries": "2"},
            "LastUpdate": {"Status": "SUCCESS", "CreatedAt": EARLIER},
            **changes,
        }
    }


@pytest.fixture
def stubber() -> Iterator[Stubber]:
    client = boto3.client("mwaa", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as made:
        yield made
        made.assert_no_pending_responses()


def environment(stubber: Stubber, *answers: dict[str, Any]) -> Environment:
    for answer in answers:
        stubber.add_response("get_environment", answer, {"Name": "pinflow"})
    return Environment(stubber.client, "pinflow", sleep=lambda seconds: None)


class TestOptions:
    def test_they_are_what_airflow_s_backend_takes(self) -> None:
        """The real backend, made with our arguments, looks where ./pinflow secrets writes."""
        from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

        backend = SecretsManagerBackend(**json.loads(options("mine")["secrets.backend_kwargs"]))
        assert options("mine")["secrets.backend"] == f"{type(backend).__module__}.{type(backend).__name__}"
        assert (backend.connections_prefix, backend.variables_prefix) == (
            "mine/airflow/connections",
            "mine/airflow/variables",
        )
        assert backend.get_conn_value("aws_default") is None

    def test_the_api_takes_them(self, stubber: Stubber) -> None:
        """botocore checks names and types of the parameters before the stub answers."""
        found = wanted("mwaa/", VERSIONS, "pinflow")
        stubber.add_response("update_environment", {"Arn": "arn"}, {
            "Name": "pinflow", "WorkerReplacementStrategy": "GRACEFUL", "DagS3Path": "mwaa/dags",
            "PluginsS3Path": "mwaa/plugins.zip", "PluginsS3ObjectVersion": "p2",
            "RequirementsS3Path": "mwaa/requirements.txt", "RequirementsS3ObjectVersion": "r2",
            "StartupScriptS3Path": "mwaa/startup.sh", "StartupScriptS3ObjectVersion": "s2",
            "AirflowConfigurationOptions": options("pinflow"),
        })  # fmt: skip
        one = environment(stubber)
        one.apply(one.update({}, found), "GRACEFUL")


class TestUpdate:
    def test_only_what_differs_and_a_version_with_its_path(self, stubber: Stubber) -> None:
        found = described()["Environment"]
        made = environment(stubber).update(found, wanted("mwaa/", VERSIONS, "pinflow"))
        assert made.differences == {"PluginsS3ObjectVersion": ("p1", "p2")}
        assert made.lines() == [{"parameter": "PluginsS3ObjectVersion", "now": "p1", "then": "p2"}]

    def test_options_of_others_are_kept(self, stubber: Stubber) -> None:
        found = described(AirflowConfigurationOptions={"core.parallelism": "8", "secrets.backend": "other"})
        made = environment(stubber).update(found["Environment"], wanted("mwaa/", VERSIONS, "pinflow"))
        assert made.differences["AirflowConfigurationOptions"][1] == {"core.parallelism": "8", **options("pinflow")}
        line = made.lines()[-1]
        assert (line["now"], line["then"]) == ("secrets.backend", "secrets.backend, secrets.backend_kwargs")

    def test_the_same_options_written_otherwise_are_the_same(self, stubber: Stubber) -> None:
        """As a template's folded text gives them."""
        text = (
            '{"variables_prefix":  "pinflow/airflow/variables", "connections_prefix": "pinflow/airflow/connections",'
            ' "connections_lookup_pattern": "^(?!aws_default$).*$"}'
        )
        now = {**options("pinflow"), "secrets.backend_kwargs": text}
        found = described(PluginsS3ObjectVersion="p2", AirflowConfigurationOptions=now)["Environment"]
        assert not environment(stubber).update(found, wanted("mwaa/", VERSIONS, "pinflow"))

    def test_nothing_to_do(self, stubber: Stubber) -> None:
        found = described(PluginsS3ObjectVersion="p2")["Environment"]
        assert not environment(stubber).update(found, wanted("mwaa/", VERSIONS, "pinflow"))

    def test_a_refusal_is_told(self, stubber: Stubber) -> None:
        stubber.add_client_error("update_environment", "ValidationException", "no such version")
        with pytest.raises(DeployError, match=r"does not take the update\. MWAA says: no such version\."):
            environment(stubber).apply(Update({"PluginsS3ObjectVersion": ("p1", "p2")}), "FORCED")


class TestCheck:
    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"AirflowVersion": "2.10.3"}, r"runs Airflow 2\.10\.3\..*Upgrade the environment to 3\.3\.1"),
            ({"SourceBucketArn": "arn:aws:s3:::other"}, r"does not read the bucket bucket\. Its bucket is other\."),
            ({"Status": "UPDATING"}, r"is UPDATING\..*Wait until it is AVAILABLE"),
            ({"Status": "DELETED"}, "is DELETED"),
        ],
        ids=["image", "bucket", "busy", "deleted"],
    )
    def test_what_cannot_take_the_bundle(self, stubber: Stubber, changes: dict[str, str], text: str) -> None:
        with pytest.raises(DeployError, match=text):
            environment(stubber, described(**changes)).check("bucket")

    @pytest.mark.parametrize("state", ["AVAILABLE", "UPDATE_FAILED"])
    def test_what_can(self, stubber: Stubber, state: str) -> None:
        assert environment(stubber, described(Status=state)).check("bucket")["Status"] == state

    def test_none_of_that_name(self, stubber: Stubber) -> None:
        stubber.add_client_error("get_environment", "ResourceNotFoundException", "not here")
        with pytest.raises(DeployError, match=r"cannot be read\. MWAA says: not here\..*leave --environment out"):
            environment(stubber).check("bucket")


class TestWait:
    UPDATE = Update({"PluginsS3ObjectVersion": ("p1", "p2")})

    def wait(self, stubber: Stubber, *answers: dict[str, Any]) -> tuple[list[str], list[float]]:
        states: list[str] = []
        pauses: list[float] = []
        before = described()["Environment"]
        one = environment(stubber, *answers)
        one.sleep = pauses.append
        one.wait(before, self.UPDATE, states.append)
        return states, pauses

    def test_until_it_is_available_with_what_was_asked(self, stubber: Stubber) -> None:
        """AVAILABLE with the old version is the moment before MWAA begins."""
        done = described(PluginsS3ObjectVersion="p2", LastUpdate={"Status": "SUCCESS", "CreatedAt": LATER})
        states, pauses = self.wait(
            stubber, described(), described(Status="UPDATING"), described(Status="CREATING_SNAPSHOT"), done
        )
        assert states == ["AVAILABLE", "UPDATING", "CREATING_SNAPSHOT", "AVAILABLE"]
        assert pauses == [30.0, 30.0, 30.0]

    def test_a_failed_one_tells_mwaa_s_reason(self, stubber: Stubber) -> None:
        failed = {"Status": "FAILED", "CreatedAt": LATER, "Error": {"ErrorCode": "X", "ErrorMessage": "bad zip"}}
        rolling = described(Status="ROLLING_BACK", LastUpdate=failed)
        with pytest.raises(DeployError, match=r"could not be updated\..*bad zip.*DAG files were not uploaded"):
            self.wait(stubber, described(Status="UPDATING"), rolling, described(LastUpdate=failed))

    def test_a_failure_of_before_is_not_taken_for_ours(self, stubber: Stubber) -> None:
        old = {"Status": "FAILED", "CreatedAt": EARLIER}
        one = environment(stubber, described(LastUpdate=old), described(PluginsS3ObjectVersion="p2", LastUpdate=old))
        one.wait(described(LastUpdate=old)["Environment"], self.UPDATE)

    def test_it_ends(self, stubber: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sandbox.mwaa.environment.PATIENCE_SECONDS", 60.0)
        with pytest.raises(DeployError, match="still UPDATING after 1 minutes"):
            self.wait(stubber, described(Status="UPDATING"), described(Status="UPDATING"))
