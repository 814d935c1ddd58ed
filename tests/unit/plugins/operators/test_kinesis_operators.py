"""Streams and records of Kinesis Data Streams as tasks, against botocore's own model of the service."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from airflow.sdk.exceptions import TaskDeferred

from pinflow.exceptions import NotFound, OutcomeUnknown, RecordsNotAccepted, Rejected, Unavailable, WaitTimedOut
from pinflow.hooks.kinesis import Outcome, OutcomeState, Record
from pinflow.operators.kinesis import (
    KinesisCreateStreamOperator,
    KinesisDeleteStreamOperator,
    KinesisPutRecordsOperator,
    KinesisUpdateStreamOperator,
    record,
)
from pinflow.triggers.kinesis import KinesisStreamTrigger
from tests.unit.plugins.conftest import Script

ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAST = {"waiter_delay": 0, "waiter_max_attempts": 3, "region_name": "us-east-1"}
NAME: dict[str, Any] = {"StreamName": "s"}


pytestmark = pytest.mark.usefixtures("aws")


def summary(status: str = "ACTIVE", shards: int = 2, hours: int = 24, mode: str = "PROVISIONED") -> dict[str, Any]:
    return {
        "StreamDescriptionSummary": {
            "StreamName": "s",
            "StreamARN": ARN,
            "StreamStatus": status,
            "StreamModeDetails": {"StreamMode": mode},
            "RetentionPeriodHours": hours,
            "StreamCreationTimestamp": NOW,
            "EnhancedMonitoring": [],
            "OpenShardCount": shards,
        }
    }


class Calls(Script):
    """What the operators ask of Kinesis."""

    def look(self, status: str = "ACTIVE", **found: Any) -> Self:
        """A look at the stream."""
        self.stubber.add_response("describe_stream_summary", summary(status, **found), NAME)
        return self

    def absent(self) -> Self:
        """A look that finds nothing."""
        return self.refuse("describe_stream_summary", "ResourceNotFoundException")

    def create(self, **more: Any) -> Self:
        """The call that makes the stream."""
        mode = {"StreamModeDetails": {"StreamMode": "PROVISIONED"}, "ShardCount": 2}
        return self.call("create_stream", **NAME, **{**mode, **more})

    def tags(self, **found: str) -> Self:
        """A look at the tags."""
        entries = [{"Key": key, "Value": value} for key, value in found.items()]
        return self.call("list_tags_for_stream", {"Tags": entries, "HasMoreTags": False}, **NAME)

    def shards(self, target: int, before: int = 2) -> Self:
        """A change of the shard count."""
        answer = {"StreamName": "s", "CurrentShardCount": before, "TargetShardCount": target}
        arguments = {**NAME, "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"}
        return self.call("update_shard_count", answer, **arguments)


def create(**arguments: Any) -> KinesisCreateStreamOperator:
    return KinesisCreateStreamOperator(task_id="t", stream_name="s", **{"shard_count": 2, **FAST, **arguments})


def update(**arguments: Any) -> KinesisUpdateStreamOperator:
    return KinesisUpdateStreamOperator(task_id="t", stream_name="s", **{**FAST, **arguments})


class TestKinesisCreateStreamOperator:
    def test_template_fields(self) -> None:
        operator = create()
        expected = {"stream_name", "stream_mode", "shard_count", "retention_hours", "tags", "aws_conn_id"}
        assert set(operator.template_fields) >= expected
        for name in operator.template_fields:
            getattr(operator, name)

    def test_defaults(self) -> None:
        operator = KinesisCreateStreamOperator(task_id="t", stream_name="s")
        assert (operator.stream_mode, operator.shard_count, operator.wait_for_completion) == ("PROVISIONED", None, True)
        assert (operator.waiter_delay, operator.waiter_max_attempts, operator.deferrable) == (5, 120, False)

    def test_creates(self, context: Any, script: Any, waiting: Any) -> None:
        operator = create(**waiting)
        calls = script(operator).absent().create().look("CREATING", shards=0)
        if waiting["wait_for_completion"]:
            calls.look("CREATING", shards=0).look().look()
            result = operator.execute(context)
            assert result == {
                "stream_name": "s",
                "stream_arn": ARN,
                "state": "ACTIVE",
                "mode": "PROVISIONED",
                "open_shards": 2,
                "retention_hours": 24,
                "created_at": "2026-01-02T03:04:05+00:00",
                "changed": ["create"],
            }
            assert context["ti"].xcoms["_kinesis_stream"]["stream_name"] == "s"
        elif waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert isinstance(deferred.value.trigger, KinesisStreamTrigger)
            assert deferred.value.trigger.serialize()[1]["waiter_name"] == "stream_active"
            assert deferred.value.kwargs == {"done": ["create"]}
            calls.look().look()
            result = operator.execute_complete(context, {"status": "success"}, done=["create"])
            assert (result["state"], result["changed"]) == ("ACTIVE", ["create"])
        else:
            assert operator.execute(context)["state"] == "CREATING"

    def test_the_result_is_json(self, context: Any, script: Any) -> None:
        operator = create()
        script(operator).look()
        assert json.loads(json.dumps(operator.execute(context)))["changed"] == []

    def test_with_tags_and_on_demand(self, context: Any, script: Any) -> None:
        operator = create(stream_mode="ON_DEMAND", shard_count=None, tags={"team": "data"}, deferrable=True)
        mode = {"StreamMode": "ON_DEMAND"}
        calls = script(operator).absent()
        calls.call("create_stream", **NAME, StreamModeDetails=mode, Tags={"team": "data"})
        calls.look(shards=4, mode="ON_DEMAND").tags(team="data")
        assert operator.execute(context)["open_shards"] == 4

    def test_numbers_that_were_templates(self, context: Any, script: Any) -> None:
        operator = create(shard_count="2", retention_hours="24")
        script(operator).look()
        assert operator.execute(context)["changed"] == []

    def test_one_that_is_active_at_once_is_not_waited_for(self, context: Any, script: Any) -> None:
        operator = create(deferrable=True)
        script(operator).absent().create().look()
        assert operator.execute(context)["changed"] == ["create"]

    def test_retention_and_tags_of_a_new_stream(self, context: Any, script: Any) -> None:
        operator = create(retention_hours=48, tags={"a": "1"})
        calls = script(operator).absent().create(Tags={"a": "1"}).look()
        calls.call("increase_stream_retention_period", **NAME, RetentionPeriodHours=48)
        calls.look("UPDATING").look("UPDATING").look(hours=48).look(hours=48).tags(a="1")
        assert operator.execute(context)["changed"] == ["create", "retention 48 h"]

    def test_one_that_somebody_else_makes_meanwhile_is_adopted(self, context: Any, script: Any) -> None:
        operator = create()
        script(operator).absent().refuse("create_stream", "ResourceInUseException").look("CREATING").look().look()
        assert operator.execute(context)["changed"] == []

    def test_one_that_is_in_use_for_ever(self, context: Any, script: Any) -> None:
        operator = create()
        calls = script(operator)
        for _ in range(2):
            calls.absent().refuse("create_stream", "ResourceInUseException")
        with pytest.raises(Unavailable, match="ResourceInUseException it is"):
            operator.execute(context)

    def test_waits_for_a_delete_before_it_makes_a_new_one(self, context: Any, script: Any) -> None:
        operator = create()
        script(operator).look("DELETING").look("DELETING").absent().absent().create().look()
        assert operator.execute(context)["changed"] == ["create"]

    def test_waits_in_vain(self, context: Any, script: Any) -> None:
        operator = create()
        calls = script(operator).look("CREATING")
        for _ in range(3):
            calls.look("CREATING")
        with pytest.raises(WaitTimedOut, match="Max attempts exceeded"):
            operator.execute(context)

    def test_execute_complete_with_an_error_event(self, context: Any, script: Any) -> None:
        operator = create(deferrable=True)
        script(operator).look("CREATING")
        with pytest.raises(WaitTimedOut, match="max attempts reached"):
            operator.execute_complete(context, {"status": "error", "message": "Waiter error: max attempts reached"})

    def test_execute_complete_does_not_trust_an_old_error_event(self, context: Any, script: Any) -> None:
        operator = create(deferrable=True)
        script(operator).look().look()
        assert operator.execute_complete(context, {"status": "error", "message": "x"}, done=["create"])["changed"]

    @pytest.mark.parametrize(
        ("code", "status", "kind"),
        [
            ("LimitExceededException", 400, Unavailable),
            ("InternalFailure", 500, OutcomeUnknown),
            ("InvalidArgumentException", 400, Rejected),
            ("AccessDeniedException", 400, Rejected),
        ],
    )
    def test_refusals(self, context: Any, script: Any, code: str, status: int, kind: type[Exception]) -> None:
        operator = create()
        operator.hook.conn.meta.events.unregister("needs-retry.kinesis", unique_id="retry-config-kinesis")
        script(operator).absent().refuse("create_stream", code, status)
        with pytest.raises(kind, match=rf"create_stream.*{code} it is"):
            operator.execute(context)

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"shard_count": None}, "needs a shard_count"),
            ({"stream_mode": "ON_DEMAND"}, "has no shard_count of its own"),
            ({"shard_count": 0}, "at least 1"),
            ({"retention_hours": 23}, "24 to 8760"),
            ({"stream_mode": "SERVERLESS"}, "SERVERLESS"),
        ],
    )
    def test_contradictions(self, context: Any, script: Any, arguments: Any, told: str) -> None:
        operator = create(**arguments)
        script(operator).absent()
        with pytest.raises(ValueError, match=told):
            operator.execute(context)


class TestKinesisUpdateStreamOperator:
    def test_nothing_asked_nothing_changed(self, context: Any, script: Any) -> None:
        operator = update()
        script(operator).look(shards=7, hours=99, mode="ON_DEMAND")
        assert operator.execute(context)["changed"] == []

    def test_there_is_none(self, context: Any, script: Any) -> None:
        operator = update(shard_count=2)
        script(operator).absent()
        with pytest.raises(NotFound, match="pinflow_provision"):
            operator.execute(context)

    def test_shards(self, context: Any, script: Any, waiting: Any) -> None:
        operator = update(shard_count=4, **waiting)
        calls = script(operator).look().shards(4).look("UPDATING")
        if waiting["wait_for_completion"]:
            calls.look("UPDATING").look(shards=4).look(shards=4)
            assert operator.execute(context)["open_shards"] == 4
        elif waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert deferred.value.kwargs == {"done": ["4 shards"]}
            calls.look(shards=4).look(shards=4)
            result = operator.execute_complete(context, {"status": "success"}, **deferred.value.kwargs)
            assert (result["open_shards"], result["changed"]) == (4, ["4 shards"])
        else:
            assert operator.execute(context)["state"] == "UPDATING"

    @pytest.mark.parametrize(
        ("now", "target", "steps"),
        [(1, 5, [2, 4, 5]), (2, 3, [3]), (9, 2, [5, 3, 2]), (5, 1, [3, 2, 1]), (3, 3, [])],
    )
    def test_shards_go_in_the_steps_that_kinesis_allows(
        self, context: Any, script: Any, now: int, target: int, steps: list[int]
    ) -> None:
        operator = update(shard_count=target)
        calls = script(operator).look(shards=now)
        for step in steps:
            assert now / 2 <= step <= now * 2
            calls.shards(step, now).look(shards=step)
            now = step
        assert operator.execute(context)["changed"] == [f"{step} shards" for step in steps]

    @pytest.mark.parametrize(("now", "wanted", "word"), [(24, 168, "increase"), (168, 24, "decrease")])
    def test_retention(self, context: Any, script: Any, now: int, wanted: int, word: str) -> None:
        operator = update(retention_hours=wanted)
        calls = script(operator).look(hours=now)
        calls.call(f"{word}_stream_retention_period", **NAME, RetentionPeriodHours=wanted).look(hours=wanted)
        assert operator.execute(context)["changed"] == [f"retention {wanted} h"]

    def test_mode_comes_before_shards(self, context: Any, script: Any) -> None:
        operator = update(stream_mode="PROVISIONED", shard_count=2)
        calls = script(operator).look(shards=4, mode="ON_DEMAND")
        calls.call("update_stream_mode", StreamARN=ARN, StreamModeDetails={"StreamMode": "PROVISIONED"})
        calls.look(shards=4).shards(2, 4).look()
        assert operator.execute(context)["changed"] == ["mode PROVISIONED", "2 shards"]

    def test_shards_of_an_on_demand_stream(self, context: Any, script: Any) -> None:
        operator = update(shard_count=2)
        script(operator).look(shards=4, mode="ON_DEMAND")
        with pytest.raises(Rejected, match="Kinesis itself counts them"):
            operator.execute(context)

    def test_tags_are_added_and_others_stay(self, context: Any, script: Any) -> None:
        operator = update(tags={"a": "1", "b": "2"})
        calls = script(operator).look().tags(a="0", b="2", other="x")
        calls.call("add_tags_to_stream", **NAME, Tags={"a": "1"}).look().tags(a="1", b="2", other="x")
        assert operator.execute(context)["changed"] == ["tags a"]

    def test_a_change_that_is_not_shown_is_an_error_and_not_a_loop(self, context: Any, script: Any) -> None:
        operator = update(retention_hours=48)
        calls = script(operator).look()
        calls.call("increase_stream_retention_period", **NAME, RetentionPeriodHours=48).look()
        with pytest.raises(WaitTimedOut, match="retention 48 h, and shows the old value still"):
            operator.execute(context)

    def test_one_that_is_changed_by_somebody_else_meanwhile(self, context: Any, script: Any) -> None:
        operator = update(shard_count=4)
        calls = script(operator).look().refuse("update_shard_count", "ResourceInUseException")
        calls.look("UPDATING").look(shards=3).look(shards=3).shards(4, 3).look(shards=4)
        assert operator.execute(context)["changed"] == ["4 shards"]


class TestKinesisDeleteStreamOperator:
    def operator(self, **arguments: Any) -> KinesisDeleteStreamOperator:
        return KinesisDeleteStreamOperator(task_id="t", stream_name="s", **{**FAST, **arguments})

    def test_deletes(self, context: Any, script: Any, waiting: Any) -> None:
        operator = self.operator(**waiting)
        calls = script(operator).look().call("delete_stream", **NAME)
        if waiting["wait_for_completion"]:
            calls.look("DELETING").absent().absent()
            assert operator.execute(context) is True
        elif waiting["deferrable"]:
            with pytest.raises(TaskDeferred) as deferred:
                operator.execute(context)
            assert deferred.value.trigger.serialize()[1]["waiter_name"] == "stream_deleted"
            calls.absent().absent()
            assert operator.execute_complete(context, {"status": "success"}, **(deferred.value.kwargs or {})) is True
        else:
            assert operator.execute(context) is True

    def test_nothing_to_delete(self, context: Any, script: Any) -> None:
        operator = self.operator()
        script(operator).absent()
        assert operator.execute(context) is False

    def test_a_delete_under_way_is_not_asked_for_again(self, context: Any, script: Any) -> None:
        operator = self.operator()
        script(operator).look("DELETING").look("DELETING").absent().absent()
        assert operator.execute(context) is True

    def test_one_that_is_being_changed_is_waited_for(self, context: Any, script: Any) -> None:
        operator = self.operator()
        calls = script(operator).look("UPDATING").look("UPDATING").look().look().call("delete_stream", **NAME)
        calls.absent().absent()
        assert operator.execute(context) is True

    def test_consumers(self, context: Any, script: Any) -> None:
        operator = self.operator(enforce_consumer_deletion=True, wait_for_completion=False)
        script(operator).look().call("delete_stream", **NAME, EnforceConsumerDeletion=True)
        assert operator.execute(context) is True

    def test_one_in_use(self, context: Any, script: Any) -> None:
        operator = self.operator()
        script(operator).look().refuse("delete_stream", "ResourceInUseException")
        with pytest.raises(Unavailable, match="ResourceInUseException it is"):
            operator.execute(context)

    def test_one_that_stays(self, context: Any, script: Any) -> None:
        operator = self.operator(deferrable=True)
        script(operator).look("DELETING")
        with pytest.raises(WaitTimedOut, match="too long"):
            operator.execute_complete(context, {"status": "error", "message": "too long"}, deleted=True)


class Taking:
    """A hook whose records get the outcomes that a test gives."""

    conn_region_name, conn_partition = "us-east-1", "aws"

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.put: list[tuple[str, list[Record]]] = []

    def put_records(self, name: str, records: list[Record]) -> list[Outcome]:
        """Note them."""
        self.put.append((name, records))
        return self.outcomes


def accepted(shard: int = 0, attempts: int = 1) -> Outcome:
    return Outcome(OutcomeState.ACCEPTED, attempts, f"shardId-{shard:012d}", "1")


class TestKinesisPutRecordsOperator:
    def operator(self, hook: Taking, *records: Any) -> KinesisPutRecordsOperator:
        made = KinesisPutRecordsOperator(task_id="t", stream_name="s", records=records)
        made.__dict__["hook"] = hook
        return made

    def test_template_fields(self) -> None:
        operator = KinesisPutRecordsOperator(task_id="t", stream_name="s", records=[])
        assert {"stream_name", "records"} <= set(operator.template_fields)

    def test_puts(self, context: Any) -> None:
        hook = Taking(accepted(1), accepted(0, attempts=3), accepted(1))
        rows = [{"data": {"ind": 1, "t": "é"}, "partition_key": "1"}, {"data": "raw text", "partition_key": 2}]
        result = self.operator(hook, *rows, {"data": [1], "partition_key": "3"}).execute(context)
        shards = {"shardId-000000000000": 1, "shardId-000000000001": 2}
        assert result == {"records": 3, "accepted": 3, "resent": 1, "shards": shards}
        expected = [Record("1", '{"ind":1,"t":"é"}'.encode()), Record("2", b"raw text"), Record("3", b"[1]")]
        assert hook.put == [("s", expected)]
        assert context["ti"].xcoms["_kinesis_stream"]["stream_name"] == "s"

    def test_what_was_not_surely_taken_is_an_error_with_all_outcomes(self, context: Any) -> None:
        throttled = "ProvisionedThroughputExceededException"
        hook = Taking(
            accepted(),
            Outcome(OutcomeState.REJECTED, 10, code=throttled, reason="Rate exceeded"),
            Outcome(OutcomeState.UNKNOWN, 2, code="ServiceUnavailable", reason="closed"),
        )
        entries = [{"data": number, "partition_key": "k"} for number in range(3)]
        with pytest.raises(
            RecordsNotAccepted, match=r"2 of 3 records \(1 rejected, 1 unknown\).*positions 1, 2"
        ) as caught:
            self.operator(hook, *entries).execute(context)
        outcomes = caught.value.data["outcomes"]
        assert {number: (one["state"], one["code"]) for number, one in outcomes.items()} == {
            1: ("rejected", throttled),
            2: ("unknown", "ServiceUnavailable"),
        }

    @pytest.mark.parametrize("entry", [{"data": 1}, {"partition_key": "k"}, {"Data": 1, "PartitionKey": "k"}])
    def test_a_record_without_its_fields(self, entry: Any) -> None:
        with pytest.raises(ValueError, match="Give both data and partition_key"):
            record(entry)
