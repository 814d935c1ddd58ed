"""Each DAG can be imported, keeps the policy, is quick to parse and survives serialisation.

The files in ``broken`` are meant to fail, so that these checks are themselves checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dags.conftest import ROOT
from tests.dags.policy import LONGEST_PARSE, findings

FILES = sorted((ROOT / "dags").glob("*.py"))
EXPECTED = {"pinflow_provision", "pinflow_emulate", "pinflow_batch", "pinflow_streaming", "pinflow_teardown"}


def parse_times(bag: Any) -> dict[str, float]:
    return {Path(stat.file).name: stat.duration.total_seconds() for stat in bag.dagbag_stats}


def round_trip(dag: Any) -> Any:
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))


class TestImport:
    def test_no_errors(self, bag: Any) -> None:
        assert bag.import_errors == {}

    def test_all_are_there_one_a_file(self, bag: Any) -> None:
        assert set(bag.dags) >= EXPECTED
        assert {Path(dag.fileloc).stem for dag in bag.dags.values()} == set(bag.dags)

    def test_an_error_is_seen(self, broken: Any) -> None:
        errors = broken("import_error").import_errors
        assert "no_such_package_anywhere" in next(iter(errors.values()))


class TestWarnings:
    def test_none(self, bag: Any) -> None:
        assert bag.captured_warnings == {}

    def test_one_is_seen(self, broken: Any) -> None:
        assert broken("warns").captured_warnings


class TestParseTime:
    def test_budget(self, bag: Any) -> None:
        assert {name: seconds for name, seconds in parse_times(bag).items() if seconds > LONGEST_PARSE} == {}

    def test_a_slow_file_is_seen(self, broken: Any) -> None:
        assert max(parse_times(broken("slow")).values()) > LONGEST_PARSE


class TestCycles:
    def test_none(self, bag: Any) -> None:
        for dag in bag.dags.values():
            dag.check_cycle()

    def test_one_is_seen(self, broken: Any) -> None:
        assert "ycle" in next(iter(broken("cycle").import_errors.values()))


class TestSerialisation:
    @pytest.mark.parametrize("dag_id", sorted(EXPECTED))
    def test_round_trip(self, bag: Any, dag_id: str) -> None:
        dag = bag.dags[dag_id]
        again = round_trip(dag)
        assert set(again.task_dict) == set(dag.task_dict)
        assert {t.task_id: t.downstream_task_ids for t in again.tasks} == {
            t.task_id: t.downstream_task_ids for t in dag.tasks
        }
        assert {name: again.params.get(name) for name in dag.params} == dict(dag.params)

    def test_what_cannot_be_serialised_is_seen(self, broken: Any) -> None:
        with pytest.raises(Exception, match="OwnTimetable"):
            round_trip(broken("unserialisable").dags["broken_unserialisable"])


class TestPolicy:
    def test_kept(self, bag: Any) -> None:
        assert [text for dag in bag.dags.values() for text in findings(dag)] == []

    def test_each_breach_is_found_with_its_mend(self, broken: Any) -> None:
        told = "\n".join(findings(broken("careless").dags["Careless"]))
        for mend in (
            "name it pinflow_",
            "add tags",
            "add doc_md",
            "set catchup=False",
            "set max_active_runs=1",
            "set dagrun_timeout",
            "use CronDataIntervalTimetable",
            "give the parameter untold a title",
            "give the parameter untold a description_md",
            "set an owner",
            "set execution_timeout",
            "set retries;",
            "set retries=2",
            "set retry_policy",
        ):
            assert mend in told, f"the policy does not find: {mend}"


WATCH = """
import socket, subprocess, os, sys
done = []
def note(kind):
    def call(*arguments, **_):
        done.append(f"{kind} {arguments[-1:]}")
        raise OSError(f"{kind} while a DAG file is parsed")
    return call
socket.socket.connect = note("connect")
socket.socket.connect_ex = note("connect")
socket.getaddrinfo = note("resolve")
from airflow.dag_processing.dagbag import BundleDagBag
subprocess.Popen.__init__ = note("process")
os.system = note("process")
from pathlib import Path
path = Path(sys.argv[1])
bag = BundleDagBag(dag_folder=path, bundle_path=path.parent, bundle_name="tests")
import json
heavy = [name for name in ("pyspark", "pandas", "emulator.post", "duckdb") if name in sys.modules]
print(json.dumps({"done": done, "errors": [str(e)[-300:] for e in bag.import_errors.values()], "heavy": heavy}))
"""


class TestNothingHappensWhileParsing:
    """In a fresh process each: a module that was imported before would not be looked at again."""

    def parse(self, path: Path) -> dict[str, list[str]]:
        done = subprocess.run(
            [sys.executable, "-c", WATCH, str(path)], capture_output=True, text=True, check=True, timeout=120
        )
        found: dict[str, list[str]] = json.loads(done.stdout.strip().splitlines()[-1])
        return found

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_no_network_no_process_no_heavy_import(self, path: Path) -> None:
        assert self.parse(path) == {"done": [], "errors": [], "heavy": []}

    def test_both_are_seen(self) -> None:
        found = self.parse(ROOT / "tests" / "dags" / "broken" / "network.py")["done"]
        assert {entry.split()[0] for entry in found} >= {"resolve", "process"}
