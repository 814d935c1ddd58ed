"""What the repository itself says of an account: stacks with their parameters, settings, the sink, the bundle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from include.aws.cloudformation import ORDER, load, stack
from include.aws.connectors import render
from include.config.settings import Settings
from sandbox.cost.errors import NotCostedError, ParameterError
from sandbox.supervisor.home import ROOT

type Resources = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Account:
    """An account with all stacks in it.

    :param settings: of the place.
    :param given: parameters of templates that differ from the settings and the defaults, by stack and name.
    """

    settings: Settings
    given: Mapping[tuple[str, str], str]

    @cached_property
    def stacks(self) -> dict[str, Resources]:
        """The resources of each stack, worked out."""
        return {name: stack(name, self._parameters(name)).resources for name in ORDER}

    def resources(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Stack, logical id and resource of everything."""
        for name, resources in self.stacks.items():
            for logical_id, resource in resources.items():
                yield name, logical_id, resource

    def properties(self, name: str, logical_id: str) -> Mapping[str, Any]:
        """The properties of one resource."""
        found: Mapping[str, Any] = self.stacks[name][logical_id].get("Properties", {})
        return found

    def _parameters(self, name: str) -> dict[str, str]:
        entry = self.settings.stack(name)
        told = {key: value for key, value in (entry.parameters if entry else {}).items() if "${" not in value}
        told |= {key: value for (of, key), value in self.given.items() if of == name}
        needed = {key: f"<{key}>" for key, spec in load(name)["Parameters"].items() if "Default" not in spec}
        return {**needed, **told}

    @property
    def zones(self) -> int:
        """Zones over which brokers, hosts and workers are spread."""
        return len(load("network")["Outputs"]["SubnetIds"]["Value"]["Fn::Join"][1])

    @property
    def landing_days(self) -> float:
        """Days after which landed objects go."""
        rules = self.properties("storage", "LandingBucket")["LifecycleConfiguration"]["Rules"]
        return float(next(rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule))

    def log_days(self, name: str) -> float:
        """Days that a stack's log group keeps what it has."""
        groups = [one for one in self.stacks[name].values() if one["Type"] == "AWS::Logs::LogGroup"]
        return float(groups[0]["Properties"]["RetentionInDays"])

    @cached_property
    def sink(self) -> dict[str, str]:
        """The S3 sink's configuration."""
        names = ("topics", "bucket", "region", "topics_dir", "dead_letter_topic", "replication_factor")
        return render("s3-sink", dict.fromkeys(names, "-"), self.settings.connect.overrides)

    @property
    def machines(self) -> list[str]:
        """The machines of a notebook's cluster, the driver first; none on serverless compute.

        :raises NotCostedError: the cluster is described by something that names no machines.
        """
        cluster = self.settings.workspace.cluster
        if not cluster:
            return []
        workers = cluster.get("num_workers", cluster.get("autoscale", {}).get("max_workers"))
        if workers is None or "node_type_id" not in cluster:
            raise NotCostedError(
                "The clusters cannot be costed.",
                "workspace.cluster of the settings names no node_type_id, or no num_workers.",
                "Name them in a copy of the settings and give it with --settings.",
            )
        node = str(cluster["node_type_id"])
        return [str(cluster.get("driver_node_type_id", node)), *[node] * int(workers)]

    @property
    def photon(self) -> bool:
        """Whether the clusters run Photon."""
        return self.settings.workspace.cluster.get("runtime_engine") == "PHOTON"


def bundle(name: str) -> Any:
    """A file of the Databricks bundle, ``resources/<name>.yml``."""
    import yaml

    return yaml.safe_load((ROOT / f"resources/{name}.yml").read_text(encoding="utf-8"))["resources"]


def warehouse() -> tuple[str, float]:
    """Size of the SQL warehouse, and the hours that it waits before it stops.

    :raises NotCostedError: it is not serverless.
    """
    (found,) = bundle("lake")["sql_warehouses"].values()
    if not found["enable_serverless_compute"]:
        raise NotCostedError(
            "The SQL warehouse cannot be costed.",
            "resources/lake.yml has one that is not serverless, and its machines are not known.",
            "Make it serverless, or add its machines to sandbox/cost/databricks.py.",
        )
    return str(found["cluster_size"]), float(found["auto_stop_mins"]) / 60


def serverless_stream_minutes() -> float:
    """Minutes from one run of the job ``stream_serverless`` to the next."""
    schedule = bundle("stream")["jobs"]["stream_serverless"]["schedule"]["quartz_cron_expression"]
    found = re.fullmatch(r"0 0/(\d+) \* \* \* \?", schedule)
    if found is None:
        raise NotCostedError(
            "The serverless streaming job cannot be costed.",
            f"Its schedule is {schedule!r}, and only one of every so many minutes is understood.",
            "Mend resources/stream.yml or sandbox/cost/account.py.",
        )
    return float(found[1])


def parameters(words: Iterable[str]) -> dict[tuple[str, str], str]:
    """Parameters of templates from texts like ``kafka.BrokerType=kafka.m5.large``.

    :raises ParameterError: one is no such text, or the template has no such parameter or refuses the value.
    """
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        name, dot, parameter = key.partition(".")
        if not (equals and dot):
            raise ParameterError(
                f"--set {word} is not understood.", "It is not of the form.", "Write --set STACK.PARAMETER=VALUE."
            )
        if name not in ORDER:
            raise ParameterError(
                f"There is no stack {name!r}.", "--set names the stack first.", f"There are: {', '.join(ORDER)}."
            )
        declared = load(name)["Parameters"]
        if parameter not in declared:
            raise ParameterError(
                f"The stack {name} has no parameter {parameter!r}.",
                f"include/aws/cloudformation/{name}.yaml has others.",
                f"There are: {', '.join(declared)}.",
            )
        _check(f"{name}.{parameter}", declared[parameter], value)
        found[name, parameter] = value
    return found


def _check(name: str, spec: Mapping[str, Any], value: str) -> None:
    """As CloudFormation would before it made anything."""
    allowed = [str(entry) for entry in spec.get("AllowedValues", [])]
    if allowed and value not in allowed:
        raise _refused(name, value, f"It must be one of {', '.join(allowed)}.")
    if not re.search(spec.get("AllowedPattern", ""), value):
        raise _refused(name, value, f"It must match {spec['AllowedPattern']}.")
    if spec["Type"] == "Number":
        low, high = spec.get("MinValue", 0), spec.get("MaxValue", 1_000_000)
        if not re.fullmatch(r"\d+", value) or not low <= int(value) <= high:
            raise _refused(name, value, f"It must be a whole number from {low} to {high}.")


def _refused(name: str, value: str, why: str) -> ParameterError:
    return ParameterError(f"{name} cannot be {value!r}.", why, "Give another value with --set.")
