"""``initialPosition``: where reading begins, and the times written in Java's patterns that it may hold."""

from __future__ import annotations

import datetime as dt
import json
import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.databricks.kinesis.errors import OptionError
from sandbox.databricks.kinesis.offsets import AT_TIMESTAMP, TRIM_HORIZON

ZONES = {
    "UTC": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
FIELDS = {
    "yyyy": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d",
    "HH": "%H", "H": "%H", "hh": "%I", "h": "%I", "mm": "%M", "m": "%M", "ss": "%S", "s": "%S", "a": "%p",
    "SSS": "%f", "EEE": "%a", "EEEE": "%A",
}  # fmt: skip
ZONE = re.compile(r"(.*?)\s*([A-Za-z][A-Za-z/_]+|Z|[+-]\d{2}:?\d{2}|[+-]\d{2})\s*\Z")


def initial_origin(text: str, now_ms: int) -> str:
    """Where reading begins.

    :param text: the option; ``earliest`` is another word for ``trim_horizon``.
    :param now_ms: the time, which is where ``latest`` begins.
    :returns: ``TRIM_HORIZON`` or ``AT_TIMESTAMP:<ms>``.
    :raises OptionError: it is none of the forms.
    """
    word = text.strip().lower()
    if word in ("trim_horizon", "earliest"):
        return TRIM_HORIZON
    if word == "latest":
        return f"{AT_TIMESTAMP}{now_ms}"
    try:
        document = json.loads(text)
        moment = instant(str(document["at_timestamp"]), document.get("format"))
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(
            f"kinesis: the option initialPosition cannot be {text!r}: {error}. Give latest, trim_horizon, earliest or "
            '{"at_timestamp": "06/25/2020 10:23:45 PDT", "format": "MM/dd/yyyy HH:mm:ss ZZZ"}.'
        ) from None
    return f"{AT_TIMESTAMP}{int(moment.timestamp() * 1000)}"


def instant(text: str, pattern: str | None = None) -> dt.datetime:
    """The time that a text means.

    :param pattern: of Java; without one the text is ISO 8601. Without a zone the time is UTC.
    :raises ValueError: it doesn't fit the pattern, or the pattern has fields that are not known here.
    """
    if pattern is None:
        found = dt.datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    zone: dt.tzinfo = dt.UTC
    bare = re.sub(r"\s*(?:z+|Z+|X+|VV)\s*\Z", "", pattern)
    if bare != pattern:
        split = ZONE.match(text)
        if split is None:
            raise ValueError(f"{text!r} names no time zone, as {pattern!r} wants")
        text, zone = split[1], _zone(split[2])
    return dt.datetime.strptime(text, _directives(bare)).replace(tzinfo=zone)


def _zone(name: str) -> dt.tzinfo:
    if name[0] in "+-":
        digits = name[1:].replace(":", "").ljust(4, "0")
        offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return dt.timezone(-offset if name[0] == "-" else offset)
    if name.upper() in ZONES:
        return dt.timezone(dt.timedelta(hours=ZONES[name.upper()]))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"the time zone {name!r} is not known") from None


def _directives(pattern: str) -> str:
    """A pattern of Java as one of Python."""
    pieces: list[str] = []
    for quoted, letters, other in _pieces(pattern):
        if letters and letters not in FIELDS:
            raise ValueError(f"the field {letters!r} of the pattern {pattern!r} is not known")
        pieces.append(FIELDS[letters] if letters else (quoted or other).replace("%", "%%"))
    return "".join(pieces)


def _pieces(pattern: str) -> list[tuple[str, str, str]]:
    found = re.finditer(r"'(?P<quoted>[^']*)'|(?P<letters>(?P<one>[A-Za-z])(?P=one)*)|(?P<other>.)", pattern)
    return [(piece["quoted"] or "", piece["letters"] or "", piece["other"] or "") for piece in found]
