"""Loading a user's own rows: whole, or not at all with line, column and reason."""

# ruff: noqa: DTZ001  the times of the source have no zone
from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from emulator.exceptions import SourceFileError, SourceNotEmpty
from emulator.source import engine, seed
from emulator.source.load import Loaded, load
from emulator.source.load.fields import BadValueError, integer, moment, number, text
from emulator.source.tables import TABLES

PIN = {
    "index": 1, "unique_id": "u-1", "title": 'A "quoted", title\nin two lines', "description": "d|e",
    "poster_name": "P", "follower_count": "12.3k", "tag_list": "a,b", "is_image_or_video": "image", "image_src": "https://x/y.jpg",
    "downloaded": 1, "save_location": "Local save in /data/art", "category": "art",
}  # fmt: skip
GEO = {"ind": 1, "timestamp": "2020-08-28 03:52:47", "latitude": -89.9787, "longitude": -173.293, "country": "Côte"}
USER = {"ind": 1, "first_name": "Ana", "last_name": "\U0001f33f", "age": 20, "date_joined": "2015-10-24T11:23:51"}
type Rows = list[dict[str, Any]]


class Files:
    """Three files that are in order, each of which a test can spoil."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/loaded.db"
        self.json("pin", [PIN, PIN | {"index": 2}])
        self.json("geo", [GEO, GEO | {"ind": 2}])
        self.json("user", [USER, USER | {"ind": 2}])

    def path(self, name: str) -> Path:
        return self.files[name]

    @property
    def files(self) -> dict[str, Path]:
        newest = sorted(self.folder.glob("*.rows.*"), key=lambda path: path.stat().st_mtime_ns)
        return {path.name.split(".")[0]: path for path in newest}

    def write(self, name: str, content: bytes, ending: str = "jsonl") -> Path:
        for old in self.folder.glob(f"{name}.rows.*"):
            old.unlink()
        path = self.folder / f"{name}.rows.{ending}"
        path.write_bytes(content)
        return path

    def json(self, name: str, rows: Rows) -> Path:
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def csv(self, name: str, rows: Rows, delimiter: str = ",", start: bytes = b"") -> Path:
        path = self.write(name, b"", "csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
        path.write_bytes(start + path.read_bytes())
        return path

    def load(self, replace: bool = False) -> Loaded:
        files = self.files
        return load(self.url, files["pin"], files["geo"], files["user"], replace)

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        with engine(self.url).connect() as connection:
            return [tuple(row) for row in connection.execute(select(TABLES[name]))]

    def refuse(self) -> list[str]:
        """Load, see it refused and the database untouched, and return the problems."""
        with pytest.raises(SourceFileError, match="nothing was loaded") as caught:
            self.load()
        assert not Path(self.url.removeprefix("sqlite:///")).exists()
        assert caught.value.total >= len(caught.value.problems)
        return [str(problem).replace(f"{self.folder}/", "") for problem in caught.value.problems]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


class TestGood:
    def test_json_lines(self, files: Files) -> None:
        assert files.load() == Loaded(2, {})
        assert files.rows("pin") == [tuple(PIN.values()), tuple((PIN | {"index": 2}).values())]
        assert files.rows("geo")[0] == (1, datetime(2020, 8, 28, 3, 52, 47), -89.9787, -173.293, "Côte")
        assert files.rows("user")[1] == (2, "Ana", "\U0001f33f", 20, datetime(2015, 10, 24, 11, 23, 51))

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
    def test_csv(self, files: Files, delimiter: str, mark: bytes) -> None:
        files.csv("pin", [PIN, PIN | {"index": 2}], delimiter, mark)
        files.csv("geo", [GEO, GEO | {"ind": 2}], delimiter, mark)
        files.csv("user", [USER, USER | {"ind": 2}], delimiter, mark)
        files.load()
        assert files.rows("pin") == [tuple(PIN.values()), tuple((PIN | {"index": 2}).values())]
        assert files.rows("geo")[0][1:4] == (datetime(2020, 8, 28, 3, 52, 47), -89.9787, -173.293)

    @pytest.mark.parametrize("key", ["index", "ind", "idx"])
    @pytest.mark.parametrize("name", ["pin", "geo", "user"])
    def test_names_of_the_key(self, files: Files, name: str, key: str) -> None:
        row = {"pin": PIN, "geo": GEO, "user": USER}[name]
        files.json(name, [{key: ind, **dict(list(row.items())[1:])} for ind in ("1", 2)])
        files.load()
        assert [row[0] for row in files.rows(name)] == [1, 2]

    def test_a_file_without_a_telling_ending_is_looked_into(self, files: Files) -> None:
        files.csv("pin", [PIN, PIN | {"index": 2}]).rename(files.folder / "pin.rows.txt")
        files.files["geo"].rename(files.folder / "geo.rows.data")
        files.load()
        assert len(files.rows("pin")) == len(files.rows("geo")) == 2

    def test_older_generation_and_extra_columns(self, files: Files) -> None:
        older = {name: value for name, value in PIN.items() if name not in ("poster_name", "downloaded")}
        files.json("pin", [older | {"index": ind, "Unnamed: 0": 0, "extra": [1]} for ind in (1, 2)])
        assert files.load().ignored == {"pin": ["Unnamed: 0", "extra"]}
        assert files.rows("pin")[0][4] is None
        assert files.rows("pin")[0][9] is None

    def test_empty_values(self, files: Files) -> None:
        files.csv("pin", [PIN | {"title": "", "downloaded": ""}, PIN | {"index": 2}])
        files.json("geo", [GEO | {"country": "", "latitude": "", "timestamp": None}, GEO | {"ind": 2}])
        files.load()
        assert files.rows("pin")[0][2] is None
        assert files.rows("pin")[0][9] is None
        assert files.rows("geo")[0] == (1, None, None, -173.293, "")

    def test_blank_lines_and_windows_ends(self, files: Files) -> None:
        content = files.path("user").read_bytes().replace(b"\n", b"\r\n\r\n")
        files.write("user", content)
        files.load()
        assert len(files.rows("user")) == 2

    def test_what_was_exported_comes_back_the_same(self, files: Files, source: str) -> None:
        with engine(source).connect() as connection:
            for name, table in TABLES.items():
                rows = [dict(row._mapping) for row in connection.execute(select(table))]
                files.csv(name, rows)
        files.load()
        with engine(source).connect() as connection:
            for name, table in TABLES.items():
                wanted = [
                    tuple(None if value == "" else value for value in row) for row in connection.execute(select(table))
                ]
                assert files.rows(name) == wanted


class TestReplace:
    def test_rows_are_refused_or_replaced(self, files: Files) -> None:
        files.load()
        files.json("pin", [PIN | {"index": 7}])
        files.json("geo", [GEO | {"ind": 7}])
        files.json("user", [USER | {"ind": 7}])
        with pytest.raises(SourceNotEmpty, match="replace"):
            files.load()
        assert len(files.rows("pin")) == 2
        files.load(replace=True)
        assert [row[0] for row in files.rows("pin")] == [7]

    def test_a_bad_file_does_not_replace(self, files: Files) -> None:
        files.load()
        files.json("geo", [GEO])
        with pytest.raises(SourceFileError):
            files.load(replace=True)
        assert len(files.rows("geo")) == 2

    def test_loaded_rows_are_not_overwritten_by_a_seed(self, files: Files) -> None:
        files.load()
        with pytest.raises(SourceNotEmpty):
            seed(files.url, 10)


class TestBad:
    @pytest.mark.parametrize(
        ("name", "change", "problem"),
        [
            ("pin", {"index": "x"}, "column index: 'x' is not a whole number"),
            ("pin", {"index": None}, "column index: the key is missing"),
            ("pin", {"index": 1.5}, "column index: 1.5 is not a whole number"),
            ("pin", {"index": 2**31}, "column index: 2147483648 is too large"),
            ("pin", {"downloaded": True}, "column downloaded: True is not a whole number"),
            ("pin", {"title": ["a"]}, "column title: ['a'] is not a text"),
            ("pin", {"title": "a\x00b"}, "column title: the text holds a NUL"),
            ("pin", {"title": "\ud800"}, "column title: the text holds half a surrogate"),
            ("geo", {"latitude": "north"}, "column latitude: 'north' is not a number"),
            ("geo", {"latitude": "inf"}, "column latitude: 'inf' is not a finite number"),
            ("geo", {"timestamp": "28.08.2020"}, "column timestamp: '28.08.2020' is not a time"),
            ("geo", {"timestamp": "2020-02-30 00:00:00"}, "column timestamp: '2020-02-30 00:00:00' is not a time: day"),
            ("geo", {"timestamp": 1598586767}, "column timestamp: 1598586767 is not a time"),
            ("user", {"age": "twenty"}, "column age: 'twenty' is not a whole number"),
            ("user", {"date_joined": "2015:13:24 11:23:51"}, "column date_joined: '2015:13:24 11:23:51' is not a time"),
        ],
    )
    def test_values(self, files: Files, name: str, change: dict[str, Any], problem: str) -> None:
        row = {"pin": PIN, "geo": GEO, "user": USER}[name]
        second = row | {next(iter(row)): 2}
        files.json(name, [row, second | change])
        found = files.refuse()
        assert found[0].startswith(f"{name}.rows.jsonl, line 2, {problem}")

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "pin.rows.jsonl: the file is empty"),
            (b"\xef\xbb\xbf", "pin.rows.jsonl: the file is empty"),
            (b"\n\n", "pin.rows.jsonl: there are no rows"),
            (b'[{"index": 1}]', "pin.rows.jsonl, line 1: the file is one JSON array"),
            (b'{"index": 1', "pin.rows.jsonl, line 1: not JSON: "),
            (b"5\n", "pin.rows.jsonl, line 1: a JSON int, no object"),
            (b'{"index": NaN}\n', "pin.rows.jsonl, line 1: not JSON: NaN is not a JSON value"),
            (b"[" * 9 + b"\n", "pin.rows.jsonl, line 1: the file is one JSON array"),
            (b'{"a":' * 100_000, "pin.rows.jsonl, line 1: not JSON: "),
            ("\ufeff{}".encode("utf-16-le"), "pin.rows.jsonl: the file looks like UTF-16"),
            (gzip.compress(b"{}", mtime=0), "pin.rows.jsonl: the file looks like gzip"),
            ('{"index":1}\n{"title":"Café"}'.encode("latin-1"), "pin.rows.jsonl, line 2: byte 0xe9 at position 14"),
        ],
    )
    def test_content(self, files: Files, content: bytes, problem: str) -> None:
        files.write("pin", content)
        assert files.refuse()[0].startswith(problem)

    def test_csv_lines_are_counted_as_an_editor_counts_them(self, files: Files) -> None:
        files.csv("pin", [PIN, PIN | {"index": "x"}])
        assert files.refuse() == ["pin.rows.csv, line 4, column index: 'x' is not a whole number"]

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"ind,first_name\n1,a\n", "user.rows.csv, line 1, column last_name: the header doesn't have this column"),
            (
                b"first_name,last_name,age,date_joined\na,b,1,\n",
                "user.rows.csv, line 1, column ind: the header doesn't",
            ),
            (b"ind,ind\n1,1\n", "user.rows.csv, line 1: the column 'ind' is there twice"),
            (
                b"ind,first_name,last_name,age,date_joined\n1,a,b,20,\n2,a\n",
                "user.rows.csv, line 3: 2 values for 5 columns",
            ),
            (b'ind,first_name,last_name,age,date_joined\n1,"a,b,20,\n', "user.rows.csv, line 2: not CSV: "),
        ],
    )
    def test_csv(self, files: Files, content: bytes, problem: str) -> None:
        files.write("user", content, "csv")
        assert files.refuse()[0].startswith(problem)

    def test_keys_twice(self, files: Files) -> None:
        files.json("geo", [GEO, GEO | {"ind": 2}, GEO])
        assert files.refuse() == ["geo.rows.jsonl, line 3, column ind: the key 1 is in line 1 already"]

    def test_keys_that_do_not_agree(self, files: Files) -> None:
        files.json("geo", [GEO, GEO | {"ind": 3}])
        assert files.refuse() == [
            "pin.rows.jsonl, line 2: the key 2 is not in the file of geo",
            "geo.rows.jsonl, line 2: the key 3 is not in the file of pin and of user",
            "user.rows.jsonl, line 2: the key 2 is not in the file of geo",
        ]

    def test_only_the_first_twenty_are_listed(self, files: Files) -> None:
        files.json("user", [USER | {"ind": n, "age": "x"} for n in range(50)])
        with pytest.raises(SourceFileError, match=r"(?s)50 problems in the files.*and 30 more") as caught:
            files.load()
        assert len(caught.value.problems) == 20
        assert caught.value.problems[19].line == 20

    def test_a_file_that_is_not_there(self, files: Files) -> None:
        with pytest.raises(SourceFileError, match="can't be read: No such file"):
            load(files.url, files.folder / "none.csv", files.path("geo"), files.path("user"))

    def test_a_file_that_changes_meanwhile(self, files: Files) -> None:
        def spoil(done: int, total: int) -> None:
            files.json("user", [USER, {"ind": "x"}])

        paths = files.files
        with pytest.raises(SourceFileError, match="the file changed while it was loaded"):
            load(files.url, paths["pin"], paths["geo"], paths["user"], on_progress=spoil)
        assert files.rows("pin") == []


class TestFields:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("2020-08-28 03:52:47", datetime(2020, 8, 28, 3, 52, 47)),
            ("2020-08-28T03:52:47", datetime(2020, 8, 28, 3, 52, 47)),
            ("2020:08:28 03:52:47", datetime(2020, 8, 28, 3, 52, 47)),
            (" 2020-08-28 03:52 ", datetime(2020, 8, 28, 3, 52)),
            ("2020-08-28", datetime(2020, 8, 28)),
            ("2020-08-28 03:52:47.000", datetime(2020, 8, 28, 3, 52, 47)),
            ("2020-08-28T03:52:47.123456Z", datetime(2020, 8, 28, 3, 52, 47, 123_456)),
            ("2020-08-28T03:52:47+02:00", datetime(2020, 8, 28, 1, 52, 47)),
            ("2020-08-28 03:52:47 -0530", datetime(2020, 8, 28, 9, 22, 47)),
            ("", None),
            (None, None),
        ],
    )
    def test_times(self, written: str | None, meant: datetime | None) -> None:
        assert moment(written) == meant

    @pytest.mark.parametrize(
        "written", ["2020-8-28", "03:52:47", "20200828", "2020-W35-5", "x", "2020-08-28 25:00:00", 5]
    )
    def test_no_times(self, written: Any) -> None:
        with pytest.raises(BadValueError):
            moment(written)

    @pytest.mark.parametrize(
        ("convert", "value", "result"),
        [
            (integer, " 7 ", 7), (integer, "7.0", 7), (integer, 7.0, 7), (integer, "-3", -3), (integer, " ", None),
            (number, "1e3", 1000.0), (number, 5, 5.0), (number, "-89.9787", -89.9787), (number, "", None),
            (text, 5, "5"), (text, "", ""), (text, None, None), (text, True, "true"), (text, " x ", " x "),
        ],
    )  # fmt: skip
    def test_conversions(self, convert: Callable[[Any], Any], value: Any, result: Any) -> None:
        assert convert(value) == result
