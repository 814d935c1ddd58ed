"""Micro-batches for tests: records as a stream delivers them, written as the query ``posts`` writes them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from include.spark.schemas import TARGETS
from include.spark.stream import posts, schemas
from include.spark.stream.source import from_kinesis
from tests.independent.stream import Accepted, Delivery, Outcome
from tests.spark.lake import CATALOG, rows
from tests.spark.posts import Dirt

TABLES = ("pin", "geo", "user")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KINESIS = (
    "partitionKey string, data binary, stream string, shardId string, sequenceNumber string, "
    "approximateArrivalTimestamp timestamp"
)
FIRST_SEQUENCE = 9 * 10**55
WRITTEN = ("stream.pin", "stream.geo", "stream.user", "stream.arrivals", "quarantine.stream_records")


class Streams:
    """The stream's tables in one Spark session, made anew."""

    def __init__(self, spark: Any) -> None:
        self.spark = spark
        for name in ("stream", "live", "quarantine", "ops"):
            spark.sql(f"DROP SCHEMA IF EXISTS {CATALOG}.{name} CASCADE").collect()
        schemas.create(spark, CATALOG, TABLES)

    def writer(self, query_id: str = "query-1") -> posts.Posts:
        """A process of the query, with nothing in its memory."""
        return posts.Posts(CATALOG, TABLES, query_id)

    def frame(self, deliveries: Iterable[Delivery]) -> Any:
        """The frame of a micro-batch, from the columns of the source ``kinesis``."""
        records = [
            ("key", one.raw.encode(), f"streaming-{one.table}", one.shard, str(one.sequence), one.arrived)
            for one in deliveries
        ]
        read = from_kinesis(
            self.spark.createDataFrame(records, KINESIS), {f"streaming-{table}": table for table in TABLES}
        )
        return posts.prepare(read, TABLES)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query, times aware and in UTC."""
        return rows(self.spark.sql(query.replace("FROM ", f"FROM {CATALOG}.")))

    def clean(self, table: str) -> dict[int, dict[str, Any]]:
        """The target columns of a clean table, by post; a post that is there twice fails."""
        names = ", ".join(column.name for column in TARGETS[table])
        found = self.rows(f"SELECT {names} FROM stream.{table}")
        by_post = {row["ind"]: row for row in found}
        assert len(by_post) == len(found)
        return by_post

    def arrivals(self) -> list[tuple[Any, ...]]:
        """What tells the arrivals apart, sorted."""
        names = ("table_name", "sequence_number", "shard_id", "ind", "arrived_at", "late")
        found = self.rows(f"SELECT {', '.join(names)} FROM stream.arrivals")
        return sorted(tuple(row[name] for name in names) for row in found)

    def contents(self) -> dict[str, list[str]]:
        """Every row of every table, times of writing too."""
        return {name: sorted(map(repr, self.rows(f"SELECT * FROM {name}"))) for name in WRITTEN}

    def versions(self) -> dict[str, int]:
        """How often each table was committed to."""
        return {name: self.spark.sql(f"DESCRIBE HISTORY {CATALOG}.{name}").count() for name in WRITTEN}


def deliver(seed: int, count: int) -> list[list[Delivery]]:
    """Three micro-batches of dirty records of every table, with copies, conflicts and broken ones.

    Two shards a table; the second is read in the second micro-batch only, so that copies of a post come out of order.
    In the third some records arrived long before others of their shard.
    """
    batches: list[list[Delivery]] = [[], [], []]
    for table in TABLES:
        for number, raw in enumerate(Dirt(seed).lines(table, count)):
            shard, arrived = number % 2, NOON + timedelta(seconds=number)
            batch = 1 if shard else 0 if number < count / 3 else 2
            if batch == 2 and number % 10 == 0:
                arrived = NOON - timedelta(minutes=3)
            batches[batch].append(
                Delivery(table, raw, f"shardId-{shard:012}", FIRST_SEQUENCE + 10**8 * number, arrived)
            )
    for batch in batches:
        random.Random(seed).shuffle(batch)
    return batches


def expected_arrivals(outcome: Outcome) -> list[tuple[Any, ...]]:
    """The arrivals as :meth:`Streams.arrivals` gives them."""
    return sorted(
        (one.delivery.table, str(one.delivery.sequence), one.delivery.shard, one.row["ind"], one.delivery.arrived,
         one.late)
        for one in outcome.accepted
    )  # fmt: skip


def arrival_rows(spark: Any, accepted: Sequence[Accepted]) -> Any:
    """Accepted records as rows of ``stream.arrivals``."""
    made = []
    for one in accepted:
        pin = one.row if one.delivery.table == "pin" else {}
        slot = one.delivery.arrived.replace(minute=one.delivery.arrived.minute // 10 * 10, second=0, microsecond=0)
        made.append(
            (one.delivery.table, one.row["ind"], pin.get("poster_name"), pin.get("follower_count"),
             pin.get("category"), one.row.get("country"), one.delivery.shard, str(one.delivery.sequence),
             one.delivery.arrived, "query-1", 0, one.late, slot)
        )  # fmt: skip
    return spark.createDataFrame(made, schemas.ARRIVALS)
