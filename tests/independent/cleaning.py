"""The cleaning rules and the contract, record by record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]

NEEDED = {
    "pin": [
        "unique_id",
        "title",
        "description",
        "follower_count",
        "tag_list",
        "is_image_or_video",
        "image_src",
        "save_location",
        "category",
    ],
    "geo": ["timestamp", "country"],
    "user": ["first_name", "last_name", "age", "date_joined"],
}
KNOWN = {
    "pin": {*NEEDED["pin"], "poster_name", "downloaded"},
    "geo": {*NEEDED["geo"], "latitude", "longitude"},
    "user": {*NEEDED["user"]},
}
EVERYWHERE = {"index", "ind", "idx", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp"}
BLANK = " \t\r\n\f\v\u00a0"


@dataclass(frozen=True)
class Record:
    """One line with its position; ``offset`` is None where the line does not carry one."""

    raw: str
    partition: int | None = 0
    offset: int | None = None
    timestamp_ms: int = 0


@dataclass(frozen=True)
class Quarantined:
    """A record that breaks the contract, and why."""

    record: Record
    reason: str


@dataclass
class Outcome:
    """What cleaning gives: rows by post, with the counts of the audit."""

    rows: dict[int, Row] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    landed: int = 0
    duplicates: int = 0
    conflicts: int = 0
    follower_warnings: int = 0
    extra_fields: int = 0


def landed_record(line: str, *, folder_hour: datetime | None = None) -> Record:
    """A record from a landed line that carries its own position; what it lacks comes from the folder's hour."""
    fallback = int(folder_hour.timestamp() * 1000) if folder_hour else 0
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        return Record(line, None, None, fallback)
    return Record(line, value.get("kafka_partition"), value.get("kafka_offset"), value.get("kafka_timestamp", fallback))


def clean(table: str, records: Iterable[Record]) -> Outcome:
    """Clean the records of one topic; the latest copy of a post stays."""
    outcome = Outcome()
    copies: dict[int, list[tuple[tuple[int, int, int], Row]]] = {}
    for record in records:
        outcome.landed += 1
        reason, value = judge(table, record.raw)
        if reason:
            outcome.quarantined.append(Quarantined(record, reason))
            continue
        row = cleaned(table, value)
        outcome.follower_warnings += row.pop("warning", False)
        outcome.extra_fields += len(set(value) - KNOWN[table] - EVERYWHERE)
        offset = -1 if record.offset is None else record.offset
        position = (offset, record.timestamp_ms, -1 if record.partition is None else record.partition)
        copies.setdefault(row["ind"], []).append((position, row))
    for ind, found in copies.items():
        outcome.rows[ind] = max(found, key=lambda copy: copy[0])[1]
        outcome.duplicates += len(found) - 1
        outcome.conflicts += any(row != found[0][1] for _, row in found)
    return outcome


def judge(table: str, raw: str) -> tuple[str | None, Row]:
    """The first reason why a record is quarantined, or None, with the parsed record."""
    try:
        value = json.loads(raw, parse_constant=_refuse, object_pairs_hook=_single)
    except ValueError:
        return "not_json", {}
    if not isinstance(value, dict):
        return "not_an_object", {}
    if not all(name in value for name in NEEDED[table]):
        foreign = any(all(name in value for name in names) for other, names in NEEDED.items() if other != table)
        return ("wrong_topic" if foreign else "missing_fields"), value
    if key_of(value) is None:
        return "missing_key", value
    return _bad_value(table, value), value


def _bad_value(table: str, value: Row) -> str | None:
    if whole(key_of(value)) is None or whole(key_of(value)) > 2**31 - 1:  # type: ignore[operator]
        return "bad_key"
    if table == "geo":
        if when(value["timestamp"]) is None:
            return "bad_timestamp"
        for name, limit in (("latitude", 90), ("longitude", 180)):
            degrees = value.get(name)
            if degrees is not None and (number(degrees) is None or abs(number(degrees)) > limit):  # type: ignore[arg-type]
                return "bad_coordinates"
    if table == "user":
        if when(value["date_joined"]) is None:
            return "bad_timestamp"
        age = value["age"]
        if age is not None and (whole(age) is None or whole(age) > 130):  # type: ignore[operator]
            return "bad_age"
    return None


