"""Notebooks taken apart: SOURCE, Jupyter and plain files."""

from __future__ import annotations

import json

import pytest

from sandbox.databricks.notebook.document import DocumentError, Notebook, parse

HEADER = "# Databricks notebook source\n"


def source(text: str) -> Notebook:
    return parse("/n", (HEADER + text).encode())


def parts(notebook: Notebook) -> list[tuple[str, str, int]]:
    return [(part.language, part.text, part.line) for cell in notebook.cells for part in cell.parts]


class TestSource:
    def test_cells_are_split_and_know_their_line(self) -> None:
        notebook = source("a = 1\n\n# COMMAND ----------\n\n\nb = 2\nc = 3\n")
        assert parts(notebook) == [("python", "a = 1", 2), ("python", "b = 2\nc = 3", 7)]
        assert [cell.number for cell in notebook.cells] == [1, 2]

    def test_lines_agree_with_the_file(self) -> None:
        notebook = source(
            "x = 1\n\n# COMMAND ----------\n\n# MAGIC %md\n# MAGIC text\n\n# COMMAND ----------\n\n\n\ny = 2"
        )
        lines = notebook.text.split("\n")
        assert lines[notebook.cells[2].parts[0].line - 1] == "y = 2"

    def test_empty_cells_are_left_out(self) -> None:
        assert parts(source("\n\n# COMMAND ----------\n\n# COMMAND ----------\n\nx\n")) == [("python", "x", 8)]

    def test_a_separator_needs_its_dashes(self) -> None:
        assert parts(source("# COMMAND\nx = 1")) == [("python", "# COMMAND\nx = 1", 2)]

    def test_any_number_of_dashes_and_blanks_at_the_end(self) -> None:
        assert len(source("a\n# COMMAND --------------- \nb").cells) == 2

    def test_windows_line_ends(self) -> None:
        assert parts(
            parse("/n", b"# Databricks notebook source\r\na = 1\r\n\r\n# COMMAND ----------\r\n\r\nb = 2\r\n")
        ) == [
            ("python", "a = 1", 2),
            ("python", "b = 2", 6),
        ]

    def test_a_byte_order_mark_is_ignored(self) -> None:
        assert parts(parse("/n", b"\xef\xbb\xbf# Databricks notebook source\nx = 1")) == [("python", "x = 1", 2)]

    def test_without_header_separators_still_count(self) -> None:
        assert parts(parse("/n", b"a = 1\n# COMMAND ----------\nb = 2")) == [
            ("python", "a = 1", 1),
            ("python", "b = 2", 3),
        ]

    def test_titles(self) -> None:
        (cell,) = source("# DBTITLE 1,Read the landing\nx = 1").cells
        assert cell.title == "Read the landing"
        assert cell.parts[0].text.strip() == "x = 1"
        assert cell.parts[0].line + cell.parts[0].text.split("\n").index("x = 1") == 3

    def test_a_sql_notebook(self) -> None:
        notebook = parse(
            "/n",
            b"-- Databricks notebook source\nSELECT 1\n\n-- COMMAND ----------\n\n-- MAGIC %python\n-- MAGIC x = 1",
        )
        assert parts(notebook) == [("sql", "SELECT 1", 2), ("python", "x = 1", 7)]

    def test_only_the_header(self) -> None:
        assert source("").cells == ()


