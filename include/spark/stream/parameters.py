"""What a run of the streaming job must know."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.spark.schemas import TABLES

DEFAULTS = {
    "region": "",
    "live_trigger": "5 seconds",
    "initial_position": "earliest",
    "tables": "pin,geo,user",
    "kafka_bootstrap": "",
    "source_options": "{}",
}
"""The parameters that may be left out, with what they then are."""

NAMES = ("job_id", "run_key", "source", "catalog", "prefix", "checkpoint_root", "trigger", *DEFAULTS)
"""The parameters of a run, all text."""

AVAILABLE_NOW = "availableNow"
SOURCES = ("kinesis", "kafka")
_TIME = r"\d+(?:\.\d+)? +(?:millisecond|second|minute|hour)s?"


class ParameterError(ValueError):
    """A parameter of the notebook that cannot be used."""


@dataclass(frozen=True)
class Parameters:
    """What a run works on.

    :param job_id: names the job in the heartbeats.
    :param run_key: names this run of it.
    :param source: ``kinesis``, or ``kafka`` to read the topics straight.
    :param catalog: the catalog of the lake's schemas.
    :param prefix: streams are ``streaming-<prefix>-<table>``, topics ``<prefix>.<table>``.
    :param checkpoint_root: a folder that ``dbutils.fs`` and Spark can write, one folder a query.
    :param trigger: how often micro-batches begin, such as ``1 second``; ``availableNow``: until all is read.
    :param live_trigger: how often the live metrics are brought up to date.
    :param initial_position: ``earliest`` or ``latest``; it counts for a new checkpoint only.
    :param source_options: further options of the source, as Databricks documents them; they win.
    """

    job_id: str
    run_key: str
    source: str
    catalog: str
    prefix: str
    checkpoint_root: str
    trigger: str
    region: str
    live_trigger: str
    initial_position: str
    tables: tuple[str, ...]
    kafka_bootstrap: str
    source_options: Mapping[str, str]

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Parameters:
        """Check the notebook's parameters, named as in ``NAMES``.

        :raises ParameterError: one is missing or not what it must be.
        """
        given = {**DEFAULTS, **{name: text.strip() for name, text in texts.items() if name in NAMES and text.strip()}}
        if missing := [name for name in NAMES if name not in given]:
            raise ParameterError(
                f"The parameter {missing[0]} is missing. A run must know {', '.join(missing)}. "
                "Set it in the task's parameters."
            )
        tables = tuple(filter(None, (name.strip() for name in given.pop("tables").split(","))))
        made = cls(tables=tables, source_options=_options(given.pop("source_options")), **_texts(given))
        made._check()
        return made

    def _check(self) -> None:
        for problem in (
            _one_of("source", self.source, SOURCES),
            _one_of("initial_position", self.initial_position, ("earliest", "latest", "trim_horizon")),
            *(_one_of("tables", table, TABLES) for table in self.tables),
            _like("catalog", self.catalog, r"[A-Za-z_]\w*", "It is part of SQL. Use letters, digits, _."),
            _like("prefix", self.prefix, r"[\w.-]+", "Streams are named after it. Use letters, digits, _, . and -."),
            _like("trigger", self.trigger, f"{_TIME}|{AVAILABLE_NOW}", f"Give '1 second' or {AVAILABLE_NOW}."),
            _like("live_trigger", self.live_trigger, _TIME, "Give a time such as '5 seconds'."),
        ):
            if problem:
                raise ParameterError(problem)
        if not self.tables:
            raise ParameterError("The parameter tables names no table. Nothing would be read. Give pin,geo,user.")
        if self.source == "kafka" and not self.kafka_bootstrap:
            raise ParameterError("The parameter kafka_bootstrap is missing. The source kafka needs it. Give host:port.")

    def name(self, table: str) -> str:
        """The full name of a table, from ``schema.table``."""
        return f"{self.catalog}.{table}"

    def stream(self, table: str) -> str:
        """The stream or topic of ``pin``, ``geo`` or ``user``."""
        return f"{self.prefix}.{table}" if self.source == "kafka" else f"streaming-{self.prefix}-{table}"

    def checkpoint(self, query: str) -> str:
        """The folder of a query: its identity, and Spark's own checkpoint below."""
        return f"{self.checkpoint_root.rstrip('/')}/{query}"

    @property
    def available_now(self) -> bool:
        """Whether the run ends when all is read that was there at its start."""
        return self.trigger == AVAILABLE_NOW


def _texts(given: Mapping[str, str]) -> dict[str, Any]:
    return {name: given[name] for name in NAMES if name in given}


def _options(text: str) -> Mapping[str, str]:
    try:
        options = json.loads(text)
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise ParameterError(
            f"The parameter source_options is {text!r}. It must be a JSON object. "
            'Give option names and texts: {"maxRecordsPerFetch": "5000"}.'
        )
    return {str(name): str(value) for name, value in options.items()}


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str | None:
    if value in known:
        return None
    return f"The parameter {name} has {value!r}, which is unknown. Use one of {', '.join(known)}."


def _like(name: str, value: str, pattern: str, mend: str) -> str | None:
    return None if re.fullmatch(pattern, value) else f"The parameter {name} is {value!r}, which cannot be used. {mend}"
