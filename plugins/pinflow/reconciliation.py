"""Whether each post that was accepted is in the tables, once, and nothing else.

Three accounts of the same thing are compared for an interval of record time: the emulator's ledger (what the proxy said
it took, by topic, partition and offset), bronze with the dead letters (what Kafka Connect delivered, by the same
positions) and silver (one row a post). Sums over each partition are compared first; lists are fetched only for what
differs.
"""

# ruff: noqa: S608  the tables' names are those of the settings, values are parameters
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pinflow.hooks.kafka import DeadLetter, Position

EDGE_MS = 120_000
PAGE = 50_000
MIX = 1_000_003
# As cleaning reads a key (``7528`` or ``7528.0``); one that is none is null, so that poison can be told of.
KEY = (
    "TRY_CAST(TRY_CAST(coalesce("
    + ", ".join(f"get_json_object(b.raw, '$.{name}')" for name in ("index", "ind", "idx"))
    + ") AS DECIMAL(28, 8)) AS BIGINT)"
)
WITHIN = "b.kafka_timestamp >= :start AND b.kafka_timestamp < :end"

type Rows = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]


class AcceptedRecords(Protocol):
    """What is asked of the emulator's ledger."""

    def accepted(
        self, table: str, start_ms: int | None = None, end_ms: int | None = None
    ) -> Iterable[tuple[int, int, int]]:
        """Post, partition and offset of each accepted record of an interval."""
        ...

    def ambiguous(self, table: str) -> set[int]:
        """Posts of which some record may have been taken unseen."""
        ...


class KafkaRecords(Protocol):
    """What is asked of Kafka."""

    def dead_letters(self, topic: str, start_ms: int, end_ms: int) -> Sequence[DeadLetter]:
        """Dead letters whose record's time is in the interval."""
        ...

    def timestamps(self, positions: Collection[Position]) -> Mapping[Position, int]:
        """Time of the records at positions."""
        ...


@dataclass(frozen=True)
class Lost:
    """An accepted record that is nowhere."""

    ind: int
    partition: int
    offset: int


@dataclass(frozen=True)
class Surplus:
    """A record that is there and that the ledger does not know; ``ind`` is ``None`` when it has no readable key."""

    ind: int | None
    partition: int
    offset: int


