"""The typed settings of one place where Pinflow runs.

What can only be known at run time (hosts, ports, keys) is in Airflow connections; what a place is
made of (names, sizes) is in ``sandbox.yaml`` or ``aws.yaml`` beside this file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

FOLDER = Path(__file__).parent
VARIABLE = "PINFLOW_SETTINGS"
TABLES = ("pin", "geo", "user")
REFERENCE = re.compile(r"\$\{([A-Za-z][A-Za-z0-9-]*)\.[A-Za-z0-9]+\}")
"""A reference to an output of a stack."""


class SettingsError(ValueError):
    """A settings file that cannot be used; the text names the file, the key and the mend."""


class ForeignRecords(StrEnum):
    """What reconciliation does with landed records that the ledger does not know."""

    FAIL = "fail"
    REPORT = "report"


@dataclass(frozen=True)
class Stack:
    """A CloudFormation stack ``<prefix>-<name>``, made from ``include/aws/cloudformation/<name>.yaml``.

    ``parameters`` may hold ``${network.VpcId}``, the output VpcId of the stack ``<prefix>-network``, which comes before
    it in the list. One that ``exists`` belongs to somebody else: it is only read, and never deleted.
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    exists: bool = False


@dataclass(frozen=True)
class Gateway:
    """The API in front of both paths.

    One that ``exists`` is only called. ``variables`` are the stage variables that the document names, ``access_log`` is
    the ARN of a log group; both may refer to outputs of stacks. The limits are of requests a second and at once.
    """

    stage: str
    exists: bool = True
    api_name: str = "pinflow"
    variables: Mapping[str, str] = field(default_factory=dict)
    rate_limit: int = 10_000
    burst_limit: int = 5_000
    access_log: str = ""


@dataclass(frozen=True)
class Kafka:
    """The cluster and the shape of its topics."""

    cluster_name: str
    partitions: int
    replication_factor: int
    topic_configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Landing:
    """Where the sink writes and notebooks read."""

    bucket: str
    topics_dir: str
    scheme: str

    @property
    def url(self) -> str:
        """The folder that holds one folder a topic."""
        return f"{self.scheme}://{self.bucket}/{self.topics_dir}"


@dataclass(frozen=True)
class Connect:
    """The MSK Connect plugin and connector. Memory and CPU are counted in MCU, as AWS sells them.

    ``log_group`` of CloudWatch gets the workers' log, where there is one.
    """

    connector_name: str
    plugin_name: str
    plugin_bucket: str
    plugin_key: str
    service_role_arn: str
    mcu_count: int
    worker_count: int
    kafkaconnect_version: str
    overrides: Mapping[str, str] = field(default_factory=dict)
    log_group: str = ""


@dataclass(frozen=True)
class Streams:
    """The Kinesis streams. ``limits`` makes the sandbox's shards throttle as those of AWS always do."""

    shard_count: int
    retention_hours: int
    limits: bool


