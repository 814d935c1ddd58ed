"""The comparison of ledger, positions and silver. The SQL itself runs on Spark in tests/spark/reconcile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from pinflow import reconciliation
from pinflow.exceptions import ReconciliationFailed
from pinflow.hooks.kafka import DeadLetter
from pinflow.operators.reconcile import ReconcileOperator, reconciliation_failed
from pinflow.reconciliation import EDGE_MS, Finding, Interval, Lost, Surplus, TableReconciliation

INTERVAL = Interval(datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 3, 2, tzinfo=UTC))
NOON = INTERVAL.start_ms + 12 * 3_600_000


class World:
    """A ledger, a topic and tables: each test bends one of them.

    A record is (ind, partition, offset, time).
    """

    def __init__(self, posts: int = 6) -> None:
        records = [(ind, ind % 2, ind // 2, NOON) for ind in range(posts)]
        self.ledger = list(records)
        self.topic = {(partition, offset): time for _, partition, offset, time in records}
        self.bronze = [(ind, partition, offset) for ind, partition, offset, _ in records]
        self.quarantine: set[tuple[int, int]] = set()
        self.silver = Counter({ind: 1 for ind, *_ in records})
        self.unknown: set[int] = set()
        self.dead: list[DeadLetter] = []
        self.asked: list[str] = []
        self.looked_up: set[Any] = set()

    def accepted(self, table: str, start_ms: int | None = None, end_ms: int | None = None) -> Iterable[Any]:
        """As the ledger: by the time that it noted."""
        assert table == "pin"
        low, high = start_ms or 0, end_ms or 2**60
        return [(ind, partition, offset) for ind, partition, offset, time in self.ledger if low <= time < high]

    def ambiguous(self, table: str) -> set[int]:
        """Posts with an unknown outcome."""
        return self.unknown

    def dead_letters(self, topic: str, start_ms: int, end_ms: int) -> list[DeadLetter]:
        """Not asked here: they are passed in."""
        raise NotImplementedError

    def timestamps(self, positions: Iterable[Any]) -> Mapping[Any, int]:
        """The broker's own time of records."""
        self.looked_up |= set(positions)
        return {(t, p, o): self.topic[p, o] for t, p, o in positions if (p, o) in self.topic}

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the tables answer to each of the queries."""
        answers = {
            "_SUMMARY": self.summary,
            "_POSITIONS": self.positions,
            "_QUARANTINED": self.quarantined,
            "_SILVER": self.silver_row,
            "_ABSENT": self.absent,
            "_DOUBLED": self.doubled,
            "_POSTS": self.posts,
        }
        name = next(name for name in answers if getattr(reconciliation, name).format(table="pin") == sql)
        self.asked.append(name)
        return list(answers[name](parameters))

    def summary(self, _: Any) -> Iterable[dict[str, Any]]:
        for number in {partition for _, partition, _ in self.bronze}:
            offsets = [offset for _, partition, offset in self.bronze if partition == number]
            yield {
                "kafka_partition": number,
                "records": len(offsets),
                "positions": len(set(offsets)),
                "total": sum(offsets),
                "mixed": sum(offset**3 % 1_000_003 for offset in offsets),
            }

    def positions(self, parameters: Any) -> Iterable[dict[str, Any]]:
        found = sorted((o, i) for i, p, o in self.bronze if p == parameters["partition"] and o > parameters["after"])
        return [{"kafka_offset": o, "ind": i} for o, i in found[: reconciliation.PAGE]]

    def quarantined(self, _: Any) -> Iterable[dict[str, Any]]:
        return [{"kafka_partition": p, "kafka_offset": o} for p, o in self.quarantine]

    def copies(self) -> dict[int, int]:
        clean = {ind for ind, partition, offset in self.bronze if (partition, offset) not in self.quarantine}
        return {ind: self.silver[ind] for ind in clean}

    def posts(self, _: Any) -> Iterable[dict[str, Any]]:
        return [{"ind": ind} for ind in sorted(self.copies())]

    def absent(self, _: Any) -> Iterable[dict[str, Any]]:
        return [{"ind": ind} for ind, count in sorted(self.copies().items()) if count == 0]

    def doubled(self, _: Any) -> Iterable[dict[str, Any]]:
        return [{"ind": ind} for ind, count in sorted(self.copies().items()) if count > 1]

    def find(self) -> Finding:
        """Compare."""
        return TableReconciliation(
            "pin", "t.pin", INTERVAL, ledger=self, kafka=self, dead_letters=self.dead, rows=self.rows
        ).find()

    def silver_row(self, _: Any) -> Iterable[dict[str, Any]]:
        copies = self.copies()
        yield {
            "posts": len(copies),
            "total": sum(copies) if copies else None,
            "absent": sum(count == 0 for count in copies.values()),
            "doubled": sum(count > 1 for count in copies.values()),
        }


@pytest.fixture
def world() -> World:
    return World()


def test_all_is_well_and_only_sums_are_asked_for(world: World) -> None:
    finding = world.find()
    assert finding == Finding("pin", accepted=6, landed=6, dead_letters=0, quarantined=0)
    assert not finding.wrong
    assert world.asked == ["_SUMMARY", "_QUARANTINED", "_SILVER"]


def test_nothing_was_posted_and_nothing_is_there(world: World) -> None:
    world.ledger, world.bronze = [], []
    assert not world.find().wrong


def test_a_lost_record(world: World) -> None:
    world.bronze.remove((3, 1, 1))
    finding = world.find()
    assert finding.missing == [Lost(3, 1, 1)]
    assert finding.wrong
    assert world.asked.count("_POSITIONS") == 1, "only the partition that differs is read"


def test_a_whole_partition_is_lost(world: World) -> None:
    world.bronze = [record for record in world.bronze if record[1] == 0]
    assert [lost.ind for lost in world.find().missing] == [1, 3, 5]


def test_a_foreign_record(world: World) -> None:
    world.bronze.append((99, 0, 3))
    world.silver[99] = 1
    finding = world.find()
    assert finding.foreign == [Surplus(99, 0, 3)]
    assert not finding.wrong, "the caller decides about foreign records"


def test_one_lost_and_one_foreign_with_equal_sums(world: World) -> None:
    world.ledger = [(i, 0, o, NOON) for i, o in enumerate((1, 5, 6))]
    world.bronze = [(i, 0, o) for i, o in enumerate((2, 3, 7))]
    finding = world.find()
    assert {lost.offset for lost in finding.missing} == {1, 5, 6}
    assert {record.offset for record in finding.foreign} == {2, 3, 7}


def test_a_surplus_record_of_a_post_with_an_unknown_outcome_is_explained(world: World) -> None:
    world.bronze.append((3, 1, 3))
    world.unknown = {3}
    finding = world.find()
    assert (finding.foreign, finding.explained) == ([], [Surplus(3, 1, 3)])
    assert not finding.wrong


def test_a_line_that_landed_twice(world: World) -> None:
    world.bronze.append((3, 1, 1))
    finding = world.find()
    assert finding.repeated == [(1, 1)]
    assert finding.wrong


def test_a_dead_letter_is_accounted_for(world: World) -> None:
    world.bronze.remove((3, 1, 1))
    world.dead = [DeadLetter(("t.pin", 1, 1), NOON, "not JSON"), DeadLetter(("t.geo", 0, 0), NOON, "another topic")]
    finding = world.find()
    assert (finding.dead_letters, finding.missing, finding.foreign) == (1, [], [])
    assert not finding.wrong


def test_a_dead_letter_of_someone_else_is_foreign(world: World) -> None:
    world.dead = [DeadLetter(("t.pin", 0, 50), NOON, "not JSON")]
    assert world.find().foreign == [Surplus(None, 0, 50)]


def test_a_quarantined_record_need_not_be_in_silver(world: World) -> None:
    world.quarantine = {(1, 1)}
    del world.silver[3]
    finding = world.find()
    assert finding.quarantined == 1
    assert not finding.wrong


def test_a_post_that_silver_lacks(world: World) -> None:
    del world.silver[4]
    assert world.find().absent_from_silver == [4]


def test_a_post_that_silver_has_twice(world: World) -> None:
    world.silver[4] = 2
    assert world.find().doubled_in_silver == [4]


def test_a_post_that_turned_into_another(world: World) -> None:
    world.bronze[world.bronze.index((4, 0, 2))] = (40, 0, 2)
    world.silver = Counter({ind: 1 for ind, *_ in world.bronze})
    assert world.find().absent_from_silver == [4], "positions agree, but post 4 is nowhere"


def test_a_record_that_the_server_stamped_after_the_end(world: World) -> None:
    late = INTERVAL.end_ms - 5
    world.ledger.append((6, 0, 3, late))
    world.topic[0, 3] = INTERVAL.end_ms + 2
    finding = world.find()
    assert not finding.missing
    assert world.looked_up == {("t.pin", 0, 3)}


def test_a_record_near_the_end_that_is_really_lost(world: World) -> None:
    world.ledger.append((6, 0, 3, INTERVAL.end_ms - 5))
    world.topic[0, 3] = INTERVAL.end_ms - 3
    assert world.find().missing == [Lost(6, 0, 3)]


def test_a_record_near_the_end_that_is_not_even_in_kafka(world: World) -> None:
    world.ledger.append((6, 0, 3, INTERVAL.end_ms - 5))
    assert world.find().missing == [Lost(6, 0, 3)]


def test_a_lost_record_far_from_the_ends_is_not_looked_up(world: World) -> None:
    world.bronze.remove((3, 1, 1))
    world.find()
    assert world.looked_up == set()


def test_a_record_sent_just_before_the_start_is_not_foreign(world: World) -> None:
    world.ledger.append((6, 0, 3, INTERVAL.start_ms - 10))
    world.bronze.append((6, 0, 3))
    world.silver[6] = 1
    finding = world.find()
    assert (finding.foreign, finding.explained, finding.missing) == ([], [], [])


def test_one_sent_long_before_is(world: World) -> None:
    world.ledger.append((6, 0, 3, INTERVAL.start_ms - EDGE_MS - 1))
    world.bronze.append((6, 0, 3))
    assert [record.ind for record in world.find().foreign] == [6]


def test_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "PAGE", 1)
    world.bronze.append((99, 0, 3))
    assert world.find().foreign == [Surplus(99, 0, 3)]
    assert world.asked.count("_POSITIONS") == 5, "four records of the partition and the empty page"


class TestErrors:
    def test_the_text_is_bounded_and_the_data_is_not(self) -> None:
        finding = Finding("pin", 100, 0, 0, 0, missing=[Lost(ind, 0, ind) for ind in range(100)])
        error = reconciliation_failed([finding], INTERVAL)
        assert isinstance(error, ReconciliationFailed)
        assert "pin 100 missing (0, 1, 2" in str(error)
        assert "and 80 more" in str(error)
        assert len(error.data["findings"]["pin"].missing) == 100

    def test_foreign_records_come_with_the_way_to_allow_them(self) -> None:
        finding = Finding("pin", 0, 1, 0, 0, foreign=[Surplus(7, 1, 2), Surplus(None, 0, 0)])
        text = str(reconciliation_failed([finding], INTERVAL))
        assert "7 at 1@2, no key at 0@0" in text
        assert '"foreign_records": "report"' in text

    def test_counts_are_numbers(self) -> None:
        finding = Finding("pin", 3, 3, 0, 0, foreign=[Surplus(7, 1, 2)])
        assert finding.counts()["foreign"] == 1
        assert all(isinstance(value, int | str) for value in finding.counts().values())


class TestReconcileOperator:
    def operator(self, world: World, **arguments: Any) -> ReconcileOperator:
        given: dict[str, Any] = {"foreign_records": "fail", **arguments}
        operator = ReconcileOperator(
            task_id="t",
            topics={"pin": "t.pin"},
            dead_letter_topic="t.dead",
            start=INTERVAL.start.isoformat(),
            end="2022-03-02T00:00:00Z",
            catalog="c",
            warehouse_id="w",
            **given,
        )
        kafka = type(
            "Kafka", (), {"dead_letters": lambda *_: world.dead, "timestamps": lambda _, p: world.timestamps(p)}
        )
        statement = lambda _, sql, parameters, **where: world.rows(sql, parameters)  # noqa: E731
        operator.__dict__["kafka"] = kafka()
        operator.__dict__["workspace"] = type("Workspace", (), {"statement": statement})()
        operator.__dict__["source"] = type("Source", (), {"ledger": world})()
        return operator

    def test_returns_counts(self, context: Any, world: World) -> None:
        assert self.operator(world).execute(context)["pin"]["accepted"] == 6

    def test_lost_posts_fail(self, context: Any, world: World) -> None:
        world.bronze.remove((3, 1, 1))
        with pytest.raises(ReconciliationFailed, match=r"pin 1 missing \(3\)"):
            self.operator(world, foreign_records="report").execute(context)

    @pytest.mark.parametrize("allowed", ["fail", "report"])
    def test_foreign_records(self, context: Any, world: World, allowed: str) -> None:
        world.bronze.append((99, 0, 3))
        world.silver[99] = 1
        operator = self.operator(world, foreign_records=allowed)
        if allowed == "fail":
            with pytest.raises(ReconciliationFailed, match="99 at 0@3"):
                operator.execute(context)
        else:
            assert operator.execute(context)["pin"]["foreign"] == 1

    def test_template_fields(self, world: World) -> None:
        operator = self.operator(world)
        assert {"start", "end", "foreign_records", "catalog"} <= set(operator.template_fields)
        for name in operator.template_fields:
            getattr(operator, name)
