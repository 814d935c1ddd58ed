"""Our operators and triggers against the real broker, proxy, Connect worker and control planes."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pinflow-airflow-"))

from airflow.sdk.exceptions import TaskDeferred

from include.aws.connectors import render
from include.config.settings import load
from pinflow.exceptions import CannotReconcile, ConnectorFailed, NotFound, Rejected, ResourcesLeft, Unavailable
from pinflow.hooks.kafka import KafkaOffsetsHook, KafkaRecordsHook
from pinflow.hooks.kafka_rest import KafkaRestHook, Outcome, Record
from pinflow.hooks.msk_connect import MskConnectHook
from pinflow.operators.cloudformation import CloudFormationDeleteStackOperator
from pinflow.operators.inventory import PlatformInventoryOperator
from pinflow.operators.kafka import KafkaDeleteConsumerGroupOperator
from pinflow.operators.kafka_rest import (
    KafkaRestCreateTopicOperator,
    KafkaRestDeleteTopicOperator,
    KafkaRestDescribeTopicOperator,
    KafkaRestProduceOperator,
)
from pinflow.operators.kinesis import KinesisCreateStreamOperator, KinesisDeleteStreamOperator
from pinflow.operators.msk import MskCreateTopicOperator, MskDeleteTopicOperator, MskDescribeTopicOperator
from pinflow.operators.msk_connect import (
    MskConnectCreateConnectorOperator,
    MskConnectCreateCustomPluginOperator,
    MskConnectDeleteConnectorOperator,
    MskConnectRestartConnectorOperator,
    has_failed,
)
from pinflow.operators.s3 import S3DeleteVersionedBucketOperator
from pinflow.sensors.landing import KafkaConnectLandingSensor
from pinflow.sensors.msk import MskTopicSensor
from tests.conftest import Platform

pytestmark = pytest.mark.integration
SETTINGS = load("sandbox")
NAME = "operators-sink"
TOPIC = "operators.landing"
DEAD = "operators.dead-letter"


class Store(dict[str, Any]):
    """A task state store."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


class TaskInstance:
    """As much of a task instance as operators look at."""

    dag_id, run_id, task_id, map_index, try_number = "dag", "run", "task", -1, 1

    def xcom_push(self, key: str, value: Any) -> None:
        """Not looked at."""


def run(operator: Any) -> Any:
    """Run a task; where it defers, its real trigger waits, as in the triggerer."""
    context: Any = {"ti": TaskInstance(), "task_state_store": Store(), "params": {}}
    call = lambda: operator.execute(context)  # noqa: E731
    for _ in range(10):
        try:
            return call()
        except TaskDeferred as deferred:
            event = asyncio.run(asyncio.wait_for(anext(deferred.trigger.run()), 120)).payload  # type: ignore[arg-type]
            method, given = getattr(operator, deferred.method_name), deferred.kwargs or {}
            call = lambda method=method, given=given, event=event: method(context, event=event, **given)  # noqa: E731
    raise AssertionError("it defers for ever")


@pytest.fixture(scope="module", autouse=True)
def parts(platform: Platform) -> Iterator[None]:
    """What the operators talk to, by Airflow's own connections."""
    platform.up("aws", "kafka", "connect", "rest-proxy", "msk")
    from sandbox.airflow.environment import connections

    before = dict(os.environ)
    os.environ.update(platform.context.client_environment() | connections(platform.context))
    yield
    os.environ.clear()
    os.environ.update(before)


def topic(name: str = TOPIC, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"partitions": 2, "configs": {"retention.ms": "-1"}, **changes}
    return run(KafkaRestCreateTopicOperator(task_id="topic", topic=name, **given))


