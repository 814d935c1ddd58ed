"""Waiting for a streaming job that lives and keeps up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred

from pinflow.exceptions import WaitTimedOut
from pinflow.sensors.streaming import StreamingHeartbeatSensor
from pinflow.triggers.streaming import StreamingHeartbeatTrigger
from tests.unit.plugins.streaming_workspace import JOB, StreamingWorkspace, beat


def sensor(**changes: Any) -> StreamingHeartbeatSensor:
    given: dict[str, Any] = {"poke_interval": 0, "timeout": 20, "maximum_lag_ms": 100, **changes}
    return StreamingHeartbeatSensor(task_id="t", job_id=JOB, warehouse_id="w", **given)


def test_template_fields() -> None:
    made = sensor()
    for name in made.template_fields:
        getattr(made, name)


@pytest.mark.parametrize(
    ("row", "ready"),
    [
        (None, False),
        (beat(age=1, lag_ms=100), True),
        (beat(age=1, lag_ms=101), False),
        (beat(age=70, lag_ms=0), False),
        (beat(age=1, lag_ms=None, lag_records=None), False),
    ],
)
def test_poke(context: Any, workspace: StreamingWorkspace, row: Any, ready: bool) -> None:
    workspace.vitals = lambda asked: row
    assert sensor().poke(context) is ready
    assert workspace.statements[0]["heartbeats"] == "ops.stream_heartbeat"


def test_waits_here(context: Any, workspace: StreamingWorkspace) -> None:
    rows = iter([None, beat(lag_ms=500), beat(lag_ms=5)])
    workspace.vitals = lambda asked: next(rows)
    sensor().execute(context)
    assert next(rows, "read to the end") == "read to the end"


def test_time_over_here(context: Any, workspace: StreamingWorkspace) -> None:
    workspace.vitals = lambda asked: None
    with pytest.raises(AirflowSensorTimeout):
        sensor(timeout=0.05).execute(context)


class TestDeferred:
    def test_not_when_all_is_well(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals = lambda asked: beat(lag_ms=5)
        sensor(deferrable=True).execute(context)

    def test_waits_in_the_triggerer(self, context: Any, workspace: StreamingWorkspace) -> None:
        rows = iter([None, None, beat(lag_ms=5)])
        workspace.vitals = lambda asked: next(rows)
        made = sensor(deferrable=True)
        with pytest.raises(TaskDeferred) as deferred:
            made.execute(context)
        trigger = deferred.value.trigger
        assert isinstance(trigger, StreamingHeartbeatTrigger)
        event = asyncio.run(asyncio.wait_for(anext(aiter(trigger.run())), 20)).payload
        made.execute_complete(context, event=event)

    def test_time_over(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals = lambda asked: beat(lag_ms=500)
        event = {"status": "timeout", "message": "far behind"}
        with pytest.raises(WaitTimedOut, match=f"job {JOB} does not keep up after 20 s. At the last look: far behind"):
            sensor(deferrable=True).execute_complete(context, event=event)

    def test_an_old_event(self, context: Any, workspace: StreamingWorkspace) -> None:
        workspace.vitals = lambda asked: beat(lag_ms=5)
        sensor(deferrable=True).execute_complete(context, event={"status": "timeout"})
