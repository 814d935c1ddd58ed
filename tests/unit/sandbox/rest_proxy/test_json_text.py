from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.rest_proxy.json_text import BrokenJsonError, ConcatenatedJson, dumps, loads

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["}{", "\n", '"', "}\n{", "\\", "ü", "\u2028"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from(["value", "key", "}{"]), VALUES, max_size=3), max_size=8)
BETWEEN = st.sampled_from(["", "\n", "\r\n", " ", "\n\n", "\t"])


def read(text: bytes, cuts: list[int], charset: str = "utf-8", limit: int = 1 << 20) -> list[Any]:
    """All values of a text that comes in pieces."""
    stream = ConcatenatedJson(limit, charset)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    found: list[Any] = []
    for start, end in itertools.pairwise(edges):
        found.extend(stream.feed(text[start:end]))
    found.extend(stream.feed(b"", last=True))
    return found


class TestConcatenated:
    @settings(deadline=None, max_examples=300)
    @given(
        records=RECORDS,
        between=BETWEEN,
        cuts=st.lists(st.integers(min_value=0, max_value=5000), max_size=4),
        pretty=st.sampled_from([None, 1]),
        ascii_only=st.booleans(),
    )
    def test_gives_back_what_was_written_however_it_is_cut(
        self, records: list[Any], between: str, cuts: list[int], pretty: int | None, ascii_only: bool
    ) -> None:
        text = between.join(json.dumps(record, indent=pretty, ensure_ascii=ascii_only) for record in records)
        assert read(text.encode(), cuts) == records

    def test_values_come_as_soon_as_they_are_complete(self) -> None:
        stream = ConcatenatedJson(1000)
        assert list(stream.feed(b'{"a":1}')) == [{"a": 1}]
        assert list(stream.feed(b'{"a":')) == []
        assert list(stream.feed(b'2}{"a":3}{')) == [{"a": 2}, {"a": 3}]
        assert list(stream.feed(b"}", last=True)) == [{}]

    def test_a_piece_may_end_within_a_letter(self) -> None:
        text = '{"a":"grün"}'.encode()
        at = text.index(b"\xc3") + 1
        assert read(text, [at]) == [{"a": "grün"}]

    @pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "utf-8-sig"])
    def test_charsets(self, charset: str) -> None:
        assert read('{"a":"ü"}{"a":"ö"}'.encode(charset), [3, 11], charset) == [{"a": "ü"}, {"a": "ö"}]

    @pytest.mark.parametrize(
        ("text", "good"),
        [
            (b"{} nope {}", 1),
            (b"{}{}\n{]\n{}", 2),
            (b"{}[", 1),
            (b'{"a":NaN}', 0),
            (b'{}{"a":"\xff"}', 1),
            (b'{}{"a":"\n"}', 1),
            (b'{"a":1},{"a":2}', 1),
            (b"{}" + b"[" * 100_000, 1),
        ],
    )
    def test_good_values_come_before_the_complaint(self, text: bytes, good: int) -> None:
        values = ConcatenatedJson(1 << 20).feed(text, last=True)
        for _ in range(good):
            next(values)
        with pytest.raises(BrokenJsonError) as caught:
            next(values)
        assert "\n" not in str(caught.value)

    def test_broken_text_is_told_before_the_end_comes(self) -> None:
        stream = ConcatenatedJson(1 << 20)
        with pytest.raises(BrokenJsonError):
            list(stream.feed(b'{"a": nope, "and": "much more text after it"}\n'))

    def test_one_value_that_is_too_long(self) -> None:
        stream = ConcatenatedJson(100)
        with pytest.raises(BrokenJsonError, match="longer than 100 bytes"):
            list(stream.feed(b'{"a":"' + b"x" * 200))

    def test_a_long_value_in_many_pieces_is_not_parsed_each_time(self) -> None:
        text = b'{"a":"' + b"x" * 3_000_000 + b'"}'
        assert len(read(text, list(range(0, len(text), 16384)), limit=1 << 23)[0]["a"]) == 3_000_000

    def test_unknown_charset(self) -> None:
        with pytest.raises(LookupError, match="klingon"):
            ConcatenatedJson(1, "klingon")


class TestNumbers:
    @pytest.mark.parametrize("number", [2**63 - 1, 2**64 - 1, 2**64, -(2**63) - 1, 10**40])
    def test_whole_numbers_are_exact(self, number: int) -> None:
        text = b'{"n":%d}' % number
        assert loads(text) == {"n": number}
        assert read(text + text, []) == [{"n": number}] * 2
        assert dumps({"n": number}) == text

    def test_lone_surrogates_survive(self) -> None:
        assert dumps(loads(b'{"a":"\\ud800"}')) == b'{"a":"\\ud800"}'

    @pytest.mark.parametrize("text", [b"", b"{", b"NaN", b'{"a":1}x', b"\xff", b"[" * 100_000])
    def test_what_is_not_json(self, text: bytes) -> None:
        with pytest.raises(BrokenJsonError):
            loads(text)
