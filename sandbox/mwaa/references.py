"""Values that a description names instead of holding: stack outputs, secrets, brokers, hosts, environment variables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from include.aws.cloudformation.deployment import described, outputs_of

REFERENCE = re.compile(r"\$\{(?P<kind>[a-z]+):(?P<name>[^}|]+)(?P<filter>\|url)?\}")
LOOSE = re.compile(r"\$\{[^}]*\}?")

type Client = Callable[[str], Any]


class Unresolved(LookupError):  # noqa: N818  it says what is known of the reference
    """A reference whose value is not there; the text says why and never holds a value."""


class References:
    """Looks references up in an account and in the environment of this process.

    :param client: makes a boto3 client of a service.
    :param prefix: the settings' prefix; stacks are named ``<prefix>-<name>``.
    :param region: for the hosts of REST APIs.
    :param environment: the variables that ``${env:...}`` may name.
    """

    def __init__(self, client: Client, prefix: str, region: str, environment: Mapping[str, str] | None = None) -> None:
        self._client, self._prefix, self._region = client, prefix, region
        self._environment = os.environ if environment is None else environment
        self._outputs = cache(self._read_outputs)
        self._secret_text = cache(self._read_secret)

    def fill(self, value: Any, missing: list[str]) -> Any:
        """A copy of a value with its references replaced.

        :param value: text, number, mapping or list.
        :param missing: what could not be resolved is added to it.
        """
        if isinstance(value, Mapping):
            return {name: self.fill(item, missing) for name, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, missing) for item in value]
        if not isinstance(value, str):
            return value
        if unknown := [text for text in LOOSE.findall(value) if not REFERENCE.fullmatch(text)]:
            missing.append(f"{unknown[0]} is no reference")
        return REFERENCE.sub(lambda match: self._replaced(match, missing), value)

    def _replaced(self, match: re.Match[str], missing: list[str]) -> str:
        try:
            found = self._look_up(match["kind"], match["name"])
        except Unresolved as error:
            missing.append(f"{match[0]}: {error}")
            return ""
        except ClientError as error:
            missing.append(f"{match[0]}: AWS says {error.response['Error']['Code']} to {error.operation_name}")
            return ""
        return quote(found, safe="") if match["filter"] == "|url" else found

    def _look_up(self, kind: str, name: str) -> str:
        lookup = {
            "stack": self._stack, "secret": self._secret, "brokers": self._brokers, "api": self._api, "env": self._env,
        }.get(kind)  # fmt: skip
        if lookup is None:
            raise Unresolved(f"there is no kind {kind}")
        return lookup(name)

    def _stack(self, name: str) -> str:
        stack, _, output = name.partition(".")
        outputs = self._outputs(f"{self._prefix}-{stack}")
        if output not in outputs:
            raise Unresolved(f"the stack {self._prefix}-{stack} has no output {output or '(none named)'}")
        return outputs[output]

    def _read_outputs(self, stack: str) -> Mapping[str, str]:
        found = described(self._client("cloudformation"), stack)
        if found is None:
            raise Unresolved(f"there is no stack {stack}")
        return outputs_of(found)

    def _secret(self, name: str) -> str:
        output, _, key = name.partition(":")
        arn = self._stack(output)
        try:
            document = json.loads(self._secret_text(arn))
        except ValueError:
            document = None
        if not isinstance(document, dict) or key not in document:
            raise Unresolved(f"the secret holds no key {key or '(none named)'}")
        return str(document[key])

    def _read_secret(self, arn: str) -> str:
        return str(self._client("secretsmanager").get_secret_value(SecretId=arn).get("SecretString", ""))

    def _brokers(self, name: str) -> str:
        arn = self._stack(name)
        found = self._client("kafka").get_bootstrap_brokers(ClusterArn=arn)
        brokers = found.get("BootstrapBrokerStringSaslIam")
        if not brokers:
            raise Unresolved("the cluster has no brokers with IAM authentication")
        return str(brokers)

    def _api(self, name: str) -> str:
        pages = self._client("apigateway").get_paginator("get_rest_apis").paginate()
        ids = [one["id"] for page in pages for one in page["items"] if one["name"] == name]
        if len(ids) != 1:
            raise Unresolved(f"there are {len(ids)} REST APIs of that name")
        return f"{ids[0]}.execute-api.{self._region}.amazonaws.com"

    def _env(self, name: str) -> str:
        if not self._environment.get(name):
            raise Unresolved("the variable is not set")
        return self._environment[name]
