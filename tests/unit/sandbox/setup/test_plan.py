from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sandbox.setup import plan, tools
from sandbox.setup.steps import SetupError
from tests.unit.sandbox.setup.conftest import Program


def test_the_steps_in_the_order_in_which_they_need_each_other() -> None:
    assert [step.name for step in plan.steps()] == [
        "uv", "tools", "python-airflow", "python-spark", "python-ministack",
        "jars-kafka", "jars-spark", "jars-spark-aws", "s3-sink",
    ]  # fmt: skip


def test_every_input_is_in_the_repository() -> None:
    for step in plan.steps():
        assert step.title
        for one in step.inputs:
            assert isinstance(one, Path)
            assert one.is_file()
            assert one.is_relative_to(plan.ROOT)


def test_every_step_has_an_output() -> None:
    outputs = [path for step in plan.steps() for path in step.outputs]
    assert len(set(outputs)) == len(outputs) >= len(plan.steps())
    assert all(path.is_relative_to(plan.SETUP) for path in outputs)


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("src/main/java/Sink.java", ["s3-sink"]),
        ("src/main/java/New.java", ["s3-sink"]),
        ("pom.xml", ["s3-sink"]),
        ("dependencies.sha256", ["s3-sink"]),
        ("src/test/java/SinkTest.java", []),
    ],
)
def test_a_change_of_the_sink_builds_only_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, again: list[str]
) -> None:
    copy = tmp_path / "connect/s3sink"
    shutil.copytree(plan.SINK, copy)
    shutil.copy(plan.SINK.parent / "build.py", copy.parent)
    (copy / "src/main/java").mkdir(parents=True, exist_ok=True)
    (copy / "src/main/java/Sink.java").write_text("class Sink {}")
    monkeypatch.setattr(plan, "SINK", copy)
    before = {step.name: step.fingerprint() for step in plan.steps()}
    (copy / changed).parent.mkdir(parents=True, exist_ok=True)
    (copy / changed).write_text("// changed")
    assert [step.name for step in plan.steps() if before[step.name] != step.fingerprint()] == again


@pytest.mark.parametrize("name", plan.ENVIRONMENTS)
def test_every_package_is_locked_with_its_hash(name: str) -> None:
    lines = (plan.LOCKS / f"{name}.txt").read_text().replace("\\\n", "").splitlines()
    packages = [line for line in lines if line.strip() and not line.lstrip().startswith(("#", "--index-url"))]
    assert len(packages) > 10
    assert [line for line in packages if "==" not in line or "--hash=sha256:" not in line] == []


class TestEnvironment:
    @pytest.fixture(autouse=True)
    def uv(self, setup: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """A uv that notes its calls and makes interpreters of one line."""
        program(
            "uv",
            f'echo "$@" >> {setup}/calls',
            '[ "$1" = venv ] || exit 0',
            'for folder; do :; done; mkdir -p "$folder/bin"',
            'printf "#!/bin/sh\\necho 1\\n" > "$folder/bin/python"; chmod +x "$folder/bin/python"',
            folder=setup / "venv/bootstrap/bin",
        )
        monkeypatch.setattr(tools, "find_python", lambda: Path("/opt/python3.12"))

    def calls(self, setup: Path) -> list[str]:
        return (setup / "calls").read_text().splitlines()

    def test_it_is_made_and_filled_from_the_lock(self, setup: Path, log: Path) -> None:
        plan.make_environment("spark", log)
        target = setup / "venv/spark"
        assert self.calls(setup) == [
            f"venv --quiet --python /opt/python3.12 {target}",
            f"pip sync --quiet --require-hashes --python {target}/bin/python {plan.LOCKS}/spark.txt",
        ]

    def test_one_that_works_is_only_synchronised(self, setup: Path, log: Path) -> None:
        plan.make_environment("spark", log)
        (setup / "calls").unlink()
        plan.make_environment("spark", log)
        assert [line.split()[0] for line in self.calls(setup)] == ["pip"]

    def test_one_whose_python_went_is_made_anew(self, setup: Path, log: Path) -> None:
        plan.make_environment("spark", log)
        (setup / "venv/spark/left-over").touch()
        (setup / "venv/spark/bin/python").write_text("#!/nowhere/python3.12\n")
        (setup / "calls").unlink()
        plan.make_environment("spark", log)
        assert [line.split()[0] for line in self.calls(setup)] == ["venv", "pip"]
        assert not (setup / "venv/spark/left-over").exists()


def test_the_sink_s_build_error_is_passed_on(setup: Path, program: Program, log: Path) -> None:
    program("python", "echo 'BuildFailedError: cannot find symbol' >&2", "exit 1", folder=setup / "venv/airflow/bin")
    (setup / "java").write_text("/opt/jdk/bin/java")
    (setup / "maven").write_text("/opt/mvn")
    with pytest.raises(SetupError, match=r"^BuildFailedError: cannot find symbol$"):
        plan.build_sink(log)
