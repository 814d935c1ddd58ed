"""One Kinesis server for the session, and queries on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.spark.kinesis.driver import Query
from tests.spark.kinesis.server import KEYS, Server


@pytest.fixture(scope="session")
def kinesis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all tests share; each makes streams of its own."""
    made = Server(tmp_path_factory.mktemp("kinesis"))
    yield made
    made.kill()


@pytest.fixture
def connection(kinesis: Server) -> dict[str, str]:
    """The options with which the source finds the server."""
    return {
        "endpoint": kinesis.url,
        "region": KEYS["region_name"],
        "awsAccessKey": KEYS["aws_access_key_id"],
        "awsSecretKey": KEYS["aws_secret_access_key"],
    }


@pytest.fixture
def query(connection: dict[str, str]) -> Iterator[Callable[..., Query]]:
    """Makes queries, which begin with what is there, and ask their shards at every trigger."""
    made: list[Query] = []

    def make(*streams: str, **options: str) -> Query:
        given = {"streamName": ",".join(streams), "initialPosition": "earliest", "minFetchPeriod": "200ms", **options}
        made.append(Query(connection | {"shardFetchInterval": "0s"} | given))
        return made[-1]

    yield make
    for one in made:
        one.stop()
