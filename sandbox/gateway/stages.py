"""The stages under which the API is served, and their variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sandbox.gateway.document import Api
from sandbox.gateway.faults import Fault, Kind

CLIENTS_STAGES = ("test", "dev", "prod", "production", "Production", "staging")
"""The stages that existing clients of such pipelines have in their addresses; all are the same API here."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


class StageError(ValueError):
    """A stage that cannot be served; the text says what to change."""


@dataclass(frozen=True)
class Stages:
    """Stage names, all with the same variables.

    :raises StageError: a name that API Gateway does not allow.
    """

    names: frozenset[str]
    variables: Mapping[str, str]

    @classmethod
    def of(cls, names: Iterable[str], variables: Mapping[str, str], api: Api) -> Stages:
        """Check names and variables against what the document needs.

        :raises StageError: a bad name, none at all, or a variable that an integration's URI needs is not set.
        """
        made = cls(frozenset(names), variables)
        if not made.names:
            raise StageError("There is no stage to serve. Name at least one with --stage.")
        for name in sorted(made.names):
            if not _NAME.fullmatch(name):
                raise StageError(f"The stage name {name!r} is not allowed: letters, digits, - and _ only, at most 128.")
        needed = {variable for method in api.methods for variable in method.integration.stage_variables}
        if missing := sorted(needed - set(variables)):
            raise StageError(f"The stage variable {missing[0]} is not set, but the document uses it. "
                             f"Add --variable {missing[0]}=VALUE.")  # fmt: skip
        return made

    def split(self, path: str) -> tuple[str, str]:
        """Cut ``/stage/rest`` into the stage's name and ``/rest``.

        :raises Fault: 403 Forbidden, as AWS answers for a stage that it does not know.
        """
        stage, slash, rest = path.removeprefix("/").partition("/")
        if stage not in self.names:
            raise Fault(Kind.FORBIDDEN)
        return stage, slash + rest or "/"
