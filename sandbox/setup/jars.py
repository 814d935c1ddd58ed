"""Resolves the locked jars through Maven and holds them against their sha256."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from sandbox.setup.layout import JARS, SETUP
from sandbox.setup.steps import SetupError
from sandbox.setup.tools import call

GOALS = {
    "kafka": ["dependency:copy-dependencies", "-DincludeScope=runtime"],
    "spark": ["dependency:copy"],
    "spark-aws": ["dependency:copy-dependencies"],
}
POMS = {"kafka": "kafka.pom.xml", "spark": "spark.pom.xml", "spark-aws": "aws.pom.xml"}
# The SDK's netty 4.1 shadows Spark's 4.2, and Spark brings the rest itself.
UNWANTED = {
    "spark-aws": (
        "netty-buffer", "netty-codec", "netty-resolver", "netty-transport", "netty-common", "netty-handler",
        "slf4j-api", "commons-logging", "commons-codec",
    ),
}  # fmt: skip
CHECKSUMS = JARS / "SHA256SUMS"


def fetch(name: str, log: Path) -> None:
    """Copy one set of jars into ``<setup>/jars/<name>``.

    :raises SetupError: Maven failed, or a jar is missing, unexpected or not the locked one.
    """
    draft = SETUP / "jars" / f"{name}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    call([*maven(), "-f", str(JARS / POMS[name]), *GOALS[name], f"-DoutputDirectory={draft}"], log, environment())
    for jar in draft.iterdir():
        if jar.name.startswith(UNWANTED.get(name, ())):
            jar.unlink()
    verify(name, draft)
    final = SETUP / "jars" / name
    shutil.rmtree(final, ignore_errors=True)
    draft.rename(final)


def maven() -> list[str]:
    """The Maven command; ``-C`` makes a wrong checksum of a download fatal."""
    return [(SETUP / "maven").read_text(encoding="utf-8"), "-q", "-B", "-C", "-ntp"]


def environment() -> dict[str, str]:
    """The variables for Maven: the JDK that the set-up found."""
    java = Path((SETUP / "java").read_text(encoding="utf-8"))
    return {**os.environ, "JAVA_HOME": str(java.parents[1])}


def locked() -> dict[str, dict[str, str]]:
    """The lock: sha256 by jar, by set."""
    found: dict[str, dict[str, str]] = {}
    for line in CHECKSUMS.read_text(encoding="utf-8").splitlines():
        digest, _, path = line.partition("  ")
        folder, _, jar = path.partition("/")
        found.setdefault(folder, {})[jar] = digest
    return found


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of each jar in a folder."""
    return {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.glob("*.jar"))}


def verify(name: str, folder: Path) -> None:
    """Hold a folder against the lock.

    :raises SetupError: they differ.
    """
    expected, actual = locked().get(name, {}), digests(folder)
    if wrong := sorted(jar for jar in set(expected) | set(actual) if expected.get(jar) != actual.get(jar)):
        raise SetupError(
            f"The jars of '{name}' are not the locked ones: {', '.join(wrong[:5])}. A version in sandbox/jars "
            "changed, or a download is corrupt. For a wanted change run: python -m sandbox.setup.jars"
        )


def main() -> None:
    """Write the lock from the jars that are installed, after a wanted change of a version."""
    lines = [f"{digest}  {name}/{jar}" for name in POMS for jar, digest in digests(SETUP / "jars" / name).items()]
    CHECKSUMS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
