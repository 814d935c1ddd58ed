"""Waiting for a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from pinflow.exceptions import CannotReconcile, WaitTimedOut
from pinflow.sensors.kinesis import KinesisStreamSensor


class Looks:
    """A hook whose stream a test moves; ``None`` stands for no stream."""

    def __init__(self, *states: str | None) -> None:
        self.states = list(states)

    def summary(self, name: str) -> dict[str, Any] | None:
        """The next state; the last one stays."""
        assert name == "s"
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return None if state is None else {"StreamStatus": state}


def sensor(looks: Looks, **arguments: Any) -> KinesisStreamSensor:
    made = KinesisStreamSensor(task_id="t", stream_name="s", **{"poke_interval": 0.01, "timeout": 1, **arguments})
    made.__dict__["hook"] = looks
    return made


class TestKinesisStreamSensor:
    def test_template_fields(self) -> None:
        made = KinesisStreamSensor(task_id="t", stream_name="s")
        assert {"stream_name", "aws_conn_id", "region_name"} <= set(made.template_fields)

    @pytest.mark.parametrize(
        ("state", "done"), [("ACTIVE", True), ("CREATING", False), ("UPDATING", False), (None, False)]
    )
    def test_states(self, context: Any, state: str | None, done: bool) -> None:
        assert sensor(Looks(state)).poke(context) is done

    def test_every_state_of_the_service_is_decided(self) -> None:
        import botocore.session

        known = botocore.session.get_session().get_service_model("kinesis").shape_for("StreamStatus").enum
        kinds = KinesisStreamSensor
        assert {*kinds.INTERMEDIATE_STATES, *kinds.FAILURE_STATES, *kinds.SUCCESS_STATES} == set(known)

    def test_one_that_is_being_deleted(self, context: Any) -> None:
        with pytest.raises(CannotReconcile, match="s is DELETING"):
            sensor(Looks("DELETING")).poke(context)

    def test_waits_here(self, context: Any) -> None:
        looks = Looks(None, "CREATING", "ACTIVE")
        sensor(looks, timeout=30).execute(context)
        assert looks.states == ["ACTIVE"]

    def test_active_at_once_does_not_defer(self, context: Any) -> None:
        sensor(Looks("ACTIVE"), deferrable=True).execute(context)

    def test_defers_even_for_one_that_is_not_there_yet(self, context: Any) -> None:
        made = sensor(Looks(None), deferrable=True, poke_interval=2, timeout=60, region_name="us-east-1")
        with pytest.raises(TaskDeferred) as deferred:
            made.execute(context)
        arguments = deferred.value.trigger.serialize()[1]
        assert (arguments["stream_name"], arguments["waiter_name"]) == ("s", "stream_available")
        assert (arguments["waiter_delay"], arguments["waiter_max_attempts"]) == (2, 30)
        assert json.loads(json.dumps(arguments))["region_name"] == "us-east-1"

    def test_execute_complete_looks_itself(self, context: Any) -> None:
        sensor(Looks("ACTIVE"), deferrable=True).execute_complete(context, {"status": "error", "message": "old"})
        with pytest.raises(WaitTimedOut, match="max attempts"):
            sensor(Looks("CREATING")).execute_complete(context, {"status": "error", "message": "max attempts"})
