"""The same seed gives the same rows: in another process, in other chunks, on another day."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import chain

import pytest

from emulator.source.generate import generate

GOLDEN = {
    100: "4d3606d74c4f745e2e76cdc47273c2c4fb47f848ba6379d8101706b365e3a84e",
    7: "1120be869fc9d8a00d7d30435ef9d39cd829e770dc38075a582f662160924e9a",
}
PROGRAM = """
from tests.unit.emulator.test_determinism import fingerprint
print(fingerprint(400, 100))
"""


def fingerprint(posts: int, seed: int, chunk: int = 1_000) -> str:
    """A hash over all rows, written out."""
    digest = hashlib.sha256()
    for rows in generate(posts, seed, chunk):
        for row in chain(rows.pin, rows.geo, rows.user) if chunk >= posts else ():
            digest.update(repr(row).encode())
    return digest.hexdigest()


@pytest.mark.parametrize(("seed", "expected"), GOLDEN.items())
def test_rows_are_those_of_the_first_release(seed: int, expected: str) -> None:
    """A change here changes everyone's rows: raise ``generate.VERSION`` with it."""
    assert fingerprint(400, seed) == expected


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_another_process_makes_the_same(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == GOLDEN[100]


def test_chunks_do_not_matter() -> None:
    whole = list(generate(1_000, 5, 1_000))
    parts = list(generate(1_000, 5, 77))
    assert [row for rows in parts for row in rows.pin] == whole[0].pin
    assert [row for rows in parts for row in rows.geo] == whole[0].geo
    assert [row for rows in parts for row in rows.user] == whole[0].user
    assert max(len(rows.pin) for rows in parts) == 77


def test_seeds_differ() -> None:
    assert fingerprint(400, 100) != fingerprint(400, 101)


@pytest.mark.parametrize("posts", [1, 2, 3, 10, 43, 200])
def test_small_tables(posts: int) -> None:
    rows = next(iter(generate(posts, 3)))
    assert [row[0] for row in rows.pin] == list(range(posts))
    assert len({row[1] for row in rows.geo}) == posts
