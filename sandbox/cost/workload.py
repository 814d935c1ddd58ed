"""What is asked of the pipelines: posts, hours, and how large the rows are."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import batched

from sandbox.cost.errors import WorkloadError

MONTH_HOURS = 730.0
MONTH_DAYS = MONTH_HOURS / 24
DAY_SECONDS = 86_400.0
GIB = 2.0**30
PAYLOAD_UNIT = 25 * 1024
"""Bytes of a PUT payload unit of Kinesis."""
SAMPLE_POSTS, SAMPLE_SEED = 1_000, 100


@dataclass(frozen=True)
class Workload:
    """A month of use.

    :param posts_per_day: posts, evenly over the day; each is a record in each of three tables on each path.
    :param days_of_history: days of such use that are kept already; what is stored grows with them.
    :param stream_hours: hours a day that the streaming job runs; 0 leaves the whole stream path out.
    :param supervised_hours: hours a day that ``pinflow_streaming`` watches it.
    :param peak: how many times the mean the busiest second is; it decides how many shards are needed.
    :param posts_per_request: posts whose rows of a table go in one request; None is as one emulator gathers them.
    :param serverless: the notebooks on serverless compute, as with an empty ``workspace.cluster``.
    """

    posts_per_day: float
    days_of_history: float = 30.0
    stream_hours: float = 24.0
    supervised_hours: float = 1.0
    peak: float = 5.0
    posts_per_request: float | None = None
    serverless: bool = False

    def __post_init__(self) -> None:
        limits = {"posts_per_day": (0, 1e12), "days_of_history": (0, 36_500), "stream_hours": (0, 24)}
        limits |= {"supervised_hours": (0, 24), "peak": (1, 1e6), "posts_per_request": (1, 1e6)}
        for entry in fields(self):
            value = 1 if (given := getattr(self, entry.name)) is None else given
            low, high = limits.get(entry.name, (0, 1))
            if not math.isfinite(value) or not low <= value <= high:
                option = f"--{entry.name.replace('_', '-')}"
                raise WorkloadError(
                    f"{option} is {value:g}.", f"It must be a number from {low:,} to {high:,.0f}.", "Give another one."
                )
        if self.supervised_hours > self.stream_hours:
            raise WorkloadError(
                f"--supervised-hours is {self.supervised_hours:g}.",
                f"The streaming job runs {self.stream_hours:g} hours a day, and only then it is watched.",
                "Give fewer, or more --stream-hours.",
            )

    @property
    def streams(self) -> bool:
        """Whether there is a stream path."""
        return self.stream_hours > 0

    @property
    def rate(self) -> float:
        """Posts a second, the mean."""
        return self.posts_per_day / DAY_SECONDS


@dataclass(frozen=True)
class Sample:
    """Rows as the emulator sends them, by table: the measure of all sizes."""

    rows: Mapping[str, Sequence[bytes]]

    def batch_bytes(self) -> float:
        """Bytes that a post sends to the REST proxy, each record in a request of its own."""
        from emulator.post.requests import ProxyV2, Record

        proxy = ProxyV2("")
        return self._post(lambda number, row: len(proxy.request("", [Record(number, row, 0)]).body))

    def stream_bytes(self) -> float:
        """Bytes that a post sends to the gateway's streams, each record in a request of its own."""
        from emulator.post.requests import Record
        from emulator.post.streams import Streams

        streams = Streams("")
        return self._post(lambda number, row: len(streams.request("", [Record(number, row, 0)]).body))

    def record_bytes(self) -> float:
        """Bytes of a post's three records with their keys, as Kafka and Kinesis keep them."""
        return self._post(lambda number, row: len(row) + len(str(number)))

    def payload_units(self) -> float:
        """PUT payload units of a post's three records."""
        return self._post(lambda number, row: payload_units(len(row)))

    def largest_stream(self) -> float:
        """Bytes of a post's record in the stream that gets most."""
        return max(sum(map(len, rows)) / len(rows) for rows in self.rows.values())

    def landed_bytes(self, together: float) -> float:
        """Bytes of a post's three records in the landing, as JSON lines in gzip objects of so many records."""
        size = max(1, min(round(together), *map(len, self.rows.values())))
        return sum(
            sum(len(gzip.compress(b"\n".join(lines), mtime=0)) for lines in batched(landed(name, rows), size))
            / len(rows)
            for name, rows in self.rows.items()
        )

    def _post(self, size: Measure) -> float:
        return sum(sum(size(number, row) for number, row in enumerate(rows)) / len(rows) for rows in self.rows.values())


type Measure = Callable[[int, bytes], float]


def payload_units(size: int) -> int:
    """PUT payload units of a record of so many bytes: 25 KB each, begun ones count whole.

    https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
    """
    return max(1, math.ceil(size / PAYLOAD_UNIT))


def landed(name: str, rows: Sequence[bytes]) -> list[bytes]:
    """Rows as the sink writes them, with the fields of its transformation ``position``."""
    added = ',"kafka_topic":"pinflow.%s","kafka_partition":%d,"kafka_offset":%d,"kafka_timestamp":%d}'
    return [
        row[:-1] + (added % (name, number % 6, 100_000 + number, 1_800_000_000_000 + 860 * number)).encode()
        for number, row in enumerate(rows)
    ]


@cache
def measured() -> Sample:
    """Rows of the emulator's own generator: 1,000 posts of seed 100, in under a second."""
    from emulator.post.codec import dumps
    from emulator.source.generate import generate
    from emulator.source.tables import TABLES

    chunk = next(generate(SAMPLE_POSTS, SAMPLE_SEED, SAMPLE_POSTS))
    return Sample(
        {
            name: [
                dumps({str(column.name): _plain(value) for column, value in zip(table.columns, row, strict=True)})
                for row in getattr(chunk, name)
            ]
            for name, table in TABLES.items()
        }
    )


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | None) else str(value)