def cleaned(table: str, value: Row) -> Row:
    """The clean columns of a record that keeps the contract; a pin also has ``warning``."""
    ind = whole(key_of(value))
    if table == "geo":
        latitude, longitude = (None if value.get(k) is None else number(value[k]) for k in ("latitude", "longitude"))
        place = None if latitude is None or longitude is None else [latitude, longitude]
        return {"ind": ind, "country": value["country"], "coordinates": place, "timestamp": when(value["timestamp"])}
    if table == "user":
        names = [value["first_name"], value["last_name"]]
        return {
            "ind": ind,
            "user_name": None if None in names else " ".join(names),
            "age": None if value["age"] is None else whole(value["age"]),
            "date_joined": when(value["date_joined"]),
        }
    return {"ind": ind, **_pin(value)}


def _pin(value: Row) -> Row:
    shown = value["follower_count"]
    if isinstance(shown, float) and shown.is_integer():
        shown = int(shown)
    count = None if shown is None else follower_count(str(shown))
    is_placeholder = shown is None or str(shown).strip(BLANK) in ("", "User Info Error")
    place = value["save_location"]
    if place is not None and place[:14] == "Local save in ":
        place = place[14:]
    return {
        "unique_id": value["unique_id"],
        "title": unless(value["title"], {"No Title Data Available"}),
        "description": unless(value["description"], {"Untitled"}, "No description available"),
        "follower_count": count,
        "poster_name": unless(value.get("poster_name"), {"User Info Error"}),
        "tag_list": unless(value["tag_list"], {"N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"}),
        "is_image_or_video": value["is_image_or_video"],
        "image_src": unless(value["image_src"], {"Image src error.", "Image src error"}),
        "save_location": place,
        "category": value["category"],
        "warning": count is None and not is_placeholder,
    }


def key_of(value: Row) -> Any:
    """The key under whichever name."""
    return next((value[name] for name in ("index", "ind", "idx") if value.get(name) is not None), None)


def unless(text: str | None, placeholders: set[str], prefix: str | None = None) -> str | None:
    """The text, or None where it is blank or a placeholder."""
    if text is None:
        return None
    core = text.strip(BLANK)
    if not core or core in placeholders or (prefix and core.startswith(prefix)):
        return None
    return text


def follower_count(text: str) -> int | None:
    """``12.3k`` is 12300; what cannot be read is None."""
    core = text.strip(BLANK)
    factor = {"k": 10**3, "m": 10**6, "b": 10**9}.get(core[-1:].lower(), 1)
    digits = core if factor == 1 else core[:-1].rstrip(BLANK)
    if not re.fullmatch(r"(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", digits, re.ASCII) or (factor == 1 and "." in digits):
        return None
    value = int((Decimal(digits.replace(",", "")) * factor).quantize(Decimal(1), ROUND_HALF_UP))
    return value if value < 2**31 else None


def whole(value: Any) -> int | None:
    """A whole number from 0, as a number or as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = re.fullmatch(r"\s*(\d+)(\.0+)?\s*", str(value), re.ASCII)
    return int(found[1]) if found else None


def number(value: Any) -> float | None:
    """A double from a number or decimal text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return float(value) if re.fullmatch(r"\s*[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\s*", str(value), re.ASCII) else None


def when(value: Any) -> datetime | None:
    """A moment in UTC from one of the three dialects."""
    found = isinstance(value, str) and re.fullmatch(
        r"\s*(\d{4})(?:-(\d\d)-|:(\d\d):)(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d+))?\s*(Z|([+-])(\d\d):?(\d\d)?)?\s*",
        value,
        re.ASCII,
    )
    if not found:
        return None
    year, dash, colon, day, hour, minute, second, fraction, _zone, sign, zone_hours, zone_minutes = found.groups()
    try:
        local = datetime(int(year), int(dash or colon), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    if offset > timedelta(hours=18):
        return None
    micros = timedelta(microseconds=int(((fraction or "") + "000000")[:6]))
    return local + micros - (offset if sign == "+" else -offset)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)
