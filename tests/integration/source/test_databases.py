"""Seeding, loading, posting and the ledger on each kind of database, with real servers."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, select, text

from emulator import commands
from emulator.exceptions import SourceFileError, SourceNotEmpty, SourceUnavailable
from emulator.ledger import Attempt, Ledger, Outcome, Result
from emulator.ledger import Path as Way
from emulator.post import EmulatorOptions, run
from emulator.source import engine, seed, show
from emulator.source.ddl import ddl
from emulator.source.generate import generate
from emulator.source.tables import TABLES, key
from tests.unit.emulator.fake_gateway import Call, Reply, fake_gateway, sequence

POSTS = 1_500


@pytest.fixture(scope="module")
def made() -> dict[str, list[tuple[Any, ...]]]:
    """The rows that a seed must give."""
    chunks = list(generate(POSTS, 100))
    return {name: list(chain.from_iterable(getattr(chunk, name) for chunk in chunks)) for name in TABLES}


@pytest.fixture
def connected(database: str) -> Engine:
    seed(database, POSTS, 100, replace=True)
    Ledger(engine(database)).forget()
    return engine(database)


def stored(connected: Engine, name: str) -> list[tuple[Any, ...]]:
    table = TABLES[name]
    with connected.connect() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(key(table)))]


class TestSeed:
    def test_the_same_rows_on_every_database(self, connected: Engine, made: dict[str, list[tuple[Any, ...]]]) -> None:
        for name, rows in made.items():
            assert stored(connected, name) == rows

    def test_again_does_nothing_and_other_numbers_replace(self, database: str, connected: Engine) -> None:
        assert seed(database, POSTS, 100).written is False
        assert seed(database, 10, 3).written is True
        assert [row[0] for row in stored(connected, "user")] == list(range(10))

    def test_a_seed_that_breaks_off_leaves_what_was_there(self, database: str, connected: Engine) -> None:
        def give_up(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            seed(database, 100, 3, give_up)
        assert len(stored(connected, "geo")) == POSTS

    def test_show(self, database: str, connected: Engine) -> None:
        found = show(database)
        assert set(found["tables"].values()) == {POSTS}
        assert found["ranges"]["key"] == [0, POSTS - 1]
        assert found["origin"] == {"kind": "generated", "posts": POSTS, "seed": 100}
        json.dumps(found)


class TestLoad:
    ROWS: tuple[dict[str, Any], ...] = (
        {
            "index": 0, "unique_id": "u", "title": "\U0001f469\u200d\U0001f3a8 \\ 'a' \"b\" | \u2026\u00a0",
            "description": "x" * 70_000,
            "poster_name": "p" * 268, "follower_count": "12.3k", "tag_list": "", "is_image_or_video": None,
            "image_src": "i", "downloaded": None, "save_location": " s ", "category": "art\r\nb",
        },
        {"ind": 0, "timestamp": "2020-08-28T03:52:47.123456Z", "latitude": 51.5073511, "longitude": -0.1,
         "country": "Åland"},
        {"ind": 0, "first_name": "\u65e5\u672c", "last_name": None, "age": 20, "date_joined": "2015:10:24 11:23:51"},
    )  # fmt: skip

    def load(self, database: str, folder: Path, rows: tuple[dict[str, Any], ...], replace: bool = True) -> None:
        paths = {name: folder / f"{name}.jsonl" for name in TABLES}
        for path, row in zip(paths.values(), rows, strict=True):
            path.write_text(json.dumps(row), encoding="utf-8")
        commands.load(database, paths["pin"], paths["geo"], paths["user"], replace)

    def test_every_digit_and_sign_is_kept(self, database: str, connected: Engine, tmp_path: Path) -> None:
        self.load(database, tmp_path, self.ROWS)
        assert stored(connected, "pin") == [tuple(self.ROWS[0].values())]
        moment = datetime.fromisoformat("2020-08-28 03:52:47.123456")
        assert stored(connected, "geo") == [(0, moment, 51.5073511, -0.1, "Åland")]
        joined = datetime.fromisoformat("2015-10-24 11:23:51")
        assert stored(connected, "user") == [(0, "\u65e5\u672c", None, 20, joined)]

    def test_a_bad_file_or_rows_in_the_way_leave_all_as_it_was(
        self, database: str, connected: Engine, tmp_path: Path
    ) -> None:
        self.load(database, tmp_path, self.ROWS)
        before = {name: stored(connected, name) for name in TABLES}
        with pytest.raises(SourceFileError):
            self.load(database, tmp_path, (*self.ROWS[:2], self.ROWS[2] | {"age": "x"}))
        with pytest.raises(SourceNotEmpty):
            self.load(database, tmp_path, self.ROWS, replace=False)
        with pytest.raises(SourceNotEmpty):
            seed(database, 10)
        assert {name: stored(connected, name) for name in TABLES} == before


class TestPosting:
    def test_all_rows_with_doubt_and_refusal(self, database: str, connected: Engine) -> None:
        bad = {"partition": None, "offset": None, "error_code": 50002, "error": "Too large: \U0001f33f"}

        def script(call: Call) -> Reply:
            return {2: Reply(close="after"), 4: Reply(errors={0: bad})}.get(call.number, Reply())

        with fake_gateway(script) as gateway:
            summary = run(EmulatorOptions(database, gateway.url, posts="all", batch_size=100))
        assert (summary.accepted, summary.rejected, summary.unknown) == (POSTS * 3 - 1, 1, 0)
        ledger = Ledger(connected)
        accepted = Counter((f"pinflow.{name}", *row) for name in TABLES for row in ledger.accepted(name))
        held = Counter((one.topic, one.key, one.partition, one.offset) for one in gateway.taken)
        assert accepted <= held
        assert len(held - accepted) == 100
        doubtful = {(f"pinflow.{name}", ind) for name in TABLES for ind in ledger.ambiguous(name)}
        assert {(topic, ind) for topic, ind, _, _ in held - accepted} == doubtful
        assert sum(counts["unknown"] for counts in ledger.totals().values()) == 100

    def test_values_are_those_of_sqlite(
        self, database: str, connected: Engine, made: dict[str, list[tuple[Any, ...]]]
    ) -> None:
        with fake_gateway() as gateway:
            run(EmulatorOptions(database, gateway.url, posts=50, days=(date(2022, 3, 1), date(2022, 3, 2))))
        for one in gateway.taken:
            wanted = made[one.topic.split(".")[1]][one.key]
            assert list(one.value.values()) == [str(v) if isinstance(v, datetime) else v for v in wanted]

    def test_a_run_goes_on(self, database: str, connected: Engine) -> None:
        ledger = Ledger(connected)
        ledger.begin("r", target="batch", mode="now", seed=1)
        cut = Attempt("r/1/1", "r", "geo", "pinflow.geo", 1, [3], [5])
        done = Attempt("r/2/1", "r", "geo", "pinflow.geo", 1, [4], [2**41])
        ledger.intend([cut, done])
        ledger.settle([(done, [Outcome(Result.ACCEPTED, 1, 2**40)])])
        earlier = ledger.begin("r", target="batch", mode="now", seed=1)
        assert earlier.settled == {(Way.BATCH, "geo"): {4: 1}}
        assert ledger.ambiguous("geo") == {3}
        assert list(ledger.accepted("geo", 2**41, 2**41 + 1)) == [(4, 1, 2**40)]

    def test_a_ledger_that_knew_no_streams_gets_the_column(self, database: str, connected: Engine) -> None:
        with connected.begin() as connection:
            connection.execute(text("ALTER TABLE pinflow_ledger DROP COLUMN sequence"))
        with fake_gateway() as gateway:
            run(EmulatorOptions(database, gateway.url, posts=4, target="both"))
        ledger = Ledger(connected)
        wanted = Counter(
            (one.topic, one.key, sequence(one.partition, one.offset)) for one in gateway.taken if "." not in one.topic
        )
        assert sum(wanted.values()) == 12
        found = Counter((f"streaming-pinflow-{name}", *row) for name in TABLES for row in ledger.streamed(name))
        assert found == wanted


class TestTables:
    def test_made_by_hand_they_are_the_same(self, database: str, connected: Engine) -> None:
        before = {name: describe(connected, table.name) for name, table in TABLES.items()}
        with connected.begin() as connection:
            for table in TABLES.values():
                connection.execute(text(f"DROP TABLE {table.name}"))
            for statement in ddl(connected.dialect.name).partition("\n")[2].split(";"):
                if statement.strip():
                    connection.execute(text(statement))
        assert {name: describe(connected, table.name) for name, table in TABLES.items()} == before
        assert seed(database, 10, 1).written is True


def describe(connected: Engine, table: str) -> list[tuple[str, str, bool]]:
    return [(one["name"], str(one["type"]), one["nullable"]) for one in inspect(connected).get_columns(table)]


def test_a_wrong_password_is_told_without_it(database: str) -> None:
    if database.startswith("sqlite"):
        pytest.skip("a file has no password")
    with pytest.raises(SourceUnavailable, match="can't be opened") as caught:
        show(database.replace("sesame", "open-barley"))
    assert "open-barley" not in str(caught.value)
