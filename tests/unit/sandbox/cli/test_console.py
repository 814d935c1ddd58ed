from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest
from rich.console import Console
from rich.text import Text

from sandbox.cli import console
from sandbox.cli.console import Board, coloured, print_json, table


def drawn(what: object) -> str:
    screen = Console(file=io.StringIO(), width=100)
    screen.print(what)
    return screen.file.getvalue()


def cells(text: str, word: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if word in line]
    return [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]


class TestTable:
    def test_values_are_shown_as_they_are(self) -> None:
        text = drawn(table("[red]gold[/]", [{"title": "cute [/cats] :smile:", "posts": 3, "poster": None}]))
        assert "[red]gold[/]" in text
        assert cells(text, "cats") == ["cute [/cats] :smile:", "3", ""]

    def test_the_title_tells_of_rows_left_out(self) -> None:
        rows = [{"n": number} for number in range(12)]
        assert "numbers (8 of 12 rows)" in drawn(table("numbers", rows, 8))
        assert "rows)" not in drawn(table("numbers", rows, 12))
        assert len(drawn(table("numbers", rows)).splitlines()) == 12 + 5

    def test_no_rows(self) -> None:
        assert "(no rows)" in drawn(table("empty", []))

    def test_nothing_is_cut_off(self) -> None:
        path = "/a/very/long/folder" * 8
        assert "".join(drawn(table("logs", [{"log": path}])).replace("│", "").split()).find(path) >= 0

    def test_a_coloured_cell_keeps_its_colour(self) -> None:
        screen = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
        screen.print(table("parts", [{"state": coloured("healthy")}]))
        assert "\x1b[32mhealthy\x1b[0m" in screen.file.getvalue()


@pytest.mark.parametrize(
    ("state", "style"), [("healthy 1.2 s", "green"), ("failed", "red"), ("odd [state]", ""), ("", "")]
)
def test_the_first_word_decides_the_colour(state: str, style: str) -> None:
    assert coloured(state) == Text(state, style)
    assert coloured(state).style == style


class TestJson:
    def test_one_document_of_readable_text(self, capsys: pytest.CaptureFixture) -> None:
        print_json({"city": "Zürich", "day": date(2022, 3, 1), "median": Decimal("1.5"), "none": None})
        shown = capsys.readouterr()
        assert json.loads(shown.out) == {"city": "Zürich", "day": "2022-03-01", "median": "1.5", "none": None}
        assert "Zürich" in shown.out
        assert shown.out.endswith("}\n")


class TestBoard:
    def test_without_a_terminal_each_change_is_a_line(self, capsys: pytest.CaptureFixture) -> None:
        with Board("Parts").shown() as board:
            for state in ("waits", "starts", "starts", "healthy 2.0 s"):
                board.set("kafka", state)
            board.set("clean [pin]", "up_for_retry (try 2)")
        shown = capsys.readouterr()
        assert shown.out == ""
        title, *lines = shown.err.splitlines()
        assert title == "Parts"
        assert [line[10:].split(maxsplit=1) for line in lines[:3]] == [
            ["kafka", "waits"], ["kafka", "starts"], ["kafka", "healthy 2.0 s"],
        ]  # fmt: skip
        assert lines[3][10:].rstrip() == f"{'clean [pin]':34} up_for_retry (try 2)"
        assert all(line[:7].strip().replace(".", "").isdigit() and line[6:9] == " s " for line in lines)

    def test_a_state_that_comes_back_is_a_change(self, capsys: pytest.CaptureFixture) -> None:
        with Board("Parts").shown() as board:
            for state in ("running", "deferred", "running"):
                board.set("clean", state)
        assert len(capsys.readouterr().err.splitlines()) == 4

    def test_a_terminal_shows_the_last_states(self, monkeypatch: pytest.MonkeyPatch) -> None:
        screen = Console(file=io.StringIO(), width=80, force_terminal=True)
        monkeypatch.setattr(console, "progress", screen)
        board = Board("Parts")
        with board.shown():
            board.set("kafka", "starts")
            board.set("kafka", "healthy")
            board.set("clean [pin]", "running")
        text = drawn(board)
        assert "healthy" in text
        assert "starts" not in text
        assert "clean [pin]" in text
        assert "clean [pin]" in screen.file.getvalue()

    def test_many_threads(self, capsys: pytest.CaptureFixture) -> None:
        with Board("Parts").shown() as board, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: board.set(f"part-{number % 10}", "healthy"), range(200)))
        assert len(capsys.readouterr().err.splitlines()) == 11