class TestTopics:
    def test_create_adopt_grow_configure_delete(self) -> None:
        name = "operators.life"
        assert topic(name)["created"]
        assert topic(name)["changed"] == {}
        grown = topic(name, partitions=3, configs={"retention.ms": "86400000"})["changed"]
        assert grown == {"partitions": [2, 3], "retention.ms": ["-1", "86400000"]}
        with pytest.raises(CannotReconcile, match="has 3 partitions and 1 were asked for"):
            topic(name, partitions=1)
        described = run(KafkaRestDescribeTopicOperator(task_id="t", topic=name))
        assert (described["partitions"], described["configs"]["retention.ms"]) == (3, "86400000")
        delete = KafkaRestDeleteTopicOperator(task_id="t", topic=name)
        assert run(delete) is True
        assert run(delete) is False

    def test_produce_with_time_and_key(self) -> None:
        topic("operators.records")
        records = [
            {"key": "7", "value": {"ind": 7}, "timestamp": "2022-03-01T05:00:00+00:00"},
            {"key": "7", "value": None},
        ]
        made = run(KafkaRestProduceOperator(task_id="t", topic="operators.records", records=records))
        assert made[0]["partition"] == made[1]["partition"], "one key, one partition"
        position = ("operators.records", made[0]["partition"], made[0]["offset"])
        assert KafkaRecordsHook().timestamps([position]) == {position: 1646110800000}

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_by_msks_own_api(self, deferrable: bool) -> None:
        """What MSK's API makes is what the broker tells the REST proxy."""
        where: dict[str, Any] = {"cluster_name": SETTINGS.kafka.cluster_name, "topic": f"operators.msk-{deferrable}"}
        waiting = {"deferrable": deferrable, "waiter_delay": 1, "replication_factor": 1}

        def make(**given: Any) -> dict[str, Any]:
            return run(MskCreateTopicOperator(task_id="t", **where, **waiting, **given))  # type: ignore[no-any-return]

        assert make(partitions=2, configs={"retention.ms": "1000", "cleanup.policy": "compact"})["created"]
        again = make(partitions=2, configs={"retention.ms": "1000"})
        assert (again["created"], again["changed"]) == (False, {})
        grown = make(partitions=3, configs={"retention.ms": "2000"})["changed"]
        assert grown == {"partitions": [2, 3], "retention.ms": ["1000", "2000"]}
        run(MskTopicSensor(task_id="t", deferrable=deferrable, poke_interval=1, timeout=60, **where))
        kafka = run(KafkaRestDescribeTopicOperator(task_id="t", topic=where["topic"]))
        configs = (kafka["configs"]["retention.ms"], kafka["configs"]["cleanup.policy"])
        assert (kafka["partitions"], configs) == (3, ("2000", "compact"))
        described = run(MskDescribeTopicOperator(task_id="t", **where))
        assert (described["state"], described["partitions"]) == ("ACTIVE", 3)
        with pytest.raises(CannotReconcile, match="has 3 partitions and 1 were asked for"):
            make(partitions=1)
        with pytest.raises(Rejected, match=r"create_topic.*operators\.too-many"):
            run(MskCreateTopicOperator(task_id="t", **{**where, "topic": "operators.too-many"}, replication_factor=9))
        delete = MskDeleteTopicOperator(task_id="t", deferrable=deferrable, waiter_delay=1, **where)
        assert run(delete) is True
        assert run(delete) is False
        assert KafkaRestHook().topic(where["topic"]) is None

    def test_v2_as_existing_clients_send(self) -> None:
        topic("operators.records")
        outcomes = KafkaRestHook().produce_v2("operators.records", [Record({"a": "ä"}, key="1"), Record(None)])
        assert [outcome.outcome for outcome in outcomes] == [Outcome.ACCEPTED] * 2

    def test_a_broken_record_does_not_take_the_others_with_it(self) -> None:
        topic("operators.records")
        far = Record({"n": 2}, partition=-5)
        outcomes = KafkaRestHook().produce("operators.records", [Record({"n": 1}), far, Record({"n": 3})])
        assert [outcome.outcome for outcome in outcomes] == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]


