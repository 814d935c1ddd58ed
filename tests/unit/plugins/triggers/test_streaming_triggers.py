"""The watch in the triggerer: round trips, events, outages, and what a user's action does."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import asdict
from typing import Any

import pytest
from airflow.sdk.module_loading import import_string

from pinflow.hooks.streaming import Tables, Watch
from pinflow.triggers.streaming import StreamingHeartbeatTrigger, StreamingJobTrigger
from tests.unit.plugins.streaming_workspace import JOB, StreamingWorkspace, beat, idle

TABLES = asdict(Tables("w", None, "ops.stream_heartbeat", "stream.arrivals", "posts"))


def watching(**changes: Any) -> StreamingJobTrigger:
    watch: dict[str, Any] = {
        "job_id": JOB,
        "run_id": 1,
        "run_key": "k",
        "window_start": time.time() - 3600,
        "window_end": time.time() + 3600,
        "stall_seconds": 120.0,
        "start_seconds": 600.0,
        "until_idle_seconds": 30.0,
        "fresh_seconds": 8.0,
        "outage_seconds": 60.0,
        "poll_seconds": 0.01,
        "stops": False,
        "tables": TABLES,
        **changes,
    }
    return StreamingJobTrigger(watch, "databricks_default")


def listening(**changes: Any) -> StreamingHeartbeatTrigger:
    given = {"maximum_age": 60.0, "maximum_lag_ms": 100, "poll_interval": 0.01, "timeout": 30.0, **changes}
    return StreamingHeartbeatTrigger(job_id=JOB, tables=TABLES, databricks_conn_id="databricks_default", **given)


def again(trigger: Any) -> Any:
    """As a triggerer makes it, from what the database keeps."""
    path, arguments = trigger.serialize()
    return import_string(path)(**json.loads(json.dumps(arguments)))


async def first(trigger: Any) -> Any:
    return (await asyncio.wait_for(anext(aiter(trigger.run())), 20)).payload


@pytest.mark.parametrize("made", [watching, listening], ids=["job", "heartbeat"])
def test_round_trip(made: Any) -> None:
    trigger = made()
    assert again(trigger).serialize() == trigger.serialize()


class TestStreamingJobTrigger:
    def test_the_watch_is_whole(self) -> None:
        watch = Watch(**again(watching()).watch)
        assert Tables(**watch.tables).heartbeats == "ops.stream_heartbeat"

    @pytest.mark.parametrize(
        ("then", "changes", "status"),
        [
            (lambda w: w.runs[1].end("FAILED"), {}, "ended"),
            (lambda w: setattr(w, "vitals", lambda _: beat(age=200)), {}, "stalled"),
            (lambda w: setattr(w, "vitals", idle), {}, "idle"),
            (lambda w: None, {"window_end": time.time() - 1}, "window_over"),
            (lambda w: setattr(w, "down", 10**9), {"outage_seconds": 0.1}, "unreachable"),
            (lambda w: setattr(w, "statement_error", "no Spark"), {"outage_seconds": 0.1}, "unreachable"),
        ],
        ids=["ended", "stalled", "idle", "window_over", "workspace gone", "warehouse gone"],
    )
    def test_events(self, workspace: StreamingWorkspace, then: Any, changes: Any, status: str) -> None:
        workspace.add()
        looks = 0

        def vitals(asked: Any) -> Any:
            nonlocal looks
            looks += 1
            if looks == 3:
                then(workspace)
            return beat()

        workspace.vitals = vitals
        assert asyncio.run(first(watching(**changes))) == {"status": status, "run_id": 1}

    def test_it_rides_out_an_outage(self, workspace: StreamingWorkspace) -> None:
        workspace.add()
        down = iter([3, 0, 5])

        def vitals(asked: Any) -> Any:
            workspace.down = next(down, -1)
            return idle(asked) if workspace.down < 0 else beat()

        workspace.vitals = vitals
        assert asyncio.run(first(watching()))["status"] == "idle"
        assert workspace.down == -1

    def test_the_loop_is_never_blocked(self, workspace: StreamingWorkspace) -> None:
        workspace.add()
        asked, answer = threading.Event(), threading.Event()

        def vitals(given: Any) -> Any:
            asked.set()
            assert answer.wait(20)
            return idle(given)

        workspace.vitals = vitals

        async def scenario() -> Any:
            waiting = asyncio.ensure_future(first(watching()))
            await asyncio.to_thread(asked.wait, 20)
            assert not waiting.done()
            answer.set()
            return await waiting

        assert asyncio.run(scenario())["status"] == "idle"

    def test_a_triggerer_that_stops_leaves_the_job(self, workspace: StreamingWorkspace) -> None:
        workspace.add()
        looked = threading.Event()
        workspace.vitals = lambda asked: looked.set() or beat()

        async def scenario() -> None:
            trigger = watching(stops=True)
            waiting = asyncio.ensure_future(first(trigger))
            await asyncio.to_thread(looked.wait, 20)
            waiting.cancel()
            await asyncio.wait([waiting])
            await trigger.cleanup()

        asyncio.run(scenario())
        assert (workspace.active, workspace.cancelled) == ([1], [])

    @pytest.mark.parametrize(("stops", "cancelled"), [(True, [1]), (False, [])])
    def test_a_users_action(self, workspace: StreamingWorkspace, stops: bool, cancelled: list[int]) -> None:
        workspace.add()
        asyncio.run(again(watching(stops=stops)).on_kill())
        assert workspace.cancelled == cancelled


class TestStreamingHeartbeatTrigger:
    def test_waits_for_life_and_a_small_lag(self, workspace: StreamingWorkspace) -> None:
        rows = iter([None, beat(lag_ms=101), beat(lag_ms=100)])
        workspace.vitals = lambda asked: next(rows)
        assert asyncio.run(first(again(listening()))) == {"status": "success"}
        assert [asked.get("run_key") for asked in workspace.statements] == [None] * 3

    def test_time_over(self, workspace: StreamingWorkspace) -> None:
        workspace.vitals = lambda asked: beat(lag_ms=101)
        event = asyncio.run(first(listening(timeout=0.2)))
        assert event["status"] == "timeout"
        assert "lag_ms=101" in event["message"]

    def test_an_outage_is_waited_for(self, workspace: StreamingWorkspace) -> None:
        workspace.down = 2
        workspace.vitals = lambda asked: beat(lag_ms=1)
        assert asyncio.run(first(listening())) == {"status": "success"}