@dataclass(frozen=True)
class Streaming:
    """The streaming job: its name in the workspace, what it reads, and how it is watched.

    ``source`` is ``kinesis``, or ``kafka`` for a workspace that reads the topics straight; the triggers are Spark's
    processing times; ``stall_seconds`` without a heartbeat make the supervisor start the job again;
    ``source_options`` are further options of Databricks' source, such as ``serviceCredential``.
    """

    job_id: str
    source: str
    checkpoint_root: str
    trigger: str
    live_trigger: str
    initial_position: str
    window_minutes: int
    stall_seconds: int
    maximum_restarts: int
    source_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Workspace:
    """The Databricks workspace: where the bundle goes and what runs it."""

    root: str
    catalog: str
    warehouse_id: str
    cluster: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Choices of the batch pipeline. ``first_day`` (UTC) is the first that is scheduled; backfills reach before it."""

    first_day: str
    foreign_records: ForeignRecords


@dataclass(frozen=True)
class Settings:
    """All settings of one place. ``stack_role`` is the role that CloudFormation works with, of an ARN or an output."""

    name: str
    prefix: str
    region: str
    gateway: Gateway
    kafka: Kafka
    landing: Landing
    connect: Connect
    streams: Streams
    streaming: Streaming
    workspace: Workspace
    batch: Batch
    stacks: tuple[Stack, ...] = ()
    stack_role: str = ""

    def topic(self, table: str) -> str:
        """The topic of ``pin``, ``geo`` or ``user``."""
        return f"{self.prefix}.{table}"

    @property
    def topics(self) -> tuple[str, ...]:
        """The three topics, in the order pin, geo, user."""
        return tuple(self.topic(table) for table in TABLES)

    @property
    def dead_letter_topic(self) -> str:
        """Where Kafka Connect puts records that are not JSON objects."""
        return f"{self.prefix}.dead-letter"

    def stack(self, name: str) -> Stack | None:
        """The stack of this name, as far as there is one."""
        return next((entry for entry in self.stacks if entry.name == name), None)

    def stream(self, table: str) -> str:
        """The Kinesis stream of ``pin``, ``geo`` or ``user``."""
        return f"streaming-{self.prefix}-{table}"


def load(source: str | Path | None = None) -> Settings:
    """Read the settings of a place.

    :param source: ``sandbox``, ``aws`` or the path of a YAML file; by default what the environment
        variable ``PINFLOW_SETTINGS`` says, otherwise ``aws``.
    :raises SettingsError: the file is missing, is not YAML, or a key is missing, unknown or of the wrong type.
    """
    return _load(str(source or os.environ.get(VARIABLE) or "aws"))


@cache
def _load(source: str) -> Settings:
    import yaml

    path = FOLDER / f"{source}.yaml" if source in ("sandbox", "aws") else Path(source)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"There is no settings file {path}. {VARIABLE} or the call names it. "
            "Use 'sandbox', 'aws' or the path of a copy of include/config/aws.yaml."
        ) from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}. Mend the line it names.") from error
    settings: Settings = _build(Settings, document, str(path), "")
    _check_references(settings, str(path))
    return settings


def _check_references(settings: Settings, path: str) -> None:
    """Each ``${stack.Output}`` must lead to a stack of the list, and that of a stack to one before it."""
    known: list[str] = []
    for entry in settings.stacks:
        if entry.name in known:
            raise SettingsError(f"{path}: the stack {entry.name} is there twice. Leave one out.")
        _check_known(entry.parameters, known, f"{path}: stacks, {entry.name}")
        known.append(entry.name)
    _check_known({"stack_role": settings.stack_role}, known, path)
    gateway = settings.gateway
    _check_known({**gateway.variables, "access_log": gateway.access_log}, known, f"{path}: gateway")


def _check_known(values: Mapping[str, str], known: list[str], at: str) -> None:
    for key, text in values.items():
        for name in REFERENCE.findall(text):
            if name not in known:
                told = ", ".join(known) or "none"
                raise SettingsError(f"{at}: {key} refers to the stack {name}. Known there: {told}. Put it before.")


def _build(kind: Any, value: Any, path: str, at: str) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"{path}: {at.rstrip('.')} must be a list, not {value!r}.")
        return tuple(_build(get_args(kind)[0], item, path, f"{at}{number}.") for number, item in enumerate(value))
    if not is_dataclass(kind):
        return _scalar(kind, value, path, at)
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: {at.rstrip('.') or 'the document'} must be a mapping, not {value!r}.")
    hints = get_type_hints(kind)
    names = {entry.name for entry in fields(kind)}
    optional = {entry.name for entry in fields(kind) if (entry.default, entry.default_factory) != (MISSING, MISSING)}
    if unknown := sorted(set(value) - names, key=str):
        raise SettingsError(f"{path}: unknown key {at}{unknown[0]}. Known here: {', '.join(sorted(names))}.")
    if missing := sorted(names - set(value) - optional):
        raise SettingsError(f"{path}: the key {at}{missing[0]} is missing. Add it; sandbox.yaml shows the form.")
    made: Any = kind
    return made(**{name: _build(hints[name], item, path, f"{at}{name}.") for name, item in value.items()})


def _scalar(kind: Any, value: Any, path: str, at: str) -> Any:
    name = at.rstrip(".")
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        try:
            return kind(value)
        except ValueError:
            raise SettingsError(f"{path}: {name} is {value!r}; it must be one of {', '.join(kind)}.") from None
    if kind is bool and not isinstance(value, bool):
        raise SettingsError(f"{path}: {name} must be true or false, not {value!r}.")
    if kind is int and (not isinstance(value, int) or isinstance(value, bool)):
        raise SettingsError(f"{path}: {name} must be a whole number, not {value!r}.")
    if kind is str and not isinstance(value, str):
        raise SettingsError(f"{path}: {name} must be a text, not {value!r}; put it in quotes.")
    if kind not in (bool, int, str) and not isinstance(value, dict):
        raise SettingsError(f"{path}: {name} must be a mapping, not {value!r}.")
    if get_args(kind) == (str, str):
        for key, item in value.items():
            _scalar(str, item, path, f"{at}{key}.")
    return value
