"""What other parts rely on: table and column names, fields of the summary, arguments."""

from __future__ import annotations

import dataclasses
import inspect
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from emulator import EmulatorOptions, EmulatorSummary, Ledger, commands, engine, run
from emulator.source import tables
from tests.unit.emulator.fake_gateway import fake_gateway


def columns(source: str, table: str) -> dict[str, str]:
    with closing(sqlite3.connect(source.removeprefix("sqlite:///"))) as connection:
        return {row[1]: row[2] for row in connection.execute(f"pragma table_info({table})")}


def test_tables_of_the_source() -> None:
    assert [table.name for table in tables.TABLES.values()] == ["pinterest_data", "geolocation_data", "user_data"]
    assert [str(tables.key(table).name) for table in tables.TABLES.values()] == ["index", "ind", "ind"]
    assert tables.TABLES["geo"] is tables.geolocation_data
    assert [str(column.name) for column in tables.pinterest_data.columns] == [
        "index", "unique_id", "title", "description", "poster_name", "follower_count", "tag_list", "is_image_or_video",
        "image_src", "downloaded", "save_location", "category",
    ]  # fmt: skip


def test_tables_of_the_ledger(empty: str) -> None:
    Ledger(engine(empty))
    assert list(columns(empty, "pinflow_run")) == [
        "run_id", "started_at", "finished_at", "target", "mode", "seed", "posts", "state", "first_timestamp_ms",
        "last_timestamp_ms",
    ]  # fmt: skip
    assert list(columns(empty, "pinflow_ledger")) == [
        "id", "run_id", "path", "table_name", "ind", "attempt", "outcome", "topic", "partition", "record_offset",
        "timestamp_ms", "code", "reason", "sequence",
    ]  # fmt: skip
    assert columns(empty, "pinflow_ledger")["record_offset"] == "BIGINT"


def test_what_a_row_of_the_ledger_holds(source: str) -> None:
    with fake_gateway() as gateway:
        summary = run(EmulatorOptions(source, gateway.url, posts=2, connections=1))
    with closing(sqlite3.connect(source.removeprefix("sqlite:///"))) as connection:
        found = connection.execute(
            "select run_id, path, table_name, ind, attempt, outcome, topic, partition, record_offset, code, reason "
            "from pinflow_ledger order by id"
        ).fetchall()
    assert found == [
        (
            summary.run_id,
            "batch",
            one.topic.split(".")[1],
            one.key,
            1,
            "accepted",
            one.topic,
            one.partition,
            one.offset,
            None,
            None,
        )
        for one in gateway.taken
    ]


def test_the_summary_is_plain() -> None:
    names = [field.name for field in dataclasses.fields(EmulatorSummary)]
    assert {
        "run_id", "posts", "records", "accepted", "rejected", "unknown", "retried", "seconds", "first_timestamp",
        "last_timestamp", "paths",
    } <= set(names)  # fmt: skip


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (commands.seed, ["url", "posts", "seed", "on_progress"]),
        (commands.load, ["url", "pin", "geo", "user", "replace", "on_progress"]),
        (commands.show, ["url"]),
        (commands.forget, ["url"]),
        (run, ["options", "on_progress", "stop"]),
        (Ledger.accepted, ["self", "table", "start_ms", "end_ms"]),
        (Ledger.ambiguous, ["self", "table"]),
        (Ledger.totals, ["self", "start_ms", "end_ms"]),
    ],
)
def test_arguments(function: object, names: list[str]) -> None:
    assert callable(function)
    assert list(inspect.signature(function).parameters)[: len(names)] == names


def test_options_by_name() -> None:
    names = [field.name for field in dataclasses.fields(EmulatorOptions)]
    assert names[:10] == [
        "source_url", "gateway_url", "prefix", "target", "posts", "rate", "seed", "days", "batch_size", "connections",
    ]  # fmt: skip


def test_data_files_travel_with_the_package() -> None:
    folder = Path(inspect.getfile(tables)).parent
    assert {"distributions.json", "vocabulary.json"} <= {path.name for path in folder.glob("*.json")}
