"""All steps of the set-up, in order."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

from sandbox.setup import jars, tools
from sandbox.setup.layout import ENVIRONMENTS, JARS, LOCKS, ROOT, SETUP, interpreter
from sandbox.setup.steps import SetupError, Step

SINK = ROOT / "sandbox" / "connect" / "s3sink"
TITLES = {
    "airflow": "Airflow 3.3.1 on MWAA's package set",
    "spark": "Spark 4.1 and Delta",
    "ministack": "the AWS emulator",
}


def steps() -> list[Step]:
    """The whole set-up; each step needs those before it."""
    return [
        Step("uv", "uv, which installs Python packages", [LOCKS / "uv.txt"], tools.install_uv,
             [SETUP / "venv" / "bootstrap" / "bin" / "uv"]),
        Step("tools", "Java 17 and Maven", [], tools.install_java_and_maven, [SETUP / "java", SETUP / "maven"]),
        *(
            Step(f"python-{name}", TITLES[name], [LOCKS / f"{name}.txt"], partial(make_environment, name),
                 [interpreter(name)])
            for name in ENVIRONMENTS
        ),
        *(
            Step(f"jars-{name}", f"jars: {name}", [JARS / pom, jars.CHECKSUMS], partial(jars.fetch, name),
                 [SETUP / "jars" / name])
            for name, pom in jars.POMS.items()
        ),
        Step("s3-sink", "the S3 sink for Kafka Connect", sink_sources(), build_sink,
             [SETUP / "plugins" / "s3-sink.zip"]),
    ]  # fmt: skip


def sink_sources() -> list[Path]:
    """What the S3 sink is built from."""
    main = sorted(path for path in (SINK / "src" / "main").rglob("*") if path.is_file())
    return [SINK / "pom.xml", SINK / "dependencies.sha256", SINK.parent / "build.py", *main]


def make_environment(name: str, log: Path) -> None:
    """One Python environment with exactly the locked packages."""
    python = tools.install_python(log)
    uv = str(tools.find_uv())
    target = SETUP / "venv" / name
    if not interpreter(name).exists() or not tools.answer([str(interpreter(name)), "-c", "print(1)"]):
        shutil.rmtree(target, ignore_errors=True)
        tools.call([uv, "venv", "--quiet", "--python", str(python), str(target)], log)
    sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(interpreter(name))]
    tools.call([*sync, str(LOCKS / f"{name}.txt")], log)


def build_sink(log: Path) -> None:
    """Build the sink with the Airflow environment's Python, as its build script wants 3.12."""
    code = (
        "import sys; from pathlib import Path; from sandbox.connect.build import build; "
        "build(java_home=Path(sys.argv[1]), maven=Path(sys.argv[2]), setup=Path(sys.argv[3]), log=Path(sys.argv[4]))"
    )
    java = Path((SETUP / "java").read_text(encoding="utf-8")).parents[1]
    maven = (SETUP / "maven").read_text(encoding="utf-8")
    done = subprocess.run(
        [str(interpreter("airflow")), "-c", code, str(java), maven, str(SETUP), str(log)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SetupError(done.stderr[-1500:].strip())
