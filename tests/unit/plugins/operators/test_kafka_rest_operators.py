"""Topics and records as tasks, with the sensor and its trigger."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred
from airflow.sdk.module_loading import import_string

from pinflow.exceptions import CannotReconcile, NotFound, RecordsNotAccepted, Rejected, WaitTimedOut
from pinflow.operators.kafka_rest import (
    KafkaRestCreateTopicOperator,
    KafkaRestDeleteTopicOperator,
    KafkaRestDescribeTopicOperator,
    KafkaRestProduceOperator,
    KafkaRestUpdateTopicConfigsOperator,
)
from pinflow.sensors.kafka_rest import KafkaRestTopicSensor
from pinflow.triggers.kafka_rest import KafkaRestTopicTrigger


class TestKafkaRestCreateTopicOperator:
    def run(self, context: Any, **arguments: Any) -> dict[str, Any]:
        given = {"partitions": 3, "replication_factor": 1, "configs": {"retention.ms": "5"}, **arguments}
        return KafkaRestCreateTopicOperator(task_id="t", topic="a", **given).execute(context)

    def test_template_fields(self) -> None:
        assert set(KafkaRestCreateTopicOperator.template_fields) == {
            "topic",
            "kafka_rest_conn_id",
            "partitions",
            "replication_factor",
            "configs",
        }

    def test_creates(self, context: Any, confluent: Any) -> None:
        assert self.run(context) == {
            "topic": "a",
            "created": True,
            "partitions": 3,
            "replication_factor": 1,
            "changed": {},
        }
        assert confluent.topics["a"]["configs"] == {"retention.ms": "5"}

    def test_second_run_changes_nothing(self, context: Any, confluent: Any, server: Any) -> None:
        self.run(context)
        server.requests.clear()
        assert self.run(context)["created"] is False
        assert {call.split()[0] for call in server.calls} == {"GET"}

    def test_templated_numbers_arrive_as_text(self, context: Any, confluent: Any) -> None:
        self.run(context, partitions="5", replication_factor="1")
        assert confluent.topics["a"]["partitions"] == 5

    def test_adopts_and_raises_partitions_and_sets_what_differs(self, context: Any, confluent: Any) -> None:
        confluent.add("a", partitions=2, **{"retention.ms": "1", "cleanup.policy": "compact"})
        assert self.run(context)["changed"] == {"partitions": [2, 3], "retention.ms": ["1", "5"]}
        assert confluent.topics["a"]["partitions"] == 3
        assert confluent.topics["a"]["configs"] == {"retention.ms": "5", "cleanup.policy": "compact"}

    @pytest.mark.parametrize(
        ("existing", "told"),
        [
            ({"partitions": 4}, "has 4 partitions and 3 were asked for"),
            ({"partitions": 3, "replication": 2}, "replication factor is 2 and 1 was asked for"),
        ],
    )
    def test_what_cannot_be_reconciled(self, context: Any, confluent: Any, existing: Any, told: str) -> None:
        confluent.add("a", **existing)
        with pytest.raises(CannotReconcile, match=told):
            self.run(context)
        assert confluent.topics["a"]["configs"] == {}, "nothing was changed on the way"

    def test_a_topic_that_appears_in_between_is_adopted(self, context: Any, confluent: Any, server: Any) -> None:
        def racing(method: str, path: str, body: bytes) -> Any:
            if method == "POST" and path.endswith("/topics"):
                confluent.add("a", partitions=3)
            return confluent(method, path, body)

        server.handler = racing
        result = self.run(context)
        assert result["created"] is False
        assert result["changed"] == {"retention.ms": [None, "5"]}

    def test_another_refusal_stands(self, context: Any, confluent: Any) -> None:
        refusal = {"error_code": 40002, "message": "Replication factor: 3 larger than available brokers: 1."}
        confluent.fail["POST /v3/clusters/c1/topics"] = (400, refusal)
        with pytest.raises(Rejected, match="larger than available"):
            self.run(context, replication_factor=3)


class TestKafkaRestUpdateTopicConfigsOperator:
    def test_sets_only_what_differs(self, context: Any, confluent: Any) -> None:
        confluent.add("a", x="1", y="2")
        operator = KafkaRestUpdateTopicConfigsOperator(task_id="t", topic="a", configs={"x": "1", "y": "3"})
        assert operator.execute(context) == {"y": ["2", "3"]}
        assert operator.execute(context) == {}

    def test_none_resets(self, context: Any, confluent: Any) -> None:
        confluent.add("a", x="1")
        operator = KafkaRestUpdateTopicConfigsOperator(task_id="t", topic="a", configs={"x": None})
        assert operator.execute(context) == {"x": ["1", None]}
        assert confluent.topics["a"]["configs"] == {}

    def test_unknown_topic(self, context: Any, confluent: Any) -> None:
        with pytest.raises(NotFound):
            KafkaRestUpdateTopicConfigsOperator(task_id="t", topic="a", configs={"x": "1"}).execute(context)


class TestKafkaRestDescribeTopicOperator:
    def test_describes(self, context: Any, confluent: Any) -> None:
        confluent.add("a", partitions=7, x="1")
        assert KafkaRestDescribeTopicOperator(task_id="t", topic="a").execute(context) == {
            "name": "a",
            "partitions": 7,
            "replication_factor": 1,
            "internal": False,
            "configs": {"x": "1"},
        }

    def test_unknown_topic_names_the_next_command(self, context: Any, confluent: Any) -> None:
        with pytest.raises(NotFound, match="pinflow_provision"):
            KafkaRestDescribeTopicOperator(task_id="t", topic="a").execute(context)


class TestKafkaRestDeleteTopicOperator:
    def test_is_idempotent(self, context: Any, confluent: Any) -> None:
        confluent.add("a")
        operator = KafkaRestDeleteTopicOperator(task_id="t", topic="a")
        assert operator.execute(context) is True
        assert operator.execute(context) is False


class TestKafkaRestProduceOperator:
    records = ({"key": "1", "value": {"n": 1}, "timestamp": "2022-03-01T00:00:00+00:00"}, {"value": {"n": 2}})

    def test_returns_positions(self, context: Any, confluent: Any, server: Any) -> None:
        reports = [
            {"error_code": 200, "partition_id": 1, "offset": 5},
            {"error_code": 200, "partition_id": 0, "offset": 9},
        ]
        confluent.fail["POST"] = (200, "".join(map(json.dumps, reports)).encode())
        operator = KafkaRestProduceOperator(task_id="t", topic="a", records=self.records)
        assert operator.execute(context) == [{"partition": 1, "offset": 5}, {"partition": 0, "offset": 9}]
        assert b'"2022-03-01T00:00:00.000Z"' in server.requests[-1][3]

    def test_any_failed_record_fails_the_task_with_all_outcomes(self, context: Any, confluent: Any) -> None:
        reports = [{"error_code": 200, "partition_id": 1, "offset": 5}, {"error_code": 400, "message": "bad"}]
        confluent.fail["POST"] = (200, "".join(map(json.dumps, reports)).encode())
        with pytest.raises(RecordsNotAccepted, match=r"1 of 2 records.*record 1 rejected: bad") as caught:
            KafkaRestProduceOperator(task_id="t", topic="a", records=self.records).execute(context)
        assert [outcome.outcome for outcome in caught.value.data["outcomes"]] == ["accepted", "rejected"]


class TestKafkaRestTopicSensor:
    def sensor(self, **arguments: Any) -> KafkaRestTopicSensor:
        return KafkaRestTopicSensor(task_id="t", topic="a", poke_interval=0.01, timeout=0.2, **arguments)

    @pytest.mark.parametrize("deferrable", [False, True], ids=["wait", "defer"])
    def test_ends_at_once_when_it_is_there(self, context: Any, confluent: Any, deferrable: bool) -> None:
        confluent.add("a", partitions=3)
        self.sensor(partitions=3, deferrable=deferrable).execute(context)

    def test_fewer_partitions_are_not_enough(self, context: Any, confluent: Any) -> None:
        confluent.add("a", partitions=2)
        assert self.sensor(partitions=3).poke(context) is False

    def test_times_out(self, context: Any, confluent: Any) -> None:
        with pytest.raises(AirflowSensorTimeout):
            self.sensor().execute(context)

    def test_defers_and_looks_again(self, context: Any, confluent: Any) -> None:
        sensor = self.sensor(deferrable=True)
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        assert isinstance(deferred.value.trigger, KafkaRestTopicTrigger)
        assert deferred.value.method_name == "execute_complete"
        with pytest.raises(WaitTimedOut, match="not there"):
            sensor.execute_complete(context, {"status": "timeout", "message": "not there"})
        confluent.add("a")
        sensor.execute_complete(context, {"status": "timeout"})


class TestKafkaRestTopicTrigger:
    def trigger(self, **arguments: Any) -> KafkaRestTopicTrigger:
        given = {"partitions": 1, "poll_interval": 0.01, "timeout": 5.0, **arguments}
        return KafkaRestTopicTrigger("a", kafka_rest_conn_id="kafka_rest_default", **given)

    def test_serialize_round_trip(self) -> None:
        path, arguments = self.trigger().serialize()
        assert import_string(path)(**arguments).serialize() == (path, arguments)
        assert json.loads(json.dumps(arguments)) == arguments

    def first(self, trigger: KafkaRestTopicTrigger) -> dict[str, Any]:
        async def one() -> Any:
            return await anext(trigger.run())  # type: ignore[arg-type]

        return asyncio.run(one()).payload

    def test_fires_when_the_topic_appears(self, confluent: Any, server: Any) -> None:
        looks = []

        def appearing(method: str, path: str, body: bytes) -> Any:
            looks.append(path)
            if len(looks) == 4:
                confluent.add("a")
            return confluent(method, path, body)

        server.handler = appearing
        assert self.first(self.trigger())["status"] == "success"
        assert len(looks) >= 4

    def test_gives_up_in_time(self, confluent: Any) -> None:
        event = self.first(self.trigger(timeout=0.05))
        assert event == {"status": "timeout", "topic": "a", "message": "not there"}
