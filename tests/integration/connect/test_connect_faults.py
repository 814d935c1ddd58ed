"""What happens to records when S3 or the worker goes away: nothing is lost, nothing is doubled."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime

import pytest

from tests.conftest import Platform
from tests.integration.connect.conftest import Landing, wait_until

pytestmark = pytest.mark.integration
START = int(datetime(2022, 3, 1, tzinfo=UTC).timestamp() * 1000)
SIX_HOURS = 6 * 3_600_000
STEADY = {"rotate.schedule.interval.ms": "300", "flush.size": "150", "s3.part.retries": "0"}


def produce(landing: Landing, topic: str, count: int) -> None:
    """Send numbered records, spread over six hours of record time."""
    numbers = range(len(landing.sent), len(landing.sent) + count)
    landing.produce(
        topic, [(json.dumps({"ind": number}).encode(), START + number * 7919_000 % SIX_HOURS) for number in numbers]
    )


def test_s3_hangs(landing: Landing, platform: Platform) -> None:
    topic = landing.topic(partitions=3)
    name = landing.connect([topic], STEADY)
    produce(landing, topic, 2000)
    wait_until(landing.objects, why="the export is on its way")
    leader = platform.leader("aws")
    os.kill(leader, signal.SIGSTOP)
    try:
        produce(landing, topic, 2000)
        retries(landing, platform)
        assert landing.states(name) == {"RUNNING"}
    finally:
        os.kill(leader, signal.SIGCONT)
    landing.all_once()


def test_s3_is_killed_and_comes_back(landing: Landing, platform: Platform) -> None:
    topic = landing.topic(partitions=3)
    name = landing.connect([topic], STEADY)
    produce(landing, topic, 2000)
    wait_until(landing.objects, why="the export is on its way")
    os.kill(platform.leader("aws"), signal.SIGKILL)
    produce(landing, topic, 2000)
    retries(landing, platform)
    assert landing.states(name) == {"RUNNING"}
    platform.up("aws")
    landing.all_once()


def retries(landing: Landing, platform: Platform) -> None:
    """Wait until the sink has told Connect that it could not store."""
    log, words = platform.context.log("connect"), f"S3 could not take s3://{landing.bucket}/"
    wait_until(lambda: words in log.read_text(), why="the sink retries")


def test_worker_is_killed_in_the_middle_and_comes_back(landing: Landing, platform: Platform) -> None:
    topic = landing.topic(partitions=3)
    landing.connect([topic], STEADY)
    for _ in range(2):
        before = len(landing.objects())
        produce(landing, topic, 3000)
        wait_until(lambda least=before: len(landing.objects()) > least)  # type: ignore[misc]
        assert len(landing.positions()) < len(landing.sent), "killed too late to prove anything"
        os.kill(platform.leader("connect"), signal.SIGKILL)
        platform.up("connect")
    landing.all_once(120)


def test_worker_is_stopped_and_started(landing: Landing, platform: Platform) -> None:
    topic = landing.topic(partitions=3)
    name = landing.connect([topic], STEADY)
    produce(landing, topic, 3000)
    wait_until(landing.objects, why="the export is on its way")
    platform.down("connect")
    produce(landing, topic, 1000)
    platform.up("connect")
    landing.all_once()
    assert landing.states(name) == {"RUNNING"}


def test_missing_bucket_fails_with_the_reason_and_restarts(landing: Landing) -> None:
    topic = landing.topic()
    landing.s3.delete_bucket(Bucket=landing.bucket)
    name = landing.connect([topic], {"tasks.max": "1"})
    landing.produce(topic, [(json.dumps({"ind": number}).encode(), START) for number in range(20)])
    wait_until(lambda: landing.states(name) == {"FAILED"}, why="404 does not pass by itself")
    trace = landing.tasks(name)[0]["trace"]
    assert "404 NoSuchBucket" in trace
    assert f"s3://{landing.bucket}/topics/{topic}/" in trace

    landing.s3.create_bucket(Bucket=landing.bucket)
    landing.call("POST", f"/connectors/{name}/restart?includeTasks=true&onlyFailed=true")
    landing.all_once()
    assert landing.states(name) == {"RUNNING"}
