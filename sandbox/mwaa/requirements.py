"""``requirements.txt`` of the bundle: the constraint line first, then what the image lacks, each with its version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sandbox.mwaa.errors import BundleError

WANTED = Path(__file__).with_name("requirements.in")
CONSTRAINTS = "constraints-mwaa-3.3.1.txt"
AIRFLOW_HOME = "/usr/local/airflow"
LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[a-z0-9,-]+\])?(?:==(?P<version>[A-Za-z0-9.+!-]+))?")


def requirements(wanted: str, constraints: str) -> str:
    """The text of ``requirements.txt``.

    The constraint file lies in the DAGs folder, where AWS tells to put one of one's own: it has no address outside
    the account to fetch, and its versions are those that the tests ran with.

    :param wanted: one package a line; a version only where the constraints have none.
    :param constraints: the text of the constraint file.
    :raises BundleError: a package has no version, or another than the constraints'.
    """
    known = {_normal(name): version for name, _, version in _lines(constraints)}
    lines = [f'--constraint "{AIRFLOW_HOME}/dags/{CONSTRAINTS}"']
    for name, extras, version in _lines(wanted):
        constrained = known.get(_normal(name), "")
        if version and constrained and version != constrained:
            raise BundleError(
                f"{WANTED.name} wants {name}=={version}.",
                f"The image's constraints have {constrained}, and MWAA would start without any of our packages.",
                f"Take the version off {name} in sandbox/mwaa/{WANTED.name}, then run ./pinflow package.",
            )
        if not (version or constrained):
            raise BundleError(
                f"{WANTED.name} names {name} without a version.",
                "The image's constraints do not know it, so that each start could install another one.",
                f"Write {name}==<version> in sandbox/mwaa/{WANTED.name}, then run ./pinflow package.",
            )
        lines.append(f"{name}{extras}=={version or constrained}")
    return "\n".join(lines) + "\n"


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    for line in text.splitlines():
        stripped = line.partition("#")[0].strip()
        if not stripped:
            continue
        match = LINE.fullmatch(stripped)
        if match is None:
            raise BundleError(
                f"{stripped!r} is no requirement.",
                "A line is a package's name, its extras, and == with a version.",
                "Mend the line, then run ./pinflow package.",
            )
        yield match["name"], match["extras"] or "", match["version"] or ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
