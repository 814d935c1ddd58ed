"""Whose checkpoint is it? On the files of ``dbutils.fs``; no Spark."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType

from include.spark.stream.identity import CheckpointRefusedError, Identity, claim, reset, schema_hash
from sandbox.databricks.notebook.dbutils.files import FileSystem
from sandbox.databricks.store import Store

MINE = Identity("posts", {"streaming-a": "2026-11-21T12:00:00+00:00", "streaming-b": "2026-11-21T12:00:01+00:00"}, "h1")
FOLDER = "dbfs:/checkpoints/posts"


@pytest.fixture
def files(tmp_path: Path) -> FileSystem:
    (tmp_path / "state").mkdir()
    return FileSystem(tmp_path / "dbfs", tmp_path / "workspace", Store(tmp_path / "state"), lambda *_: None)


def test_a_new_folder_becomes_the_querys_and_stays_it(files: FileSystem) -> None:
    first = claim(files, FOLDER, MINE)
    assert claim(files, FOLDER, MINE) == first
    known = json.loads(files.head(f"{FOLDER}/identity.json"))
    assert known == {"id": first, "query": "posts", "schema": "h1", "version": "1", "sources": dict(MINE.sources)}


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(MINE, query="live"), "its query is 'posts', this job's is 'live'"),
        (replace(MINE, schema="h2"), "its schema is 'h1', this job's is 'h2'"),
        (replace(MINE, version="2"), "its version is '1', this job's is '2'"),
        (replace(MINE, sources={**MINE.sources, "streaming-b": "2026-11-22T00:00:00+00:00"}),
         "streaming-b was deleted and made again (2026-11-21T12:00:01+00:00, now 2026-11-22T00:00:00+00:00)"),
        (replace(MINE, sources={"streaming-a": MINE.sources["streaming-a"]}),
         "it reads streaming-b, which this job does not"),
        (replace(MINE, sources={**MINE.sources, "streaming-c": "x"}),
         "it does not read streaming-c, which this job does"),
    ],
)  # fmt: skip
def test_what_belongs_to_something_else_is_refused_with_the_mend(files: FileSystem, other: Identity, why: str) -> None:
    claim(files, FOLDER, MINE)
    with pytest.raises(CheckpointRefusedError) as refused:
        claim(files, FOLDER, other)
    text = str(refused.value)
    assert f"The checkpoint {FOLDER} is refused: {why}." in text
    assert "./pinflow streaming reset" in text
    assert claim(files, FOLDER, MINE)


@pytest.mark.parametrize("broken", ["", "[]", '{"query": "posts"}', "{"])
def test_an_identity_that_cannot_be_read_is_refused(files: FileSystem, broken: str) -> None:
    files.put(f"{FOLDER}/identity.json", broken)
    with pytest.raises(CheckpointRefusedError, match=r"its identity\.json cannot be read"):
        claim(files, FOLDER, MINE)


def test_a_checkpoint_without_identity_is_refused(files: FileSystem) -> None:
    files.put(f"{FOLDER}/spark/metadata", "{}")
    with pytest.raises(CheckpointRefusedError, match=r"it has no identity\.json, so nobody knows"):
        claim(files, FOLDER, MINE)


def test_a_folder_that_is_only_begun_is_no_checkpoint(files: FileSystem) -> None:
    files.mkdirs(FOLDER)
    assert claim(files, FOLDER, MINE)


class TestReset:
    def test_keeps_the_old_one_beside_the_new(self, files: FileSystem) -> None:
        first = claim(files, FOLDER, MINE)
        files.put(f"{FOLDER}/spark/offsets/0", "v1")
        kept = reset(files, "dbfs:/checkpoints/", "posts", datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=UTC))
        assert kept == f"{FOLDER}.kept-20261121T120000005000Z"
        assert files.head(f"{kept}/spark/offsets/0") == "v1"
        assert claim(files, FOLDER, replace(MINE, schema="h2")) != first

    def test_of_nothing_moves_nothing(self, files: FileSystem) -> None:
        assert reset(files, "dbfs:/checkpoints", "posts") is None


def test_the_schema_hash_tells_names_types_and_order_apart() -> None:
    a, b, wide = StructField("a", IntegerType()), StructField("b", StringType()), StructField("a", LongType())
    hashes = [schema_hash([StructType(fields)]) for fields in ([a, b], [b, a], [wide, b], [a])]
    assert len(set(hashes)) == 4
    assert schema_hash([StructType([a, b])]) == hashes[0]
    assert schema_hash([StructType([a]), StructType([b])]) != hashes[0]


def test_other_errors_of_the_file_system_are_not_taken_for_an_empty_folder(files: FileSystem) -> None:
    with pytest.raises(ValueError, match="cannot be reached"):
        claim(files, "gs://somewhere/posts", MINE)
