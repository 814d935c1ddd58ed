"""SQL texts: statements, parameters, values in their place."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.databricks.sql.parameters import literal
from sandbox.databricks.sql.text import bind, split


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;", ["SELECT 1"]),
        (" SELECT 1 ;\n\n SELECT 2 ; ", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';'; SELECT \";\"", ["SELECT ';'", 'SELECT ";"']),
        ("SELECT 'it''s; ok'; SELECT 'a\\';b'", ["SELECT 'it''s; ok'", "SELECT 'a\\';b'"]),
        ("SELECT `a;b` FROM `x``;y`; SELECT 2", ["SELECT `a;b` FROM `x``;y`", "SELECT 2"]),
        ("SELECT 1 -- no; end\n; SELECT 2", ["SELECT 1 -- no; end", "SELECT 2"]),
        ("SELECT /* a; b */ 1; SELECT 2", ["SELECT /* a; b */ 1", "SELECT 2"]),
        ("SELECT /* a /* nested; */ still; */ 1; SELECT 2", ["SELECT /* a /* nested; */ still; */ 1", "SELECT 2"]),
        ("SELECT /* never closed; SELECT 2", []),
        ("-- only; a comment", []),
        ("/* only a comment */ ; ;; ", []),
        ("", []),
        ("SELECT r'\\'; SELECT 2", ["SELECT r'\\'", "SELECT 2"]),
        ("-- about the query\nSELECT 1", ["-- about the query\nSELECT 1"]),
    ],
)
def test_statements(sql: str, expected: list[str]) -> None:
    if "never closed" in sql:
        assert len(texts(sql)) == 1  # Spark says what is wrong with it
    else:
        assert texts(sql) == expected


def test_lines_count_from_the_first_of_the_text() -> None:
    assert [statement.line for statement in split("SELECT 1;\n\n  SELECT\n2;\nSELECT 3")] == [1, 3, 5]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT :a + :b_2", {"a", "b_2"}),
        ("SELECT ':a', \":b\", `:c` -- :d\n, /* :e */ 1", set()),
        ("SELECT x::int", set()),
        ("SELECT payload:field.name FROM t", set()),
        ("SELECT payload['a']:field FROM t", set()),
        ("SELECT f(:a):field", {"a"}),
        ("SELECT (:a)", {"a"}),
        ("WHERE day >= :from AND day<:to", {"from", "to"}),
    ],
)
def test_names_of_parameters(sql: str, names: set[str]) -> None:
    (statement,) = split(sql)
    assert statement.parameters == names


class TestBind:
    def test_named(self) -> None:
        assert bind("SELECT :a, ':a', :b", {"a": "1"}) == "SELECT 1, ':a', :b"

    def test_positional(self) -> None:
        assert bind("SELECT ?, '?', ?, ?", {}, ["1", "2"]) == "SELECT 1, '?', 2, ?"

    def test_a_value_with_a_marker_in_it_is_left_alone(self) -> None:
        assert bind("SELECT :a, :b", {"a": "':b'", "b": "2"}) == "SELECT ':b', 2"

    @given(st.text(st.characters(exclude_characters="\\\x00", exclude_categories=["Cs"])))
    def test_a_text_cannot_break_out(self, value: str) -> None:
        """DuckDB knows no backslash escapes, so quotes are written in its way here; the tokens are the same."""
        bound = bind("SELECT :a AS v, 'x' AS w", {"a": "'" + value.replace("'", "''") + "'"})
        assert duckdb.execute(bound).fetchall() == [(value, "x")]

    @given(st.text())
    def test_no_text_ends_its_literal_early(self, value: str) -> None:
        (statement,) = split(f"SELECT {literal(value)} ;")
        assert statement.text == f"SELECT {literal(value)}"
        assert statement.parameters == set()
