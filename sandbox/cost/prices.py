"""The prices file: one day's list prices, each with its unit and page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sandbox.cost.errors import NoPriceError, PricesError
from sandbox.supervisor.home import ROOT

FILE = ROOT / "include/config/prices.yaml"
FORMS = ("value", "values", "tiers")
HEAD: dict[str, type] = {
    "as_of": date, "currency": str, "region": str, "checked": bool, "statement": str, "prices": dict, "rates": dict,
}  # fmt: skip
FIELDS = frozenset({"unit", "page", "note", "per", *FORMS})


@dataclass(frozen=True)
class Tier:
    """A price for the units of a month up to ``up_to``, which is infinite in the last tier."""

    up_to: float
    value: float


@dataclass(frozen=True)
class Price:
    """The price of something, or how many units of something it takes.

    :param name: as the file has it, ``msk.broker_hour``.
    :param values: by type; one under the empty text where there are no types.
    :param tiers: instead of a value, in order.
    :param per: how many units a value buys.
    :param page: where the owner publishes it.
    """

    name: str
    unit: str
    page: str
    file: str
    note: str = ""
    per: float = 1
    values: Mapping[str, float] = field(default_factory=dict)
    tiers: tuple[Tier, ...] = ()

    def value(self, kind: str = "") -> float:
        """The value for a type.

        :raises NoPriceError: the file has none for it.
        """
        if kind not in self.values:
            known = ", ".join(sorted(self.values)) or "none"
            raise NoPriceError(
                f"There is no price for {kind}.",
                f"{self.file} has {self.name} for: {known}.",
                f"Look it up at {self.page} and add it there, or give a copy that has it with --prices FILE.",
            )
        return self.values[kind]

    def cost(self, quantity: float, kind: str = "") -> float:
        """What so many units cost in a month; tiers are filled one after the other."""
        if not self.tiers:
            return self.value(kind) * quantity / self.per
        total, below = 0.0, 0.0
        for tier in self.tiers:
            total += max(0.0, min(quantity, tier.up_to) - below) * tier.value / self.per
            below = tier.up_to
        return total


@dataclass(frozen=True)
class Prices:
    """All prices of a file.

    :param checked: whether somebody compared all of them with their pages.
    :param statement: how they came about.
    """

    as_of: date
    currency: str
    region: str
    checked: bool
    statement: str
    table: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        return self.table[name]


def load(path: Path = FILE) -> Prices:
    """Read a prices file.

    :raises PricesError: it is missing, is not YAML, or does not have the form of ``include/config/prices.yaml``.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refused(path, f"It cannot be read: {error}.") from error
    if not isinstance(document, dict) or set(document) != set(HEAD):
        raise _refused(path, f"It must have {', '.join(HEAD)}, and nothing else.")
    for key, kind in HEAD.items():
        if type(document[key]) is not kind:
            raise _refused(path, f"{key} is {document[key]!r}, which is no {kind.__name__}.")
    table = {name: _price(path, name, entry) for part in ("prices", "rates") for name, entry in document[part].items()}
    if missing := sorted(_expected() - set(table)) if path != FILE else []:
        raise _refused(path, f"The price {missing[0]} is missing.")
    head = {key: document[key] for key in ("as_of", "currency", "region", "checked", "statement")}
    return Prices(**head, table=table)


def _expected() -> set[str]:
    return set(load().table)


def _price(path: Path, name: str, entry: Any) -> Price:
    if not isinstance(entry, dict) or set(entry) - FIELDS or not {"unit", "page"} <= set(entry):
        raise _refused(path, f"{name} must have unit and page, and of {', '.join(sorted(FIELDS))} what it needs.")
    forms = [form for form in FORMS if form in entry]
    if len(forms) != 1:
        raise _refused(path, f"{name} must have one of value, values and tiers.")
    per = _number(path, f"{name}.per", entry.get("per", 1))
    if per == 0:
        raise _refused(path, f"{name}.per is 0.")
    made = {"unit": str(entry["unit"]), "page": str(entry["page"]), "note": str(entry.get("note", "")), "per": per}
    tiers = _tiers(path, name, entry["tiers"]) if "tiers" in entry else ()
    found = entry["values"] if "values" in entry else {"": entry["value"]} if "value" in entry else {}
    if not isinstance(found, dict):
        raise _refused(path, f"{name}.values must be a mapping of types.")
    values = {str(kind): _number(path, f"{name} of {kind or 'all'}", value) for kind, value in found.items()}
    return Price(name=name, file=path.name, values=values, tiers=tiers, **made)  # type: ignore[arg-type]


def _tiers(path: Path, name: str, entries: Any) -> tuple[Tier, ...]:
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise _refused(path, f"{name}.tiers must be a list of up_to and value.")
    tiers = tuple(
        Tier(
            _number(path, f"{name}.up_to", entry["up_to"]) if "up_to" in entry else math.inf,
            _number(path, f"{name}.value", entry.get("value")),
        )
        for entry in entries
    )
    ends = [tier.up_to for tier in tiers]
    if ends != sorted(set(ends)) or ends[-1] != math.inf:
        raise _refused(path, f"{name}.tiers must rise, and the last has no up_to.")
    return tiers


def _number(path: Path, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _refused(path, f"{name} is {value!r}, which is no number of 0 or more.")
    return float(value)


def _refused(path: Path, why: str) -> PricesError:
    return PricesError(
        f"The prices file {path} cannot be used.", why, "Mend it; include/config/prices.yaml has the form."
    )