class TestMagics:
    def test_markdown(self) -> None:
        assert parts(source("# MAGIC %md\n# MAGIC # Title\n# MAGIC\n# MAGIC text")) == [("md", "# Title\n\ntext", 3)]

    def test_markdown_on_the_line_of_the_magic(self) -> None:
        assert parts(source("# MAGIC %md # Title")) == [("md", "# Title", 2)]

    def test_md_sandbox_is_markdown(self) -> None:
        assert parts(source("# MAGIC %md-sandbox\n# MAGIC x")) == [("md", "x", 3)]

    def test_sql(self) -> None:
        assert parts(source("# MAGIC %sql\n# MAGIC SELECT 1;\n# MAGIC SELECT 2")) == [("sql", "SELECT 1;\nSELECT 2", 3)]

    def test_sql_on_the_line_of_the_magic(self) -> None:
        assert parts(source("# MAGIC %sql SELECT 1\n# MAGIC FROM t")) == [("sql", "SELECT 1\nFROM t", 2)]

    def test_python_magic_in_a_python_notebook(self) -> None:
        assert parts(source("# MAGIC %python\n# MAGIC x = 1\n# MAGIC if x:\n# MAGIC     y = 2")) == [
            ("python", "x = 1\nif x:\n    y = 2", 3)
        ]

    def test_run_takes_its_line_only(self) -> None:
        assert parts(source("# MAGIC %run ./a b\n# MAGIC %run ./c\nx = 1")) == [
            ("run", "./a b", 2),
            ("run", "./c", 3),
            ("python", "x = 1", 4),
        ]

    def test_lines_beside_a_magic_line_are_kept(self) -> None:
        assert parts(source("# first\nx = 1\n# MAGIC %run ./a\ny = 2")) == [
            ("python", "# first\nx = 1", 2),
            ("run", "./a", 4),
            ("python", "y = 2", 5),
        ]

    def test_lines_without_magic_in_a_sql_cell_are_sql(self) -> None:
        assert parts(source("# MAGIC %sql\n# MAGIC SELECT 1\nFROM t")) == [("sql", "SELECT 1\nFROM t", 3)]

    def test_a_percent_inside_a_text_is_no_magic(self) -> None:
        text = 'q = """\n%sql\n"""\nz = (7\n%sql\n)'
        assert parts(source(text)) == [("python", text, 2)]

    def test_a_remainder_is_no_magic(self) -> None:
        text = "x = 7 \\\n  % 4"
        assert parts(source(text)) == [("python", text, 2)]

    def test_an_unknown_magic_keeps_its_name(self) -> None:
        assert parts(source("# MAGIC %scala\n# MAGIC val x = 1")) == [("scala", "val x = 1", 3)]

    def test_the_shown_language_of_a_mixed_cell_is_python(self) -> None:
        (cell,) = source("# MAGIC %run ./a\nx = 1").cells
        assert cell.language == "python"

    def test_the_shown_source_has_no_magic_prefix(self) -> None:
        (cell,) = source("# MAGIC %sql\n# MAGIC SELECT 1").cells
        assert cell.source == "%sql\nSELECT 1"


def jupyter(*cells: tuple[str, object]) -> bytes:
    return json.dumps({"cells": [{"cell_type": kind, "source": text} for kind, text in cells], "metadata": {}}).encode()


class TestJupyter:
    def test_cells(self) -> None:
        notebook = parse(
            "/n", jupyter(("markdown", ["# T\n", "x"]), ("code", "a = 1\nb = 2"), ("code", ["%sql\n", "SELECT 1"]))
        )
        assert parts(notebook) == [("md", "# T\nx", 1), ("python", "a = 1\nb = 2", 1), ("sql", "SELECT 1", 2)]

    def test_empty_and_raw_cells_are_left_out(self) -> None:
        notebook = parse("/n", jupyter(("raw", "r"), ("code", []), ("code", "x")))
        assert parts(notebook) == [("python", "x", 1)]

    def test_a_place_names_the_cell(self) -> None:
        notebook = parse("/n.ipynb", jupyter(("code", "x"), ("code", "y")))
        assert notebook.file_name(notebook.cells[1]) == "/n.ipynb#cell-2"

    @pytest.mark.parametrize("text", ['{"cells": [', '{"cells": 5}', '{"cells": [{"x": 1}]}'])
    def test_a_broken_document_is_refused_by_name(self, text: str) -> None:
        with pytest.raises(DocumentError, match="/broken is not a Jupyter notebook"):
            parse("/broken", text.encode())


class TestPlain:
    def test_one_cell_with_the_lines_of_the_file(self) -> None:
        assert parts(parse("/n.py", b"\nx = 1\n")) == [("python", "\nx = 1\n", 1)]

    def test_an_empty_file_has_no_cell(self) -> None:
        assert parse("/n.py", b" \n").cells == ()

    def test_the_language_of_the_workspace_counts(self) -> None:
        assert parts(parse("/n", b"SELECT 1", "SQL")) == [("sql", "SELECT 1", 1)]

    def test_a_dictionary_at_the_top_is_no_jupyter_notebook(self) -> None:
        assert parts(parse("/n", b"{'a': 1}")) == [("python", "{'a': 1}", 1)]

    def test_bytes_that_are_no_text_are_refused(self) -> None:
        with pytest.raises(DocumentError, match="/n is not UTF-8 text"):
            parse("/n", b"\xff\xfe")
