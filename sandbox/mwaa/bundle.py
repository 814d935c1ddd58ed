"""The bundle ``dist/mwaa``: what MWAA's bucket gets, with a manifest of hashes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.config.settings import load
from sandbox.mwaa import sources
from sandbox.mwaa.archive import archive
from sandbox.mwaa.errors import BundleError
from sandbox.mwaa.requirements import CONSTRAINTS, WANTED, requirements

AIRFLOW = "3.3.1"
PYTHON = "3.12"
MANIFEST = "manifest.json"
STARTUP = Path(__file__).with_name("startup.sh")
SETTINGS_IN_ZIP = "include/config/aws.yaml"
PLACEHOLDER = re.compile(r"<[A-Za-z][\w .-]*>")


@dataclass(frozen=True)
class Bundle:
    """The files of a bundle.

    :param files: content by path in the bundle, the manifest not among them.
    :param plugins: SHA-256 by path in ``plugins.zip``.
    :param placeholders: what the settings leave to be filled in, such as ``<account>``.
    """

    files: Mapping[str, bytes]
    plugins: Mapping[str, str]
    placeholders: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digests", {name: sha256(content) for name, content in sorted(self.files.items())})

    def manifest(self) -> dict[str, Any]:
        """What the bundle is made of; nothing in it depends on when or where it was built."""
        return {
            "airflow": AIRFLOW,
            "python": PYTHON,
            "placeholders": list(self.placeholders),
            "files": {
                name: {"sha256": digest, "bytes": len(self.files[name])} for name, digest in self.digests.items()
            },
            "plugins.zip": dict(sorted(self.plugins.items())),
        }


def sha256(content: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def collect(root: Path, settings: Path | None = None) -> Bundle:
    """Make the bundle in memory.

    :param root: the repository.
    :param settings: the settings of the account, in place of ``include/config/aws.yaml`` with its placeholders.
    :raises BundleError: something is missing or would not work on MWAA.
    :raises include.config.settings.SettingsError: the settings cannot be used.
    """
    constraints = _content(root / "include" / "config" / CONSTRAINTS)
    zipped = sources.plugins(root)
    if settings is not None:
        load(settings)
        zipped[SETTINGS_IN_ZIP] = _content(settings)
    files = {
        **{f"dags/{name}": content for name, content in sources.dags(root).items()},
        f"dags/{CONSTRAINTS}": constraints,
        "plugins.zip": archive(zipped),
        "requirements.txt": requirements(WANTED.read_text(encoding="utf-8"), constraints.decode()).encode(),
        "startup.sh": STARTUP.read_bytes(),
    }
    return Bundle(
        files,
        {name: sha256(content) for name, content in zipped.items()},
        tuple(sorted(set(PLACEHOLDER.findall(_without_comments(zipped[SETTINGS_IN_ZIP].decode()))))),
    )


def write(bundle: Bundle, target: Path) -> None:
    """Put a bundle in place of whatever the folder held; an interruption leaves the old one or none, never half.

    :raises BundleError: the folder holds something that is no bundle.
    """
    if target.exists() and any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise BundleError(
            f"{target} is not empty and holds no bundle.",
            "Building there would remove what it holds.",
            "Name another folder: ./pinflow package --output FOLDER.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        manifest = json.dumps(bundle.manifest(), indent=1, ensure_ascii=True) + "\n"
        for name, content in {**bundle.files, MANIFEST: manifest.encode()}.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        made.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def read(folder: Path) -> Bundle:
    """Read a bundle back.

    :raises BundleError: there is none, or a file is not the one that the manifest names.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(
            f"There is no bundle in {folder}.", "It has not been built yet.", "Run ./pinflow package."
        ) from None
    except ValueError as error:
        raise BundleError(
            f"{folder / MANIFEST} is not JSON.", f"It says: {error}.", "Run ./pinflow package."
        ) from error
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    paths.pop(MANIFEST)
    bundle = Bundle(
        {name: path.read_bytes() for name, path in paths.items()},
        manifest["plugins.zip"],
        tuple(manifest["placeholders"]),
    )
    if differing := sorted(_differing(bundle.digests, {name: e["sha256"] for name, e in manifest["files"].items()})):
        raise BundleError(
            f"{folder / differing[0]} is not what the manifest says.",
            "It was changed, added or removed after the bundle was built.",
            "Change the sources instead, then run ./pinflow package.",
        )
    return bundle


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def changed_since(bundle: Bundle, current: Bundle) -> list[str]:
    """Which sources are other than when the bundle was built, but for the settings, which may come from elsewhere."""
    files = {name: digest for name, digest in bundle.digests.items() if name != "plugins.zip"}
    now = {name: digest for name, digest in current.digests.items() if name != "plugins.zip"}
    zipped = _differing(bundle.plugins, current.plugins) - {SETTINGS_IN_ZIP}
    return sorted(_differing(files, now) | {f"plugins.zip: {name}" for name in zipped})


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(
            f"{path} is missing.",
            "The bundle is made from it.",
            "Bring it back with git checkout, or name the right file, then run ./pinflow package.",
        ) from None


def _without_comments(text: str) -> str:
    return "\n".join(line.partition(" #")[0] for line in text.splitlines() if not line.startswith("#"))
