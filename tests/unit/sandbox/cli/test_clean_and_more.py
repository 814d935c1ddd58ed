from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from emulator.ledger.tables import metadata, runs
from sandbox.cli import clean, measure, testing
from sandbox.setup.layout import ROOT
from sandbox.supervisor.home import Home
from tests.unit.sandbox.cli.conftest import Pinflow


class TestClean:
    @pytest.fixture(autouse=True)
    def used(self, home: Home, pinflow: Pinflow) -> None:
        """A sandbox that ran: data of some parts, a log, ports, a source."""
        for part in ("kafka", "aws", "airflow", "databricks"):
            (home.data(part) / "file").write_text("state")
        home.log("kafka").parent.mkdir(parents=True)
        home.log("kafka").write_text("log")
        home.port("kafka")
        assert pinflow("source", "seed", "--posts", "5").exit_code == 0

    def left(self, home: Home) -> set[str]:
        return {path.relative_to(home.base).as_posix() for path in home.base.rglob("*") if path.is_file()}

    @pytest.mark.parametrize("words", [[], ["--data", "--all"], ["--yes"]])
    def test_it_must_be_said_what(self, pinflow: Pinflow, home: Home, words: list[str]) -> None:
        before = self.left(home)
        shown = pinflow("clean", *words)
        assert shown.exit_code == 2
        assert "say --data or --all" in shown.stderr
        assert self.left(home) == before

    def test_nothing_goes_without_a_yes(self, pinflow: Pinflow, home: Home) -> None:
        before = self.left(home)
        assert pinflow("clean", "--all").exit_code == 1
        assert self.left(home) == before

    def test_data(self, pinflow: Pinflow, home: Home) -> None:
        port = home.port("kafka")
        checkpoint = home.data("databricks") / "dbfs/pinflow/checkpoints/posts/identity.json"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_text("{}")
        with create_engine(home.source_url).begin() as source:
            metadata.create_all(source)
            row = {"run_id": "r", "target": "batch", "mode": "fast", "seed": 1, "posts": 1, "state": "finished"}
            source.execute(runs.insert().values(started_at=datetime.now(UTC), **row))
        shown = pinflow("clean", "--data", "--yes")
        assert (shown.exit_code, shown.stdout) == (0, "")
        left = self.left(home)
        assert {"data/airflow/file", "data/source/source.sqlite", "log/kafka.log", "run/ports.json"} <= left
        assert not {"data/kafka/file", "data/aws/file"} & left
        assert not checkpoint.exists()
        assert home.port("kafka") == port
        with create_engine(home.source_url).connect() as source:
            assert source.execute(text("select count(*) from pinterest_data")).scalar_one() == 5
            assert source.execute(text("select count(*) from pinflow_run")).scalar_one() == 0

    def test_all(self, pinflow: Pinflow, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        (home.base / "setup").mkdir()
        (home.base / "setup/uv").write_text("installed")
        assert pinflow("clean", "--all", "--yes").exit_code == 0
        assert self.left(home) == {"setup/uv"}

    def test_what_runs_is_stopped_first(self, pinflow: Pinflow, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[bool] = []
        monkeypatch.setattr(clean, "take_down", lambda: seen.append((home.base / "data/kafka/file").exists()))
        pinflow("clean", "--all", "--yes")
        assert seen == [True]


class TestBench:
    def test_an_unknown_one(self, pinflow: Pinflow) -> None:
        shown = pinflow("bench", "everything")
        assert shown.exit_code == 2
        assert "there is no benchmark 'everything'; there are: ingest-batch, stream" in shown.stderr

    @pytest.mark.parametrize("name", measure.BENCHMARKS)
    def test_each_starts_its_parts_and_measures(
        self, pinflow: Pinflow, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        module, parts = measure.BENCHMARKS[name]
        rows = [{"client": "[ours]", "posts/s": 5000, "ratio": 61.5}]
        stand_in: Any = ModuleType(module)
        asked: list[object] = []
        stand_in.measure = lambda posts: asked.append(posts) or rows
        monkeypatch.setitem(sys.modules, module, stand_in)
        monkeypatch.setattr(measure, "bring_up", asked.append)
        shown = pinflow("bench", name, "--size", "200", "--json")
        assert json.loads(shown.stdout) == rows
        assert asked == [list(parts), 200]
        assert "[ours]" in pinflow("bench", name).stdout
        assert asked[-1] == measure.SIZES[name]

    def test_each_module_is_there(self) -> None:
        for module, _ in measure.BENCHMARKS.values():
            source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text()
            assert "def measure(" in source


class TestTest:
    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch, home: Home) -> list[list[str]]:
        """The programs that were called; those with a word in ``bad`` fail."""
        found: list[list[str]] = []
        self.bad = ""

        def call(argv: list[str], cwd: Path, env: dict[str, str]) -> int:
            found.append(argv)
            return int(bool(self.bad) and any(self.bad in word for word in argv))

        monkeypatch.setattr(testing.subprocess, "call", call)
        monkeypatch.setattr(testing, "maven", lambda: ["mvn", "-q"])
        monkeypatch.setattr(testing, "maven_environment", dict)
        return found

    def titles(self, calls: list[list[str]]) -> list[str]:
        return [Path(argv[0]).parent.parent.name + ":" + " ".join(argv[1:4]) for argv in calls]

    def test_quick_is_style_types_and_units(self, pinflow: Pinflow, calls: list[list[str]]) -> None:
        assert pinflow("test", "--quick").exit_code == 0
        assert self.titles(calls) == [
            "airflow:check .", "airflow:format --check .", f"airflow:{' '.join(testing.TYPED[:3])}",
            "airflow:-m pytest -n",
        ]  # fmt: skip

    def test_all(self, pinflow: Pinflow, calls: list[list[str]]) -> None:
        assert pinflow("test").exit_code == 0
        found = self.titles(calls)
        assert "spark:-m pytest tests/spark" in found
        assert "airflow:-m pytest tests/integration" in found
        assert any(argv[0] == "mvn" and argv[-1] == "test" for argv in calls)

    def test_the_whole_run_holds_the_package_to_its_coverage(self, pinflow: Pinflow, calls: list[list[str]]) -> None:
        pinflow("test", "--quick")
        assert not any(word.startswith("--cov") for argv in calls for word in argv)
        pinflow("test")
        (units,) = [argv for argv in calls if "--cov-fail-under=95" in argv]
        assert {"--cov=plugins/pinflow", "--cov-branch", "tests/unit", "tests/dags"} <= set(units)

    @pytest.mark.parametrize("bad", ["mypy", "ruff", "tests/unit", "tests/spark", "tests/integration", "mvn"])
    def test_one_that_fails_hides_no_other(self, pinflow: Pinflow, calls: list[list[str]], bad: str) -> None:
        pinflow("test")
        number = len(calls)
        calls.clear()
        self.bad = bad
        assert pinflow("test").exit_code == 1
        assert len(calls) == number

    @pytest.mark.parametrize(
        ("path", "environment"), [("tests/unit/test_bootstrap.py", "airflow"), ("tests/spark/gold", "spark")]
    )
    def test_only_some(self, pinflow: Pinflow, calls: list[list[str]], path: str, environment: str) -> None:
        shown = pinflow("test", path, "--", "-k", "name")
        assert shown.exit_code == 0
        ((program, *words),) = calls
        assert program.endswith(f"venv/{environment}/bin/python")
        assert words == ["-m", "pytest", path, "-k", "name"]
