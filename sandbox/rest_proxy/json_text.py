"""JSON in and out: orjson where it is exact, the standard library where orjson would change a number."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson

# orjson turns whole numbers beyond 64 bits into floats; 19 digits are the first that may be beyond.
DIGITS_TO_ZERO = bytes(48 if 48 <= byte <= 57 else byte for byte in range(256))
LONG_NUMBER = b"0" * 19
# A parser's complaint this near to the end of the text may be cured by more text.
UNFINISHED_TAIL = 16
RETRY_WITHOUT_GROWTH = 256 * 1024


class BrokenJsonError(ValueError):
    """Text that no further text can turn into JSON."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


EXACT = json.JSONDecoder(parse_constant=_refuse_constant)


def loads(text: bytes) -> Any:
    """One JSON document, with whole numbers of any size kept.

    :raises BrokenJsonError: it is not JSON, or not UTF-8.
    """
    if LONG_NUMBER not in text.translate(DIGITS_TO_ZERO):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # the exact parser has the clearer complaint, and takes lone surrogates
    try:
        return EXACT.decode(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BrokenJsonError(str(error).partition("\n")[0]) from None


def dumps(value: Any) -> bytes:
    """A value as compact JSON, as Confluent's proxy writes it."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


@dataclass
class ConcatenatedJson:
    """JSON values that come one after another, in pieces of any length.

    :param limit: the most bytes that one value may have.
    :param charset: how the bytes are to be read.
    :raises LookupError: there is no such charset.
    """

    limit: int
    charset: str = "utf-8"
    _rest: bytes = field(default=b"", init=False)
    _tried: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        codec = codecs.lookup(self.charset)
        self._decoder = None if codec.name == "utf-8" else codec.incrementaldecoder()

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[Any]:
        """Take a piece and give the values that are now complete.

        :param last: nothing comes after this piece.
        :raises BrokenJsonError: after the good values before the fault have been given.
        """
        if self._decoder is not None:
            piece = self._decoder.decode(piece, last).encode()
        self._rest += piece
        if not last and RETRY_WITHOUT_GROWTH < len(self._rest) < 2 * self._tried:
            return
        end = len(self._rest) if last else _last_boundary(self._rest)
        text, self._rest = self._rest[:end], self._rest[end:]
        yield from self._values(text, last)
        self._tried = len(self._rest)
        if self._tried > self.limit:
            raise BrokenJsonError(f"one record is longer than {self.limit} bytes")

    def _values(self, text: bytes, last: bool) -> Iterator[Any]:
        try:
            values = _fast(text)
        except orjson.JSONDecodeError:
            yield from self._slow(text, last)
        else:
            yield from values

    def _slow(self, text: bytes, last: bool) -> Iterator[Any]:
        decoded, used, fault = _decode(text, last)
        position, length = _skip_blanks(decoded, 0), len(decoded)
        while position < length:
            try:
                value, position = EXACT.raw_decode(decoded, position)
            except (ValueError, RecursionError) as error:
                if not last and fault is None and _unfinished(error, length):
                    self._rest = decoded[position:].encode() + text[used:] + self._rest
                    return
                raise BrokenJsonError(str(error).partition("\n")[0]) from None
            yield value
            position = _skip_blanks(decoded, position)
        if fault is not None:
            raise BrokenJsonError(fault)
        self._rest = text[used:] + self._rest


def _fast(text: bytes) -> list[Any]:
    """The values when each stands on its own line, or right after the one before.

    A ``}{`` inside a string makes orjson fail, because the line feed put there is illegal in a string.

    :raises orjson.JSONDecodeError: they stand otherwise, or orjson would change a number.
    """
    if LONG_NUMBER in text.translate(DIGITS_TO_ZERO):
        raise orjson.JSONDecodeError("long number", "", 0)
    if b"}{" in text:
        text = text.replace(b"}{", b"}\n{")
    return [orjson.loads(line) for line in text.split(b"\n") if line and not line.isspace()]


def _last_boundary(text: bytes) -> int:
    """Where the last value that is surely complete seems to end; the whole length when nothing shows it."""
    return max(text.rfind(b"\n"), text.rfind(b"}{")) + 1 or len(text)


def _decode(text: bytes, last: bool) -> tuple[str, int, str | None]:
    try:
        decoded, used = codecs.utf_8_decode(text, "strict", last)
    except UnicodeDecodeError as error:
        return text[: error.start].decode(), error.start, f"byte {error.start} is not UTF-8"
    return decoded, used, None


def _unfinished(error: Exception, length: int) -> bool:
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or length - error.pos <= UNFINISHED_TAIL


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position