@dataclass
class Finding:
    """What was found for one table.

    ``explained`` are surplus records of posts with an unknown outcome: the first attempt was taken after all.
    """

    table: str
    accepted: int
    landed: int
    dead_letters: int
    quarantined: int
    missing: list[Lost] = field(default_factory=list)
    foreign: list[Surplus] = field(default_factory=list)
    explained: list[Surplus] = field(default_factory=list)
    repeated: list[tuple[int, int]] = field(default_factory=list)
    absent_from_silver: list[int] = field(default_factory=list)
    doubled_in_silver: list[int] = field(default_factory=list)

    @property
    def wrong(self) -> bool:
        """Whether something is lost or doubled; foreign records are judged by the caller."""
        return bool(self.missing or self.repeated or self.absent_from_silver or self.doubled_in_silver)

    def counts(self) -> dict[str, Any]:
        """All fields, lists as their lengths."""
        return {name: len(value) if isinstance(value, list) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Interval:
    """Record times from ``start`` to before ``end``."""

    start: datetime
    end: datetime

    @property
    def start_ms(self) -> int:
        """Milliseconds since 1970."""
        return round(self.start.timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        """Milliseconds since 1970."""
        return round(self.end.timestamp() * 1000)


class TableReconciliation:
    """The comparison for one table.

    :param table: ``pin``, ``geo`` or ``user``.
    :param topic: its topic.
    :param dead_letters: all dead letters of the interval, of any topic.
    :param rows: runs a SQL statement with parameters.
    """

    def __init__(
        self,
        table: str,
        topic: str,
        interval: Interval,
        *,
        ledger: AcceptedRecords,
        kafka: KafkaRecords,
        dead_letters: Iterable[DeadLetter],
        rows: Rows,
    ) -> None:
        self.table = table
        self.topic = topic
        self.interval = interval
        self.ledger = ledger
        self.kafka = kafka
        self.rows = rows
        self.dead = {letter.position[1:] for letter in dead_letters if letter.position[0] == topic}

    @cached_property
    def accepted(self) -> dict[tuple[int, int], int]:
        """The post at each accepted position."""
        found = self.ledger.accepted(self.table, self.interval.start_ms, self.interval.end_ms)
        return {(partition, offset): ind for ind, partition, offset in found}

    def find(self) -> Finding:
        """Compare."""
        summaries = {row["kafka_partition"]: row for row in self._rows(_SUMMARY)}
        quarantined = {(row["kafka_partition"], row["kafka_offset"]) for row in self._rows(_QUARANTINED)}
        finding = Finding(
            self.table,
            accepted=len(self.accepted),
            landed=sum(row["records"] for row in summaries.values()),
            dead_letters=len(self.dead),
            quarantined=len(quarantined),
        )
        expected = _by_partition(position for position in self.accepted if position not in self.dead)
        for partition in sorted(expected.keys() | summaries.keys()):
            if _sums(expected[partition]) != _row_sums(summaries.get(partition)):
                self._compare(partition, expected[partition], finding)
        self._judge_surplus(finding, [Surplus(None, *position) for position in self.dead - self.accepted.keys()])
        self._judge_missing(finding)
        self._look_at_silver(finding, quarantined)
        return finding

    def _compare(self, partition: int, expected: set[int], finding: Finding) -> None:
        landed = list(self._landed(partition))
        counted = Counter(offset for offset, _ in landed)
        finding.repeated += [(partition, offset) for offset, count in counted.items() if count > 1]
        finding.missing += [
            Lost(self.accepted[(partition, offset)], partition, offset) for offset in sorted(expected - counted.keys())
        ]
        finding.foreign += [Surplus(ind, partition, offset) for offset, ind in landed if offset not in expected]

    def _landed(self, partition: int) -> Iterator[tuple[int, int | None]]:
        after = -1
        while True:
            page = self._rows(_POSITIONS, partition=partition, after=after)
            yield from ((row["kafka_offset"], row["ind"]) for row in page)
            if len(page) < PAGE:
                return
            after = page[-1]["kafka_offset"]

    def _judge_surplus(self, finding: Finding, dead: list[Surplus]) -> None:
        surplus = finding.foreign + dead
        finding.foreign = []
        if not surplus:
            return
        # The ledger's time is that of sending where the server stamps the record: a little before it.
        wide = self.ledger.accepted(self.table, self.interval.start_ms - EDGE_MS, self.interval.end_ms + EDGE_MS)
        known = {(partition, offset) for _, partition, offset in wide}
        ambiguous = self.ledger.ambiguous(self.table)
        for record in surplus:
            if (record.partition, record.offset) in known:
                continue
            (finding.explained if record.ind in ambiguous else finding.foreign).append(record)

    def _judge_missing(self, finding: Finding) -> None:
        if not finding.missing:
            return
        start, end = self.interval.start_ms, self.interval.end_ms
        near = {
            (self.topic, partition, offset)
            for begin in (start, max(start, end - EDGE_MS))
            for _, partition, offset in self.ledger.accepted(self.table, begin, min(begin + EDGE_MS, end))
        }
        asked = {(self.topic, lost.partition, lost.offset) for lost in finding.missing} & near
        times = self.kafka.timestamps(asked)
        outside = {position for position, moment in times.items() if not start <= moment < end}
        finding.missing = [lost for lost in finding.missing if (self.topic, lost.partition, lost.offset) not in outside]

    def _look_at_silver(self, finding: Finding, quarantined: set[tuple[int, int]]) -> None:
        row = self._rows(_SILVER)[0]
        if row["absent"]:
            finding.absent_from_silver = [found["ind"] for found in self._rows(_ABSENT)]
        if row["doubled"]:
            finding.doubled_in_silver = [found["ind"] for found in self._rows(_DOUBLED)]
        if finding.wrong or finding.foreign or finding.explained:
            return
        posts = {ind for position, ind in self.accepted.items() if position not in quarantined | self.dead}
        if (row["posts"], row["total"] or 0) != (len(posts), sum(posts)):
            landed = {found["ind"] for found in self._rows(_POSTS)}
            finding.absent_from_silver = sorted(posts - landed)

    def _rows(self, sql: str, **more: Any) -> list[dict[str, Any]]:
        text = sql.format(table=self.table)
        named = {"start": self.interval.start, "end": self.interval.end, "topic": self.topic} | more
        return self.rows(text, {name: value for name, value in named.items() if f":{name}" in text})


def _by_partition(positions: Iterable[tuple[int, int]]) -> defaultdict[int, set[int]]:
    found: defaultdict[int, set[int]] = defaultdict(set)
    for partition, offset in positions:
        found[partition].add(offset)
    return found


def _sums(offsets: Iterable[int]) -> tuple[int, int, int, int]:
    counted = list(offsets)
    return len(counted), len(counted), sum(counted), sum(offset**3 % MIX for offset in counted)


def _row_sums(row: Mapping[str, Any] | None) -> tuple[int, int, int, int]:
    return (0, 0, 0, 0) if row is None else (row["records"], row["positions"], int(row["total"]), int(row["mixed"]))


_SUMMARY = f"""
SELECT b.kafka_partition, count(*) AS records, count(DISTINCT b.kafka_offset) AS positions,
    sum(b.kafka_offset) AS total,
    sum(CAST(CAST(b.kafka_offset AS DECIMAL(12,0)) * b.kafka_offset * b.kafka_offset % {MIX} AS BIGINT)) AS mixed
FROM bronze.{{table}} AS b WHERE {WITHIN} GROUP BY b.kafka_partition"""

_POSITIONS = f"""
SELECT b.kafka_offset, {KEY} AS ind FROM bronze.{{table}} AS b
WHERE {WITHIN} AND b.kafka_partition = :partition AND b.kafka_offset > :after
ORDER BY b.kafka_offset LIMIT {PAGE}"""

_QUARANTINED = f"""
SELECT DISTINCT b.kafka_partition, b.kafka_offset FROM quarantine.records AS b WHERE b.topic = :topic AND {WITHIN}"""

_CLEAN = f"""
WITH clean AS (
    SELECT DISTINCT {KEY} AS ind FROM bronze.{{table}} AS b
    LEFT ANTI JOIN quarantine.records AS q ON q.topic = :topic
        AND q.kafka_partition = b.kafka_partition AND q.kafka_offset = b.kafka_offset
    WHERE {WITHIN}
), matched AS (
    SELECT clean.ind, count(s.ind) AS copies
    FROM clean LEFT JOIN silver.{{table}} AS s ON s.ind = clean.ind
    GROUP BY clean.ind
)"""

_SILVER = f"""{_CLEAN}
SELECT count(*) AS posts, sum(ind) AS total, count_if(copies = 0) AS absent, count_if(copies > 1) AS doubled
FROM matched"""

_ABSENT = f"{_CLEAN} SELECT ind FROM matched WHERE copies = 0 ORDER BY ind LIMIT {PAGE}"
_DOUBLED = f"{_CLEAN} SELECT ind FROM matched WHERE copies > 1 ORDER BY ind LIMIT {PAGE}"
_POSTS = f"{_CLEAN} SELECT ind FROM matched ORDER BY ind"
