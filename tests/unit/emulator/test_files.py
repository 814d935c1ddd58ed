"""Reading a user's files row by row, whatever is in them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.source.load.files import Bad, Row, is_json, read

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=6)
)
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class TestRoundTrips:
    @QUICK
    @given(cells=TABLES, separator=st.sampled_from([",", ";", "\t"]))
    def test_csv(self, tmp_path: Path, cells: list[list[str]], separator: str) -> None:
        header = [f"column {n}" for n in range(len(cells[0]))]
        path = tmp_path / "rows.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL)
            writer.writerows([header, *cells])
        found = list(read(path))
        assert [list(row.values.values()) for row in found if isinstance(row, Row)] == [
            [cell or None for cell in row] for row in cells
        ]

    @QUICK
    @given(cells=TABLES)
    def test_lines_are_those_where_rows_begin(self, tmp_path: Path, cells: list[list[str]]) -> None:
        cells = [[cell.replace("\r", "") for cell in row] for row in cells]
        path, out, lines = tmp_path / "rows.csv", io.StringIO(), []
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow([f"c{n}" for n in range(len(cells[0]))])
        for row in cells:
            lines.append(out.getvalue().count("\n") + 1)
            writer.writerow(row)
        path.write_bytes(out.getvalue().encode())
        assert [row.line for row in read(path)] == lines

    @QUICK
    @given(rows=st.lists(st.dictionaries(CELLS, st.none() | st.integers() | CELLS, max_size=4), min_size=1, max_size=6))
    @pytest.mark.parametrize("ascii_only", [True, False])
    def test_json_lines(self, tmp_path: Path, rows: list[dict[str, object]], ascii_only: bool) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_bytes("\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows).encode())
        assert [row.values for row in read(path) if isinstance(row, Row)] == rows


class TestSniffing:
    @pytest.mark.parametrize(
        ("name", "content", "json_lines"),
        [
            ("a.json", "x", True),
            ("a.JSONL", "x", True),
            ("a.ndjson", "x", True),
            ("a.csv", '{"a":1}', False),
            ("a.tsv", "x", False),
            ("a.txt", '\ufeff \n {"a":1}', True),
            ("a", "[", True),
            ("a", "index,title\n", False),
            ("a.txt", '"index","title"\n', False),
        ],
    )
    def test_ending_and_first_character(self, tmp_path: Path, name: str, content: str, json_lines: bool) -> None:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        assert is_json(path) is json_lines


class TestCsv:
    def rows(self, tmp_path: Path, content: bytes) -> list[Row | Bad]:
        path = tmp_path / "rows.csv"
        path.write_bytes(content)
        return list(read(path))

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_line_ends(self, tmp_path: Path, end: bytes) -> None:
        found = self.rows(tmp_path, end.join([b"a,b", b"1,2", b"3,4", b""]))
        assert [row.values for row in found if isinstance(row, Row)] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]

    def test_no_newline_at_the_end(self, tmp_path: Path) -> None:
        assert self.rows(tmp_path, b"a\n1") == [Row(2, {"a": "1"}, header=True)]

    def test_names_are_trimmed_and_values_are_not(self, tmp_path: Path) -> None:
        assert self.rows(tmp_path, b" a ,b\n x , \n") == [Row(2, {"a": " x ", "b": " "}, header=True)]

    def test_blank_lines_are_passed_over(self, tmp_path: Path) -> None:
        assert [row.line for row in self.rows(tmp_path, b"a\n\n1\n\n\n2\n")] == [3, 6]

    def test_a_header_alone(self, tmp_path: Path) -> None:
        assert self.rows(tmp_path, b"a,b\n") == []

    def test_reading_goes_on_after_a_row_of_the_wrong_width(self, tmp_path: Path) -> None:
        found = self.rows(tmp_path, b"a,b\n1\n2,3,4\n5,6\n")
        assert [(type(row), row.line) for row in found] == [(Bad, 2), (Bad, 3), (Row, 4)]

    def test_a_quote_that_never_ends_is_told_where_it_begins(self, tmp_path: Path) -> None:
        found = self.rows(tmp_path, b'a,b\n1,2\n3,"4\n5,6\n')
        assert isinstance(found[-1], Bad)
        assert found[-1].line == 3

    def test_text_after_a_closing_quote(self, tmp_path: Path) -> None:
        found = self.rows(tmp_path, b'a\n"x"y\n')
        assert isinstance(found[0], Bad)
        assert found[0].line == 2

    def test_a_very_long_value(self, tmp_path: Path) -> None:
        found = self.rows(tmp_path, b"a\n" + b"x" * 2_000_000 + b"\n")
        assert isinstance(found[0], Row)
        assert len(found[0].values["a"]) == 2_000_000


class TestJson:
    def test_bad_lines_among_good_ones(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b'{"a":1}\nnull\n{"a":\n\n"x"\n{"a":2}')
        found = list(read(path))
        assert [(type(row), row.line) for row in found] == [(Row, 1), (Bad, 2), (Bad, 3), (Bad, 5), (Row, 6)]

    def test_unicode_line_ends_are_no_line_ends(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_text('{"a":"x\u2028y\u0085z"}\n{"a":2}', encoding="utf-8")
        assert [row.values["a"] for row in read(path) if isinstance(row, Row)] == ["x\u2028y\u0085z", 2]
