"""Waiting for the sink connector: offsets that are fixed at the first look, lag, and a late connector."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string
from botocore.exceptions import NoCredentialsError

from pinflow.exceptions import LandingLate, Unavailable
from pinflow.hooks.kafka import DeadLetter, Span, _dead_letter, lag
from pinflow.sensors import landing
from pinflow.sensors.landing import KafkaConnectLandingSensor
from pinflow.triggers.landing import KafkaConnectLandingTrigger, named, spans_of, targets_of

PIN0, PIN1 = ("t.pin", 0), ("t.pin", 1)


class Offsets:
    """A cluster whose topics and group a test moves."""

    def __init__(self, spans: dict[Any, Span], *commits: dict[Any, int]) -> None:
        self.now = spans
        self.commits = list(commits)
        self.asked = 0

    def spans(self, topics: Any) -> dict[Any, Span]:
        """What the topics hold now."""
        self.asked += 1
        return dict(self.now)

    def committed(self, group: str) -> dict[Any, int]:
        """The next of the commits; the last one stays."""
        assert group == "connect-sink"
        found = self.commits.pop(0) if len(self.commits) > 1 else self.commits[0]
        if isinstance(found, Exception):
            raise found
        return found


class TestLag:
    @pytest.mark.parametrize(
        ("span", "committed", "behind"),
        [
            (Span(0, 0), {}, 0),
            (Span(0, 10), {}, 10),
            (Span(0, 10), {PIN0: 4}, 6),
            (Span(0, 10), {PIN0: 10}, 0),
            (Span(0, 10), {PIN0: 12}, 0),
            (Span(7, 10), {PIN0: 2}, 3),
            (Span(10, 10), {PIN0: 2}, 0),
            (Span(10, 10), {}, 0),
        ],
    )
    def test_lag(self, span: Span, committed: dict[Any, int], behind: int) -> None:
        assert lag({PIN0: span}, committed) == ({PIN0: behind} if behind else {})

    def test_partitions_are_apart(self) -> None:
        assert lag({PIN0: Span(0, 5), PIN1: Span(0, 5)}, {PIN0: 5, PIN1: 1}) == {PIN1: 4}

    def test_targets_survive_json(self) -> None:
        spans = {PIN1: Span(1, 9), PIN0: Span(0, 5)}
        assert spans_of(json.loads(json.dumps(targets_of(spans)))) == spans
        assert named({PIN1: 3}) == {"t.pin-1": 3}


class Message:
    """A record as confluent-kafka gives it."""

    def __init__(self, headers: Any) -> None:
        self._headers = headers

    def headers(self) -> Any:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, 99


class TestDeadLetter:
    def test_origin_from_headers(self) -> None:
        names = ("topic", "partition", "offset", "exception.message")
        headers = [
            (f"__connect.errors.{name}", value)
            for name, value in zip(names, (b"t", b"2", b"7", b"\xff no"), strict=True)
        ]
        assert _dead_letter(Message(headers)) == DeadLetter(("t", 2, 7), 99, "\ufffd no")

    @pytest.mark.parametrize("headers", [None, [], [("x", b"y")], [("__connect.errors.topic", b"t")]])
    def test_a_record_of_someone_else(self, headers: Any) -> None:
        assert _dead_letter(Message(headers)) is None


class TestKafkaConnectLandingSensor:
    def sensor(self, offsets: Offsets, **arguments: Any) -> KafkaConnectLandingSensor:
        given: dict[str, Any] = {"poke_interval": 0.01, "timeout": 0.1, **arguments}
        sensor = KafkaConnectLandingSensor(task_id="t", topics=["t.pin"], connector_name="sink", **given)
        sensor.__dict__["hook"] = offsets
        sensor._connector_state = lambda: "FAILED (403)"  # type: ignore[method-assign]
        return sensor

    @pytest.mark.parametrize("deferrable", [False, True], ids=["wait", "defer"])
    def test_reached_at_once(self, context: Any, deferrable: bool) -> None:
        sensor = self.sensor(Offsets({PIN0: Span(0, 5)}, {PIN0: 5}), deferrable=deferrable)
        assert sensor.execute(context) == {"t.pin-0": 5}

    def test_the_ends_are_those_of_the_first_look(self, context: Any) -> None:
        offsets = Offsets({PIN0: Span(0, 5)}, {PIN0: 1}, {PIN0: 4}, {PIN0: 5})
        sensor = self.sensor(offsets, timeout=5)
        assert sensor.poke(context) is False
        offsets.now = {PIN0: Span(0, 1000)}
        assert sensor.poke(context) is False
        assert sensor.poke(context) is True
        assert offsets.asked == 1

    def test_late_without_deferral(self, context: Any) -> None:
        with pytest.raises(LandingLate, match=r"sink has not landed 3 records.*FAILED \(403\).*t.pin-0 3") as caught:
            self.sensor(Offsets({PIN0: Span(0, 5)}, {PIN0: 2})).execute(context)
        assert caught.value.data == {"lag": {"t.pin-0": 3}, "connector_state": "FAILED (403)"}

    def test_defers_with_the_ends(self, context: Any) -> None:
        sensor = self.sensor(Offsets({PIN0: Span(0, 5)}, {PIN0: 2}), deferrable=True, timeout=60)
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        path, arguments = deferred.value.trigger.serialize()
        assert path == "pinflow.triggers.landing.KafkaConnectLandingTrigger"
        assert arguments["targets"] == [["t.pin", 0, 0, 5]]
        assert arguments["group"] == "connect-sink"
        result = sensor.execute_complete(context, {"status": "success"}, **deferred.value.kwargs)
        assert result == {"t.pin-0": 5}

    def test_late_after_deferral(self, context: Any) -> None:
        sensor = self.sensor(Offsets({}, {}), deferrable=True)
        with pytest.raises(LandingLate, match="pinflow_provision"):
            sensor.execute_complete(context, {"status": "timeout", "lag": {"t.pin-0": 3}}, targets=[])


class TestConnectorState:
    """What the error says of the connector."""

    @pytest.mark.parametrize(
        ("described", "told"),
        [
            (None, "not there"),
            ({"connectorState": "RUNNING"}, "RUNNING"),
            ({"connectorState": "FAILED", "stateDescription": {"message": "403"}}, "FAILED (403)"),
            (NoCredentialsError(), "in an unknown state (Unable to locate credentials)"),
        ],
    )
    def test_state(self, monkeypatch: pytest.MonkeyPatch, described: Any, told: str) -> None:
        def look(_: Any, name: str) -> Any:
            assert name == "sink"
            if isinstance(described, Exception):
                raise described
            return described

        monkeypatch.setattr(landing.MskConnectHook, "connector", look)
        sensor = KafkaConnectLandingSensor(task_id="t", topics=["t.pin"], connector_name="sink")
        assert sensor._connector_state() == told


class TestKafkaConnectLandingTrigger:
    def trigger(self, offsets: Offsets | None = None, **arguments: Any) -> KafkaConnectLandingTrigger:
        given: dict[str, Any] = {"poll_interval": 0.01, "timeout": 5.0, **arguments}
        made = KafkaConnectLandingTrigger("connect-sink", [["t.pin", 0, 0, 5]], "kafka_default", **given)
        if offsets is not None:
            made.__dict__["hook"] = offsets
        return made

    def fire(self, trigger: KafkaConnectLandingTrigger) -> Any:
        async def one() -> Any:
            return await anext(trigger.run())  # type: ignore[arg-type]

        return asyncio.run(one()).payload

    def test_serialize_round_trip(self) -> None:
        path, arguments = self.trigger().serialize()
        again = import_string(path)(**json.loads(json.dumps(arguments)))
        assert again.serialize() == (path, arguments)

    def test_fires_when_reached(self) -> None:
        offsets = Offsets({}, {}, {PIN0: 3}, {PIN0: 5})
        assert self.fire(self.trigger(offsets)) == {"status": "success"}

    def test_a_cluster_that_is_away_is_waited_for(self) -> None:
        away = Unavailable("Kafka did not tell.", "It is down.", "Wait.")
        assert self.fire(self.trigger(Offsets({}, away, away, {PIN0: 5}))) == {"status": "success"}

    def test_gives_up_with_the_lag(self) -> None:
        event = self.fire(self.trigger(Offsets({}, {PIN0: 1}), timeout=0.03))
        assert event == {"status": "timeout", "lag": {"t.pin-0": 4}}

    def test_gives_up_on_a_cluster_that_never_answers(self) -> None:
        away = Unavailable("Kafka did not tell.", "It is down.", "Wait.")
        event = self.fire(self.trigger(Offsets({}, away), timeout=0.03))
        assert event == {"status": "timeout", "lag": {"t.pin-0": 5}}

    def test_the_loop_is_not_blocked(self) -> None:
        class Slow(Offsets):
            def committed(self, group: str) -> dict[Any, int]:
                import time

                time.sleep(0.3)  # a broker that takes its time
                return {PIN0: 5}

        async def both() -> int:
            beats = 0

            async def beat() -> None:
                nonlocal beats
                while True:
                    beats += 1
                    await asyncio.sleep(0.01)

            beating = asyncio.create_task(beat())
            await anext(self.trigger(Slow({}, {})).run())  # type: ignore[arg-type]
            beating.cancel()
            return beats

        assert asyncio.run(both()) > 5