class TestOffsets:
    def test_spans_and_unknown_topics(self) -> None:
        topic("operators.spans", partitions=2)
        KafkaRestHook().produce("operators.spans", [Record({"n": n}, partition=1) for n in range(3)])
        spans = KafkaOffsetsHook().spans(["operators.spans"])
        assert [(span.earliest, span.end) for span in spans.values()] == [(0, 0), (0, 3)]
        with pytest.raises(NotFound, match=r"no topic operators\.nothing"):
            KafkaOffsetsHook().spans(["operators.nothing"])

    def test_a_group_that_never_was(self) -> None:
        assert KafkaOffsetsHook().committed("connect-nothing") == {}

    def test_a_group_goes_with_its_offsets_once_nobody_is_in_it(self, platform: Platform) -> None:
        from confluent_kafka import Consumer, TopicPartition

        group = "operators-gone"
        topic("operators.gone", partitions=1)
        where = f"127.0.0.1:{platform.port('kafka')}"
        consumer = Consumer({"bootstrap.servers": where, "group.id": group, "enable.auto.commit": False})
        consumer.subscribe(["operators.gone"])
        deadline = time.monotonic() + 30
        while not consumer.assignment() and time.monotonic() < deadline:
            consumer.poll(0.2)
        consumer.commit(offsets=[TopicPartition("operators.gone", 0, 0)], asynchronous=False)
        operator = KafkaDeleteConsumerGroupOperator(task_id="t", group=group)
        with pytest.raises(Unavailable, match="has members still"):
            run(operator)
        assert KafkaOffsetsHook().committed(group) == {("operators.gone", 0): 0}
        consumer.close()
        assert run(operator) is True
        assert KafkaOffsetsHook().committed(group) == {}
        assert run(operator) is False

    def test_no_dead_letter_topic_means_none(self) -> None:
        assert KafkaRecordsHook().dead_letters("operators.no-such-topic", 0, 2**45) == []


class TestTeardown:
    def test_the_list_of_what_is_left(self, platform: Platform) -> None:
        """Made on real servers, found with its names and tags, deleted by our operators, and not found any more."""
        platform.up("kinesis")
        topic("inventory.pin", partitions=1)
        stream, bucket, stack = "streaming-inventory-pin", "inventory-landing", "inventory-storage"
        run(KinesisCreateStreamOperator(task_id="t", stream_name=stream, shard_count=1, waiter_delay=1))
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="topics/0.json.gz", Body=b"1")
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "pinflow", "Value": "inventory"}]})
        template = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
        boto3.client("cloudformation").create_stack(StackName=stack, TemplateBody=template)
        look = PlatformInventoryOperator(
            task_id="t",
            prefix="inventory",
            cluster_name=SETTINGS.kafka.cluster_name,
            connector_name="inventory-sink",
            plugin_name="inventory-plugin",
            stream_prefix="streaming-inventory-",
            api_name="inventory",
            buckets=[bucket],
            attempts=1,
        )
        with pytest.raises(ResourcesLeft) as left:
            run(look)
        assert left.value.data["left"] == {
            "topics": ["inventory.pin"],
            "streams": [stream],
            "buckets": [bucket],
            "stacks": [stack],
            "tagged": [f"arn:aws:s3:::{bucket}"],
        }
        for operator in (
            KafkaRestDeleteTopicOperator(task_id="t", topic="inventory.pin"),
            KinesisDeleteStreamOperator(task_id="t", stream_name=stream, waiter_delay=1),
            S3DeleteVersionedBucketOperator(task_id="t", bucket_name=bucket),
            CloudFormationDeleteStackOperator(task_id="t", stack_name=stack, waiter_delay=1),
        ):
            assert run(operator) is True
            assert run(operator) is False
        look.attempts, look.delay = 10, 1
        assert run(look) == {}


def connector(**changes: Any) -> MskConnectCreateConnectorOperator:
    overrides = {"tasks.max": "1", "rotate.schedule.interval.ms": "500", **changes.pop("overrides", {})}
    values = {
        "topics": TOPIC,
        "bucket": changes.pop("bucket", "operators-landing"),
        "region": SETTINGS.region,
        "topics_dir": "topics",
        "dead_letter_topic": DEAD,
        "replication_factor": "1",
    }
    given: dict[str, Any] = {
        "configuration": render("s3-sink", values, overrides),
        "service_role_arn": SETTINGS.connect.service_role_arn,
        "waiter_delay": 1,
        "deferrable": True,
        **changes,
    }
    return MskConnectCreateConnectorOperator(
        task_id="connector",
        connector_name=NAME,
        cluster_name=SETTINGS.kafka.cluster_name,
        plugin_name=SETTINGS.connect.plugin_name,
        region_name=SETTINGS.region,
        **given,
    )


