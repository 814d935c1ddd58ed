"""What a notebook shows: struck-out secrets, whole lines, events."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.databricks.notebook.display import Display
from sandbox.databricks.notebook.recording import CellStream, Recorder, Redactor


@pytest.fixture
def redact() -> Redactor:
    return Redactor()


@pytest.fixture
def recorder(tmp_path: Path, redact: Redactor) -> Recorder:
    return Recorder(tmp_path / "cells.jsonl", redact)


def events(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text().splitlines()]


class TestRedactor:
    def test_the_longest_first(self, redact: Redactor) -> None:
        redact.add("secret")
        redact.add("secret-longer")
        assert redact("a secret-longer and a secret") == "a [REDACTED] and a [REDACTED]"

    def test_short_values_are_left_alone(self, redact: Redactor) -> None:
        redact.add("")
        redact.add("abc")
        assert redact("abc") == "abc"

    def test_deep(self, redact: Redactor) -> None:
        redact.add("secret")
        assert redact.deep({"a": ["a secret", 5, None, ("secret",)]}) == {
            "a": ["a [REDACTED]", 5, None, ["[REDACTED]"]]
        }

    @given(st.lists(st.text(min_size=4), max_size=3), st.text())
    def test_no_secret_survives(self, secrets: list[str], text: str) -> None:
        redact = Redactor()
        for secret in secrets:
            redact.add(secret)
        clean = redact(text + "".join(secrets))
        assert all(secret not in clean or secret in "[REDACTED]" * (len(secret) + 1) for secret in secrets[:1])


class TestStream:
    def test_whole_lines_are_passed_on(self, recorder: Recorder, redact: Redactor, tmp_path: Path) -> None:
        target = io.StringIO()
        stream = CellStream("stdout", target, recorder, redact)
        stream.write("half ")
        assert target.getvalue() == ""
        stream.write("a line\nand ")
        assert target.getvalue() == "half a line\n"
        stream.flush()
        assert target.getvalue() == "half a line\nand "
        assert [event["text"] for event in events(tmp_path)] == ["half a line\n", "and "]

    def test_a_secret_in_pieces_is_struck_out(self, recorder: Recorder, redact: Redactor) -> None:
        redact.add("s3cr3t")
        target = io.StringIO()
        stream = CellStream("stdout", target, recorder, redact)
        for piece in ("s3c", "r3t", "\n"):
            stream.write(piece)
        assert target.getvalue() == "[REDACTED]\n"


class TestDisplay:
    def test_rows(self, recorder: Recorder, tmp_path: Path) -> None:
        Display(recorder)([{"a": 1, "b": None}, {"a": 2, "b": "x"}])
        (event,) = events(tmp_path)
        assert (event["kind"], event["columns"], event["rows"]) == ("table", ["a", "b"], [["1", None], ["2", "x"]])

    def test_pandas(self, recorder: Recorder, tmp_path: Path) -> None:
        import pandas as pd

        Display(recorder)(pd.DataFrame({"a": [1.5, None], "b": ["x", None]}))
        Display(recorder)(pd.Series([1, 2], name="s"))
        first, second = events(tmp_path)
        assert (first["columns"], first["rows"]) == (["a", "b"], [["1.5", "x"], [None, None]])
        assert (second["columns"], second["rows"]) == (["s"], [["1"], ["2"]])

    @pytest.mark.parametrize(("value", "text"), [(5, "5"), ("a", "a"), ([], "[]"), ([1, 2], "[1, 2]")])
    def test_anything_else_is_text(self, recorder: Recorder, tmp_path: Path, value: object, text: str) -> None:
        Display(recorder)(value)
        (event,) = events(tmp_path)
        assert (event["kind"], event["text"]) == ("text", text)

    def test_nothing_shows_nothing(self, recorder: Recorder, tmp_path: Path) -> None:
        Display(recorder)(None)
        Display(recorder).echo(None)
        assert events(tmp_path) == []

    def test_an_echo_is_a_representation(self, recorder: Recorder, tmp_path: Path) -> None:
        Display(recorder).echo("a")
        assert events(tmp_path)[0]["text"] == "'a'"
