from __future__ import annotations

from typing import Any

import pytest

from sandbox.gateway.jsonpath import MISSING, PathError, find

STORE: dict[str, Any] = {
    "a": {"b": [10, {"c": None}, {"d-e": "hyphen", "f g": 1}]},
    "x.y": 3,
    "list": [{"k": 1, "v": "one"}, {"k": 2, "v": "two"}],
    "zero": 0,
    "empty": "",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", STORE),
        ("$.a.b[0]", 10),
        ("$.a.b[1].c", None),
        ("$.a.b[2].d-e", "hyphen"),
        ("$.a.b[2]['f g']", 1),
        ('$["x.y"]', 3),
        ("$['a']['b'][0]", 10),
        ("$.zero", 0),
        ("$.empty", ""),
        ("$.list[*].v", "one"),
        ("$..v", "one"),
        ("$.list[?(@.k==2)].v", "two"),
    ],
)
def test_finds(path: str, value: object) -> None:
    assert find(path, STORE) == value


@pytest.mark.parametrize(
    "path", ["$.nope", "$.a.b[9]", "$.a.b.c", "$.zero.x", "$.list[0][0]", "$.a.b[1].c.d", "$.list[?(@.k==3)]"]
)
def test_misses(path: str) -> None:
    assert find(path, STORE) is MISSING


@pytest.mark.parametrize("path", ["Data", ".Data", "", "a.b", "@.a"])
def test_a_path_without_its_root_is_refused(path: str) -> None:
    with pytest.raises(PathError, match="does not begin with"):
        find(path, STORE)


def test_what_is_no_jsonpath_is_refused() -> None:
    with pytest.raises(PathError, match="cannot be read"):
        find("$.a[[", STORE)
