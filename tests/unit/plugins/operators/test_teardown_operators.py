"""What a teardown needs: a person's word, groups, buckets, checkpoints, schemas, and the list of what is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators import hitl
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import TaskAwaitingInput
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from confluent_kafka import KafkaError, KafkaException

from pinflow.exceptions import (
    NotApproved,
    NotebookFailed,
    NotFound,
    NotSent,
    Rejected,
    ResourcesLeft,
    StatementFailed,
    Unavailable,
    WaitTimedOut,
)
from pinflow.hooks import streaming
from pinflow.hooks.inventory import TaggedResourcesHook
from pinflow.hooks.kafka import KafkaOffsetsHook
from pinflow.hooks.kafka_rest import Topic
from pinflow.hooks.msk_connect import MskConnectHook
from pinflow.hooks.s3 import VersionedBucketHook
from pinflow.operators import inventory
from pinflow.operators.approval import ApprovalGateOperator
from pinflow.operators.databricks import DatabricksDropSchemasOperator
from pinflow.operators.inventory import PlatformInventoryOperator
from pinflow.operators.kafka import KafkaDeleteConsumerGroupOperator
from pinflow.operators.s3 import S3DeleteVersionedBucketOperator
from pinflow.operators.streaming import StreamingCheckpointResetOperator, StreamingJobStopOperator
from pinflow.retries import FAIL_FAST
from tests.unit.plugins.conftest import JsonServer
from tests.unit.plugins.operators.test_databricks_operators import Workspace
from tests.unit.plugins.streaming_workspace import JOB, StreamingWorkspace

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DENIED = "AccessDenied"


pytestmark = pytest.mark.usefixtures("aws")


class TestApprovalGateOperator:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        questions: list[str] = []
        monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **given: questions.append(given["subject"]))
        return questions

    @staticmethod
    def gate(**arguments: Any) -> ApprovalGateOperator:
        return ApprovalGateOperator(task_id="t", subject="Delete all", **arguments)

    @staticmethod
    def answer(chosen: str) -> dict[str, Any]:
        who = {"id": "1", "name": "ann"}
        return {"chosen_options": [chosen], "params_input": {}, "responded_at": NOW, "responded_by_user": who}

    def test_template_fields(self) -> None:
        assert {"subject", "body", "approved"} <= set(self.gate().template_fields)

    @pytest.mark.parametrize("approved", [True, "True", "true"])
    def test_approved_when_triggered_nobody_is_asked(self, context: Any, asked: list[str], approved: Any) -> None:
        assert self.gate(approved=approved).execute(context) is None
        assert asked == []

    @pytest.mark.parametrize("approved", [False, "False", "", "None", "yes"])
    def test_anything_else_asks(self, context: Any, asked: list[str], approved: Any) -> None:
        context["ti"].id = "1"
        with pytest.raises(TaskAwaitingInput):
            self.gate(approved=approved).execute({**context, "task_instance": context["ti"]})
        assert asked == ["Delete all"]

    def test_yes(self, context: Any) -> None:
        assert self.gate().execute_complete(context, self.answer("Approve"))["chosen_options"] == ["Approve"]

    def test_no_fails_for_good(self, context: Any) -> None:
        with pytest.raises(NotApproved, match=r"Delete all was not approved\. The answer was no") as refused:
            self.gate().execute_complete(context, self.answer("Reject"))
        assert FAIL_FAST.evaluate(refused.value, 1, 3).action == RetryAction.FAIL

    def test_nobody_answers(self, context: Any) -> None:
        with pytest.raises(NotApproved, match="Nobody answered in time") as refused:
            self.gate().execute_complete(context, {"error": "late", "error_type": "timeout"})
        assert isinstance(refused.value.__cause__, HITLTimeoutError)


class Admin:
    """As much of Kafka's admin client as deletes groups."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        self.deleted: list[str] = []

    def delete_consumer_groups(self, groups: list[str], **_: Any) -> dict[str, Any]:
        """A future a group."""
        self.deleted += groups
        return dict.fromkeys(groups, self)

    def result(self, timeout: float) -> None:
        """The future's end."""
        if self.code is not None:
            raise KafkaException(KafkaError(self.code, "so it is"))


