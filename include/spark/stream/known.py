"""What the tables hold already, and so which records of a micro-batch change them. Plain Python, no Spark.

One process writes the stream's tables, so what they hold can be kept in memory: of each post the newest place in its
stream and a fingerprint of its content (about 200 bytes a post), of each shard how far it was written. Looking up the
tables instead would cost a scan of each for every micro-batch. A process that starts builds this from the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

LATENESS = timedelta(minutes=2)
_LATENESS_US = LATENESS // timedelta(microseconds=1)

Shard = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One record of a micro-batch.

    :param arrived_us: microseconds since 1970.
    :param ind: the post; none where the record breaks the contract.
    :param content: fingerprint of the clean columns.
    """

    table: str
    shard_id: str
    sequence: int
    arrived_us: int
    ind: int | None = None
    content: int = 0

    @property
    def position(self) -> str:
        """Names the record among all: ``<table>/<shard>/<sequence number>``."""
        return f"{self.table}/{self.shard_id}/{self.sequence}"

    @property
    def shard(self) -> Shard:
        """The shard within all streams; a table has one stream."""
        return self.table, self.shard_id


@dataclass(slots=True)
class Post:
    """What is known of a post.

    :param sequence: the newest place of its content in the stream.
    """

    sequence: int
    content: int


@dataclass(slots=True)
class Plan:
    """What is to be written of a micro-batch, as positions by table.

    :param append: the newest copies of posts that a table does not hold.
    :param update: the newest copies of posts that a table holds with another, older content.
    :param arrived: accepted records that the arrivals do not hold.
    :param late: of these, those too late to be counted in windows.
    :param quarantined: broken records that the quarantine does not hold.
    """

    append: dict[str, set[str]] = field(default_factory=dict)
    update: dict[str, set[str]] = field(default_factory=dict)
    arrived: dict[str, set[str]] = field(default_factory=dict)
    late: dict[str, set[str]] = field(default_factory=dict)
    quarantined: dict[str, set[str]] = field(default_factory=dict)


@dataclass
class Known:
    """The memory of the writing process.

    :param posts: by table and ``ind``.
    :param written: the highest place of each shard in the arrivals.
    :param rejected: the highest place of each shard in the quarantine.
    :param watermarks: the latest arrival of each shard in earlier micro-batches, microseconds since 1970.
    """

    posts: dict[str, dict[int, Post]] = field(default_factory=dict)
    written: dict[Shard, int] = field(default_factory=dict)
    rejected: dict[Shard, int] = field(default_factory=dict)
    watermarks: dict[Shard, int] = field(default_factory=dict)

    def plan(self, arrivals: Iterable[Arrival]) -> Plan:
        """Decide what to write of a micro-batch, and remember it as written.

        When writing then fails, this memory is wrong and must be built again.
        """
        plan, accepted, before = Plan(), list[Arrival](), (dict(self.written), dict(self.rejected))
        for arrival in arrivals:
            if arrival.ind is None:
                self._reject(arrival, plan, before[1])
            else:
                accepted.append(arrival)
                self._accept(arrival, plan, before[0])
        for table, winners in _newest(accepted).items():
            self._posts(table, winners, plan)
        for arrival in accepted:
            self.watermarks[arrival.shard] = max(arrival.arrived_us, self.watermarks.get(arrival.shard, 0))
        return plan

    def _reject(self, arrival: Arrival, plan: Plan, before: dict[Shard, int]) -> None:
        if arrival.sequence > before.get(arrival.shard, -1):
            plan.quarantined.setdefault(arrival.table, set()).add(arrival.position)
            self.rejected[arrival.shard] = max(arrival.sequence, self.rejected.get(arrival.shard, -1))

    def _accept(self, arrival: Arrival, plan: Plan, before: dict[Shard, int]) -> None:
        if arrival.sequence <= before.get(arrival.shard, -1):
            return
        self.written[arrival.shard] = max(arrival.sequence, self.written.get(arrival.shard, -1))
        plan.arrived.setdefault(arrival.table, set()).add(arrival.position)
        if arrival.arrived_us < self.watermarks.get(arrival.shard, 0) - _LATENESS_US:
            plan.late.setdefault(arrival.table, set()).add(arrival.position)

    def _posts(self, table: str, winners: dict[int, Arrival], plan: Plan) -> None:
        posts = self.posts.setdefault(table, {})
        for ind, arrival in winners.items():
            kept = posts.get(ind)
            if kept is None:
                posts[ind] = Post(arrival.sequence, arrival.content)
                plan.append.setdefault(table, set()).add(arrival.position)
            elif arrival.sequence > kept.sequence:
                if arrival.content != kept.content:
                    plan.update.setdefault(table, set()).add(arrival.position)
                kept.sequence, kept.content = arrival.sequence, arrival.content


def _newest(accepted: Iterable[Arrival]) -> dict[str, dict[int, Arrival]]:
    newest: dict[str, dict[int, Arrival]] = {}
    for arrival in accepted:
        posts = newest.setdefault(arrival.table, {})
        best = posts.get(arrival.ind)  # type: ignore[arg-type]  # accepted ones have it
        if best is None or _order(arrival) > _order(best):
            posts[arrival.ind] = arrival  # type: ignore[index]
    return newest


def _order(arrival: Arrival) -> tuple[int, int, str]:
    """Copies of a post may tie in different partitions of a topic; which one wins must not depend on chance."""
    return arrival.sequence, arrival.arrived_us, arrival.shard_id
