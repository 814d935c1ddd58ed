"""From the text of one field to its value. What cannot be read is null; nothing here raises."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

BLANKS = " \t\r\n\f\x0b\u00a0"

_WHOLE = r"^\s*([0-9]+)(?:\.0+)?\s*$"
_DECIMAL = r"^\s*([+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*$"
_MOMENT = (
    r"^\s*([0-9]{4})([-:])([0-9]{2})\2([0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:(\.[0-9]{1,6})[0-9]*)?\s*(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?\s*$"
)
_ZONE = r"(?:Z|[ :.0-9][+-][0-9]{2}(?::?[0-9]{2})?)$"
_FOLLOWERS = (
    r"^[\s\u00a0]*([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:(\.[0-9]{1,10})[0-9]*)?[\s\u00a0]*([kKmMbB]?)[\s\u00a0]*$"
)


def whole_number(text: Column, kind: str = "int") -> Column:
    """A whole number from 0: ``7528`` or ``7528.0``.

    :param kind: ``int`` or ``bigint``; a number beyond it is null.
    """
    return F.regexp_extract(text, _WHOLE, 1).try_cast(kind)


def decimal_number(text: Column) -> Column:
    """A double from decimal text. It never was a 4-byte float: ``-89.9787`` stays ``-89.9787``."""
    return F.regexp_extract(text, _DECIMAL, 1).try_cast("double")


def moment(text: Column) -> Column:
    """A timestamp from one of the three dialects, UTC where the text names no zone.

    ``2020-08-28 03:52:47``, ``2020-08-28T03:52:47`` and ``2020:08:28 03:52:47``, each with an optional fraction (cut
    after microseconds) and an optional ``Z`` or offset.
    """
    plain = F.regexp_replace(text, _MOMENT, "$1-$3-$4 $5$6$7")
    zoned = F.when(plain.rlike(_ZONE), plain).otherwise(F.concat(plain, F.lit("Z")))
    return F.when(text.rlike(_MOMENT), zoned.try_cast("timestamp"))


def followers(text: Column) -> Column:
    """An int from a follower count such as ``437``, ``1,234``, ``12.3k``, ``2M`` or ``1B``, rounded half up.

    Exact decimal arithmetic: digits of a fraction after the tenth are cut, which cannot change a rounding that is
    decided by the first digit after the whole number. A fraction needs a suffix.
    """
    whole = F.translate(F.regexp_extract(text, _FOLLOWERS, 1), ",", "")
    fraction = F.regexp_extract(text, _FOLLOWERS, 2)
    suffix = F.lower(F.regexp_extract(text, _FOLLOWERS, 3))
    factor = F.when(suffix == "k", 1_000).when(suffix == "m", 1_000_000).when(suffix == "b", 1_000_000_000).otherwise(1)
    number = F.concat(whole, fraction).try_cast("decimal(27,10)") * factor.cast("decimal(10,0)")
    return F.when((fraction == "") | (suffix != ""), F.round(number, 0).try_cast("int"))


def trimmed(text: Column) -> Column:
    """The text without blanks and no-break blanks around it."""
    return F.trim(text, F.lit(BLANKS))


def without_placeholder(text: Column, values: Sequence[str], prefix: str | None = None) -> Column:
    """Null where the trimmed text is empty, one of the values or begins with the prefix; else the text as it came."""
    core = trimmed(text)
    empty = core.isin("", *values)
    return F.when(~(empty | core.startswith(prefix) if prefix else empty), text)