class TestKafkaDeleteConsumerGroupOperator:
    @staticmethod
    def delete(monkeypatch: pytest.MonkeyPatch, code: int | None) -> tuple[KafkaDeleteConsumerGroupOperator, Admin]:
        where = {"conn_type": "kafka", "extra": {"bootstrap.servers": "127.0.0.1:1"}}
        monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps(where))
        admin = Admin(code)
        monkeypatch.setattr(KafkaOffsetsHook, "get_conn", admin)
        return KafkaDeleteConsumerGroupOperator(task_id="t", group="connect-sink"), admin

    def test_template_fields(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert set(self.delete(monkeypatch, None)[0].template_fields) == {"group", "kafka_config_id"}

    @pytest.mark.parametrize(("code", "existed"), [(None, True), (KafkaError.GROUP_ID_NOT_FOUND, False)])
    def test_deletes(self, context: Any, monkeypatch: pytest.MonkeyPatch, code: int | None, existed: bool) -> None:
        operator, admin = self.delete(monkeypatch, code)
        assert operator.execute(context) is existed
        assert admin.deleted == ["connect-sink"]

    @pytest.mark.parametrize(
        ("code", "why"), [(KafkaError.NON_EMPTY_GROUP, "has members still"), (KafkaError._TIMED_OUT, "so it is")]
    )
    def test_what_may_pass_is_tried_again(
        self, context: Any, monkeypatch: pytest.MonkeyPatch, code: int, why: str
    ) -> None:
        with pytest.raises(Unavailable, match=why) as error:
            self.delete(monkeypatch, code)[0].execute(context)
        assert FAIL_FAST.evaluate(error.value, 1, 3).action == RetryAction.RETRY


class TestS3DeleteVersionedBucketOperator:
    @staticmethod
    def delete(**arguments: Any) -> S3DeleteVersionedBucketOperator:
        return S3DeleteVersionedBucketOperator(task_id="t", bucket_name="b", region_name="us-east-1", **arguments)

    @pytest.fixture
    def calls(self) -> Iterator[Any]:
        made: list[Stubber] = []

        def stub(conn: Any) -> Stubber:
            made.append(Stubber(conn))
            made[-1].activate()
            return made[-1]

        yield stub
        for stubber in made:
            stubber.assert_no_pending_responses()

    @staticmethod
    def versions(stubber: Stubber) -> None:
        version = {"Key": "k", "VersionId": "1"}
        page = {"Versions": [version], "IsTruncated": True, "NextKeyMarker": "k", "NextVersionIdMarker": "1"}
        stubber.add_response("list_object_versions", page, {"Bucket": "b"})
        first = {"Objects": [version], "Quiet": True}
        stubber.add_response("delete_objects", {}, {"Bucket": "b", "Delete": first})
        marker = {"Key": "k", "VersionId": "2"}
        after = {"Bucket": "b", "KeyMarker": "k", "VersionIdMarker": "1"}
        stubber.add_response("list_object_versions", {"DeleteMarkers": [marker]}, after)
        second = {"Objects": [marker], "Quiet": True}
        stubber.add_response("delete_objects", {}, {"Bucket": "b", "Delete": second})

    def test_template_fields(self) -> None:
        assert {"bucket_name", "aws_conn_id"} <= set(self.delete().template_fields)

    def test_all_versions_of_all_pages_then_the_bucket(self, context: Any, calls: Any) -> None:
        operator = self.delete()
        stubber = calls(operator.hook.conn)
        for _ in range(3):
            stubber.add_response("head_bucket", {}, {"Bucket": "b"})
        self.versions(stubber)
        stubber.add_response("delete_bucket", {}, {"Bucket": "b"})
        assert operator.execute(context) is True

    def test_the_bucket_stays_when_it_is_another_ones(self, context: Any, calls: Any) -> None:
        operator = self.delete(keep_bucket=True)
        stubber = calls(operator.hook.conn)
        for _ in range(2):
            stubber.add_response("head_bucket", {}, {"Bucket": "b"})
        self.versions(stubber)
        assert operator.execute(context) is True

    @pytest.mark.parametrize("keep", [True, False])
    def test_none_there(self, context: Any, calls: Any, keep: bool) -> None:
        operator = self.delete(keep_bucket=keep)
        stubber = calls(operator.hook.conn)
        for _ in range(2):
            stubber.add_client_error("head_bucket", "404", "Not Found", 404)
        assert operator.execute(context) is False

    def test_one_that_we_may_not_look_at(self, context: Any, calls: Any) -> None:
        operator = self.delete()
        calls(operator.hook.conn).add_client_error("head_bucket", "403", "Forbidden", 403)
        with pytest.raises(ClientError, match="Forbidden"):
            operator.execute(context)

    def test_objects_that_are_held_back(self, calls: Any) -> None:
        hook = VersionedBucketHook(region_name="us-east-1")
        stubber = calls(hook.conn)
        stubber.add_response("head_bucket", {})
        stubber.add_response("list_object_versions", {"Versions": [{"Key": "k", "VersionId": "1"}]})
        held = {"Errors": [{"Key": "k", "VersionId": "1", "Code": DENIED, "Message": "locked"}]}
        stubber.add_response("delete_objects", held)
        with pytest.raises(Rejected, match=r"1 of 1 objects from b\. It says of k: locked \(AccessDenied\)"):
            hook.empty("b")


class TestStreamingJobStopOperator:
    @pytest.fixture(autouse=True)
    def no_pause(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streaming, "STOP_POLL", 0)

    def test_template_fields(self) -> None:
        made = StreamingJobStopOperator(task_id="t", job_id=JOB)
        assert set(made.template_fields) == {"job_id", "databricks_conn_id"}

    def test_all_runs_of_the_job_and_no_other(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.add()
        workspace.add(name="another")
        workspace.add()
        workspace.cancel_takes = 2
        assert StreamingJobStopOperator(task_id="t", job_id=JOB).execute(context) == [1, 3]
        assert workspace.active == []
        assert workspace.runs[2].life == "RUNNING"

    def test_none_runs(self, context: Any, workspace: StreamingWorkspace) -> None:
        assert StreamingJobStopOperator(task_id="t", job_id=JOB).execute(context) == []
        assert workspace.cancelled == []

    def test_one_that_does_not_stop(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.add()
        workspace.cancel_takes = 1_000_000
        with pytest.raises(WaitTimedOut, match="Run 1 was cancelled and goes on"):
            StreamingJobStopOperator(task_id="t", job_id=JOB, timeout_seconds=0.01).execute(context)


class TestStreamingCheckpointResetOperator:
    NOTEBOOK = "/Shared/pinflow/include/spark/notebooks/stream_reset"

    def reset(self) -> StreamingCheckpointResetOperator:
        return StreamingCheckpointResetOperator(task_id="t", notebook_path=self.NOTEBOOK, polling_period_seconds=0)

    @pytest.fixture
    def files(self, server: JsonServer) -> Workspace:
        made = Workspace()
        server.handler = made
        return made

    def test_nothing_provisioned_nothing_to_reset(self, context: Any, files: Workspace) -> None:
        assert self.reset().execute(context) == {}
        assert files.submitted == []

    def test_runs_the_notebook(self, context: Any, files: Workspace) -> None:
        files.workspace_mkdirs({"path": self.NOTEBOOK.rpartition("/")[0]})
        files.files[self.NOTEBOOK] = ("NOTEBOOK", b"")
        files.result = '{"posts": "dbfs:/aside", "live": null}'
        assert self.reset().execute(context) == {"posts": "dbfs:/aside", "live": None}

    def test_a_job_that_lives_is_worth_another_try(self, context: Any, files: Workspace) -> None:
        files.workspace_mkdirs({"path": self.NOTEBOOK.rpartition("/")[0]})
        files.files[self.NOTEBOOK] = ("NOTEBOOK", b"")
        files.states = [("TERMINATED", "FAILED")]
        with pytest.raises(NotebookFailed) as failed:
            self.reset().execute(context)
        assert FAIL_FAST.evaluate(failed.value, 1, 3).action != RetryAction.FAIL


class TestDatabricksDropSchemasOperator:
    def test_template_fields(self) -> None:
        made = DatabricksDropSchemasOperator(task_id="t", schemas=["a"], catalog="c", warehouse_id="w")
        assert set(made.template_fields) == {"schemas", "catalog", "warehouse_id", "databricks_conn_id"}

    def test_drops(self, context: Any, workspace: StreamingWorkspace) -> None:
        operator = DatabricksDropSchemasOperator(task_id="t", schemas=["live", "gold"], catalog="c", warehouse_id="w")
        assert operator.execute(context) == ["c.live", "c.gold"]
        assert [entry["sql"] for entry in workspace.statements] == [
            "DROP SCHEMA IF EXISTS c.live CASCADE",
            "DROP SCHEMA IF EXISTS c.gold CASCADE",
        ]

    def test_a_refusal(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.statement_error = "no permission"
        with pytest.raises(StatementFailed, match="no permission"):
            DatabricksDropSchemasOperator(task_id="t", schemas=["a"], catalog="c", warehouse_id="w").execute(context)


class Platform:
    """What there is, by kind; a test takes it away."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.cluster: Exception | None = None
        self.looks = 0

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lead all hooks of the operator here."""

        def give(kind: str, default: Any) -> Any:
            return lambda *_, **__: self.found.get(kind, default)

        for hook, method, kind in [
            ("MskConnectHook", "connectors", "connectors"),
            ("MskConnectHook", "plugins", "plugins"),
            ("KinesisStreamsHook", "streams", "streams"),
            ("ApiGatewayHook", "apis", "apis"),
            ("CloudFormationStackHook", "stacks", "stacks"),
        ]:
            monkeypatch.setattr(getattr(inventory, hook), method, give(kind, []))
        monkeypatch.setattr(
            inventory.VersionedBucketHook, "exists", lambda _, name: name in self.found.get("buckets", [])
        )
        monkeypatch.setattr(inventory.TaggedResourcesHook, "tagged", lambda *_: self.tagged())
        monkeypatch.setattr(inventory.MskHook, "cluster", lambda *_: self._cluster())
        monkeypatch.setattr(inventory.KafkaRestHook, "topics", lambda _: self.found.get("topics", []))

    def tagged(self) -> list[str]:
        """Counts the looks."""
        self.looks += 1
        left: list[list[str]] = self.found.get("tagged", [])
        return left.pop(0) if len(left) > 1 else left[0] if left else []

    def _cluster(self) -> None:
        if self.cluster is not None:
            raise self.cluster


class TestPlatformInventoryOperator:
    @pytest.fixture
    def there(self, monkeypatch: pytest.MonkeyPatch) -> Platform:
        made = Platform()
        made.patch(monkeypatch)
        return made

    @staticmethod
    def look(**arguments: Any) -> PlatformInventoryOperator:
        return PlatformInventoryOperator(
            task_id="t",
            prefix="pinflow",
            cluster_name="pinflow",
            connector_name="sink",
            plugin_name="plugin",
            stream_prefix="streaming-pinflow-",
            api_name="pinflow",
            buckets=["landing"],
            kept_stacks=["pinflow-network"],
            region_name="us-east-1",
            **{"attempts": 2, "delay": 0, **arguments},
        )

    def test_template_fields(self) -> None:
        assert {"prefix", "cluster_name", "buckets", "kept_stacks", "aws_conn_id"} <= set(self.look().template_fields)

    def test_nothing_left(self, context: Any, there: Platform) -> None:
        assert self.look().execute(context) == {}
        assert there.looks == 1

    def test_what_costs_nothing_is_told_and_what_others_own_is_not(self, context: Any, there: Platform) -> None:
        there.found = {
            "plugins": ["plugin"],
            "topics": [Topic("_schemas", 1, 1), Topic("theirs.pin", 1, 1)],
            "apis": [
                {"name": "pinflow", "id": "a", "tags": {}},
                {"name": "x", "id": "b", "tags": {"pinflow": "pinflow"}},
            ],
            "stacks": [{"StackName": "pinflow-network"}],
            "buckets": ["another"],
        }
        assert self.look().execute(context) == {"plugins": ["plugin"]}

    @pytest.mark.parametrize(
        ("kind", "found", "told"),
        [
            ("connectors", ["sink"], "connectors sink"),
            ("topics", [Topic("pinflow.pin", 1, 1)], "topics pinflow.pin"),
            ("streams", ["streaming-pinflow-pin"], "streams streaming-pinflow-pin"),
            ("apis", [{"name": "pinflow", "id": "a", "tags": {"pinflow": "pinflow"}}], r"APIs pinflow \(a\)"),
            ("buckets", ["landing"], "buckets landing"),
            ("stacks", [{"StackName": "pinflow-kafka"}], "stacks pinflow-kafka"),
            ("tagged", [["arn:aws:rds:::db:x"]], "tagged arn:aws:rds"),
        ],
    )
    def test_each_kind_is_found(self, context: Any, there: Platform, kind: str, found: Any, told: str) -> None:
        there.found = {kind: found}
        with pytest.raises(ResourcesLeft, match=f"1 things that are billed are left of pinflow. {told}") as left:
            self.look().execute(context)
        assert there.looks == 2
        assert len(left.value.data["left"]) == 1
        assert FAIL_FAST.evaluate(left.value, 1, 3).action == RetryAction.FAIL

    def test_what_vanishes_after_a_while(self, context: Any, there: Platform) -> None:
        there.found = {"tagged": [["arn:aws:kinesis:::stream/x"], ["arn:aws:kinesis:::stream/x"], []]}
        assert self.look(attempts=5).execute(context) == {}
        assert there.looks == 3

    @pytest.mark.parametrize("why", [NotFound("a", "b", "c"), NotSent("a", "b", "c")])
    def test_without_a_cluster_nobody_is_asked_for_topics(self, context: Any, there: Platform, why: Exception) -> None:
        there.found = {"topics": [Topic("pinflow.pin", 1, 1)]}
        there.cluster = why
        assert self.look().execute(context) == {}


class TestHooks:
    def test_tagged_resources(self) -> None:
        hook = TaggedResourcesHook(region_name="us-east-1")

        def entry(arn: str, **tags: str) -> dict[str, Any]:
            return {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

        filters = {"TagFilters": [{"Key": "pinflow", "Values": ["p"]}]}
        kept = {"aws:cloudformation:stack-name": "p-network"}
        other = {"aws:cloudformation:stack-name": "p-kafka"}
        vpc = "arn:aws:ec2:us-east-1:1:vpc/v"
        cluster = "arn:aws:kafka:us-east-1:1:cluster/p/1"
        first = [entry(vpc, **kept), entry(cluster, **other), entry("arn:aws:iam::1:role/r")]
        second = [entry("arn:aws:s3:::b"), entry("arn:aws:kafkaconnect:us-east-1:1:custom-plugin/p/1")]
        with Stubber(hook.conn) as stubber:
            answer = {"ResourceTagMappingList": first, "PaginationToken": "t"}
            stubber.add_response("get_resources", answer, filters)
            last = {"ResourceTagMappingList": second, "PaginationToken": ""}
            stubber.add_response("get_resources", last, {**filters, "PaginationToken": "t"})
            assert hook.tagged("pinflow", "p", ["p-network"]) == [cluster, "arn:aws:s3:::b"]

    def test_names_of_connectors_and_plugins(self) -> None:
        hook = MskConnectHook(region_name="us-east-1")
        with Stubber(hook.conn) as stubber:
            found = {"connectors": [{"connectorName": "sink-a"}, {"connectorName": "sink-b"}]}
            stubber.add_response("list_connectors", found, {"connectorNamePrefix": "sink"})
            plugins = {"customPlugins": [{"name": "plugin"}]}
            stubber.add_response("list_custom_plugins", plugins, {"namePrefix": "plug"})
            assert hook.connectors("sink") == ["sink-a", "sink-b"]
            assert hook.plugins("plug") == ["plugin"]
