"""Posts as JSON, out of the source."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from emulator.exceptions import SourceEmpty, SourceError
from emulator.post import reader as module
from emulator.post.options import Dialect
from emulator.post.reader import Post, Reader
from emulator.source import engine, seed


@pytest.fixture
def database(source: str) -> Engine:
    return engine(source)


def change(database: Engine, statement: str, **values: Any) -> None:
    with database.begin() as connection:
        connection.execute(text(statement), values)


def statements(database: Engine) -> list[str]:
    """A list that grows with each statement that reads rows."""
    seen: list[str] = []

    @event.listens_for(database, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    return seen


class TestEverything:
    def test_each_post_once_in_order(self, database: Engine) -> None:
        found = list(Reader(database, Dialect.TEXT).everything())
        assert [post.ind for post in found] == list(range(300))
        for post in found:
            assert json.loads(post.pin)["index"] == post.ind
            assert json.loads(post.geo)["ind"] == post.ind
            assert json.loads(post.user)["ind"] == post.ind

    def test_text_is_utf_8_and_compact(self, database: Engine) -> None:
        change(
            database,
            'update pinterest_data set title = :title where "index" = 3',
            title='Côte \u2026\u00a0"\n\U0001f33f',
        )
        post = list(Reader(database, Dialect.TEXT).everything())[3]
        assert 'Côte \u2026\u00a0\\"\\n\U0001f33f'.encode() in post.pin
        assert b": " not in post.geo
        assert post.geo.startswith(b'{"ind":3,"timestamp":"20')

    def test_it_is_read_by_pages(self, database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "PAGE", 40)
        one = Reader(database, Dialect.TEXT)
        seen = statements(database)
        posts = one.everything()
        assert next(posts).ind == 0
        assert len(seen) == 3
        assert len(list(posts)) == 299
        assert len(seen) == 3 * 8

    def test_others_can_write_between_pages(self, database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "PAGE", 10)
        posts = Reader(database, Dialect.TEXT).everything()
        next(posts)
        change(database, "update user_data set age = 33")
        assert json.loads(list(posts)[-1].user)["age"] == 33


class TestAt:
    def test_in_the_order_asked_for_with_repeats(self, database: Engine) -> None:
        wanted = [7, 3, 7, 299, 0, 3]
        assert [post.ind for post in Reader(database, Dialect.TEXT).at(wanted)] == wanted

    def test_repeats_are_read_once(self, database: Engine) -> None:
        one = Reader(database, Dialect.TEXT)
        first = list(one.at([5, 6, 5]))
        seen = statements(database)
        assert list(one.at([6, 5, 5])) == [first[1], first[0], first[0]]
        assert seen == []

    def test_what_is_kept_is_bounded(self, database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "KEPT", 50)
        monkeypatch.setattr(module, "PAGE", 20)
        one = Reader(database, Dialect.TEXT)
        wanted = [number % 300 for number in range(1_000)]
        assert [post.ind for post in one.at(wanted)] == wanted
        assert len(one._kept) <= 50

    def test_offsets_are_not_keys_where_keys_have_gaps(self, database: Engine) -> None:
        for table, key in (("pinterest_data", '"index"'), ("geolocation_data", "ind"), ("user_data", "ind")):
            change(database, f"delete from {table} where {key} < 100")
        one = Reader(database, Dialect.TEXT)
        assert len(one.keys) == 200
        assert [post.ind for post in one.at([0, 199])] == [100, 299]

    def test_it_is_read_as_it_is_needed(self, database: Engine) -> None:
        def endless() -> Any:
            while True:
                yield 1

        posts = Reader(database, Dialect.TEXT).at(endless())
        assert [next(posts).ind for _ in range(3)] == [1, 1, 1]


class TestTimes:
    MOMENT = datetime.fromisoformat("2020-08-28 03:52:47")

    @pytest.mark.parametrize(
        ("dialect", "written", "fraction"),
        [
            (Dialect.TEXT, "2020-08-28 03:52:47", "2020-08-28 03:52:47.250000"),
            (Dialect.ISO, "2020-08-28T03:52:47", "2020-08-28T03:52:47.250000"),
            (Dialect.COLONS, "2020:08:28 03:52:47", "2020:08:28 03:52:47.250000"),
        ],
    )
    def test_dialects(self, database: Engine, dialect: Dialect, written: str, fraction: str) -> None:
        change(database, "update geolocation_data set timestamp = '2020-08-28 03:52:47.000000'")
        change(database, "update user_data set date_joined = '2020-08-28 03:52:47.250000'")
        post: Post = next(Reader(database, dialect).everything())
        assert json.loads(post.geo)["timestamp"] == written
        assert json.loads(post.user)["date_joined"] == fraction

    def test_nulls_stay_nulls(self, database: Engine) -> None:
        change(database, "update geolocation_data set timestamp = null, latitude = null, country = ''")
        found = json.loads(next(Reader(database, Dialect.TEXT).everything()).geo)
        assert (found["timestamp"], found["latitude"], found["country"]) == (None, None, "")


class TestTrouble:
    def test_no_tables(self, empty: str) -> None:
        with pytest.raises(SourceEmpty, match="holds no posts"):
            Reader(engine(empty), Dialect.TEXT)

    def test_no_rows(self, empty: str) -> None:
        seed(empty, 1)
        change(engine(empty), "delete from pinterest_data")
        with pytest.raises(SourceEmpty):
            Reader(engine(empty), Dialect.TEXT)

    def test_a_row_without_its_user(self, database: Engine) -> None:
        change(database, "delete from user_data where ind = 250")
        with pytest.raises(SourceError, match=r"Post 250 has no row in user_data.*Add the missing user row"):
            list(Reader(database, Dialect.TEXT).everything())
