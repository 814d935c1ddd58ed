"""An MWAA environment: what an update would change, the update, and waiting for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sandbox.mwaa.bundle import AIRFLOW
from sandbox.mwaa.errors import DeployError

PATHS = {"plugins.zip": "Plugins", "requirements.txt": "Requirements", "startup.sh": "StartupScript"}
NEW = "a new version"
BACKEND = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
POLL_SECONDS = 30.0
PATIENCE_SECONDS = 5400.0
WORKING = {"UPDATING", "CREATING_SNAPSHOT", "PENDING", "ROLLING_BACK", "MAINTENANCE", "CREATING"}


def options(prefix: str) -> dict[str, str]:
    """The configuration options that an environment needs for our connections.

    The pattern is the one of MWAA's image: ``aws_default`` is the execution role and is not looked up.

    :param prefix: the settings' prefix; secrets are named ``<prefix>/airflow/connections/...``.
    """
    found = {
        "connections_prefix": f"{prefix}/airflow/connections",
        "variables_prefix": f"{prefix}/airflow/variables",
        "connections_lookup_pattern": "^(?!aws_default$).*$",
    }
    return {"secrets.backend": BACKEND, "secrets.backend_kwargs": json.dumps(found)}


@dataclass(frozen=True)
class Update:
    """What differs, by parameter of ``UpdateEnvironment``: what is there, and what is wanted."""

    differences: Mapping[str, tuple[Any, Any]]

    def __bool__(self) -> bool:
        return bool(self.differences)

    def lines(self) -> list[dict[str, str]]:
        """As rows for a reader; of options, only the names that change."""
        return [
            {"parameter": name, "now": _shown(old, new), "then": _shown(new, old)}
            for name, (old, new) in self.differences.items()
        ]


class Environment:
    """An environment of MWAA.

    :param client: boto3's MWAA client.
    :param name: the environment.
    :param sleep: waits between two looks.
    """

    def __init__(self, client: Any, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.client, self.name, self.sleep = client, name, sleep

    def describe(self) -> dict[str, Any]:
        """The environment as ``GetEnvironment`` tells it.

        :raises DeployError: there is none of that name, or it may not be looked at.
        """
        try:
            found: dict[str, Any] = self.client.get_environment(Name=self.name)["Environment"]
        except ClientError as error:
            raise DeployError(
                f"The environment {self.name} cannot be read.",
                f"MWAA says: {error.response['Error'].get('Message') or error.response['Error']['Code']}.",
                "Make it with the stack airflow (docs/aws.md), or leave --environment out to fill the bucket only.",
            ) from error
        return found

    def check(self, bucket: str) -> dict[str, Any]:
        """Look whether the environment can take our bundle.

        :raises DeployError: another image, another bucket, or it is at work.
        """
        found = self.describe()
        if found["AirflowVersion"] != AIRFLOW:
            raise DeployError(
                f"{self.name} runs Airflow {found['AirflowVersion']}.",
                f"The bundle is made for MWAA's image {AIRFLOW} and was checked with its packages only.",
                f"Upgrade the environment to {AIRFLOW}, then run ./pinflow deploy mwaa again.",
            )
        if found["SourceBucketArn"].rpartition(":")[2] != bucket:
            raise DeployError(
                f"{self.name} does not read the bucket {bucket}.",
                f"Its bucket is {found['SourceBucketArn'].rpartition(':')[2]}.",
                "Name that one: ./pinflow deploy mwaa --bucket.",
            )
        if found["Status"] not in ("AVAILABLE", "UPDATE_FAILED"):
            raise DeployError(
                f"{self.name} is {found['Status']}.",
                "MWAA takes one change at a time.",
                "Wait until it is AVAILABLE, then run ./pinflow deploy mwaa again; it goes on where it stopped.",
            )
        return found

    def update(self, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Update:
        """What would have to change.

        :param found: the environment.
        :param wanted: parameters of ``UpdateEnvironment``; options are laid over those that are there.
        """
        merged = dict(wanted)
        if "AirflowConfigurationOptions" in merged:
            before = found.get("AirflowConfigurationOptions") or {}
            ours = {name: _kept(before.get(name), text) for name, text in merged["AirflowConfigurationOptions"].items()}
            merged["AirflowConfigurationOptions"] = {**before, **ours}
        return Update({name: (found.get(name), value) for name, value in merged.items() if found.get(name) != value})

    def apply(self, update: Update, strategy: str) -> None:
        """Ask for the update.

        A path always goes with its version, as the API wants it.

        :param strategy: ``GRACEFUL`` lets running tasks end first, ``FORCED`` does not.
        :raises DeployError: MWAA refuses.
        """
        given = {name: new for name, (_, new) in update.differences.items()}
        try:
            self.client.update_environment(Name=self.name, WorkerReplacementStrategy=strategy, **given)
        except ClientError as error:
            raise DeployError(
                f"{self.name} does not take the update.",
                f"MWAA says: {error.response['Error'].get('Message') or error.response['Error']['Code']}.",
                "Nothing was changed but the objects in the bucket. Mend it, then run ./pinflow deploy mwaa again.",
            ) from error

    def wait(
        self,
        before: Mapping[str, Any],
        update: Update,
        on_state: Callable[[str], None] = lambda state: None,
    ) -> None:
        """Wait until the update is done; it takes 10 to 40 minutes.

        :param before: the environment before the update.
        :param on_state: told each state.
        :raises DeployError: the update failed, and MWAA went back to what was there; or it takes too long.
        """
        for _ in range(int(PATIENCE_SECONDS / POLL_SECONDS)):
            found = self.describe()
            on_state(found["Status"])
            _raise_if_failed(self.name, before, found)
            if found["Status"] == "AVAILABLE" and all(
                found.get(name) == new for name, (_, new) in update.differences.items()
            ):
                return
            self.sleep(POLL_SECONDS)
        raise DeployError(
            f"{self.name} is still {found['Status']} after {PATIENCE_SECONDS / 60:.0f} minutes.",
            "With GRACEFUL, MWAA waits up to 12 hours for running tasks.",
            "Look at it in the console; run ./pinflow deploy mwaa again when it is AVAILABLE.",
        )


def wanted(prefix: str, versions: Mapping[str, str], settings_prefix: str) -> dict[str, Any]:
    """The parameters of ``UpdateEnvironment`` for a bundle.

    :param prefix: what the keys begin with.
    :param versions: the S3 versions of ``plugins.zip``, ``requirements.txt`` and ``startup.sh``.
    :param settings_prefix: the settings' prefix, for the secrets' names.
    """
    found: dict[str, Any] = {"DagS3Path": f"{prefix}dags"}
    for name, parameter in PATHS.items():
        found[f"{parameter}S3Path"] = f"{prefix}{name}"
        found[f"{parameter}S3ObjectVersion"] = versions[name]
    return {**found, "AirflowConfigurationOptions": options(settings_prefix)}


def _raise_if_failed(name: str, before: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    last = found.get("LastUpdate") or {}
    is_ours = last.get("CreatedAt") != (before.get("LastUpdate") or {}).get("CreatedAt")
    if found["Status"] in WORKING or not is_ours or last.get("Status") != "FAILED":
        return
    error = last.get("Error") or {}
    raise DeployError(
        f"{name} could not be updated.",
        f"It went back to what it had. MWAA says: {error.get('ErrorMessage') or error.get('ErrorCode') or 'nothing'}.",
        "The DAG files were not uploaded. Mend it, then run ./pinflow deploy mwaa again.",
    )


def _kept(now: str | None, wanted: str) -> str:
    """What is there, when it says the same: JSON may be written in several ways."""
    try:
        return now if now and json.loads(now) == json.loads(wanted) else wanted
    except ValueError:
        return wanted


def _shown(value: Any, other: Any) -> str:
    if isinstance(value, Mapping):
        known = other or {}
        return ", ".join(sorted(name for name, text in value.items() if known.get(name) != text)) or "-"
    return str(value) if value else "-"
