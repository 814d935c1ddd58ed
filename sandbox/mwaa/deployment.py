"""A bundle on its way into an account: the plan, and acting on it in an order that leaves no DAG without plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.mwaa.bucket import Bucket, Difference
from sandbox.mwaa.bundle import Bundle
from sandbox.mwaa.environment import NEW, PATHS, Environment, Update, wanted
from sandbox.mwaa.errors import DeployError

type Progress = Callable[[str, str], None]


@dataclass(frozen=True)
class Plan:
    """What a deployment would do.

    :param found: the environment as it is; None when only the bucket is filled.
    """

    bucket: Difference
    update: Update
    found: Mapping[str, Any] | None

    @property
    def is_empty(self) -> bool:
        """Whether everything is as the bundle has it."""
        return not (self.bucket.upload or self.bucket.remove or self.update)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "upload": list(self.bucket.upload),
            "remove": list(self.bucket.remove),
            "keep": list(self.bucket.keep),
            "foreign": list(self.bucket.foreign),
            "environment": self.update.lines(),
        }


class Deployment:
    """A bundle, a bucket and, if there is one yet, the environment that reads it.

    :param settings_prefix: the settings' prefix, for the secrets' names.
    """

    def __init__(self, bundle: Bundle, bucket: Bucket, environment: Environment | None, settings_prefix: str) -> None:
        self.bundle, self.bucket, self.environment = bundle, bucket, environment
        self.settings_prefix = settings_prefix

    def plan(self) -> Plan:
        """Look at bucket and environment; nothing is changed.

        :raises DeployError: one of them cannot be used, or the bundle holds placeholders.
        """
        if self.bundle.placeholders:
            raise DeployError(
                f"The bundle's settings still hold {', '.join(self.bundle.placeholders)}.",
                "The DAGs would ask for a bucket of that name.",
                "Copy include/config/aws.yaml, fill it in, then run ./pinflow package --settings COPY.",
            )
        self.bucket.check()
        difference = self.bucket.difference(self.bundle)
        if self.environment is None:
            return Plan(difference, Update({}), None)
        found = self.environment.check(self.bucket.name)
        versions = {name: NEW if name in difference.upload else self.bucket.version(name) for name in PATHS}
        return Plan(difference, self._update(found, versions), found)

    def act(self, plan: Plan, strategy: str, on_progress: Progress = lambda name, state: None) -> None:
        """Do what the plan says.

        What the environment's update needs goes first, then the update, and the DAG files only when it is done:
        MWAA reads them within a minute, and an update takes 10 to 40.

        :param strategy: ``GRACEFUL`` or ``FORCED``, for running tasks.
        :param on_progress: told names and states.
        :raises DeployError: the environment does not take the update, or it fails.
        """
        last = [name for name in plan.bucket.upload if name.startswith("dags/") and name.endswith(".py")]
        self._put([name for name in plan.bucket.upload if name not in last], on_progress)
        if self.environment is not None and plan.found is not None:
            update = self._update(plan.found, {name: self.bucket.version(name) for name in PATHS})
            if update:
                self.environment.apply(update, strategy)
                self.environment.wait(plan.found, update, lambda state: on_progress(self._name, state.lower()))
        self._put(last, on_progress)
        for name in plan.bucket.remove:
            self.bucket.remove(name)
            on_progress(name, "removed")

    @property
    def _name(self) -> str:
        return self.environment.name if self.environment else ""

    def _update(self, found: Mapping[str, Any], versions: Mapping[str, str]) -> Update:
        if self.environment is None:
            return Update({})
        return self.environment.update(found, wanted(self.bucket.prefix, versions, self.settings_prefix))

    def _put(self, names: list[str], on_progress: Progress) -> None:
        for name in names:
            self.bucket.put(name, self.bundle.files[name], self.bundle.digests[name])
            on_progress(name, "uploaded")
