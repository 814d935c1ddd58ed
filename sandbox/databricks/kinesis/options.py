"""The options of the source: Databricks' names, defaults and forms. Unknown ones are refused.

They mean here what they mean there, but for these:

- ``fetchBufferSize`` is 16 MB when it is not given, not 20 GB: it is the size of a batch, and one machine holds it all.
- ``maxFetchDuration`` bounds the time in which one batch is gathered, at its trigger; nothing is fetched in between.
- ``consumerMode`` can only be ``polling``.
- Those in ``WITHOUT_MEANING`` are taken and do nothing: roles and service credentials, because keys come from the
  options or the environment; enhanced fan-out; coalescing; rates, because the source waits when Kinesis throttles it.

Source: Databricks documentation, "Connect to Amazon Kinesis", "Kinesis enhanced fan-out" and ``read_kinesis``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.databricks.kinesis.errors import OptionError
from sandbox.databricks.kinesis.instants import initial_origin

CONNECTION = ("awsAccessKey", "awsSecretKey", "awsSessionToken", "region", "endpoint")
WITHOUT_MEANING = (
    "serviceCredential", "roleArn", "roleExternalId", "roleSessionName", "stsEndpoint",
    "maxFetchRate", "coalesceThresholdBlockSize", "coalesceBinSize", "coalesce", "reuseKinesisClient",
    "requireConsumerDeregistration", "consumerDeregistrationTimeout", "consumerNamePrefix", "consumerName",
    "consumerRefreshInterval", "registeredConsumerId", "registeredConsumerIdType",
)  # fmt: skip
NAME = "kinesis"
DRAIN = "availableNow"
FORMS = {
    "streamName": "names, separated by commas",
    "initialPosition": 'latest, trim_horizon, earliest or {"at_timestamp": ..., "format": ...}',
    "consumerMode": "polling",
    "maxRecordsPerFetch": "a whole number from 1 to 10000",
    "fetchBufferSize": "a size such as 16mb",
    "shardsPerTask": "a whole number above 0",
    "shardFetchInterval": "a time such as 1s",
    "minFetchPeriod": "a time such as 400ms",
    "maxFetchDuration": "a time such as 10s",
    "maxShardsPerDescribe": "a whole number from 1 to 10000",
    "clientRetries": "a whole number",
}
UNITS = {"b": 1, "k": 2**10, "kb": 2**10, "m": 2**20, "mb": 2**20, "g": 2**30, "gb": 2**30, "t": 2**40, "tb": 2**40}
SPANS = {
    "ms": 0.001, "millisecond": 0.001, "milliseconds": 0.001, "s": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What the options say.

    :param streams: names, in the order given.
    :param origin: where shards begin that were never read: ``TRIM_HORIZON`` or ``AT_TIMESTAMP:<ms>``.
    :param connection: ``region``, ``endpoint`` and keys as given; what is missing comes from the environment.
    :param records_per_fetch: of one request.
    :param buffer_bytes: of one batch; a stopping condition, not a strict bound.
    :param shards_per_task: how many shards one Spark task reads at most.
    :param shard_interval: seconds between two looks at the list of shards.
    :param fetch_period: seconds between two requests to a shard that was at its end.
    :param fetch_seconds: how long one batch is gathered at most.
    :param page: shards of one answer of ListShards.
    :param retries: how often a call is repeated that failed.
    :param drain: the query's trigger is ``availableNow``; set by the registration, not by users.
    """

    streams: tuple[str, ...]
    origin: str
    connection: Mapping[str, str]
    records_per_fetch: int = 10_000
    buffer_bytes: int = 16 * 2**20
    shards_per_task: int = 5
    shard_interval: float = 1.0
    fetch_period: float = 0.4
    fetch_seconds: float = 10.0
    page: int = 100
    retries: int = 5
    drain: bool = False


def read_options(given: Mapping[str, str], now_ms: int) -> Options:
    """Check the options. Names are not case-sensitive, as everywhere in Spark.

    :param now_ms: where ``latest`` begins.
    :raises OptionError: one is unknown, missing or wrong.
    """
    options = _known(given)
    mode = options.get("consumerMode", "polling").lower()
    if mode != "polling":
        raise _wrong("consumerMode", mode, "Enhanced fan-out (efo) does not run in the sandbox. ")
    streams = tuple(dict.fromkeys(name.strip() for name in options.get("streamName", "").split(",") if name.strip()))
    if not streams:
        raise OptionError("kinesis: the option streamName is missing. It names the streams to read, such as pin,geo.")
    return Options(
        streams,
        initial_origin(options.get("initialPosition", "latest"), now_ms),
        {name: options[name] for name in CONNECTION if options.get(name)},
        _whole(options, "maxRecordsPerFetch", 10_000, 1, 10_000),
        _size(options, "fetchBufferSize", 16 * 2**20),
        _whole(options, "shardsPerTask", 5, 1, 10_000),
        _seconds(options, "shardFetchInterval", 1.0),
        _seconds(options, "minFetchPeriod", 0.4, 0.2),
        _seconds(options, "maxFetchDuration", 10.0, 0.2),
        _whole(options, "maxShardsPerDescribe", 100, 1, 10_000),
        _whole(options, "clientRetries", 5, 0, 100),
        options.get(DRAIN, "false") == "true",
    )


def _known(given: Mapping[str, str]) -> dict[str, str]:
    names = {name.lower(): name for name in (*FORMS, *CONNECTION, *WITHOUT_MEANING, DRAIN)}
    unknown = [name for name in given if name.lower() not in names]
    if unknown:
        raise OptionError(
            f"kinesis: unknown option {', '.join(unknown)}. The source would not do what it asks for. "
            f"Known are {', '.join(sorted((*FORMS, *CONNECTION, *WITHOUT_MEANING)))}."
        )
    return {names[name.lower()]: value for name, value in given.items()}


def _wrong(name: str, value: str, why: str = "") -> OptionError:
    return OptionError(f"kinesis: the option {name} cannot be {value!r}. {why}Give {FORMS[name]}.")


def _whole(options: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = options.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
        raise _wrong(name, text)
    return int(text)


def _size(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name, f"{default}b")
    found = re.fullmatch(r"\s*(\d+)\s*([a-zA-Z]*)\s*", text)
    unit = (found[2].lower() or "b") if found else ""
    if found is None or unit not in UNITS or int(found[1]) == 0:
        raise _wrong(name, text)
    return int(found[1]) * UNITS[unit]


def _seconds(options: Mapping[str, str], name: str, default: float, least: float = 0.0) -> float:
    """A duration. Databricks takes a number with a unit; ``least`` seconds are its documented minimum."""
    text = options.get(name, f"{int(default * 1000)}ms")
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", text)
    if found is None or found[2].lower() not in SPANS:
        raise _wrong(name, text)
    seconds = float(found[1]) * SPANS[found[2].lower()]
    if seconds < least:
        raise _wrong(name, text, f"The least is {int(least * 1000)}ms. ")
    return seconds
