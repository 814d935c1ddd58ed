"""Seeding and showing the source database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from emulator.exceptions import OptionsError, SourceNotEmpty, SourceUnavailable
from emulator.source import engine, rows, seed, show
from emulator.source.ddl import DIALECTS, ddl
from emulator.source.generate import generate
from emulator.source.tables import TABLES, origin, user_data


def query(url: str, sql: str) -> list[Any]:
    """Read with the standard library alone."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return connection.execute(sql).fetchall()


class TestSeed:
    def test_what_is_there_is_what_was_generated(self, source: str) -> None:
        made = next(iter(generate(300, 100)))
        found = query(source, 'select * from pinterest_data order by "index"')
        assert found == made.pin
        places = query(source, "select * from geolocation_data order by ind")
        assert [(row[0], row[1][:19], *row[2:]) for row in places] == [(r[0], str(r[1]), *r[2:]) for r in made.geo]
        assert [row[:4] for row in query(source, "select * from user_data order by ind")] == [r[:4] for r in made.user]

    def test_again_does_nothing(self, source: str) -> None:
        assert seed(source, 300, 100).written is False

    def test_other_numbers_replace_generated_rows(self, source: str) -> None:
        assert seed(source, 20, 7).as_dict() == {"posts": 20, "seed": 7, "written": True}
        assert query(source, "select count(*), max(ind) from user_data") == [(20, 19)]

    def test_a_row_that_is_gone_is_noticed(self, source: str) -> None:
        with engine(source).begin() as connection:
            connection.execute(user_data.delete().where(user_data.c.ind == 5))
        assert seed(source, 300, 100).written is True

    def test_foreign_rows_are_not_replaced(self, source: str) -> None:
        with engine(source).begin() as connection:
            connection.execute(origin.delete())
        with pytest.raises(SourceNotEmpty, match=r"pinterest_data 300.*--replace"):
            seed(source, 20, 7)
        assert query(source, "select count(*) from pinterest_data") == [(300,)]
        assert seed(source, 20, 7, replace=True).written is True

    def test_a_seed_that_breaks_off_leaves_what_was_there(self, source: str) -> None:
        def give_up(done: int, total: int) -> None:
            assert (done, total) == (100, 500)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            seed(source, 500, 7, give_up, chunk=100)
        assert query(source, "select count(*) from pinterest_data") == [(300,)]
        assert seed(source, 300, 100).written is False

    def test_progress(self, empty: str) -> None:
        told: list[tuple[int, int]] = []
        seed(empty, 250, 1, lambda done, total: told.append((done, total)), chunk=100)
        assert told == [(100, 250), (200, 250), (250, 250)]

    @pytest.mark.parametrize("posts", [0, -1, 10_000_001])
    def test_the_number_must_make_sense(self, empty: str, posts: int) -> None:
        with pytest.raises(OptionsError, match="1 to 10,000,000"):
            seed(empty, posts)


class TestDatabase:
    def test_wal_so_that_others_can_read(self, source: str) -> None:
        with engine(source).connect() as connection:
            assert connection.execute(text("pragma journal_mode")).scalar() == "wal"
            assert connection.execute(text("pragma busy_timeout")).scalar() == 30_000

    @pytest.mark.parametrize(
        ("url", "driver"),
        [
            ("mysql://u:p@h/d", "mysql+pymysql"),
            ("mariadb://u:p@h/d", "mariadb+pymysql"),
            ("postgres://u:p@h/d", "postgresql+psycopg2"),
            ("postgresql://u:p@h/d", "postgresql+psycopg2"),
        ],
    )
    def test_drivers_may_be_left_out(self, url: str, driver: str) -> None:
        assert engine(url).url.drivername == driver

    def test_mysql_speaks_utf8mb4(self) -> None:
        assert engine("mysql://u:p@h/d").url.query["charset"] == "utf8mb4"

    @pytest.mark.parametrize("url", ["no url", "oracle9000://h/d", "mysql+nodriver://h/d"])
    def test_a_wrong_url_is_told_with_the_right_forms(self, url: str) -> None:
        with pytest.raises(SourceUnavailable, match="sqlite:////folder"):
            engine(url)

    def test_a_server_that_is_not_there(self) -> None:
        with pytest.raises(SourceUnavailable, match=r"mysql.*can't be opened") as caught:
            show("mysql://someone:sesame@127.0.0.1:1/d")
        assert "sesame" not in str(caught.value)

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "x.db").write_text("this is no database " * 100)
        with pytest.raises(SourceUnavailable, match="not a database"):
            show(f"sqlite:///{tmp_path}/x.db")


class TestShow:
    def test_a_seeded_source(self, source: str) -> None:
        found = show(source, rows=2)
        assert found["tables"] == {"pinterest_data": 300, "geolocation_data": 300, "user_data": 300}
        assert found["origin"] == {"kind": "generated", "posts": 300, "seed": 100}
        assert sum(found["categories"].values()) == 300
        assert found["ranges"]["key"] == [0, 299]
        stored = query(source, "select min(timestamp), max(timestamp) from geolocation_data")[0]
        assert found["ranges"]["posted"] == [moment[:19] for moment in stored]
        assert [row["ind"] for row in found["rows"]["user_data"]] == [0, 1]

    def test_nothing_there(self, empty: str) -> None:
        assert show(empty)["tables"] == {}


def test_rows_go_side_by_side(source: str) -> None:
    found = list(rows(engine(source)))
    assert [(pin["index"], geo["ind"], user["ind"]) for pin, geo, user in found] == [(n, n, n) for n in range(300)]
    assert list(found[0][0]) == [column.name for column in TABLES["pin"].columns]


@pytest.mark.parametrize("name", DIALECTS)
def test_the_kept_ddl_is_that_of_the_tables(name: str) -> None:
    kept = Path(__file__).parents[3] / "include" / "sql" / "source" / f"{name}.sql"
    assert kept.read_text(encoding="utf-8") == ddl(name)


def test_the_kept_ddl_makes_tables_that_take_rows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/by-hand.db"
    with closing(sqlite3.connect(tmp_path / "by-hand.db")) as connection:
        connection.executescript(ddl("sqlite"))
    seed(url, 30, 1)
    with engine(url).connect() as connection:
        assert len(connection.execute(select(user_data)).all()) == 30
