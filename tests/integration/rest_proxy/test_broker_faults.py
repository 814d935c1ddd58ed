"""What the proxy does while the broker is away, and after."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Platform
from tests.integration.rest_proxy.conftest import JSON, V2_JSON, reports

pytestmark = pytest.mark.integration
BOUND_SECONDS = 25.0


@pytest.fixture
def no_broker(proxy: httpx.Client, platform: Platform, topic: str) -> Iterator[str]:
    """The topic, known to the proxy, while the broker is dead; afterwards the broker is back."""
    assert outcome(proxy, topic)["error_code"] is None
    pid = platform.leader("rest-proxy")
    os.kill(platform.leader("kafka"), signal.SIGKILL)
    yield topic
    platform.up("kafka")
    assert platform.leader("rest-proxy") == pid


def outcome(proxy: httpx.Client, topic: str) -> dict[str, Any]:
    response = proxy.post(f"/topics/{topic}", json={"records": [{"key": 1, "value": 1}]}, headers=V2_JSON)
    assert response.status_code == 200, response.text
    return dict(response.json()["offsets"][0])


class TestBrokerDown:
    def test_entries_say_so_in_bounded_time_and_it_heals(
        self, proxy: httpx.Client, platform: Platform, v3: str, no_broker: str
    ) -> None:
        begun = time.monotonic()
        assert outcome(proxy, no_broker)["error_code"] == 50003
        assert time.monotonic() - begun < BOUND_SECONDS
        assert outcome(proxy, "a.topic.nobody.knows")["error_code"] == 50003
        (report,) = reports(proxy.post(f"{v3}/topics/{no_broker}/records", content="{}", headers=JSON))
        assert report["error_code"] == 50003
        health = proxy.get("/_health")
        assert (health.status_code, health.json()["error_code"]) == (500, 50003)
        topics = proxy.get("/topics")
        assert (topics.status_code, topics.json()["error_code"]) == (500, 50003)
        platform.up("kafka")
        assert outcome(proxy, no_broker)["error_code"] is None
        assert proxy.get("/_health").json()["status"] == "ok"

    def test_a_pause_of_the_broker_loses_nothing(self, proxy: httpx.Client, platform: Platform, topic: str) -> None:
        assert outcome(proxy, topic)["error_code"] is None
        broker = platform.leader("kafka")
        os.kill(broker, signal.SIGSTOP)
        try:
            with httpx.Client(base_url=proxy.base_url, timeout=0.5) as impatient, pytest.raises(httpx.ReadTimeout):
                impatient.post(f"/topics/{topic}", json={"records": [{"key": 1, "value": 2}]}, headers=V2_JSON)
        finally:
            os.kill(broker, signal.SIGCONT)
        assert outcome(proxy, topic)["offset"] == 2


class TestManyRequests:
    def test_memory_stays_bounded(self, proxy: httpx.Client, platform: Platform, topic: str) -> None:
        body = {"records": [{"value": "x" * 1000}] * 1000}
        for _ in range(5):
            proxy.post(f"/topics/{topic}", json=body, headers=V2_JSON)
        before = resident(platform.leader("rest-proxy"))
        for _ in range(60):
            response = proxy.post(f"/topics/{topic}", json=body, headers=V2_JSON)
            assert len(response.json()["offsets"]) == 1000
        assert resident(platform.leader("rest-proxy")) - before < 40


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024
