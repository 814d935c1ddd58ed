"""Looks at the machine and the set-up, and says what to do about what is wrong."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from sandbox.setup import plan, tools
from sandbox.setup.layout import ROOT, SETUP

NEEDED_DISK, NEEDED_MEMORY = 6 * 2**30, 7 * 2**30
Finding = tuple[str, bool, str]


def findings() -> list[Finding]:
    """What was looked at: the subject, whether it is well, and what was found or is to be done."""
    return [_system(), _memory(), _disk(), _python(), _java(), _maven(), *_steps()]


def _system() -> Finding:
    known = platform.system() in ("Linux", "Darwin")
    return "system", known, platform.platform() if known else "Linux and macOS only; on Windows use WSL 2"


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = f"{total / 2**30:.1f} GiB"
    return "memory", total >= NEEDED_MEMORY, text if total >= NEEDED_MEMORY else f"{text}; the parts need 6 GiB"


def _disk() -> Finding:
    free = shutil.disk_usage(ROOT).free
    text = f"{free / 2**30:.0f} GiB free"
    return "disk", free >= NEEDED_DISK, text if free >= NEEDED_DISK else f"{text}; 6 GiB are needed, make room"


def _python() -> Finding:
    found = tools.find_python()
    return "Python 3.12", True, str(found) if found else "none yet; ./pinflow up fetches one through uv"


def _java() -> Finding:
    found = tools.find_java()
    return _tool("Java 17", found, "java")


def _maven() -> Finding:
    found = shutil.which("mvn")
    return _tool("Maven", Path(found) if found else None, "maven")


def _tool(name: str, found: Path | None, package: str) -> Finding:
    if found:
        return name, True, str(found)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return name, True, "none yet; ./pinflow up installs it"
    return name, False, f"none; install it (Debian: sudo apt-get install {tools.APT_PACKAGES[package]})"


def _steps() -> list[Finding]:
    found = []
    for step in plan.steps():
        done = step.is_done()
        found.append((f"set-up: {step.name}", done, "done" if done else "not done; ./pinflow up does it"))
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the findings; the code is 0 when nothing is wrong."""
    found = findings()
    if "--json" in arguments:
        print(json.dumps([{"subject": name, "ok": ok, "detail": text} for name, ok, text in found], indent=1))
    else:
        for name, ok, text in found:
            print(f"{'ok ' if ok else 'NO '} {name:22} {text}")
        print(f"    set-up folder          {SETUP}")
    return 0 if all(ok for _, ok, _ in found) else 1
