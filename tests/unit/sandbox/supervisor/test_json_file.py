from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.supervisor.json_file import JsonFile


def test_no_file_is_an_empty_object(tmp_path: Path) -> None:
    assert JsonFile(tmp_path / "no/such.json").read() == {}


def test_a_change_makes_the_folder_and_is_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "run/found.json"
    with JsonFile(path).change() as content:
        content["one"] = 1
    with JsonFile(path).change() as content:
        content["two"] = [2]
    assert JsonFile(path).read() == json.loads(path.read_text()) == {"one": 1, "two": [2]}


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_mode(tmp_path: Path, mode: int) -> None:
    with JsonFile(tmp_path / "found.json", mode).change() as content:
        content["one"] = 1
    assert stat.S_IMODE((tmp_path / "found.json").stat().st_mode) == mode


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    file = JsonFile(tmp_path / "found.json")
    with file.change() as content:
        content["one"] = 1

    def spoil() -> None:
        with file.change() as content:
            content.clear()
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        spoil()
    assert file.read() == {"one": 1}


def test_no_change_is_lost(tmp_path: Path) -> None:
    def count(_: int) -> None:
        with JsonFile(tmp_path / "found.json").change() as content:
            content["count"] = content.get("count", 0) + 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(80)))
    assert JsonFile(tmp_path / "found.json").read() == {"count": 80}