class TestConnector:
    """In order: each test finds what the one before left."""

    @pytest.fixture(scope="class", autouse=True)
    def ground(self, parts: None) -> Iterator[None]:
        """Topics, the bucket and the plugin; the connector is gone at the end."""
        from airflow.providers.amazon.aws.operators.s3 import S3CreateBucketOperator

        topic()
        topic(DEAD)
        run(S3CreateBucketOperator(task_id="bucket", bucket_name="operators-landing", region_name=SETTINGS.region))
        made = MskConnectCreateCustomPluginOperator(
            task_id="plugin",
            plugin_name=SETTINGS.connect.plugin_name,
            bucket=SETTINGS.connect.plugin_bucket,
            key=SETTINGS.connect.plugin_key,
            waiter_delay=1,
            deferrable=True,
        )
        assert run(made)["state"] == "ACTIVE"
        yield
        run(MskConnectDeleteConnectorOperator(task_id="delete", connector_name=NAME, waiter_delay=1))
        assert MskConnectHook().connector(NAME) is None

    def test_create_and_adopt(self) -> None:
        assert run(connector())["changed"] == ["create"]
        assert run(connector())["changed"] == []

    def test_landing_waits_for_the_commit_and_names_dead_letters(self) -> None:
        records = [Record({"ind": n}, key=str(n), partition=n % 2) for n in range(40)]
        outcomes = KafkaRestHook().produce(TOPIC, [*records, Record([1, 2], partition=1)])
        assert {outcome.outcome for outcome in outcomes} == {Outcome.ACCEPTED}
        sensor = KafkaConnectLandingSensor(
            task_id="wait", topics=[TOPIC], connector_name=NAME, deferrable=True, poke_interval=0.5, timeout=60
        )
        assert run(sensor) == {f"{TOPIC}-0": 20, f"{TOPIC}-1": 21}
        assert KafkaOffsetsHook().committed(f"connect-{NAME}") == {(TOPIC, 0): 20, (TOPIC, 1): 21}
        now = round(time.time() * 1000)
        letters = KafkaRecordsHook().dead_letters(DEAD, now - 600_000, now + 600_000)
        assert [letter.position for letter in letters] == [(TOPIC, 1, 20)]
        assert letters[0].reason
        assert KafkaRecordsHook().dead_letters(DEAD, 0, now - 600_000) == []

    def test_a_changed_configuration_and_capacity_are_applied(self) -> None:
        result = run(connector(overrides={"flush.size": "77"}, mcu_count=2))
        assert result["changed"] == ["connectorConfiguration", "capacity"]
        described = MskConnectHook().connector(NAME)
        assert described is not None
        assert described["connectorConfiguration"]["flush.size"] == "77"
        assert described["capacity"]["provisionedCapacity"]["mcuCount"] == 2

    def test_what_cannot_be_changed(self) -> None:
        with pytest.raises(CannotReconcile, match="service role"):
            run(connector(service_role_arn="arn:aws:iam::000000000000:role/another", overrides={"flush.size": "77"}))

    def test_a_restart_keeps_the_committed_offsets(self) -> None:
        before = KafkaOffsetsHook().committed(f"connect-{NAME}")
        first = MskConnectHook().connector_arn(NAME)
        restart = MskConnectRestartConnectorOperator(
            task_id="restart", connector_name=NAME, waiter_delay=1, deferrable=True
        )
        assert run(restart)["state"] == "RUNNING"
        assert MskConnectHook().connector_arn(NAME) != first
        assert KafkaOffsetsHook().committed(f"connect-{NAME}") == before

    def test_failed_tasks_are_told_with_their_trace_and_made_anew_on_request(self) -> None:
        run(MskConnectDeleteConnectorOperator(task_id="delete", connector_name=NAME, waiter_delay=1))
        run(connector(bucket="no-such-bucket"))
        KafkaRestHook().produce(TOPIC, [Record({"ind": 1000}, partition=0)])
        deadline = time.monotonic() + 60
        while not has_failed(MskConnectHook().connector(NAME) or {"connectorState": "absent"}):
            assert time.monotonic() < deadline, "a sink without bucket must fail"
            time.sleep(0.5)
        with pytest.raises(ConnectorFailed, match=r"NoSuchBucket|no-such-bucket") as caught:
            run(connector(bucket="no-such-bucket"))
        assert "\tat " in caught.value.data["reason"], "the Java trace"
        assert run(connector(on_failed="restart"))["changed"] == ["restart", "create"]
        sensor = KafkaConnectLandingSensor(
            task_id="wait", topics=[TOPIC], connector_name=NAME, deferrable=True, poke_interval=0.5, timeout=60
        )
        assert run(sensor)[f"{TOPIC}-0"] == 21, "what the failed one had not committed has landed"
