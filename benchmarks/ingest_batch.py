"""Posts a second into Kafka: our emulator, a classic client, and a Kafka client straight to the broker.

The classic client is what existing pipelines of this kind have: one new HTTP request, on a new
connection, for each record. The three take turns in the same run on the same topics and rows.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from emulator.post import EmulatorOptions
from emulator.post import run as post
from emulator.source import engine, rows
from include.config.settings import TABLES, load
from sandbox.supervisor.home import Home

ROUNDS = 3
CLASSIC_SHARE = 100
HEADERS = {"Content-Type": "application/vnd.kafka.json.v2+json"}
Post = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def measure(posts: int) -> list[dict[str, Any]]:
    """Posts a second of each way, and our ratio to the two others.

    :param posts: how many posts the fast ways send a round; the classic client sends a hundredth.
    """
    home, settings = Home(), load("sandbox")
    _make_topics(home, settings.topics, settings.kafka.partitions)
    gateway = f"{home.url('gateway')}/{settings.gateway.stage}"
    sample = _sample(home.source_url, posts)
    ways: dict[str, tuple[int, Callable[[], None]]] = {
        "emulator through the gateway": (posts, lambda: _emulator(home, gateway, settings.prefix, posts)),
        "classic client through the gateway": (
            max(20, posts // CLASSIC_SHARE),
            lambda: _classic(gateway, settings.prefix, sample[: max(20, posts // CLASSIC_SHARE)]),
        ),
        "confluent-kafka to the broker": (posts, lambda: _straight(home, settings.prefix, sample)),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (count, send) in ways.items():
            begun = time.perf_counter()
            send()
            speeds[name].append(count / (time.perf_counter() - begun))
    ours = statistics.median(speeds["emulator through the gateway"])
    return [
        {
            "way": name,
            "posts_per_second": round(statistics.median(found)),
            "lowest": round(min(found)),
            "highest": round(max(found)),
            "emulator_is_times": round(ours / statistics.median(found), 2),
        }
        for name, found in speeds.items()
    ]


def _make_topics(home: Home, topics: Sequence[str], partitions: int) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{home.port('kafka')}"})
    there = admin.list_topics(timeout=10).topics
    wanted = [NewTopic(topic, partitions, 1) for topic in topics if topic not in there]
    if wanted:
        for made in admin.create_topics(wanted).values():
            made.result(30)


def _sample(url: str, posts: int) -> list[Post]:
    found: list[Post] = list(rows(engine(url)))
    if not found:
        raise SystemExit("The source database is empty. Run: ./pinflow source seed")
    return (found * (posts // len(found) + 1))[:posts]


def _emulator(home: Home, gateway: str, prefix: str, posts: int) -> None:
    options = EmulatorOptions(
        source_url=home.source_url, gateway_url=gateway, prefix=prefix, target="batch", posts=posts
    )
    summary = post(options)
    if summary.accepted != 3 * posts:
        raise RuntimeError(f"only {summary.accepted} of {3 * posts} records were accepted")


def _classic(gateway: str, prefix: str, sample: Sequence[Post]) -> None:
    import requests

    for one in sample:
        for table, row in zip(TABLES, one, strict=True):
            body = json.dumps({"records": [{"value": row}]}, default=str)
            answer = requests.post(f"{gateway}/topics/{prefix}.{table}", headers=HEADERS, data=body, timeout=30)
            answer.raise_for_status()


def _straight(home: Home, prefix: str, sample: Sequence[Post]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": f"127.0.0.1:{home.port('kafka')}", "acks": "all", "linger.ms": 5})
    failed: list[str] = []
    for one in sample:
        key = str(one[1]["ind"])
        for table, row in zip(TABLES, one, strict=True):
            while True:
                try:
                    producer.produce(
                        f"{prefix}.{table}", json.dumps(row, default=str).encode(), key,
                        on_delivery=lambda error, _: failed.append(str(error)) if error else None,
                    )  # fmt: skip
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
    producer.flush(60)
    if failed:
        raise RuntimeError(failed[0])
