from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from sandbox.rest_proxy.cluster import Cluster
from sandbox.rest_proxy.errors import RestError
from sandbox.rest_proxy.options import Options


class Broker:
    """Answers questions about topics as a test wants; counts them."""

    def __init__(self, **partitions: int) -> None:
        self.partitions, self.asked, self.away = dict(partitions), 0, False
        self._lock = threading.Lock()

    @property
    def kafka(self) -> Broker:
        return self

    def list_topics(self, name: str, timeout: float) -> Any:
        with self._lock:
            self.asked += 1
        time.sleep(0.05)
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        count = self.partitions.get(name)
        error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART) if count is None else None
        topic = SimpleNamespace(topic=name, error=error, partitions=dict.fromkeys(range(count or 0)))
        return SimpleNamespace(topics={name: topic})


def cluster(broker: Broker, age: float = 60.0) -> Cluster:
    return Cluster(Options("127.0.0.1:1", metadata_age=age), broker)  # type: ignore[arg-type]


class TestPartitionCount:
    def test_is_remembered(self) -> None:
        broker = Broker(t=3)
        made = cluster(broker)

        async def twice() -> list[int]:
            return [await made.partition_count("t"), await made.partition_count("t")]

        assert (asyncio.run(twice()), broker.asked) == ([3, 3], 1)

    def test_is_forgotten(self) -> None:
        broker = Broker(t=3)
        made = cluster(broker)

        async def changed() -> int:
            await made.partition_count("t")
            broker.partitions["t"] = 5
            made.forget("t")
            return await made.partition_count("t")

        assert asyncio.run(changed()) == 5

    def test_grows_old(self) -> None:
        broker = Broker(t=3)
        made = cluster(broker, age=0.0)

        async def later() -> int:
            await made.partition_count("t")
            broker.partitions["t"] = 4
            return await made.partition_count("t")

        assert asyncio.run(later()) == 4

    def test_many_requests_ask_once(self) -> None:
        broker = Broker(t=3)
        made = cluster(broker)

        async def many() -> list[int]:
            return await asyncio.gather(*(made.partition_count("t") for _ in range(50)))

        assert (asyncio.run(many()), broker.asked) == ([3] * 50, 1)

    def test_unknown_topic_is_looked_for_twice(self) -> None:
        broker = Broker()
        assert (asyncio.run(cluster(broker).partition_count("t")), broker.asked) == (0, 2)

    def test_a_broker_that_is_away_leaves_what_is_remembered(self) -> None:
        broker = Broker(t=3)
        made = cluster(broker, age=0.0)

        async def outage() -> int:
            await made.partition_count("t")
            broker.away = True
            return await made.partition_count("t")

        assert asyncio.run(outage()) == 3

    def test_a_broker_that_is_away_and_nothing_remembered(self) -> None:
        broker = Broker()
        broker.away = True
        with pytest.raises(RestError) as caught:
            asyncio.run(cluster(broker).partition_count("t"))
        assert (caught.value.status, caught.value.code) == (500, 50003)


class TestHasPartition:
    def test_looks_again_when_the_count_is_not_enough_but_not_each_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sandbox.rest_proxy.cluster.REFRESH_SECONDS", 0.0)
        broker = Broker(t=3)
        made = cluster(broker)

        async def grown() -> list[bool]:
            await made.partition_count("t")
            before = await made.has_partition("t", 4)
            broker.partitions["t"] = 5
            found = await made.has_partition("t", 4)
            monkeypatch.setattr("sandbox.rest_proxy.cluster.REFRESH_SECONDS", 60.0)
            return [before, found, await made.has_partition("t", 5), await made.has_partition("t", -1)]

        assert (asyncio.run(grown()), broker.asked) == ([False, True, False, False], 3)

    def test_a_broker_that_is_away(self) -> None:
        broker = Broker()
        broker.away = True
        assert asyncio.run(cluster(broker).has_partition("t", 0)) is False
